//! Tells somebody else: after each scan that found a difference, one POST with what appeared and what went.
//!
//! Warnings and what is graver only. What could not be delivered is kept and sent with the next, so that a receiver that
//! was away misses nothing but the moments in between: of a finding that came and went meanwhile it hears nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pequod_diag::Secret;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::state::{Change, FindingView, Hub};
use crate::truenas::tls::Trust;

const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses between tries; the last one is repeated.
const PAUSES: [u64; 5] = [1, 5, 15, 60, 300];

/// Whether a token for this address would travel in plain to another machine.
pub(crate) fn exposes(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What is before an `@` is a name, not the machine.
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    !["127.0.0.1", "localhost", "::1"].contains(&name)
}

/// Where to send it.
#[derive(Debug, Clone)]
pub struct Receiver {
    url: String,
    token_file: Option<PathBuf>,
    client: reqwest::Client,
}

impl Receiver {
    /// A receiver at an address. The token's file is read again for each call.
    pub fn new(
        url: &str,
        token_file: Option<PathBuf>,
        authorities: Option<&Path>,
    ) -> Result<Self, String> {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(format!("`{url}` is no address of a receiver"));
        }
        if token_file.is_some() && exposes(url) {
            return Err(
                "a token is not sent over a plain connection to another machine".to_owned(),
            );
        }
        let trust = match authorities {
            None => Trust::System,
            Some(path) => Trust::Authority(
                std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
            ),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trust.config().map_err(|error| error.reason)?)
            .timeout(PATIENCE)
            // What is sent here is meant for here.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            url: url.to_owned(),
            token_file,
            client,
        })
    }

    async fn send(&self, body: &str) -> Result<(), String> {
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body.to_owned());
        if let Some(path) = &self.token_file {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let token = Secret::new(text.trim().to_owned());
            request = request.bearer_auth(token.expose());
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("the receiver answers {status}"))
        }
    }
}

/// What is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    /// The monitor has just started: what was found before is in it again.
    initial: bool,
    read_at: i64,
    complete: bool,
    found: Vec<&'a FindingView>,
    gone: Vec<&'a FindingView>,
}

/// What the receiver knows, and what there is.
#[derive(Debug, Default)]
struct Standing {
    told: BTreeMap<String, FindingView>,
    now: BTreeMap<String, FindingView>,
    delivered: bool,
}

impl Standing {
    fn look(&mut self, hub: &Hub) {
        let current = hub.current();
        let grave = current.findings.iter().filter(|row| row.severity != "info");
        let seen: BTreeMap<_, _> = grave.map(|row| (row.id.clone(), row.clone())).collect();
        if current.status.complete {
            self.now = seen;
        } else {
            // A scan with a gap makes nothing disappear.
            self.now.extend(seen);
        }
    }

    fn notice(&self, read_at: i64, complete: bool) -> Option<Notice<'_>> {
        let found: Vec<_> = self
            .now
            .iter()
            .filter(|(id, row)| self.told.get(*id) != Some(row))
            .map(|(_, row)| row)
            .collect();
        let gone: Vec<_> = self
            .told
            .iter()
            .filter(|(id, _)| !self.now.contains_key(*id))
            .map(|(_, row)| row)
            .collect();
        (!found.is_empty() || !gone.is_empty()).then_some(Notice {
            initial: !self.delivered,
            read_at,
            complete,
            found,
            gone,
        })
    }
}

/// Sends until it is told to stop.
pub async fn run(hub: Arc<Hub>, receiver: Receiver, stop: CancellationToken) {
    let mut changes = hub.listen();
    let mut standing = Standing::default();
    let mut tries = 0;
    // The first scan may have ended before anybody listened.
    let mut due = hub.current().status.read_at.is_some();
    loop {
        if due {
            standing.look(&hub);
            let status = hub.current().status.clone();
            let body = standing
                .notice(status.read_at.unwrap_or_default(), status.complete)
                .and_then(|notice| serde_json::to_string(&notice).ok());
            let sent = match body {
                None => Ok(()),
                Some(body) => receiver.send(&body).await.map(|()| {
                    standing.told.clone_from(&standing.now);
                    standing.delivered = true;
                }),
            };
            match sent {
                Ok(()) => tries = 0,
                Err(reason) => {
                    tries += 1;
                    tracing::warn!(reason, tries, "the receiver of findings was not told");
                }
            }
            due = false;
        }
        let pause = match tries {
            0 => Duration::MAX,
            tries => Duration::from_secs(PAUSES[(tries - 1).min(PAUSES.len() - 1)]),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => due = true,
            change = changes.recv() => match change {
                Ok(Change::Scanned { .. }) | Err(RecvError::Lagged(_)) => due = true,
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_only_begins_like_this_machine_is_another_one() {
        for near in [
            "http://127.0.0.1:80/x",
            "http://localhost",
            "http://[::1]:9/",
            "https://far",
        ] {
            assert!(!exposes(near), "{near}");
        }
        for far in [
            "http://127.0.0.1.example.org",
            "http://localhost.example.org/",
            "http://localhost@example.org",
            "http://example.org?localhost",
        ] {
            assert!(exposes(far), "{far}");
        }
    }

    #[test]
    fn what_was_not_delivered_is_told_with_the_next() {
        let row = |id: &str| FindingView {
            id: id.to_owned(),
            ..FindingView::default()
        };
        let of = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), row(id))).collect();
        let mut standing = Standing {
            now: of(&["a", "b"]),
            ..Standing::default()
        };
        assert_eq!(standing.notice(1, true).unwrap().found.len(), 2);
        standing.now = of(&["b", "c"]);
        let notice = standing.notice(2, true).unwrap();
        assert_eq!(
            (notice.found.len(), notice.gone.len(), notice.initial),
            (2, 0, true)
        );
        standing.told.clone_from(&standing.now);
        standing.delivered = true;
        assert!(standing.notice(3, true).is_none());
        standing.now = of(&["c"]);
        let notice = standing.notice(4, true).unwrap();
        assert_eq!((notice.gone.len(), notice.initial), (1, false));
    }
}
