//! The fleet in a browser: whole pages from the server, plain links and forms, no script.
//!
//! A page works with a keyboard alone, with a screen reader (landmarks, a skip link, headings, table headers, labels, a
//! status line that is announced), on a phone (tables become lists), and in the colours the reader prefers.

use std::fmt::Write as _;

use axum::Form;
use axum::extract::{Query as Parameters, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::api::{self, ObjectParameters, SearchParameters};
use super::authn::COOKIE;
use super::{Asker, Hub, Refusal};
use crate::agent::now;
use crate::answer::{Answered, answer, known};
use crate::freshness::Freshness;
use crate::query::{Field, Query, parse};
use crate::record::Record;

/// How many objects a page shows.
const SHOWN: usize = 200;
/// The fields by which a result can be narrowed down, and how many values of each are shown.
const FACETS: [Field; 4] = [Field::Cluster, Field::Health, Field::Kind, Field::Namespace];
const VALUES: usize = 8;
/// The cookie of a sign-in under way.
const STATE: &str = "pequod-fleet-state";

/// A text inside HTML, in an attribute too.
fn in_html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A text inside a URL's query.
pub(crate) fn in_url(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    safe
}

fn page(title: &str, signed_in: Option<&str>, body: &str) -> Response {
    let out = signed_in.map_or_else(String::new, |user| {
        format!(
            "<li>Signed in as {}</li><li><form method=\"post\" action=\"/logout\"><button>Sign out</button></form></li>",
            in_html(user)
        )
    });
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
<title>{} – Pequod fleet</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body>\
<a class=\"skip\" href=\"#main\">Skip to the content</a>\
<header><nav aria-label=\"Main\"><ul><li><strong>Pequod fleet</strong></li><li><a href=\"/\">Search</a></li>\
<li><a href=\"/clusters\">Clusters</a></li>{out}</ul></nav></header>\
<main id=\"main\" tabindex=\"-1\">{body}</main></body></html>\n",
        in_html(title)
    );
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A refusal as a page: who is not known is led to the sign-in.
fn refused(refusal: &Refusal) -> Response {
    if matches!(refusal, Refusal::Unauthenticated(_)) {
        return Redirect::to("/login").into_response();
    }
    let body = format!(
        "<h1>That did not work</h1><p class=\"notice\" role=\"alert\">{}</p><p><a href=\"/\">Back to the search</a></p>",
        in_html(&refusal.to_string())
    );
    let mut answer = page("Problem", None, &body);
    *answer.status_mut() = refusal.status();
    answer
}

/// `GET /style.css`
pub async fn style() -> impl IntoResponse {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], include_str!("style.css"))
}

