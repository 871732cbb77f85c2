//! `get` and `search`: lists of objects.

use pequod_cli::{Exit, Failure, KubectlArgs, Printer};
use pequod_diag::{Code, Diagnostic};

use super::{open, show};
use crate::agent::now;
use crate::answer::answer;
use crate::cli::{GetArgs, ListArgs, SearchArgs, StoreArgs};
use crate::query::parse::{self, parse};
use crate::query::{Field, Query, Side, Term, Test};
use crate::verbs::opened::{Opened, failure};

pub(super) async fn get(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &GetArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let (kinds, mut names) = match args.kind.split_once('/') {
        Some((kind, name)) => (kind, vec![name.to_owned()]),
        None => (args.kind.as_str(), Vec::new()),
    };
    names.extend(args.names.iter().cloned());
    let mut query = Query::default();
    if kinds != "all" || known.vocabulary.kinds_named("all").is_empty() {
        query = query.is(
            Field::Kind,
            kinds.split(',').filter(|kind| !kind.is_empty()),
        );
    } else {
        query = query.is(
            Field::Kind,
            known
                .vocabulary
                .kinds_named("all")
                .iter()
                .map(|kind| kind.kind.clone()),
        );
    }
    query = query
        .is(Field::Name, names)
        .is(Field::Cluster, args.clusters.clone());
    if let Some(namespace) = kubectl
        .namespace
        .as_deref()
        .filter(|_| !args.all_namespaces)
    {
        query = query.is(Field::Namespace, [namespace]);
    }
    for part in args
        .selector
        .iter()
        .flat_map(|selector| selector.split(','))
        .filter(|part| !part.is_empty())
    {
        query.terms.push(selector(part));
    }
    if let Some(since) = &args.since {
        let seconds = parse::seconds(since).ok_or_else(|| {
            let message = format!("`{since}` is no length of time");
            Failure::input(
                Diagnostic::error(Code("fleet/since"), message).hint("for example 30m, 1h or 2d"),
            )
        })?;
        query = query.and(Test::Changed(Side::Under, seconds));
    }
    let named = query.values(Field::Name).is_some();
    let now = now();
    let answered = answer(&*opened.store, &known, &query, now, args.limit)
        .await
        .map_err(|error| failure(&error))?;
    if !answered.unknown_kinds.is_empty() {
        let message = format!(
            "no cluster of the fleet serves a kind `{}`",
            answered.unknown_kinds.join(", ")
        );
        return Err(Failure::input(
            Diagnostic::error(Code("fleet/kind"), message)
                .hint("see `kubectl fleet kinds`, and `kubectl fleet clusters`"),
        ));
    }
    let mut printer = Printer::new(args.list.output.output);
    let exit = show::answered(&mut printer, &answered, &args.list, now)?;
    // As for kubectl: an object that was asked for by name and is not there is a failure.
    Ok(if named && answered.items.is_empty() {
        exit.max(Exit::No)
    } else {
        exit
    })
}

/// A part of a label selector as a term.
fn selector(part: &str) -> Term {
    let part = part.trim();
    let (negated, label) = match (part.split_once("!="), part.strip_prefix('!')) {
        (Some((key, value)), _) => (true, format!("{}={}", key.trim(), value.trim())),
        (None, Some(key)) => (true, key.trim().to_owned()),
        (None, None) => (false, part.replace("==", "=")),
    };
    Term {
        negated,
        test: Test::Is(Field::Label, vec![label]),
    }
}

pub(super) async fn search(store: &StoreArgs, args: &SearchArgs) -> Result<Exit, Failure> {
    let query = parse(&args.words.join(" ")).map_err(Failure::input)?;
    let opened = open(store).await?;
    list(&opened, &query, args.limit, &args.list).await
}

/// A word as a shell takes it unchanged.
pub(super) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

pub(super) async fn list(
    opened: &Opened,
    query: &Query,
    limit: usize,
    list: &ListArgs,
) -> Result<Exit, Failure> {
    let known = opened.known().await?;
    let now = now();
    let answered = answer(&*opened.store, &known, query, now, limit)
        .await
        .map_err(|error| failure(&error))?;
    show::answered(&mut Printer::new(list.output.output), &answered, list, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_as_kubectls() {
        for (part, term) in [
            ("app=web", "label:app=web"),
            ("app==web", "label:app=web"),
            ("tier", "label:tier"),
            ("app!=web", "-label:app=web"),
            ("!tier", "-label:tier"),
        ] {
            assert_eq!(selector(part).to_string(), term);
        }
    }

    #[test]
    fn a_shown_query_can_be_pasted() {
        assert_eq!(shell_quoted("name:a'b"), r"'name:a'\''b'");
    }
}
