//! Carries plans out, one read, one call and one read back at a time.
//!
//! The appliance's own word is not believed: a delete may answer true and keep everything (26), a
//! connection may break after a call arrived. What counts is what a read shows afterwards. Where
//! even the read fails the step stays *intended* in the audit log, and [`undo`] finds out later.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    audit::{Audit, AuditError, Event, Standing},
    plan::{Item, Phase, Plan, Refusal},
    step::{Row, Step, Table, There},
};
use crate::{
    model::{
        Seconds,
        nas::{Dataset, LEDGER_PROPERTY, QUARANTINE_PROPERTY, Snapshot},
    },
    truenas::{Answer, CallError, Caller, read},
};

/// Sends calls that change something: once at most, never again after a broken connection.
pub trait Change: Caller {
    /// Calls a method that changes something.
    fn change(
        &self,
        method: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Answer, CallError>> + Send;
}

/// An appliance that may be changed.
#[derive(Debug)]
pub struct Appliance<C> {
    /// The way to it.
    pub caller: C,
    /// Its release.
    pub release: (u16, u16),
}

/// Who works, and when.
pub struct Work<'a> {
    /// Who.
    pub actor: &'a str,
    /// The clock.
    pub now: &'a (dyn Fn() -> Seconds + Sync),
}

/// Looks at both sides once more. A plan may be long and its scan minutes old; somebody may have made a
/// PersistentVolume for something meanwhile, which no read of the appliance shows.
pub trait Recheck {
    /// Whether an item may still be dealt with, asked right before the first of its calls; if not, why.
    fn still(&self, item: &Item) -> impl Future<Output = Result<(), String>> + Send;
}

impl Work<'_> {
    /// Writes into the log what becomes of an item, now and by this hand.
    fn log(
        &self,
        audit: &mut Audit,
        plan: &str,
        item: &Item,
        event: Event,
    ) -> Result<(), AuditError> {
        audit.append((self.now)(), self.actor, plan, &item.identity, event)
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Items that were finished.
    pub items: usize,
    /// Calls that were made and read back.
    pub calls: usize,
}

/// Why it stopped.
#[derive(Debug)]
pub enum Stop {
    /// The plan may not be carried out.
    Refused(Refusal),
    /// A step could not be done. What was done of its item was undone again where `undone` says so.
    Step {
        /// Which item.
        item: String,
        /// Which step.
        step: Box<Step>,
        /// Why.
        why: String,
        /// Whether the item is as it was before.
        undone: bool,
    },
    /// Something came up since the plan was compared with a scan: nothing of the item was touched.
    Changed {
        /// Which item.
        item: String,
        /// What.
        why: String,
    },
    /// No key was given for the appliance.
    NoAppliance(String),
    /// Nothing of this plan can be undone.
    NothingToUndo(String),
    /// The audit log.
    Audit(AuditError),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Step {
                item,
                step,
                why,
                undone,
            } => write!(
                f,
                "{item}: could not {step}: {why}; {}",
                if *undone {
                    "the item is as it was before"
                } else {
                    "the item is half done: run undo"
                }
            ),
            Self::Changed { item, why } => {
                write!(f, "{item} may not be dealt with any more: {why}")
            }
            Self::NoAppliance(nas) => write!(f, "no key that may write was given for {nas}"),
            Self::NothingToUndo(plan) => write!(f, "nothing of {plan} can be undone"),
            Self::Audit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        Self::Audit(error)
    }
}