/// `GET /`
pub async fn search(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Response {
    let shown = async {
        let asker = hub.enter(&headers).await?;
        show(&hub, &asker, &parameters).await
    };
    shown.await.unwrap_or_else(|refusal| refused(&refusal))
}

/// What somebody typed may be a query or a question: a query has a field in it.
fn meant(typed: &str) -> SearchParameters {
    let exact = typed.is_empty()
        || typed.split_whitespace().any(|word| {
            let word = word.trim_start_matches('-');
            let field = word.split([':', '<', '>']).next().unwrap_or_default();
            word.len() > field.len()
                && (Field::named(field).is_some() || matches!(field, "age" | "changed" | "by"))
        });
    let typed = typed.to_owned();
    if exact {
        SearchParameters {
            q: typed,
            ..SearchParameters::default()
        }
    } else {
        SearchParameters {
            ask: typed,
            ..SearchParameters::default()
        }
    }
}

async fn show(
    hub: &Hub,
    asker: &Asker,
    parameters: &SearchParameters,
) -> Result<Response, Refusal> {
    let typed = if parameters.ask.is_empty() {
        &parameters.q
    } else {
        &parameters.ask
    };
    let mut meant = meant(typed);
    meant.limit = Some(SHOWN);
    let found = match api::found(asker, &meant).await {
        Err(Refusal::Input(why)) => {
            let body =
                form(typed) + &format!("<p class=\"notice\" role=\"alert\">{}</p>", in_html(&why));
            let mut answer = page("Search", Some(&asker.caller.user), &body);
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(answer);
        }
        found => found?,
    };
    hub.noted(asker, "page", &found.query, found.total)?;
    let mut body = form(&found.query);
    let _ = write!(
        body,
        "<h1>{}</h1>",
        if found.query.is_empty() {
            "Everything".to_owned()
        } else {
            format!("<code>{}</code>", in_html(&found.query))
        }
    );
    body += &worth(&found.freshness);
    body += "<div class=\"columns\">";
    body += &facets(asker, &found.query).await?;
    body += &results(&found);
    body += "</div>";
    Ok(page("Search", Some(&asker.caller.user), &body))
}

fn form(typed: &str) -> String {
    format!(
        "<form class=\"search\" role=\"search\" method=\"get\" action=\"/\"><div class=\"words\">\
<label for=\"q\">Query, words, or a question</label>\
<input id=\"q\" name=\"q\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" value=\"{}\" \
placeholder=\"failing pods in prod clusters\" aria-describedby=\"hint\"></div><button>Search</button></form>\
<p id=\"hint\">For example <code>kind:Pod health:Failed age&gt;1h</code>, or <em>deployments without replicas ready</em>.</p>",
        in_html(typed)
    )
}

fn worth(freshness: &Freshness) -> String {
    let mut html = format!("<p role=\"status\">{}</p>", in_html(&freshness.footer()));
    let warnings = freshness.warnings();
    if !warnings.is_empty() {
        html += "<div class=\"notice\" role=\"alert\"><p>The answer may be incomplete:</p><ul>";
        for warning in warnings {
            let _ = write!(
                html,
                "<li>{}</li>",
                in_html(warning.trim_start_matches("Warning: "))
            );
        }
        html += "</ul></div>";
    }
    html
}

/// Links that narrow the query down.
async fn facets(asker: &Asker, shown: &str) -> Result<String, Refusal> {
    let query = parse::parse(shown).map_err(|problem| Refusal::Input(problem.message))?;
    let known = known(&*asker.store).await?;
    let mut html =
        String::from("<nav class=\"facets\" aria-label=\"Narrow down\"><h2>Narrow down</h2>");
    for field in FACETS {
        if query.values(field).is_some_and(|values| values.len() == 1) {
            continue;
        }
        let counted = Query {
            by: Some(field),
            ..query.clone()
        };
        let counts = answer(&*asker.store, &known, &counted, now(), VALUES)
            .await?
            .counts;
        if counts.is_empty() {
            continue;
        }
        let _ = write!(
            html,
            "<h3 id=\"by-{0}\">{0}</h3><ul aria-labelledby=\"by-{0}\">",
            field.word()
        );
        for count in counts {
            let narrower = query.clone().is(field, [count.value.clone()]).to_string();
            let _ = write!(
                html,
                "<li><a href=\"/?q={}\">{}</a> <span>{}</span></li>",
                in_url(&narrower),
                in_html(&count.value),
                count.count
            );
        }
        html += "</ul>";
    }
    Ok(html + "</nav>")
}

fn results(found: &Answered) -> String {
    if !found.unknown_kinds.is_empty() {
        return format!(
            "<section aria-label=\"Results\"><p class=\"notice\">No cluster serves a kind {}.</p></section>",
            in_html(&found.unknown_kinds.join(", "))
        );
    }
    let mut html = String::from("<section aria-label=\"Results\">");
    if !found.counts.is_empty() {
        html += "<table><caption>Objects by value</caption><thead><tr><th scope=\"col\">Value</th><th scope=\"col\">Objects</th></tr></thead><tbody>";
        for count in &found.counts {
            let _ = write!(
                html,
                "<tr><td data-label=\"Value\">{}</td><td data-label=\"Objects\">{}</td></tr>",
                in_html(&count.value),
                count.count
            );
        }
        return html + "</tbody></table></section>";
    }
    let _ = write!(
        html,
        "<table><caption>{} objects{}</caption><thead><tr>",
        found.total,
        if found.total > found.items.len() as u64 {
            format!(", {} shown", found.items.len())
        } else {
            String::new()
        }
    );
    for column in [
        "Cluster",
        "Namespace",
        "Kind",
        "Name",
        "Health",
        "Reason",
        "Age",
    ] {
        let _ = write!(html, "<th scope=\"col\">{column}</th>");
    }
    html += "</tr></thead><tbody>";
    let now = now();
    for record in &found.items {
        let identity = &record.identity;
        let health = record.health.as_str();
        let _ = write!(
            html,
            "<tr><td data-label=\"Cluster\">{}</td><td data-label=\"Namespace\">{}</td><td data-label=\"Kind\">{}</td>\
<td data-label=\"Name\"><a href=\"/object?id={}\">{}</a></td><td data-label=\"Health\" class=\"{health}\">{health}</td>\
<td data-label=\"Reason\">{}</td><td data-label=\"Age\">{}</td></tr>",
            in_html(&identity.cluster),
            in_html(&identity.namespace),
            in_html(&identity.kind),
            in_url(&record.id),
            in_html(&identity.name),
            in_html(&record.reason),
            pequod_cli::age((now - record.created_at).max(0)),
        );
    }
    html + "</tbody></table></section>"
}

/// `GET /object`
pub async fn object(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<ObjectParameters>,
) -> Response {
    let shown = async {
        let asker = hub.enter(&headers).await?;
        let found = api::one(&asker, &parameters.id).await;
        let total = u64::from(found.is_ok());
        hub.noted(&asker, "page", &format!("id:{}", parameters.id), total)?;
        let found = found?;
        let body = worth(&found.freshness) + &details(&found.object);
        Ok::<_, Refusal>(page(
            &found.object.identity.name,
            Some(&asker.caller.user),
            &body,
        ))
    };
    shown.await.unwrap_or_else(|refusal| refused(&refusal))
}

fn details(record: &Record) -> String {
    let identity = &record.identity;
    let health = record.health.as_str();
    let mut html = format!(
        "<h1>{} {}</h1><p class=\"{health}\">{health} {}</p>",
        in_html(&identity.kind),
        in_html(&identity.name),
        in_html(&record.reason)
    );
    if !record.message.is_empty() {
        let _ = write!(html, "<p class=\"notice\">{}</p>", in_html(&record.message));
    }
    let mut rows: Vec<(&str, String)> = vec![
        ("Cluster", identity.cluster.clone()),
        ("Namespace", identity.namespace.clone()),
        ("API version", record.api_version.clone()),
        ("Owners", record.owners.join(", ")),
        ("Images", record.images.join(", ")),
        ("About", record.about.join(", ")),
        ("Phase", record.status.phase.clone().unwrap_or_default()),
        ("Id", record.id.clone()),
    ];
    rows.extend(
        record
            .status
            .columns
            .iter()
            .map(|(name, cell)| (name.as_str(), cell.clone())),
    );
    html += "<dl>";
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(
            html,
            "<dt>{}</dt><dd>{}</dd>",
            in_html(name),
            in_html(value)
        );
    }
    html += "</dl>";
    let list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return String::new();
        }
        let lines = lines.iter().fold(String::new(), |mut html, line| {
            let _ = write!(html, "<li>{}</li>", in_html(line));
            html
        });
        format!("<h2>{title}</h2><ul>{lines}</ul>")
    };
    let conditions = &record.status.conditions;
    html += &list(
        "Conditions",
        conditions
            .iter()
            .map(|it| format!("{}={} {} {}", it.kind, it.status, it.reason, it.message))
            .collect(),
    );
    let labels = record.labels.iter().filter(|label| label.contains('='));
    html += &list("Labels", labels.cloned().collect());
    let annotations = record.annotations.iter();
    html += &list(
        "Annotations",
        annotations
            .map(|(key, value)| format!("{key}: {value}"))
            .collect(),
    );
    let owned = Query::default()
        .is(Field::OwnerUid, [record.uid.clone()])
        .to_string();
    let same = Query::default()
        .is(Field::Kind, [identity.kind.clone()])
        .is(Field::Name, [identity.name.clone()])
        .to_string();
    let _ = write!(
        html,
        "<h2>Around it</h2><ul><li><a href=\"/?q={}\">What it owns</a></li><li><a href=\"/?q={}\">The same name everywhere</a></li></ul>\
<h2>Live, with your own rights</h2><p><code>kubectl fleet describe {} {}{} --clusters {}</code></p>",
        in_url(&owned),
        in_url(&same),
        in_html(&identity.kind),
        in_html(&identity.name),
        if identity.namespace.is_empty() {
            String::new()
        } else {
            format!(" -n {}", in_html(&identity.namespace))
        },
        in_html(&identity.cluster),
    );
    html
}

