//! What policies say, as the API server is told.

use pequod_policy::PolicySet;
use serde_json::{Value, json};

use crate::{ask, policies, review, webhook};

/// A policy that the Deployment of `testdata` violates, in the given action.
fn owner(action: &str) -> Value {
    json!({
        "action": action,
        "cue": "package p\n\
            policy: \"has-owner\": {\n\
            \tmessage: \"say who owns it\"\n\
            \tmatch: kind: \"Deployment\"\n\
            \tobject: metadata: labels: owner!: string\n\
            }\n"
    })
}

#[tokio::test]
async fn a_denial_names_policy_path_and_message() {
    let webhook = webhook(policies(owner("Deny")));
    let response = ask(&webhook, "/validate", &review("create-deployment")).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    for word in [
        "workloads/has-owner",
        "metadata.labels.owner",
        "say who owns it",
    ] {
        assert!(message.contains(word), "{message}");
    }
    let cause = &response["status"]["details"]["causes"][0];
    assert_eq!(cause["field"], "metadata.labels.owner");
    assert_eq!(
        response["auditAnnotations"]["denied"],
        "workloads/has-owner"
    );
    assert!(
        response["auditAnnotations"]["policies"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
}

#[tokio::test]
async fn what_satisfies_the_policies_is_allowed() {
    let webhook = webhook(policies(owner("Deny")));
    let mut good = review("create-deployment");
    good["request"]["object"]["metadata"]["labels"]["owner"] = "ann".into();
    let response = ask(&webhook, "/validate", &good).await;
    assert_eq!(
        response,
        json!({"uid": good["request"]["uid"], "allowed": true})
    );
}

#[tokio::test]
async fn the_action_caps_what_a_violation_does() {
    let warn = ask(
        &webhook(policies(owner("Warn"))),
        "/validate",
        &review("create-deployment"),
    )
    .await;
    assert_eq!(warn["allowed"], true);
    assert!(
        warn["warnings"][0]
            .as_str()
            .unwrap()
            .contains("say who owns it"),
        "{warn}"
    );

    let audit = ask(
        &webhook(policies(owner("Audit"))),
        "/validate",
        &review("create-deployment"),
    )
    .await;
    assert_eq!(audit["allowed"], true);
    assert!(audit.get("warnings").is_none());
    assert_eq!(audit["auditAnnotations"]["audited"], "workloads/has-owner");
}

#[tokio::test]
async fn a_dry_run_is_answered_like_any_other() {
    let webhook = webhook(policies(owner("Deny")));
    let mut dry = review("create-deployment");
    let wet = ask(&webhook, "/validate", &dry).await;
    dry["request"]["dryRun"] = true.into();
    assert_eq!(ask(&webhook, "/validate", &dry).await, wet);
}

#[tokio::test]
async fn deletions_and_exempt_namespaces_are_not_judged() {
    let webhook = webhook(policies(owner("Deny")));
    assert_eq!(
        ask(&webhook, "/validate", &review("delete-deployment")).await["allowed"],
        true
    );
    let mut exempt = review("create-deployment");
    exempt["request"]["namespace"] = "kube-system".into();
    assert_eq!(ask(&webhook, "/validate", &exempt).await["allowed"], true);
}

#[tokio::test]
async fn a_policy_may_ask_who_writes() {
    let webhook = webhook(policies(json!({
        "cue": "package p\n\
            policy: \"not-by-eve\": {\n\
            \tmessage: \"eve may not\"\n\
            \tobject: {\n\
            \t\tif request.userInfo.username == \"eve\" {metadata: labels: eve!: _}\n\
            \t\t...\n\
            \t}\n\
            }\n"
    })));
    let mut request = review("create-deployment");
    assert_eq!(ask(&webhook, "/validate", &request).await["allowed"], true);
    request["request"]["userInfo"]["username"] = "eve".into();
    assert_eq!(ask(&webhook, "/validate", &request).await["allowed"], false);
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_refused_with_its_position() {
    let webhook = webhook(PolicySet::default());
    let mut broken = review("create-policy");
    let response = ask(&webhook, "/validate", &broken).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 422);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("workloads.cue:"), "{message}");

    broken["request"]["object"]["spec"] = owner("Deny");
    assert_eq!(ask(&webhook, "/validate", &broken).await["allowed"], true);
}

#[tokio::test]
async fn a_broken_policy_can_still_be_labelled_and_deleted() {
    let webhook = webhook(PolicySet::default());
    let mut update = review("create-policy");
    update["request"]["operation"] = "UPDATE".into();
    update["request"]["oldObject"] = update["request"]["object"].clone();
    update["request"]["object"]["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(ask(&webhook, "/validate", &update).await["allowed"], true);
}

#[tokio::test]
async fn policies_are_not_judged_by_policies() {
    let everything = json!({"cue": "package p\npolicy: never: object: metadata: name: \"nothing is called this\"\n"});
    let webhook = webhook(policies(everything));
    assert_eq!(
        ask(&webhook, "/validate", &review("create-deployment")).await["allowed"],
        false
    );
    let mut policy = review("create-policy");
    policy["request"]["object"]["spec"] = owner("Deny");
    assert_eq!(ask(&webhook, "/validate", &policy).await["allowed"], true);
}

#[tokio::test]
async fn the_guard_refuses_what_it_is_asked() {
    let response = ask(
        &webhook(PolicySet::default()),
        "/guard",
        &review("create-deployment"),
    )
    .await;
    assert_eq!(response["allowed"], false);
    assert!(
        response["status"]["message"]
            .as_str()
            .unwrap()
            .contains("policy.pequod.io/exempt")
    );
}