/// Carries a plan out that [`Plan::unmoved`] has just compared with a fresh scan.
pub async fn apply<C: Change + Sync, R: Recheck>(
    plan: &Plan,
    appliances: &BTreeMap<String, Appliance<C>>,
    audit: &mut Audit,
    work: &Work<'_>,
    recheck: &R,
) -> Result<Outcome, Stop> {
    plan.verify().map_err(Stop::Refused)?;
    for item in &plan.items {
        if !appliances.contains_key(&item.site) {
            return Err(Stop::NoAppliance(item.site.clone()));
        }
        let standing = audit
            .items()
            .get(item.identity.as_str())
            .map(|known| known.standing);
        if standing == Some(Standing::Interrupted) {
            return Err(Stop::Refused(Refusal::Interrupted(item.id.clone())));
        }
    }
    let mut outcome = Outcome::default();
    for item in &plan.items {
        let Some(appliance) = appliances.get(&item.site) else {
            return Err(Stop::NoAppliance(item.site.clone()));
        };
        recheck.still(item).await.map_err(|why| Stop::Changed {
            item: item.id.clone(),
            why,
        })?;
        work.log(
            audit,
            &plan.digest,
            item,
            Event::Begun {
                phase: plan.phase,
                item: Box::new(item.clone()),
            },
        )?;
        // Nothing of an item is touched unless all of it still is as it was planned.
        if let Err((step, why)) = precheck(appliance, item).await {
            work.log(
                audit,
                &plan.digest,
                item,
                Event::Failed {
                    step: step.clone(),
                    why: why.clone(),
                },
            )?;
            let undone = abandon(audit, plan, item, work)?;
            return Err(Stop::Step {
                item: item.id.clone(),
                step: Box::new(step),
                why,
                undone,
            });
        }
        for step in &item.steps {
            match one(appliance, step, audit, plan, item, work).await? {
                Ok(()) => outcome.calls += 1,
                Err(why) => {
                    let undone = plan.phase != Phase::Purge
                        && take_back(appliance, item, audit, &plan.digest, work)
                            .await?
                            .is_ok();
                    return Err(Stop::Step {
                        item: item.id.clone(),
                        step: Box::new(step.clone()),
                        why,
                        undone,
                    });
                }
            }
        }
        work.log(audit, &plan.digest, item, Event::Finished)?;
        outcome.items += 1;
    }
    Ok(outcome)
}

/// Notes that an item was begun and nothing of it sent. A purge leaves it in quarantine.
fn abandon(
    audit: &mut Audit,
    plan: &Plan,
    item: &Item,
    work: &Work<'_>,
) -> Result<bool, AuditError> {
    let event = match plan.phase {
        Phase::Quarantine | Phase::Claim => Event::Undone,
        Phase::Purge => Event::Left,
    };
    work.log(audit, &plan.digest, item, event)?;
    Ok(true)
}

/// Looks at everything an item is about before the first of its calls: later steps depend on
/// earlier ones (a dataset is only destroyable when its snapshots are gone), so what they expect
/// at the end is checked here as far as it can be known.
async fn precheck<C: Change + Sync>(
    appliance: &Appliance<C>,
    item: &Item,
) -> Result<(), (Step, String)> {
    let (caller, release) = (&appliance.caller, appliance.release);
    for step in &item.steps {
        let failed = |error: CallError| (step.clone(), error.reason);
        let looked = match step {
            Step::Disable { .. } | Step::Remove { .. } | Step::Mark { .. } | Step::Claim { .. } => {
                look(appliance, step).await.map_err(failed)?
            }
            Step::DestroySnapshot {
                dataset,
                name,
                created,
            } => match snapshot(caller, release, dataset, name)
                .await
                .map_err(failed)?
            {
                Some(found) if found.created == *created => match found.clones.first() {
                    Some(clone) => moved(format!("the clone {clone} depends on it")),
                    None => There::Before,
                },
                _ => moved("it is not there any more"),
            },
            Step::DestroyDataset {
                dataset,
                created,
                referenced_bytes,
            } => {
                let doomed: Vec<&str> = item
                    .steps
                    .iter()
                    .filter_map(|step| match step {
                        Step::DestroySnapshot { name, .. } => Some(name.as_str()),
                        _ => None,
                    })
                    .collect();
                match read::dataset(caller, release, dataset)
                    .await
                    .map_err(failed)?
                {
                    None => moved("it is not there any more"),
                    Some(found) => destroyable(
                        caller,
                        release,
                        &found,
                        *created,
                        *referenced_bytes,
                        &doomed,
                    )
                    .await
                    .map_err(failed)?,
                }
            }
            _ => There::Before,
        };
        match looked {
            There::Before => {}
            There::After => return Err((step.clone(), "somebody has done it already".to_owned())),
            There::Moved(why) => return Err((step.clone(), why)),
        }
    }
    Ok(())
}

