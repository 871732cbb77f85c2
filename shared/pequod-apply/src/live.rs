//! The objects of all graphs as they are now, and what wakes a graph up.
//!
//! One watch for each (ServiceAccount, kind, namespace) that a graph uses, with the ServiceAccount's own rights and
//! only for objects that carry the mark of its namespace. So nobody sees through Pequod what they may not see, and the
//! controller itself needs no right to read anything. Where the account may not watch, the graph is polled instead.
//!
//! Answers of our own writes are put in as well; the watch's echo of them is then no news and wakes nobody.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use pequod_api::names::LABEL_TRANSFORM_NAMESPACE;
use pequod_kube::wait::api_of;
use pequod_kube::{Access, Kind, object};
use serde_json::Value;
use tokio::sync::{Notify, watch as channel};
use tokio_util::task::AbortOnDropHandle;

use crate::inventory::{ObjectKey, key};
use crate::ownership::Owner;

/// Which watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WatchKey {
    mark: String,
    account: String,
    group: String,
    kind: String,
    namespace: Option<String>,
}

/// How far a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Starting,
    Synced,
    /// Not allowed, or the kind is gone: who needs it must ask.
    Refused,
}

struct Watch {
    progress: channel::Receiver<Progress>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Entry {
    /// `None`: it left the watch at this version. An answer of ours that is older and comes later must not bring it
    /// back, or what happened to it would never be seen.
    object: Option<Arc<Value>>,
    version: Option<u128>,
    /// When it was put in or seen again, in steps of the cache.
    step: u64,
}

#[derive(Default)]
struct Shared {
    cache: Mutex<(HashMap<ObjectKey, Entry>, u64)>,
    watches: Mutex<HashMap<WatchKey, Watch>>,
    users: Mutex<HashMap<Owner, HashSet<WatchKey>>>,
    woken: Mutex<BTreeSet<Owner>>,
    bell: Notify,
}

/// The live objects. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// The object of a key, as it was seen last.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        lock(&self.0.cache).0.get(key)?.object.clone()
    }

    /// Puts an object in, unless a newer one is there. Answers whether it is news.
    pub fn put(&self, mut object: Value) -> bool {
        let Some(target) = object::reference(&object) else {
            return false;
        };
        if target.kind == "Secret" && target.group().is_empty() {
            // Values of Secrets are for nobody here: readiness and ownership are told from the rest.
            if let Some(fields) = object.as_object_mut() {
                fields.shift_remove("data");
                fields.shift_remove("stringData");
            }
        }
        let version = object::version(&object);
        let mut cache = lock(&self.0.cache);
        cache.1 += 1;
        let step = cache.1;
        let known = cache.0.get_mut(&key(&target));
        if let Some(entry) = known
            && entry.version.is_some()
            && (version < entry.version || (version == entry.version && entry.object.is_some()))
        {
            entry.step = step;
            return false;
        }
        cache.0.insert(
            key(&target),
            Entry {
                object: Some(Arc::new(object)),
                version,
                step,
            },
        );
        true
    }

    /// Takes an object out that was seen to be gone.
    pub fn remove(&self, key: &ObjectKey) {
        lock(&self.0.cache).0.remove(key);
    }

    /// Says which kinds in which namespaces a graph uses, starts the watches that are missing and ends those that
    /// nobody uses any more. Answers, after at most `patience`, whether all of them are complete; where one is not,
    /// the graph's objects must be asked for.
    pub async fn follow(
        &self,
        owner: &Owner,
        account: &str,
        access: &Access,
        kinds: &[(Kind, Option<String>)],
        patience: Duration,
    ) -> bool {
        let mut receivers = Vec::new();
        {
            let mut watches = lock(&self.0.watches);
            let mut used = HashSet::new();
            for (kind, namespace) in kinds {
                let namespace = namespace.clone().filter(|_| kind.namespaced);
                let watch_key = WatchKey {
                    mark: owner.namespace.clone(),
                    account: account.to_owned(),
                    group: kind.resource.group.clone(),
                    kind: kind.resource.kind.clone(),
                    namespace,
                };
                let watch = watches
                    .entry(watch_key.clone())
                    .or_insert_with(|| self.start(&watch_key, access, kind));
                receivers.push(watch.progress.clone());
                used.insert(watch_key);
            }
            let mut users = lock(&self.0.users);
            users.insert(owner.clone(), used);
            Self::end_unused(&mut watches, &users);
        }
        let mut complete = true;
        let deadline = tokio::time::Instant::now() + patience;
        for mut receiver in receivers {
            let settled = receiver.wait_for(|progress| *progress != Progress::Starting);
            complete &= match tokio::time::timeout_at(deadline, settled).await {
                Ok(Ok(progress)) => *progress == Progress::Synced,
                _ => false,
            };
        }
        complete
    }

    /// A graph is gone: its watches end unless others use them.
    pub fn leave(&self, owner: &Owner) {
        let mut watches = lock(&self.0.watches);
        let mut users = lock(&self.0.users);
        users.remove(owner);
        Self::end_unused(&mut watches, &users);
    }

    fn end_unused(
        watches: &mut HashMap<WatchKey, Watch>,
        users: &HashMap<Owner, HashSet<WatchKey>>,
    ) {
        watches.retain(|key, _| users.values().any(|used| used.contains(key)));
    }

    /// The graphs that something happened to, each once however much happened.
    pub fn woken(&self) -> impl Stream<Item = Owner> + Send + use<> {
        let shared = self.0.clone();
        futures::stream::unfold(shared, async |shared| {
            loop {
                let next = lock(&shared.woken).pop_first();
                if let Some(owner) = next {
                    return Some((owner, shared));
                }
                // A bell that rang since is remembered.
                shared.bell.notified().await;
            }
        })
    }

    fn wake(&self, object: &Value) {
        if let Some(owner) = Owner::of(object) {
            lock(&self.0.woken).insert(owner);
            self.0.bell.notify_one();
        }
    }

    fn start(&self, watch_key: &WatchKey, access: &Access, kind: &Kind) -> Watch {
        let (tell, progress) = channel::channel(Progress::Starting);
        let api = api_of(access, kind, watch_key.namespace.as_deref());
        let config = watcher::Config::default()
            .labels(&format!("{LABEL_TRANSFORM_NAMESPACE}={}", watch_key.mark));
        let live = self.clone();
        let watch_key = watch_key.clone();
        let type_meta = (
            kind.resource.api_version.clone(),
            kind.resource.kind.clone(),
        );
        let task = async move {
            let mut events = std::pin::pin!(watch(api, config).default_backoff());
            let mut began = 0;
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => live.take(&watch_key, &type_meta, event, &mut began, &tell),
                    Err(error) => {
                        tracing::debug!(%error, kind = %watch_key.kind, "a watch failed");
                        if is_refusal(&error) {
                            tell.send_replace(Progress::Refused);
                        }
                    }
                }
            }
        };
        Watch {
            progress,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    fn take(
        &self,
        watch_key: &WatchKey,
        (api_version, kind): &(String, String),
        event: Event<kube::api::DynamicObject>,
        began: &mut u64,
        tell: &channel::Sender<Progress>,
    ) {
        let plain = |object: kube::api::DynamicObject| {
            let mut value = serde_json::to_value(object).unwrap_or_default();
            // Objects of a list carry no type of their own.
            if let Some(fields) = value.as_object_mut() {
                fields
                    .entry("apiVersion")
                    .or_insert_with(|| api_version.clone().into());
                fields.entry("kind").or_insert_with(|| kind.clone().into());
            }
            value
        };
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let object = plain(object);
                let before = object::reference(&object).and_then(|target| self.get(&key(&target)));
                if self.put(object.clone()) {
                    self.wake(&object);
                    // Whoever lost it by a changed or missing mark has to hear of it too.
                    if let Some(before) = before.filter(|old| Owner::of(old) != Owner::of(&object))
                    {
                        self.wake(&before);
                    }
                }
            }
            Event::Delete(object) => {
                let object = plain(object);
                if let Some(target) = object::reference(&object) {
                    self.forget_up_to(&key(&target), object::version(&object));
                }
                self.wake(&object);
            }
            Event::Init => *began = lock(&self.0.cache).1,
            Event::InitDone => {
                self.sweep(watch_key, *began);
                tell.send_replace(Progress::Synced);
            }
        }
    }

    /// A deletion that is older than what is known (it was made anew meanwhile) removes nothing.
    fn forget_up_to(&self, key: &ObjectKey, version: Option<u128>) {
        let mut cache = lock(&self.0.cache);
        if cache
            .0
            .get(key)
            .is_some_and(|entry| entry.version > version)
        {
            return;
        }
        cache.1 += 1;
        let step = cache.1;
        cache.0.insert(
            key.clone(),
            Entry {
                object: None,
                version,
                step,
            },
        );
    }

    /// After a new list: what was not in it, and not put in since it began, is gone.
    fn sweep(&self, watch_key: &WatchKey, began: u64) {
        let mut gone = Vec::new();
        lock(&self.0.cache)
            .0
            .retain(|(group, kind, namespace, _), entry| {
                let concerned = entry.step <= began
                    && (group, kind) == (&watch_key.group, &watch_key.kind)
                    && (watch_key.namespace.is_none() || *namespace == watch_key.namespace);
                let Some(object) = entry.object.as_ref().filter(|_| concerned) else {
                    // What is known to have left needs no remembering once a list is newer.
                    return !concerned;
                };
                let is_listed =
                    Owner::of(object).is_some_and(|owner| owner.namespace == watch_key.mark);
                if is_listed {
                    gone.push(object.clone());
                }
                !is_listed
            });
        for object in gone {
            self.wake(&object);
        }
    }
}

