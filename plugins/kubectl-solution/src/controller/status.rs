//! What the status of a Solution is: a function of its members, its last status and the time.
//!
//! | state | when |
//! | --- | --- |
//! | Pending | there is no member |
//! | Failed | a member failed |
//! | Deployed | all members are ready |
//! | Degraded | it was deployed, nobody has changed a member since, and not all are ready |
//! | Progressing | otherwise |
//!
//! What is said of a member's last change stays as it was said until there is another: the time at which it was
//! first seen is the only thing here that is not found again in the cluster.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pequod_api::ObjectRef;
use pequod_api::solution::{Change, SolutionMember, SolutionState, SolutionStatus};
use pequod_kube::conditions::{self, Wanted};
use pequod_kube::status::Status;

use super::index::Member;
use super::watch::Seen;

/// The author where none is proven.
const UNRESOLVED: &str = "unresolved";

/// More members than this are counted but not listed: an object holds 1.5 MB at most.
const LISTED: usize = 2_000;

/// The status that a Solution should have.
pub(super) fn of(
    members: Vec<Member>,
    old: Option<&SolutionStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> SolutionStatus {
    let known = |reference: &ObjectRef| {
        old?.inventory
            .iter()
            .find(|member| member.object.same_object(reference))
    };
    let mut inventory: Vec<SolutionMember> = members
        .into_iter()
        .map(|member| described(&member, &known, now))
        .collect();
    let total = inventory.len();
    let ready = inventory
        .iter()
        .filter(|member| member.health == "Current")
        .count();
    let state = state(&inventory, old);
    let last_change = last_change(&inventory);
    let mut conditions = old.map(|old| old.conditions.clone()).unwrap_or_default();
    conditions::set(
        &mut conditions,
        readiness(&inventory, state, ready),
        generation,
        now,
    );
    let conditions: Vec<Condition> = conditions
        .into_iter()
        .filter(|c| c.type_ == "Ready")
        .collect();
    inventory.truncate(LISTED);
    SolutionStatus {
        observed_generation: generation,
        state,
        ready: Some(format!("{ready}/{total}")),
        inventory,
        last_change,
        conditions,
    }
}

fn described<'a>(
    member: &Member,
    known: &impl Fn(&ObjectRef) -> Option<&'a SolutionMember>,
    now: Timestamp,
) -> SolutionMember {
    let bare = |object: &ObjectRef, health: &str, message: &str| SolutionMember {
        object: object.clone(),
        uid: String::new(),
        generation: None,
        health: health.to_owned(),
        message: Some(message.to_owned()).filter(|message| !message.is_empty()),
        intent_digest: None,
        last_change: None,
    };
    match member {
        Member::There(object, seen) => SolutionMember {
            uid: seen.uid.clone(),
            generation: seen.generation,
            intent_digest: seen.claim.as_ref().map(|claim| claim.intent.clone()),
            last_change: Some(change(seen, known(object), now)),
            ..bare(object, &format!("{:?}", seen.health), &seen.message)
        },
        Member::Missing(object) => bare(object, "NotFound", "it is not there"),
        Member::Untold(object) => bare(
            object,
            "Unknown",
            "its kind cannot be watched: it is not served, or we may not list it",
        ),
    }
}