/// One step. The outer error is that of the log; the inner one says why the step is not done.
async fn one<C: Change + Sync>(
    appliance: &Appliance<C>,
    step: &Step,
    audit: &mut Audit,
    plan: &Plan,
    item: &Item,
    work: &Work<'_>,
) -> Result<Result<(), String>, AuditError> {
    let refused = match look(appliance, step).await {
        Ok(There::Before) => None,
        Ok(There::After) => Some("somebody has done it already".to_owned()),
        Ok(There::Moved(why)) => Some(why),
        Err(error) => Some(error.reason),
    };
    if let Some(why) = refused {
        let event = Event::Failed {
            step: step.clone(),
            why: why.clone(),
        };
        work.log(audit, &plan.digest, item, event)?;
        return Ok(Err(why));
    }
    work.log(
        audit,
        &plan.digest,
        item,
        Event::Intent { step: step.clone() },
    )?;
    let event = match send(appliance, step).await {
        Ok(()) => Event::Done { step: step.clone() },
        Err(why) => Event::Failed {
            step: step.clone(),
            why,
        },
    };
    let result = match &event {
        Event::Failed { why, .. } => Err(why.clone()),
        _ => Ok(()),
    };
    work.log(audit, &plan.digest, item, event)?;
    Ok(result)
}

/// Sends the call and reads back.
async fn send<C: Change + Sync>(appliance: &Appliance<C>, step: &Step) -> Result<(), String> {
    let (method, params) = step.call(appliance.release);
    let said = appliance.caller.change(&method, &params).await;
    match look(appliance, step).await {
        Ok(There::After) => Ok(()),
        Ok(There::Before) => Err(match said {
            Ok(_) => format!("{method} answered without an error and changed nothing"),
            Err(error) => error.reason,
        }),
        Ok(There::Moved(why)) => Err(why),
        Err(error) => Err(format!("it cannot be read back: {error}")),
    }
}

/// Undoes every item of a plan, or the one item that is named. What was purged cannot be.
pub async fn undo<C: Change + Sync>(
    name: &str,
    appliances: &BTreeMap<String, Appliance<C>>,
    audit: &mut Audit,
    work: &Work<'_>,
) -> Result<Outcome, Stop> {
    let mut chosen: Vec<Item> = Vec::new();
    for (identity, known) in audit.items() {
        let named = known.plan == name || identity == name || known.item.id == name;
        let open = matches!(
            known.standing,
            Standing::Quarantined | Standing::Claimed | Standing::Interrupted
        );
        if named && open {
            chosen.push(known.item.clone());
        }
    }
    if chosen.is_empty() {
        return Err(Stop::NothingToUndo(name.to_owned()));
    }
    let mut outcome = Outcome::default();
    for item in &chosen {
        let appliance = appliances
            .get(&item.site)
            .ok_or_else(|| Stop::NoAppliance(item.site.clone()))?;
        match take_back(appliance, item, audit, name, work).await? {
            Ok(calls) => {
                outcome.calls += calls;
                outcome.items += 1;
            }
            Err((step, why)) => {
                return Err(Stop::Step {
                    item: item.id.clone(),
                    step: Box::new(step),
                    why,
                    undone: false,
                });
            }
        }
    }
    Ok(outcome)
}

