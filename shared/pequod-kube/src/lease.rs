//! Leadership by a Lease (coordination.k8s.io): of several replicas one works.
//!
//! The holder renews its Lease; another may take it once it was seen unchanged for its whole duration by the other's
//! own clock, so clocks need not agree. Every write carries the resource version that was read: of two that try, one
//! wins. A holder that cannot renew in time stops its work before anybody else can begin.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Which Lease, and as whom.
#[derive(Debug, Clone)]
pub struct LeaderElection {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Who asks: the pod's name, or anything no other replica is called.
    pub identity: String,
    /// How long a Lease holds that is not renewed.
    pub duration: Duration,
    /// How often it is renewed, and how often others look.
    pub period: Duration,
}

impl LeaderElection {
    /// With client-go's usual times: 15 seconds, looked at every 2.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
            period: Duration::from_secs(2),
        }
    }

    /// Waits for leadership. `None` if `shutdown` came first.
    ///
    /// The answer's token is cancelled when the leadership is lost; then the work must stop at once.
    pub async fn acquire(
        &self,
        client: Client,
        shutdown: &CancellationToken,
    ) -> Option<Leadership> {
        let api: Api<Lease> = Api::namespaced(client, &self.namespace);
        let mut seen = Seen {
            version: None,
            since: Instant::now(),
        };
        loop {
            // A caller that takes it again whenever it was lost must not do so for ever.
            if shutdown.is_cancelled() {
                return None;
            }
            match self.attempt(&api, &mut seen).await {
                Ok(Some(lease)) => return Some(self.keep(api, lease)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, lease = %self.name, "the lease cannot be had"),
            }
            tokio::select! {
                () = tokio::time::sleep(self.period) => {}
                () = shutdown.cancelled() => return None,
            }
        }
    }

    async fn attempt(
        &self,
        api: &Api<Lease>,
        seen: &mut Seen,
    ) -> Result<Option<Lease>, kube::Error> {
        let Some(found) = api.get_opt(&self.name).await? else {
            let new = self.held(Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: None,
            });
            return won(api.create(&PostParams::default(), &new).await);
        };
        let spec = found.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if seen.version != found.metadata.resource_version {
            *seen = Seen {
                version: found.metadata.resource_version.clone(),
                since: Instant::now(),
            };
        }
        let lasts = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.duration, Duration::from_secs);
        if !holder.is_empty() && holder != self.identity && seen.since.elapsed() < lasts {
            return Ok(None);
        }
        let new = self.held(found);
        won(api.replace(&self.name, &PostParams::default(), &new).await)
    }

    /// The Lease as we want to hold it.
    fn held(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = lease.spec.take().unwrap_or_default();
        let ours = old.holder_identity.as_deref() == Some(&self.identity);
        let changes = old.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs().max(1)).ok(),
            acquire_time: if ours {
                old.acquire_time
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(if ours {
                changes
            } else {
                changes.saturating_add(1)
            }),
            ..LeaseSpec::default()
        });
        lease
    }

    fn keep(&self, api: Api<Lease>, lease: Lease) -> Leadership {
        tracing::info!(lease = %self.name, identity = %self.identity, "leading");
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.clone().renew(api, lease, lost.clone(), stop.clone()));
        Leadership { lost, stop, task }
    }

    async fn renew(
        self,
        api: Api<Lease>,
        mut lease: Lease,
        lost: CancellationToken,
        stop: CancellationToken,
    ) {
        // Two thirds of the duration, as client-go: the rest is for stopping the work.
        let deadline = self.duration * 2 / 3;
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.period) => {}
                () = stop.cancelled() => break,
            }
            let new = self.held(lease.clone());
            let answer = tokio::time::timeout(
                deadline.saturating_sub(renewed.elapsed()),
                api.replace(&self.name, &PostParams::default(), &new),
            )
            .await;
            match answer {
                Ok(Ok(now)) => {
                    lease = now;
                    renewed = Instant::now();
                }
                Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => {
                    // Somebody wrote it: either another holder, or an edit that left it ours.
                    match api.get_opt(&self.name).await {
                        Ok(Some(now)) if self.is_ours(&now) => {
                            lease = now;
                        }
                        Ok(_) => break,
                        Err(_) => {}
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, lease = %self.name, "cannot renew the lease");
                }
                Err(_) => {}
            }
            if renewed.elapsed() >= deadline {
                break;
            }
        }
        lost.cancel();
        if stop.is_cancelled() {
            // Given back, so that the next one need not wait.
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.lease_duration_seconds = Some(1);
            }
            let _ = api
                .replace(&self.name, &PostParams::default(), &lease)
                .await;
        } else {
            tracing::error!(lease = %self.name, "the leadership is lost");
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease
            .spec
            .as_ref()
            .and_then(|s| s.holder_identity.as_deref())
            == Some(&self.identity)
    }
}

/// What was seen of another's Lease, and since when by our clock.
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// A write that lost against another is no error.
fn won(answer: Result<Lease, kube::Error>) -> Result<Option<Lease>, kube::Error> {
    match answer {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}

/// A leadership that is held until it is lost or given back.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Leadership {
    /// Cancelled when the leadership is lost.
    pub const fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives it back. The work must have ended.
    pub async fn release(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}
