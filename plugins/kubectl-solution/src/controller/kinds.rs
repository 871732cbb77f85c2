//! Which kinds are watched: all that can be listed and watched, and that we have the right to.
//!
//! Asked again every minute, since CRDs come and go: two requests for what there is and one for our rights.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{
    ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::api::PostParams;
use kube::core::ApiResource;
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Api, Client};

/// A kind to watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) resource: ApiResource,
    pub(super) namespaced: bool,
}

/// Groups whose objects are nobody's application: what a cluster writes for itself, and our own.
const NOT_MEMBERS: [&str; 12] = [
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "dot-ai.io",
    "events.k8s.io",
    "metrics.k8s.io",
    "platform.pequod.io",
    "policy.pequod.io",
];

/// The kinds to watch now, in the order of their names.
pub(super) async fn list(client: &Client) -> Result<Vec<Kind>, kube::Error> {
    let discovery = Discovery::new(client.clone())
        .exclude(&NOT_MEMBERS)
        .run_aggregated()
        .await?;
    let rules = rights(client).await?;
    let mut seen = BTreeSet::new();
    let mut kinds = Vec::new();
    for group in discovery.groups_alphabetical() {
        for (resource, capabilities) in group.recommended_resources() {
            let watchable = capabilities.supports_operation(verbs::LIST)
                && capabilities.supports_operation(verbs::WATCH);
            let events = resource.group.is_empty()
                && matches!(resource.kind.as_str(), "Event" | "Endpoints");
            if watchable
                && !events
                && may_watch(&rules, &resource)
                && seen.insert((resource.group.clone(), resource.kind.clone()))
            {
                let namespaced = capabilities.scope == Scope::Namespaced;
                kinds.push(Kind {
                    resource,
                    namespaced,
                });
            }
        }
    }
    Ok(kinds)
}

/// What we may do everywhere. Rules of a namespace are those of the cluster and its own; in `kube-public`, nobody
/// gives us any.
async fn rights(client: &Client) -> Result<Vec<ResourceRule>, kube::Error> {
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let question = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some("kube-public".to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let answer = api.create(&PostParams::default(), &question).await?;
    Ok(answer
        .status
        .map(|status| status.resource_rules)
        .unwrap_or_default())
}

fn may_watch(rules: &[ResourceRule], resource: &ApiResource) -> bool {
    let names = |list: Option<&Vec<String>>, word: &str| {
        list.is_some_and(|list| list.iter().any(|entry| entry == "*" || entry == word))
    };
    ["list", "watch"].into_iter().all(|verb| {
        rules.iter().any(|rule| {
            rule.resource_names.as_ref().is_none_or(Vec::is_empty)
                && rule
                    .verbs
                    .iter()
                    .any(|allowed| allowed == "*" || allowed == verb)
                && names(rule.api_groups.as_ref(), &resource.group)
                && names(rule.resources.as_ref(), &resource.plural)
        })
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authorization::v1::ResourceRule;
    use kube::core::{ApiResource, GroupVersionKind};

    use super::may_watch;

    #[test]
    fn a_right_counts_for_the_whole_kind_or_not_at_all() {
        let deployments = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("apps", "v1", "Deployment"),
            "deployments",
        );
        let rule = |verbs: &[&str], names: &[&str]| ResourceRule {
            api_groups: Some(vec!["apps".to_owned()]),
            resources: Some(vec!["deployments".to_owned()]),
            resource_names: Some(names.iter().map(|&name| name.to_owned()).collect()),
            verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        };
        assert!(may_watch(&[rule(&["list", "watch"], &[])], &deployments));
        assert!(may_watch(
            &[rule(&["list"], &[]), rule(&["watch"], &[])],
            &deployments
        ));
        assert!(may_watch(&[rule(&["*"], &[])], &deployments));
        assert!(!may_watch(&[rule(&["list"], &[])], &deployments));
        assert!(!may_watch(&[rule(&["*"], &["web"])], &deployments));
        assert!(!may_watch(&[], &deployments));
    }
}