/// Undoes one item: every step that was sent or may have been, last one first.
async fn take_back<C: Change + Sync>(
    appliance: &Appliance<C>,
    item: &Item,
    audit: &mut Audit,
    plan: &str,
    work: &Work<'_>,
) -> Result<Result<usize, (Step, String)>, AuditError> {
    let sent = audit
        .items()
        .get(item.identity.as_str())
        .map(|known| known.sent.clone())
        .unwrap_or_default();
    let mut calls = 0;
    for step in sent.iter().rev() {
        let Some(back) = step.inverse() else {
            // Something is gone for good, unless the call never arrived.
            match look(appliance, step).await {
                Ok(There::Before) => continue,
                Ok(_) => return Ok(Err((step.clone(), "it is removed for good".to_owned()))),
                Err(error) => return Ok(Err((step.clone(), error.reason))),
            }
        };
        match look(appliance, &back).await {
            Ok(There::After) => {}
            Ok(There::Before) => {
                work.log(
                    audit,
                    plan,
                    item,
                    Event::Failed {
                        step: step.clone(),
                        why: format!("taken back: {back}"),
                    },
                )?;
                if let Err(why) = send(appliance, &back).await {
                    return Ok(Err((back, why)));
                }
                work.log(audit, plan, item, Event::Done { step: back })?;
                calls += 1;
            }
            Ok(There::Moved(why)) => return Ok(Err((back, why))),
            Err(error) => return Ok(Err((back, error.reason))),
        }
    }
    work.log(audit, plan, item, Event::Undone)?;
    Ok(Ok(calls))
}

/// What there is of what a step is about.
async fn look<C: Caller + Sync>(appliance: &Appliance<C>, step: &Step) -> Result<There, CallError> {
    let (caller, release) = (&appliance.caller, appliance.release);
    Ok(match step {
        Step::Disable { table, row } => shown(caller, *table, row, true).await?,
        Step::Enable { table, row } => shown(caller, *table, row, false).await?,
        Step::Remove { table, row } => match read::row(caller, table.namespace(), row.id).await? {
            None => There::After,
            Some(found) if !row.is(&found) => moved(format!(
                "number {} is {} now",
                row.id,
                found
                    .get("name")
                    .or_else(|| found.get("path"))
                    .and_then(Value::as_str)
                    .unwrap_or("something else")
            )),
            Some(found) => match in_use(caller, *table, &found).await? {
                Some(why) => moved(why),
                None => There::Before,
            },
        },
        Step::TakeSnapshot { dataset, name } => {
            if read::dataset(caller, release, dataset).await?.is_none() {
                return Ok(moved(format!("{dataset} is gone")));
            }
            match snapshot(caller, release, dataset, name).await? {
                Some(_) => There::After,
                None => There::Before,
            }
        }
        Step::DropSnapshot { dataset, name } => {
            match snapshot(caller, release, dataset, name).await? {
                None => There::After,
                Some(found) => free(&found),
            }
        }
        Step::Hold { dataset, name } => match snapshot(caller, release, dataset, name).await? {
            None => moved("the snapshot is gone"),
            Some(found) if found.holds > 0 => There::After,
            Some(_) => There::Before,
        },
        Step::Release { dataset, name } => match snapshot(caller, release, dataset, name).await? {
            Some(found) if found.holds > 0 => There::Before,
            // A hold goes with its snapshot: an undo that was cut off may have dropped it already.
            _ => There::After,
        },
        Step::Mark { dataset, value } => {
            let found = read::dataset(caller, release, dataset).await?;
            marked(found.as_ref(), QUARANTINE_PROPERTY, value, true)
        }
        Step::Unmark { dataset, value } => {
            let found = read::dataset(caller, release, dataset).await?;
            marked(found.as_ref(), QUARANTINE_PROPERTY, value, false)
        }
        Step::Claim {
            dataset,
            created,
            cluster,
        }
        | Step::Disclaim {
            dataset,
            created,
            cluster,
        } => {
            let found = read::dataset(caller, release, dataset).await?;
            if found
                .as_ref()
                .is_some_and(|known| known.row.created != *created)
            {
                return Ok(moved("a dataset of that name was made since"));
            }
            let set = matches!(step, Step::Claim { .. });
            marked(found.as_ref(), LEDGER_PROPERTY, cluster, set)
        }
        Step::DestroySnapshot {
            dataset,
            name,
            created,
        } => match snapshot(caller, release, dataset, name).await? {
            None => There::After,
            Some(found) if found.created != *created => {
                moved("a snapshot of that name was made since")
            }
            Some(found) => free(&found),
        },
        Step::DestroyDataset {
            dataset,
            created,
            referenced_bytes,
        } => {
            let Some(found) = read::dataset(caller, release, dataset).await? else {
                return Ok(There::After);
            };
            destroyable(caller, release, &found, *created, *referenced_bytes, &[]).await?
        }
    })
}

