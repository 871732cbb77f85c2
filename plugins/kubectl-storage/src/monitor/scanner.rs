//! The loop: scan, remember, publish; between two scans only new snapshots are read.
//!
//! What the appliances tell by themselves brings the next read forward and does nothing else: a
//! scan finds the same later when nothing was told.

use std::{sync::Arc, time::Duration};

use kube::{Api, Client, api::ListParams};
use pequod_api::StorageExemption;
use tokio_util::sync::CancellationToken;

use super::{
    objects::Objects,
    state::{FindingView, Hub, Published, snapshots},
};
use crate::{
    cli::{ScanArgs, gather, scan},
    model::Inventory,
    truenas::read,
};

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two scans.
    pub scan: Duration,
    /// Between two reads of new snapshots.
    pub snapshots: Duration,
}

/// The appliance's proxy cuts a connection on which nothing was said for a minute.
const PING: Duration = Duration::from_secs(25);

/// After an event there are more to come: a create is a dozen of them.
const SETTLE: Duration = Duration::from_secs(2);

/// Between two scans, however much is told.
const HASTE: Duration = Duration::from_mins(1);

/// What hides findings.
#[derive(Debug, Clone, Default)]
struct Exemptions(Vec<StorageExemption>);

impl Exemptions {
    async fn read(client: &Client) -> Result<Self, kube::Error> {
        let api: Api<StorageExemption> = Api::all(client.clone());
        Ok(Self(api.list(&ListParams::default()).await?.items))
    }

    fn hide(&self, finding: &FindingView, now: i64) -> bool {
        self.0.iter().any(|exemption| {
            let spec = &exemption.spec;
            let subject = match spec.subject.strip_suffix('*') {
                Some(prefix) => finding.subject.starts_with(prefix),
                None => finding.subject == spec.subject,
            };
            // An end that cannot be read is one that has passed.
            let lives = spec
                .expires
                .parse::<jiff::Timestamp>()
                .is_ok_and(|end| end.as_second() > now);
            subject && lives && (spec.codes.is_empty() || spec.codes.contains(&finding.code))
        })
    }
}

