//! Approval by another person, proven by the API server.
//!
//! A `CleanupPlan` is only worth something while the ValidatingAdmissionPolicy is in force that
//! binds `author` and `approver` to whoever writes them. So before an approval is believed the
//! policy and its binding are read and compared with the ones that this program was built with:
//! a weaker one is no approval.

use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        authentication::v1::SelfSubjectReview,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use pequod_api::{CleanupPlan, CleanupPlanSpec};
use serde_json::json;

use crate::cleanup::{Phase, Plan};

/// The policy and its binding.
pub const POLICY: &str = include_str!("approval/policy.yaml");
const NAME: &str = "pequod-cleanup-plan";

/// Why an approval is not there or not believed.
#[derive(Debug)]
pub enum NotApproved {
    /// The API server refused or could not be reached.
    Api(Box<kube::Error>),
    /// The policy that makes approvals trustworthy is missing or another one.
    Policy(String),
    /// Nobody submitted this plan.
    Unknown(String),
    /// Nobody approved it yet.
    Waiting(String),
    /// The object is of another plan.
    OtherPlan(String),
    /// Its author approved it.
    Own(String),
}

impl std::fmt::Display for NotApproved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(error) => write!(f, "{error}"),
            Self::Policy(why) => write!(
                f,
                "approvals in this cluster prove nothing: {why}; install the chart with storage.approval.enabled"
            ),
            Self::Unknown(name) => {
                write!(f, "no CleanupPlan {name}: submit the plan with --submit")
            }
            Self::Waiting(name) => write!(f, "CleanupPlan {name} is not approved yet"),
            Self::OtherPlan(name) => write!(f, "CleanupPlan {name} is of another plan"),
            Self::Own(name) => write!(f, "CleanupPlan {name} was approved by its own author"),
        }
    }
}

impl std::error::Error for NotApproved {}

impl From<kube::Error> for NotApproved {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// What the object of a plan is called.
pub fn name_of(plan: &Plan) -> String {
    format!("cleanup-{}", plan.digest.get(..12).unwrap_or(&plan.digest))
}

/// Who the API server takes us for.
pub async fn whoami(client: &Client) -> Result<String, kube::Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    Ok(review
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username)
        .unwrap_or_default())
}

/// Writes the object that somebody else may approve.
pub async fn submit(client: &Client, plan: &Plan) -> Result<String, NotApproved> {
    let name = name_of(plan);
    let spec = CleanupPlanSpec {
        digest: plan.digest.clone(),
        phase: match plan.phase {
            Phase::Quarantine => "quarantine",
            Phase::Purge => "purge",
            Phase::Claim => "claim",
        }
        .to_owned(),
        items: u32::try_from(plan.items.len()).unwrap_or(u32::MAX),
        steps: plan
            .items
            .iter()
            .flat_map(|item| {
                let alone = item
                    .steps
                    .is_empty()
                    .then(|| format!("wait with {}", item.id));
                item.steps.iter().map(ToString::to_string).chain(alone)
            })
            .collect(),
        author: plan.author.clone(),
        approver: None,
    };
    let api: Api<CleanupPlan> = Api::all(client.clone());
    api.create(&PostParams::default(), &CleanupPlan::new(&name, spec))
        .await?;
    Ok(name)
}

/// Approves a plan in one's own name.
pub async fn approve(client: &Client, name: &str) -> Result<CleanupPlan, NotApproved> {
    let me = whoami(client).await?;
    let api: Api<CleanupPlan> = Api::all(client.clone());
    let patch = json!({"spec": {"approver": me}});
    Ok(api
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?)
}

/// Whether somebody else approved exactly this plan, under the policy that makes it count. Gives
/// the approver.
pub async fn approved(client: &Client, plan: &Plan) -> Result<String, NotApproved> {
    in_force(client).await?;
    let name = name_of(plan);
    let api: Api<CleanupPlan> = Api::all(client.clone());
    let Some(found) = api.get_opt(&name).await? else {
        return Err(NotApproved::Unknown(name));
    };
    if found.spec.digest != plan.digest || found.spec.author != plan.author {
        return Err(NotApproved::OtherPlan(name));
    }
    match found.spec.approver {
        None => Err(NotApproved::Waiting(name)),
        Some(approver) if approver == plan.author => Err(NotApproved::Own(name)),
        Some(approver) => Ok(approver),
    }
}

async fn in_force(client: &Client) -> Result<(), NotApproved> {
    let wrong = |why: &str| NotApproved::Policy(why.to_owned());
    let mut wanted = POLICY.split("\n---\n");
    let policy: ValidatingAdmissionPolicy =
        serde_saphyr::from_str(wanted.next().unwrap_or_default())
            .map_err(|error| NotApproved::Policy(error.to_string()))?;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let Some(found) = policies.get_opt(NAME).await? else {
        return Err(wrong("the ValidatingAdmissionPolicy is not there"));
    };
    // The API server fills in defaults; what it enforces must be what was written.
    let essence = |policy: &ValidatingAdmissionPolicy| {
        let spec = policy.spec.clone().unwrap_or_default();
        let rules: Vec<_> = spec
            .match_constraints
            .unwrap_or_default()
            .resource_rules
            .unwrap_or_default()
            .into_iter()
            .map(|rule| {
                (
                    rule.api_groups,
                    rule.api_versions,
                    rule.resources,
                    rule.operations,
                )
            })
            .collect();
        let expressions: Vec<_> = spec
            .validations
            .unwrap_or_default()
            .into_iter()
            .map(|known| known.expression)
            .collect();
        let open = spec.match_conditions.unwrap_or_default().is_empty();
        (
            rules,
            expressions,
            spec.failure_policy,
            open,
            spec.param_kind,
        )
    };
    if essence(&found) != essence(&policy) {
        return Err(wrong("the ValidatingAdmissionPolicy is another one"));
    }
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let Some(found) = bindings.get_opt(NAME).await? else {
        return Err(wrong("the policy is not bound"));
    };
    let spec = found.spec.unwrap_or_default();
    let denies = spec
        .validation_actions
        .unwrap_or_default()
        .iter()
        .any(|action| action == "Deny");
    let everywhere = spec.match_resources.is_none_or(|only| {
        only.exclude_resource_rules.unwrap_or_default().is_empty()
            && only.resource_rules.unwrap_or_default().is_empty()
            && only
                .namespace_selector
                .is_none_or(|selector| selector == LabelSelector::default())
            && only
                .object_selector
                .is_none_or(|selector| selector == LabelSelector::default())
    });
    if spec.policy_name.as_deref() == Some(NAME) && denies && everywhere {
        Ok(())
    } else {
        Err(wrong("the binding does not deny everywhere"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_chart_carries_the_same_policy() {
        let chart = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../charts/pequod/templates/storage-approval.yaml"
        );
        assert!(
            std::fs::read_to_string(chart)
                .unwrap()
                .contains(super::POLICY)
        );
    }
}