fn moved(why: impl Into<String>) -> There {
    There::Moved(why.into())
}

async fn shown<C: Caller + Sync>(
    caller: &C,
    table: Table,
    row: &Row,
    before: bool,
) -> Result<There, CallError> {
    let Some(found) = read::row(caller, table.namespace(), row.id).await? else {
        return Ok(moved(format!("{} {row} is gone", table.words())));
    };
    if !row.is(&found) {
        return Ok(moved(format!("number {} is something else now", row.id)));
    }
    let enabled = found
        .get("enabled")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    if before
        && enabled
        && let Some(why) = in_use(caller, table, &found).await?
    {
        return Ok(moved(why));
    }
    Ok(if enabled == before {
        There::Before
    } else {
        There::After
    })
}

/// What uses a row right now: a session to the target (the driver gives an extent the name of its
/// target), or a client that has mounted the export.
async fn in_use<C: Caller + Sync>(
    caller: &C,
    table: Table,
    row: &Value,
) -> Result<Option<String>, CallError> {
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
    let (method, field, wanted) = match table {
        Table::Target | Table::Extent => ("iscsi.global.sessions", "target", text("name")),
        Table::NfsShare => ("nfs.get_nfs3_clients", "export", text("path")),
        _ => return Ok(None),
    };
    let rows: Vec<Value> = caller.call(method, &[]).await?.decode()?;
    let used = rows
        .iter()
        .filter_map(|known| known.get(field).and_then(Value::as_str))
        .any(|known| known == wanted || known.ends_with(&format!(":{wanted}")));
    Ok(used.then(|| format!("{wanted} is in use")))
}

async fn snapshot<C: Caller + Sync>(
    caller: &C,
    release: (u16, u16),
    dataset: &str,
    name: &str,
) -> Result<Option<Snapshot>, CallError> {
    let list = read::snapshots_of(caller, release, dataset).await?;
    Ok(list.into_iter().find(|known| *known.name == *name))
}

/// Whether nothing hangs on a snapshot.
fn free(found: &Snapshot) -> There {
    if found.holds > 0 {
        moved("it is held")
    } else if let Some(clone) = found.clones.first() {
        moved(format!("the clone {clone} depends on it"))
    } else if found.deferred {
        moved("it is destroyed already and waits for a clone")
    } else {
        There::Before
    }
}

/// How a dataset stands to a property that is to say something, or (`set` is false) to say it no more.
fn marked(found: Option<&read::Found>, property: &str, value: &str, set: bool) -> There {
    let Some(found) = found else {
        return moved("the dataset is gone");
    };
    match found.row.property(property) {
        None if set => There::Before,
        None => There::After,
        Some(known) if *known.value == *value => {
            if set {
                There::After
            } else {
                There::Before
            }
        }
        Some(known) => moved(format!("{property} is {} now", known.value)),
    }
}

async fn destroyable<C: Caller + Sync>(
    caller: &C,
    release: (u16, u16),
    found: &read::Found,
    created: Option<Seconds>,
    referenced_bytes: Option<u64>,
    doomed: &[&str],
) -> Result<There, CallError> {
    let row: &Dataset = &found.row;
    if row.created != created {
        return Ok(moved("a dataset of that name was made since"));
    }
    if row.referenced_bytes != referenced_bytes {
        return Ok(moved("something was written into it"));
    }
    if row.property(QUARANTINE_PROPERTY).is_none() {
        return Ok(moved("it is not in quarantine any more"));
    }
    if found.children {
        return Ok(moved("it has child datasets"));
    }
    let snapshots = read::snapshots_of(caller, release, &row.id).await?;
    let strange = snapshots
        .iter()
        .find(|snapshot| !doomed.contains(&&*snapshot.name));
    if let Some(snapshot) = strange {
        return Ok(moved(format!(
            "the snapshot {} was taken of it",
            snapshot.name
        )));
    }
    Ok(There::Before)
}
