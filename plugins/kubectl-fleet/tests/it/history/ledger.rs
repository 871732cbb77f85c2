//! What was changed when, and what may therefore be in the store while a claim holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kubectl_fleet::agent;
use kubectl_fleet::query::parse::parse;
use kubectl_fleet::store::{Store, Stored, all};

/// Objects by kind and name, with the value of their label.
pub(crate) type Objects = BTreeMap<String, String>;

/// A change of one object.
struct Change {
    /// When the API server had answered it, in milliseconds since 1970; none while it has not.
    answered: Option<i64>,
    /// The value of the label since; none for a deletion.
    value: Option<String>,
}

/// All changes of a history, by object.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<String, Vec<Change>>>);

fn now_milliseconds() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Ledger {
    /// Makes a change; one that the API server refuses was none.
    pub(crate) async fn change(
        &self,
        object: &str,
        value: Option<String>,
        done: impl Future<Output = bool>,
    ) {
        let at = {
            let mut changes = self.0.lock().unwrap();
            let changes = changes.entry(object.to_owned()).or_default();
            changes.push(Change {
                answered: None,
                value,
            });
            changes.len() - 1
        };
        let done = done.await;
        let mut changes = self.0.lock().unwrap();
        let changes = changes.get_mut(object).unwrap();
        if done {
            changes[at].answered = Some(now_milliseconds());
        } else {
            changes.remove(at);
        }
    }

    /// All objects of a kind leave together.
    pub(crate) async fn all_leave(&self, kind: &str, done: impl Future<Output = ()>) {
        let each = |changes: &mut BTreeMap<String, Vec<Change>>,
                    what: &dyn Fn(&mut Vec<Change>)| {
            for (_, changes) in changes.iter_mut().filter(|(it, _)| it.starts_with(kind)) {
                what(changes);
            }
        };
        each(&mut self.0.lock().unwrap(), &|changes| {
            changes.push(Change {
                answered: None,
                value: None,
            });
        });
        done.await;
        each(&mut self.0.lock().unwrap(), &|changes| {
            changes.last_mut().unwrap().answered = Some(now_milliseconds());
        });
    }

    /// What is wrong with a store that is said to hold everything up to a second.
    fn wrong(&self, complete_at: i64, stored: &Objects) -> Vec<String> {
        let changes = self.0.lock().unwrap();
        let mut wrong = Vec::new();
        for (object, changes) in changes.iter() {
            let known = changes
                .iter()
                .rposition(|change| change.answered.is_some_and(|at| at < complete_at * 1000));
            let mut allowed: Vec<Option<&str>> = changes[known.unwrap_or(0)..]
                .iter()
                .map(|change| change.value.as_deref())
                .collect();
            if known.is_none() {
                allowed.push(None);
            }
            let is = stored.get(object).map(String::as_str);
            if !allowed.contains(&is) {
                wrong.push(format!("{object} is {is:?}, may be {allowed:?}"));
            }
        }
        wrong
    }
}

/// What a store holds of a namespace, of what a history makes.
pub(crate) async fn in_store(store: &dyn Store, namespace: &str) -> Stored<Objects> {
    let query = parse(&format!("kind:ConfigMap,Thing namespace:{namespace}")).unwrap();
    let records = all(store, &query, 0).await?;
    Ok(records
        .iter()
        .map(|record| {
            let labels = record.label_map();
            let value = labels.get("v").copied().unwrap_or_default().to_owned();
            let identity = &record.identity;
            (format!("{}/{}", identity.kind, identity.name), value)
        })
        .collect())
}

/// Holds every claim against the ledger until `done`; how many there were.
pub(crate) async fn check(
    seed: u64,
    store: Arc<dyn Store>,
    namespace: String,
    ledger: Arc<Ledger>,
    done: Arc<AtomicBool>,
) -> u64 {
    let mut claims = 0;
    while !done.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Ok(states) = store.clusters().await else {
            continue;
        };
        let Some(state) = states
            .iter()
            .find(|state| state.judge(agent::now(), None).complete)
        else {
            continue;
        };
        let Ok(stored) = in_store(&*store, &namespace).await else {
            continue;
        };
        let wrong = ledger.wrong(state.complete_at, &stored);
        if !wrong.is_empty() {
            let late = made_good(&*store, &namespace, &ledger, state.complete_at).await;
            panic!(
                "seed {seed}: complete up to {} and yet, at {}: {wrong:#?}\n{state:#?}\n{late}",
                state.complete_at,
                Timestamp::now(),
            );
        }
        claims += 1;
    }
    claims
}

/// What came of a wrong claim: whether it was merely early, and by how much.
async fn made_good(
    store: &dyn Store,
    namespace: &str,
    ledger: &Ledger,
    complete_at: i64,
) -> String {
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if let Ok(stored) = in_store(store, namespace).await
            && ledger.wrong(complete_at, &stored).is_empty()
        {
            return format!("it was true {} ms later", begun.elapsed().as_millis());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    "it was not true 20 seconds later".to_owned()
}
