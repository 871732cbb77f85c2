//! Stamps, as the API server is told to put them on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pequod_policy::PolicySet;
use serde_json::{Value, json};

use crate::{CLUSTER, ask, keys, review, webhook};

/// The object as it is stored after `/mutate`.
async fn stored(review: &Value) -> Value {
    let response = ask(&webhook(PolicySet::default()), "/mutate", review).await;
    assert_eq!(response["allowed"], true);
    let mut object = review["request"]["object"].clone();
    let Some(patch) = response["patch"].as_str() else {
        return object;
    };
    assert_eq!(response["patchType"], "JSONPatch");
    let operations: Vec<Value> = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
    for operation in operations {
        let metadata = object["metadata"].as_object_mut().unwrap();
        let key = "dot-ai.io/stamp";
        match (
            operation["op"].as_str().unwrap(),
            operation["path"].as_str().unwrap(),
        ) {
            ("add", "/metadata/annotations") => {
                metadata.insert("annotations".to_owned(), operation["value"].clone());
            }
            ("add", "/metadata/annotations/dot-ai.io~1stamp") => {
                metadata["annotations"][key] = operation["value"].clone();
            }
            ("remove", "/metadata/annotations/dot-ai.io~1stamp") => {
                metadata["annotations"]
                    .as_object_mut()
                    .unwrap()
                    .remove(key)
                    .unwrap();
            }
            other => unreachable!("{other:?}"),
        }
    }
    object
}

fn update(review: &Value, object: Value, old: Value) -> Value {
    let mut review = review.clone();
    review["request"]["operation"] = "UPDATE".into();
    review["request"]["object"] = object;
    review["request"]["oldObject"] = old;
    review
}

#[tokio::test]
async fn a_new_member_is_stamped_with_actor_and_tool() {
    let stored = stored(&review("create-deployment")).await;
    let claim = keys().verify(CLUSTER, &stored).unwrap();
    assert_eq!(claim.actor, "ann");
    assert_eq!(claim.manager, "kubectl-client-side-apply");
    assert_eq!(claim.policies, *PolicySet::default().digest());
}

#[tokio::test]
async fn admitting_twice_changes_nothing() {
    let create = review("create-deployment");
    let once = stored(&create).await;
    let mut again = create.clone();
    again["request"]["object"] = once.clone();
    assert_eq!(
        stored(&again).await,
        once,
        "invoked again in the same request"
    );
    assert_eq!(
        stored(&update(&create, once.clone(), once.clone())).await,
        once,
        "applied again"
    );
    let bare = create["request"]["object"].clone();
    assert_eq!(
        stored(&update(&create, bare, once.clone())).await,
        once,
        "replaced without it"
    );
}

#[tokio::test]
async fn a_dry_run_gets_the_same_stamp() {
    let mut dry = review("create-deployment");
    let wet = stored(&dry).await;
    dry["request"]["dryRun"] = true.into();
    assert_eq!(stored(&dry).await, wet);
}

#[tokio::test]
async fn the_namespace_of_the_request_counts() {
    let mut create = review("create-deployment");
    create["request"]["object"]["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("namespace");
    let mut stored = stored(&create).await;
    stored["metadata"]["namespace"] = "shop".into();
    assert!(keys().verify(CLUSTER, &stored).is_some());
}

#[tokio::test]
async fn a_copied_stamp_is_overwritten() {
    let create = review("create-deployment");
    let mut copy = create.clone();
    copy["request"]["object"] = stored(&create).await;
    copy["request"]["object"]["metadata"]["name"] = "other".into();
    copy["request"]["userInfo"]["username"] = "eve".into();
    let claim = keys().verify(CLUSTER, &stored(&copy).await).unwrap();
    assert_eq!(claim.actor, "eve");
}

#[tokio::test]
async fn what_a_controller_owns_is_not_stamped() {
    let mut create = review("create-deployment");
    create["request"]["object"]["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1", "controller": true}
    ]);
    assert_eq!(stored(&create).await, create["request"]["object"]);
}

#[tokio::test]
async fn deletions_are_not_stamped() {
    let response = ask(
        &webhook(PolicySet::default()),
        "/mutate",
        &review("delete-deployment"),
    )
    .await;
    assert!(response.get("patch").is_none());
}