/// Whether the answer will be the same until somebody changes rights or kinds.
fn is_refusal(error: &watcher::Error) -> bool {
    let cause = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => cause,
        watcher::Error::WatchError(status) => return matches!(status.code, 401 | 403 | 404 | 405),
        watcher::Error::NoResourceVersion => return false,
    };
    matches!(cause, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404 | 405))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "a", "namespace": "shop", "resourceVersion": version},
            "data": {"password": "aHVudGVyMg=="},
        })
    }

    #[test]
    fn an_older_object_is_no_news_and_secrets_values_are_not_kept() {
        let live = Live::default();
        let key = key(&object::reference(&object("1")).unwrap());
        assert!(live.put(object("10")));
        assert!(!live.put(object("9")));
        assert!(!live.put(object("10")));
        assert!(live.put(object("11")));
        let kept = live.get(&key).unwrap();
        assert_eq!(object::version(&kept), Some(11));
        assert!(kept.get("data").is_none());
    }

    #[test]
    fn an_answer_that_comes_after_its_objects_end_does_not_bring_it_back() {
        let live = Live::default();
        let key = key(&object::reference(&object("1")).unwrap());
        live.forget_up_to(&key, Some(20));
        assert!(!live.put(object("19")));
        assert!(live.get(&key).is_none());
        assert!(live.put(object("21")), "made anew");
        live.forget_up_to(&key, Some(20));
        assert!(
            live.get(&key).is_some(),
            "an older end is of an older object"
        );
    }

    #[tokio::test]
    async fn a_graph_is_woken_when_an_object_loses_its_mark() {
        let live = Live::default();
        let watch_key = WatchKey {
            mark: "shop".into(),
            account: "default".into(),
            group: String::new(),
            kind: "Secret".into(),
            namespace: Some("shop".into()),
        };
        let mut marked = object("1");
        Owner {
            namespace: "shop".into(),
            name: "web".into(),
        }
        .mark(&mut marked, "n");
        live.put(marked);
        let (tell, _progress) = channel::channel(Progress::Synced);
        let changed = Event::Apply(serde_json::from_value(object("2")).unwrap());
        let kind = ("v1".to_owned(), "Secret".to_owned());
        live.take(&watch_key, &kind, changed, &mut 0, &tell);
        let mut woken = std::pin::pin!(live.woken());
        assert_eq!(woken.next().await.unwrap().name, "web");
    }

    #[tokio::test]
    async fn a_graph_is_woken_once_however_much_happened() {
        let live = Live::default();
        let mut object = object("1");
        Owner {
            namespace: "shop".into(),
            name: "web".into(),
        }
        .mark(&mut object, "n");
        live.wake(&object);
        live.wake(&object);
        let mut woken = std::pin::pin!(live.woken());
        assert_eq!(woken.next().await.unwrap().name, "web");
        let again = tokio::time::timeout(Duration::from_millis(5), woken.next()).await;
        assert!(again.is_err());
    }
}
