//! What the ServiceAccount of a driver's controller may do, asked of the API server.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use crate::model::{Text, cluster::Cluster};

const SNAPSHOTS: &str = "snapshot.storage.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// What the sidecars of a controller need: verb, group, resource, subresource, and what fails
/// without it.
const NEEDED: [(&str, &str, &str, &str, &str); 13] = [
    ("create", "", "persistentvolumes", "", "provisioning"),
    ("delete", "", "persistentvolumes", "", "removing volumes"),
    ("patch", "", "persistentvolumes", "", "growing volumes"),
    ("watch", "", "persistentvolumeclaims", "", "provisioning"),
    (
        "patch",
        "",
        "persistentvolumeclaims",
        "status",
        "growing volumes",
    ),
    ("list", STORAGE, "storageclasses", "", "provisioning"),
    ("list", STORAGE, "csinodes", "", "provisioning by topology"),
    ("patch", STORAGE, "volumeattachments", "status", "attaching"),
    ("create", "", "events", "", "saying what went wrong"),
    (
        "update",
        "coordination.k8s.io",
        "leases",
        "",
        "choosing a leader",
    ),
    (
        "list",
        SNAPSHOTS,
        "volumesnapshotclasses",
        "",
        "taking snapshots",
    ),
    (
        "update",
        SNAPSHOTS,
        "volumesnapshotcontents",
        "",
        "taking snapshots",
    ),
    (
        "patch",
        SNAPSHOTS,
        "volumesnapshotcontents",
        "status",
        "taking snapshots",
    ),
];

/// Asks for each driver of the cluster. Where asking is not allowed nothing is known, which is not
/// the same as nothing being missing.
pub async fn fill(client: &Client, cluster: &mut Cluster) {
    for instance in &mut cluster.instances {
        let settings = &mut instance.settings;
        let namespace = settings.release.split('/').next().unwrap_or_default();
        if let Some(account) = &settings.account {
            settings.missing_rights = missing(client, namespace, account).await.ok();
        }
    }
}

async fn missing(
    client: &Client,
    namespace: &str,
    account: &str,
) -> Result<Vec<Text>, kube::Error> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for (verb, group, resource, subresource, purpose) in NEEDED {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let namespaced = resource == "leases" || resource == "events";
        let question = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    group: text(group),
                    resource: text(resource),
                    subresource: text(subresource),
                    verb: text(verb),
                    namespace: namespaced.then(|| namespace.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &question).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            let slash = if subresource.is_empty() { "" } else { "/" };
            missing.push(format!("{verb} {resource}{slash}{subresource} ({purpose})").into());
        }
    }
    Ok(missing)
}