/// `GET /clusters`
pub async fn clusters(State(hub): State<Hub>, headers: HeaderMap) -> Response {
    let shown = async {
        let asker = hub.enter(&headers).await?;
        let states = asker.store.clusters().await?;
        hub.noted(&asker, "page", "clusters", states.len() as u64)?;
        let mut html = String::from(
            "<h1>Clusters</h1><table><caption>How fresh and complete what is known of each is</caption><thead><tr>",
        );
        for column in [
            "Cluster", "Version", "Seen", "Complete", "Objects", "Problems",
        ] {
            let _ = write!(html, "<th scope=\"col\">{column}</th>");
        }
        html += "</tr></thead><tbody>";
        for state in &states {
            let judged = state.judge(now(), None);
            let objects: u64 = state.kinds.values().map(|kind| kind.objects).sum();
            let _ = write!(
                html,
                "<tr><td data-label=\"Cluster\"><a href=\"/?q={}\">{}</a></td><td data-label=\"Version\">{}</td><td data-label=\"Seen\">{} ago</td>\
<td data-label=\"Complete\" class=\"{}\">{}</td><td data-label=\"Objects\">{objects}</td><td data-label=\"Problems\">{}</td></tr>",
                in_url(
                    &Query::default()
                        .is(Field::Cluster, [state.cluster.clone()])
                        .to_string()
                ),
                in_html(&state.cluster),
                in_html(&state.version),
                pequod_cli::age(judged.age_seconds),
                if judged.complete {
                    "Current"
                } else {
                    "InProgress"
                },
                if judged.complete { "yes" } else { "no" },
                in_html(&judged.problems.join("; ")),
            );
        }
        html += "</tbody></table>";
        Ok::<_, Refusal>(page("Clusters", Some(&asker.caller.user), &html))
    };
    shown.await.unwrap_or_else(|refusal| refused(&refusal))
}

