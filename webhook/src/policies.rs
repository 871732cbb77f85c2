//! The ClusterCuePolicies of the cluster, compiled, in memory.
//!
//! [`Book`] is the state: it is told what the watch reports and knows which version of each policy is in force.
//! [`follow`] feeds it. Every replica has its own; one of them, the holder of the lease, reports on the objects.
//!
//! | the text | before it | in force | condition `Ready` |
//! | --- | --- | --- | --- |
//! | compiles | – | it | True, `Compiled` |
//! | does not | an earlier version compiled | the earlier version | False, `LastGoodInForce` |
//! | does not | nothing | for each object it is meant for: its `onError` | False, `NotCompiled` |
//!
//! The last two take some doing: the webhook refuses such a text at creation. They come about when a policy was
//! there before the webhook, or a newer evaluator refuses what an older one took.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use pequod_api::ClusterCuePolicy;
use pequod_api::policy::ClusterCuePolicyStatus;
use pequod_policy::{Policy, PolicySet};
use pequod_server::Check;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::handler::Current;
use crate::metrics::Metrics;

/// What is to be said of a policy on its object.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The generation of the spec that was read.
    pub generation: Option<i64>,
    /// Whether that spec is in force.
    pub ready: bool,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
    /// Digest of the version in force, if one is.
    pub active_digest: Option<String>,
    /// What the object says now.
    pub status: ClusterCuePolicyStatus,
}

/// The reports of all policies, by name.
pub type Reports = Arc<BTreeMap<String, Report>>;

#[derive(Debug, Clone)]
struct Entry {
    spec: pequod_api::ClusterCuePolicySpec,
    /// What answers for this policy.
    active: Arc<Policy>,
    /// Whether an `active` that is not the newest is an earlier good one.
    good: bool,
    report: Report,
}

/// Which version of each policy is in force.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<String, Entry>,
    /// While a list is coming in: the names it had so far.
    listing: Option<BTreeSet<String>>,
}

impl Book {
    /// Takes note of what the watch reports. Compiles, so it may take milliseconds. Returns whether what is in
    /// force, or what is said of it, may have changed as a whole: while a list comes in, nothing does.
    pub fn note(&mut self, event: watcher::Event<ClusterCuePolicy>) -> bool {
        match event {
            watcher::Event::Init => self.listing = Some(BTreeSet::new()),
            watcher::Event::InitApply(policy) => {
                let name = policy.metadata.name.clone().unwrap_or_default();
                if let Some(listing) = &mut self.listing {
                    listing.insert(name);
                }
                self.apply(policy);
            }
            watcher::Event::InitDone => {
                if let Some(listed) = self.listing.take() {
                    self.entries.retain(|name, _| listed.contains(name));
                }
            }
            watcher::Event::Apply(policy) => self.apply(policy),
            watcher::Event::Delete(policy) => {
                self.entries
                    .remove(policy.metadata.name.as_deref().unwrap_or_default());
            }
        }
        self.listing.is_none()
    }

    fn apply(&mut self, policy: ClusterCuePolicy) {
        let name = policy.metadata.name.unwrap_or_default();
        let status = policy.status.unwrap_or_default();
        let generation = policy.metadata.generation;
        let known = self.entries.remove(&name);
        if let Some(mut known) = known.clone().filter(|known| known.spec == policy.spec) {
            known.report.status = status;
            known.report.generation = generation;
            self.entries.insert(name, known);
            return;
        }
        let (active, good, ready, reason, message) = match Policy::compile(&name, &policy.spec) {
            Ok(new) => {
                let message = "the text compiled and is in force".to_owned();
                (Arc::new(new), true, true, "Compiled", message)
            }
            Err(problems) => {
                if let Some(known) = known.filter(|known| known.good) {
                    let message = format!("an earlier version stays in force: {problems}");
                    (known.active, true, false, "LastGoodInForce", message)
                } else {
                    let broken = Policy::broken(&name, &policy.spec, &problems);
                    let message = format!("objects it is meant for get its onError: {problems}");
                    (Arc::new(broken), false, false, "NotCompiled", message)
                }
            }
        };
        if !ready {
            warn!(policy = name, reason, message, "a policy does not compile");
        }
        let active_digest = good.then(|| active.digest().to_owned());
        let report = Report {
            generation,
            ready,
            reason,
            message,
            active_digest,
            status,
        };
        self.entries.insert(
            name,
            Entry {
                spec: policy.spec,
                active,
                good,
                report,
            },
        );
    }

    /// What is in force.
    pub fn set(&self) -> PolicySet {
        PolicySet::new(self.entries.values().map(|entry| Arc::clone(&entry.active)))
    }

    /// What is to be said.
    pub fn reports(&self) -> Reports {
        let reports = self
            .entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.report.clone()));
        Arc::new(reports.collect())
    }

    fn count(&self, metrics: &Metrics) {
        let count = |test: fn(&Entry) -> bool| self.entries.values().filter(|e| test(e)).count();
        metrics.policies(
            count(|entry| entry.report.ready),
            count(|entry| !entry.report.ready && entry.good),
            count(|entry| !entry.good),
        );
    }
}

/// Keeps `policies` and `reports` up to date until `shutdown`. `check` is ready once the first list is compiled.
pub async fn follow(
    client: Client,
    policies: Current<PolicySet>,
    reports: watch::Sender<Reports>,
    check: Check,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let api: Api<ClusterCuePolicy> = Api::all(client);
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .map_err(|error| {
            check_watch(&check, &error);
            error
        });
    let mut stream = pin!(stream);
    let mut book = Book::default();
    let mut listed = false;
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return,
            event = stream.next() => event,
        };
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                warn!(%error, "the policies cannot be watched; those known stay in force");
                continue;
            }
            None => return,
        };
        // Compiling is computing: not on a thread that answers requests.
        let noted = tokio::task::spawn_blocking(move || {
            let whole = book.note(event);
            (book, whole)
        });
        let Ok((returned, whole)) = noted.await else {
            // Only at the end of the process is a blocking task dropped: a compiler that panics is a problem of
            // its policy, not of this thread.
            return;
        };
        book = returned;
        if !whole {
            continue;
        }
        let set = book.set();
        if set.digest() != policies.get().digest() || !listed {
            info!(
                policies = set.len(),
                digest = set.digest(),
                "policies in force"
            );
            policies.set(set);
        }
        listed = true;
        book.count(&metrics);
        reports.send_replace(book.reports());
        check.ready();
    }
}

/// Before the first list, an error is the reason not to be ready; afterwards the known policies do.
fn check_watch(check: &Check, error: &watcher::Error) {
    if matches!(error, watcher::Error::InitialListFailed(_)) {
        check.not_ready_yet(error.to_string());
    }
}