/// Scans until it is told to stop.
pub async fn run(
    hub: Arc<Hub>,
    kubectl: pequod_cli::KubectlArgs,
    arguments: ScanArgs,
    pace: Pace,
    client: Client,
    write_objects: bool,
    stop: CancellationToken,
) {
    let sessions = gather::Sessions::default();
    let mut objects: Option<Objects> = None;
    let mut inventory: Option<Inventory> = None;
    let mut scan_at = tokio::time::Instant::now();
    let mut snapshots_at = scan_at;
    let (mut ping_at, mut scanned_at) = (scan_at + PING, scan_at);
    loop {
        let now = tokio::time::Instant::now();
        if now >= scan_at {
            scan_at = now + pace.scan;
            snapshots_at = now + pace.snapshots;
            match once(&hub, &kubectl, &arguments, &sessions, &client).await {
                Ok(read) => {
                    sessions.listen(&read).await;
                    if write_objects {
                        write(&mut objects, &client, &read, &arguments, &hub).await;
                    }
                    inventory = Some(read);
                }
                Err(reason) => tracing::warn!(reason, "the scan failed"),
            }
            scanned_at = tokio::time::Instant::now();
        } else if now >= snapshots_at {
            snapshots_at = now + pace.snapshots;
            if let Some(known) = &mut inventory {
                fresh_snapshots(&hub, known, &sessions).await;
            }
        } else if now >= ping_at {
            sessions.ping().await;
            ping_at = now + PING;
        }
        let next = scan_at.min(snapshots_at).min(ping_at);
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.wanted.notified() => scan_at = tokio::time::Instant::now(),
            hints = sessions.hints() => {
                let soon = tokio::time::Instant::now() + SETTLE;
                if hints.snapshots {
                    snapshots_at = snapshots_at.min(soon);
                }
                if hints.others {
                    scan_at = scan_at.min(soon.max(scanned_at + pace.scan.min(HASTE)));
                }
            }
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// Keeps the objects in step, if their memory can be kept at all.
async fn write(
    objects: &mut Option<Objects>,
    client: &Client,
    inventory: &Inventory,
    arguments: &ScanArgs,
    hub: &Hub,
) {
    if objects.is_none() {
        match crate::cli::objects_file(inventory, arguments) {
            Ok(file) => *objects = Some(Objects::open(client.clone(), file)),
            Err(failure) => {
                for problem in &failure.problems {
                    tracing::warn!(reason = problem.message, "StorageFindings are not written");
                }
            }
        }
    }
    if let Some(objects) = objects
        && let Err(error) = objects.follow(&hub.current().findings).await
    {
        tracing::warn!(%error, "StorageFindings could not be written");
    }
}

async fn once(
    hub: &Hub,
    kubectl: &pequod_cli::KubectlArgs,
    arguments: &ScanArgs,
    sessions: &gather::Sessions,
    client: &Client,
) -> Result<Inventory, String> {
    let words = |failure: pequod_cli::Failure| {
        failure
            .problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let begun = tokio::time::Instant::now();
    let exemptions = Exemptions::read(client).await.unwrap_or_else(|error| {
        // Nothing is hidden that is not known to be exempt.
        tracing::warn!(%error, "StorageExemptions could not be read");
        Exemptions::default()
    });
    let wants = gather::Wants {
        snapshots: true,
        rights: true,
    };
    let gathered = gather::inventory(kubectl, arguments, wants, sessions)
        .await
        .map_err(words)?;
    let report = scan(&gathered.inventory, arguments).map_err(words)?;
    let now = jiff::Timestamp::now().as_second();
    let seconds = begun.elapsed().as_secs_f64();
    let published = Published::of(&gathered.inventory, &report, now, seconds, |finding| {
        exemptions.hide(finding, now)
    });
    hub.publish(published);
    Ok(gathered.inventory)
}

/// New snapshots since the newest known transaction group.
async fn fresh_snapshots(hub: &Hub, inventory: &mut Inventory, sessions: &gather::Sessions) {
    let parents = gather::parents(&inventory.clusters);
    let mut changed = false;
    for nas in &mut inventory.appliances {
        let Some(client) = sessions.known(&nas.name) else {
            continue;
        };
        let gaps = nas.gaps.len();
        let since = read::watermark(nas) + 1;
        let of_nas = parents.get(&nas.name).cloned().unwrap_or_default();
        changed |= read::snapshots_since(&*client, nas, &of_nas, since).await > 0;
        // What could not be read now is read by the next scan.
        nas.gaps.truncate(gaps);
    }
    let now = jiff::Timestamp::now().as_second();
    if changed {
        hub.publish_snapshots(snapshots(inventory), now);
    } else {
        hub.touch_snapshots(now);
    }
}

#[cfg(test)]
mod tests {
    use pequod_api::StorageExemptionSpec;

    use super::*;

    #[test]
    fn an_exemption_has_an_end() {
        let finding = FindingView {
            id: "x".to_owned(),
            code: "PQS-1001".to_owned(),
            severity: "warning".to_owned(),
            state: "candidate".to_owned(),
            site: "nas".to_owned(),
            kind: "Dataset".to_owned(),
            subject: "tank/v/pvc-1".to_owned(),
            message: String::new(),
            evidence: Vec::new(),
            blockers: Vec::new(),
            cause: None,
            bytes: None,
            next: None,
        };
        let exempt = |subject: &str, codes: &[&str], expires: &str| {
            let spec = StorageExemptionSpec {
                subject: subject.to_owned(),
                codes: codes.iter().map(|&code| code.to_owned()).collect(),
                reason: "a test".to_owned(),
                expires: expires.to_owned(),
            };
            Exemptions(vec![StorageExemption::new("x", spec)]).hide(&finding, 1_700_000_000)
        };
        assert!(exempt("tank/v/*", &[], "2030-01-01T00:00:00Z"));
        assert!(exempt(
            "tank/v/pvc-1",
            &["PQS-1001"],
            "2030-01-01T00:00:00Z"
        ));
        assert!(!exempt(
            "tank/v/pvc-1",
            &["PQS-1002"],
            "2030-01-01T00:00:00Z"
        ));
        assert!(!exempt("tank/v/pvc-2", &[], "2030-01-01T00:00:00Z"));
        assert!(!exempt("tank/v/*", &[], "2020-01-01T00:00:00Z"));
        assert!(!exempt("tank/v/*", &[], "some day"));
    }
}