/// `GET /login`
pub async fn login(State(hub): State<Hub>) -> Response {
    let provider = hub.0.authenticator.oidc.as_ref().map_or(
        "",
        |_| "<p><a href=\"/login/start\">Sign in with the identity provider</a></p>",
    );
    let body = format!(
        "<h1>Sign in</h1>{provider}<form class=\"search\" method=\"post\" action=\"/login\"><div class=\"words\">\
<label for=\"token\">Token</label><input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"off\" required></div>\
<button>Sign in</button></form><p>For example from <code>kubectl create token NAME</code>. You see what you may read in each cluster.</p>"
    );
    page("Sign in", None, &body)
}

/// The form of the sign-in.
#[derive(Deserialize)]
pub struct SignIn {
    token: String,
}

fn secure(headers: &HeaderMap) -> &'static str {
    let https = headers
        .get("x-forwarded-proto")
        .is_some_and(|it| it == "https");
    if https { "; Secure" } else { "" }
}

fn with_cookie(
    headers: &HeaderMap,
    name: &str,
    value: &str,
    same_site: &str,
    to: &str,
) -> Response {
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    let cookie = format!(
        "{name}={value}; Path=/; HttpOnly; SameSite={same_site}{age}{}",
        secure(headers)
    );
    let mut answer = Redirect::to(to).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// `POST /login`
pub async fn sign_in(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let token = form.token.trim();
    let plain = token
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    if !plain || hub.0.authenticator.judge(token).await.is_err() {
        let body = "<h1>Sign in</h1><p class=\"notice\" role=\"alert\">The token is not accepted.</p><p><a href=\"/login\">Try again</a></p>";
        let mut answer = page("Sign in", None, body);
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        return answer;
    }
    with_cookie(&headers, COOKIE, token, "Strict", "/")
}

/// `POST /logout`
pub async fn sign_out(headers: HeaderMap) -> Response {
    with_cookie(&headers, COOKIE, "", "Strict", "/login")
}

/// Where the provider sends the browser back to.
fn redirect_address(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|it| it.to_str().ok())
        .unwrap_or("localhost");
    let scheme = if secure(headers).is_empty() {
        "http"
    } else {
        "https"
    };
    format!("{scheme}://{host}/login/callback")
}

/// `GET /login/start`
pub async fn begin(State(hub): State<Hub>, headers: HeaderMap) -> Response {
    let Some(oidc) = &hub.0.authenticator.oidc else {
        return Redirect::to("/login").into_response();
    };
    match oidc.begin(&redirect_address(&headers)).await {
        Ok((state, url)) => with_cookie(&headers, STATE, &state, "Lax", &url),
        Err(error) => refused(&Refusal::Unavailable(error.to_string())),
    }
}

/// What the provider sends back with the browser.
#[derive(Deserialize)]
pub struct Callback {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
}

/// `GET /login/callback`
pub async fn callback(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(callback): Parameters<Callback>,
) -> Response {
    let Some(oidc) = &hub.0.authenticator.oidc else {
        return Redirect::to("/login").into_response();
    };
    // The browser that comes back must be the one that left.
    let cookies = headers.get_all(header::COOKIE);
    let same = cookies
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(';'))
        .filter_map(|it| it.trim().split_once('='))
        .any(|(name, value)| name == STATE && value == callback.state);
    if !same {
        let why = "this sign-in was begun by somebody else".to_owned();
        return refused(&Refusal::Input(why));
    }
    match oidc.finish(&callback.state, &callback.code, now()).await {
        // `Lax` for the first request, which comes from the provider's page.
        Ok(token) => with_cookie(&headers, COOKIE, &token, "Lax", "/"),
        Err(error) => refused(&Refusal::Input(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_object_cannot_become_a_page() {
        assert_eq!(
            in_html("<img src=x onerror=\"alert('1')\">&"),
            "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;"
        );
        assert_eq!(
            in_url("kind:Pod a&b=c \"x\""),
            "kind%3APod%20a%26b%3Dc%20%22x%22"
        );
    }

    #[test]
    fn a_query_and_a_question_are_told_apart() {
        for (typed, exact) in [
            ("kind:Pod", true),
            ("-namespace:kube-system", true),
            ("age>1h", true),
            ("failing pods in prod", false),
            ("payment gateway", false),
            ("registry.example.com/a:1", false),
        ] {
            assert_eq!(meant(typed).ask.is_empty(), exact, "{typed}");
        }
    }
}