fn change(seen: &Seen, old: Option<&SolutionMember>, now: Timestamp) -> Change {
    let new = match &seen.claim {
        Some(claim) => Change {
            actor: claim.actor.clone(),
            tool: Some(claim.manager.clone()).filter(|tool| !tool.is_empty()),
            policy_digest: Some(claim.policies.clone()),
            seen: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        None => Change {
            actor: UNRESOLVED.to_owned(),
            tool: None,
            policy_digest: None,
            seen: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    };
    let Some(old) = old.filter(|old| old.uid == seen.uid) else {
        return new;
    };
    let Some(before) = &old.last_change else {
        return new;
    };
    let same_words = (&before.actor, &before.tool, &before.policy_digest)
        == (&new.actor, &new.tool, &new.policy_digest);
    let same_intent = match &seen.claim {
        Some(claim) => old.intent_digest.as_ref() == Some(&claim.intent),
        // Of what nobody signed only the generation says that it changed.
        None => old.generation == seen.generation,
    };
    if same_words && same_intent {
        before.clone()
    } else {
        new
    }
}

/// The newest proven change; of several at once that of the first member. If none is proven, that is said.
fn last_change(inventory: &[SolutionMember]) -> Option<Change> {
    let newest = |proven: bool| {
        let changes = inventory
            .iter()
            .filter_map(|member| member.last_change.as_ref());
        let mut newest: Option<&Change> = None;
        for change in changes.filter(|change| (change.actor != UNRESOLVED) == proven) {
            if newest.is_none_or(|newest| change.seen > newest.seen) {
                newest = Some(change);
            }
        }
        newest.cloned()
    };
    newest(true).or_else(|| newest(false))
}

fn state(inventory: &[SolutionMember], old: Option<&SolutionStatus>) -> SolutionState {
    let is = |status: Status| {
        let word = format!("{status:?}");
        move |member: &SolutionMember| member.health == word
    };
    if inventory.is_empty() {
        return SolutionState::Pending;
    }
    if inventory.iter().any(is(Status::Failed)) {
        return SolutionState::Failed;
    }
    if inventory.iter().all(is(Status::Current)) {
        return SolutionState::Deployed;
    }
    let was_deployed =
        old.filter(|old| matches!(old.state, SolutionState::Deployed | SolutionState::Degraded));
    let unchanged = was_deployed.is_some_and(|old| {
        old.inventory.len() == inventory.len()
            && old.inventory.iter().zip(inventory).all(|(old, new)| {
                let gone = new.uid.is_empty();
                old.object == new.object && (gone || old.generation == new.generation)
            })
    });
    if unchanged {
        SolutionState::Degraded
    } else {
        SolutionState::Progressing
    }
}

fn readiness(inventory: &[SolutionMember], state: SolutionState, ready: usize) -> Wanted<'static> {
    let reason = match state {
        SolutionState::Pending => "NoMembers",
        SolutionState::Progressing => "Progressing",
        SolutionState::Deployed => "Deployed",
        SolutionState::Degraded => "Degraded",
        SolutionState::Failed => "Failed",
    };
    let unready: Vec<String> = inventory
        .iter()
        .filter(|member| member.health != "Current")
        .take(3)
        .map(|member| match &member.message {
            Some(message) => format!("{}: {message}", member.object),
            None => format!("{}: {}", member.object, member.health),
        })
        .collect();
    let message = if inventory.is_empty() {
        "no object is a member: label objects with dot-ai.io/solution, or apply a Transform of this name".to_owned()
    } else if unready.is_empty() {
        format!("all {ready} members are ready")
    } else {
        format!(
            "{ready} of {} members are ready; {}",
            inventory.len(),
            unready.join("; ")
        )
    };
    Wanted {
        kind: "Ready",
        holds: Some(state == SolutionState::Deployed),
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};
    use pequod_api::ObjectRef;
    use pequod_api::solution::{SolutionState, SolutionStatus};
    use pequod_kube::status::Status;
    use pequod_policy::stamp::Claim;

    use super::{Member, Seen, of};

    fn reference(name: &str) -> ObjectRef {
        ObjectRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
        }
    }

    fn seen(health: Status, generation: i64, actor: Option<&str>) -> Seen {
        Seen {
            api_version: "apps/v1".to_owned(),
            uid: "1".to_owned(),
            generation: Some(generation),
            health,
            message: String::new(),
            intent: format!("sha256:{generation}"),
            claim: actor.map(|actor| Claim {
                actor: actor.to_owned(),
                manager: "kubectl".to_owned(),
                intent: format!("sha256:{generation}"),
                policies: "sha256:p".to_owned(),
            }),
            solution: Some("shop".to_owned()),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + second.seconds()
    }

    fn status(
        members: &[(&str, Seen)],
        old: Option<&SolutionStatus>,
        second: i64,
    ) -> SolutionStatus {
        let members = members
            .iter()
            .map(|(name, seen)| Member::There(reference(name), Box::new(seen.clone())))
            .collect();
        of(members, old, Some(1), at(second))
    }

    #[test]
    fn states_follow_the_members() {
        let web = |health| [("web", seen(health, 1, None))];
        assert_eq!(status(&[], None, 0).state, SolutionState::Pending);
        let progressing = status(&web(Status::InProgress), None, 0);
        assert_eq!(progressing.state, SolutionState::Progressing);
        let deployed = status(&web(Status::Current), Some(&progressing), 1);
        assert_eq!(
            (deployed.state, deployed.ready.as_deref()),
            (SolutionState::Deployed, Some("1/1"))
        );
        let degraded = status(&web(Status::InProgress), Some(&deployed), 2);
        assert_eq!(degraded.state, SolutionState::Degraded);
        let still = status(&web(Status::InProgress), Some(&degraded), 3);
        assert_eq!(still.state, SolutionState::Degraded);
        let changed = status(
            &[("web", seen(Status::InProgress, 2, None))],
            Some(&deployed),
            4,
        );
        assert_eq!(changed.state, SolutionState::Progressing);
        assert_eq!(
            status(&web(Status::Failed), Some(&deployed), 5).state,
            SolutionState::Failed
        );
    }

    #[test]
    fn a_member_that_vanishes_degrades_what_was_deployed() {
        let deployed = status(&[("web", seen(Status::Current, 1, None))], None, 0);
        let gone = of(
            vec![Member::Missing(reference("web"))],
            Some(&deployed),
            Some(1),
            at(1),
        );
        assert_eq!(gone.state, SolutionState::Degraded);
        assert_eq!(gone.inventory[0].health, "NotFound");
    }

    #[test]
    fn nothing_changes_as_long_as_nothing_changes() {
        let members = [
            ("a", seen(Status::Current, 1, Some("ann"))),
            ("b", seen(Status::InProgress, 1, None)),
        ];
        let first = status(&members, None, 0);
        assert_eq!(status(&members, Some(&first), 100), first);
    }

    #[test]
    fn the_newest_proven_change_is_named() {
        let first = status(&[("a", seen(Status::Current, 1, Some("ann")))], None, 0);
        assert_eq!(first.last_change.as_ref().unwrap().actor, "ann");
        assert_eq!(
            first.last_change.as_ref().unwrap().tool.as_deref(),
            Some("kubectl")
        );
        let members = [
            ("a", seen(Status::Current, 1, Some("ann"))),
            ("b", seen(Status::Current, 1, Some("bob"))),
        ];
        let second = status(&members, Some(&first), 60);
        let change = second.last_change.as_ref().unwrap();
        assert_eq!(
            (change.actor.as_str(), change.seen.as_str()),
            ("bob", "1970-01-01T00:01:00Z")
        );
    }

    #[test]
    fn what_nobody_proves_is_unresolved() {
        let first = status(&[("a", seen(Status::Current, 1, Some("ann")))], None, 0);
        let drifted = status(&[("a", seen(Status::Current, 2, None))], Some(&first), 60);
        assert_eq!(
            drifted.inventory[0].last_change.as_ref().unwrap().actor,
            "unresolved"
        );
        assert_eq!(drifted.inventory[0].intent_digest, None);
        assert_eq!(drifted.last_change.as_ref().unwrap().actor, "unresolved");
    }

    #[test]
    fn a_new_object_of_the_same_name_is_another_one() {
        let first = status(&[("a", seen(Status::Current, 1, Some("ann")))], None, 0);
        let mut again = seen(Status::Current, 1, Some("ann"));
        again.uid = "2".to_owned();
        let second = status(&[("a", again)], Some(&first), 60);
        assert_eq!(second.last_change.unwrap().seen, "1970-01-01T00:01:00Z");
    }
}
