//! What a Solution says.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use pequod_api::Solution;
use pequod_api::solution::{SolutionMember, SolutionState, SolutionStatus};
use pequod_testkit::{bin, wait};
use serde_json::json;

use crate::{HOME, Scene};

const APPLICATION: &str = "
apiVersion: dot-ai.io/v1
kind: Solution
metadata: {name: shop}
spec: {intent: sell things}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, labels: {dot-ai.io/solution: shop}}
data: {key: value}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {dot-ai.io/solution: shop}}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {dot-ai.io/solution: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, dot-ai.io/solution: shop}}
    spec: {containers: [{name: web, image: 'shop:1.2.3'}]}
";

fn member<'a>(status: &'a SolutionStatus, kind: &str) -> Option<&'a SolutionMember> {
    status
        .inventory
        .iter()
        .find(|member| member.object.kind == kind)
}

fn actor<'a>(status: &'a SolutionStatus, kind: &str) -> Option<&'a str> {
    Some(member(status, kind)?.last_change.as_ref()?.actor.as_str())
}

/// The application of alice, deployed.
async fn deployed(scene: &Scene) -> (String, Api<Solution>, SolutionStatus) {
    let namespace = scene.namespace("solution").await;
    let binding = [
        "create",
        "rolebinding",
        "alice",
        "-n",
        &namespace,
        "--clusterrole=admin",
        "--user=alice",
    ];
    scene.kubectl(binding).success();
    // Nobody gives the right to Solutions away with `admin`; here alice gets it.
    let role = [
        "create",
        "clusterrolebinding",
        &format!("alice-{namespace}"),
        "--clusterrole=cluster-admin",
        "--user=alice",
    ];
    scene.kubectl(role).success();
    let (done, words) = scene.apply_as("alice", &namespace, APPLICATION);
    assert!(done, "{words}");
    let solutions: Api<Solution> = Api::namespaced(scene.client(), &namespace);
    let solution = wait::until(&solutions, "shop", "is deployed", |solution| {
        solution
            .and_then(|solution| solution.status.as_ref())
            .is_some_and(|status| {
                status.state == SolutionState::Deployed && status.inventory.len() == 3
            })
    })
    .await;
    let status = solution.unwrap().status.unwrap();
    (namespace, solutions, status)
}

#[tokio::test]
async fn an_application_is_listed_with_health_and_author() {
    let scene = Scene::shared().await;
    let (namespace, _, status) = deployed(scene).await;
    assert_eq!(status.ready.as_deref(), Some("3/3"));
    let kinds: Vec<&str> = status
        .inventory
        .iter()
        .map(|m| m.object.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        ["ConfigMap", "Service", "Deployment"],
        "no Pods, no ReplicaSets"
    );
    for kind in kinds {
        assert_eq!(actor(&status, kind), Some("alice"), "{kind}: {status:#?}");
    }
    let change = status.last_change.unwrap();
    assert_eq!(change.tool.as_deref(), Some("kubectl-client-side-apply"));
    assert!(
        change
            .policy_digest
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );

    let run = |arguments: &[&str]| {
        let mut command = scene.command(&bin("kubectl-solution"), "admin");
        pequod_testkit::run(command.args(arguments).args(["-n", &namespace]), "").unwrap()
    };
    let list = run(&["list"]).success();
    assert!(
        list.contains("shop") && list.contains("Deployed") && list.contains("alice"),
        "{list}"
    );
    let get = run(&["get", "shop"]).success();
    assert!(
        get.contains("Deployment") && get.contains("sell things"),
        "{get}"
    );
    let tree = run(&["tree", "shop"]).success();
    assert!(
        tree.contains("ReplicaSet") && tree.contains("Pod "),
        "{tree}"
    );
    let missing = run(&["get", "nothing"]).expect_code(3);
    assert!(missing.stderr.contains("nothing"), "{missing}");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changes() {
    let scene = Scene::shared().await;
    let (_, solutions, _) = deployed(scene).await;
    let settled = solutions
        .get("shop")
        .await
        .unwrap()
        .metadata
        .resource_version;
    // Another change that is none to it passes through the controller meanwhile.
    let (_, others, _) = deployed(scene).await;
    assert!(others.get("shop").await.is_ok());
    assert_eq!(
        solutions
            .get("shop")
            .await
            .unwrap()
            .metadata
            .resource_version,
        settled
    );
}

#[tokio::test]
async fn a_status_that_somebody_else_wrote_is_put_right() {
    let scene = Scene::shared().await;
    let (_, solutions, truth) = deployed(scene).await;
    let lie = json!({"status": {"state": "Failed", "ready": "0/99", "inventory": []}});
    solutions
        .patch_status("shop", &PatchParams::default(), &Patch::Merge(lie))
        .await
        .unwrap();
    wait::until(&solutions, "shop", "tells the truth again", |solution| {
        solution
            .and_then(|solution| solution.status.as_ref())
            .is_some_and(|status| {
                status.state == truth.state
                    && status.ready == truth.ready
                    && status.inventory.len() == 3
            })
    })
    .await;
}

#[tokio::test]
async fn a_stamp_on_another_object_or_altered_is_not_believed() {
    let scene = Scene::shared().await;
    let (_, solutions, _) = deployed(scene).await;
    let namespace = solutions.namespace().unwrap().to_owned();
    let maps: Api<ConfigMap> = Api::namespaced(scene.client(), &namespace);
    let genuine = maps.get("config").await.unwrap();
    let stamp = genuine.metadata.annotations.clone().unwrap()["dot-ai.io/stamp"].clone();

    // What goes past the webhook: the exempt namespace of Pequod itself. There stamps can be written by hand.
    let home: Api<ConfigMap> = Api::namespaced(scene.client(), HOME);
    let forged = |name: &str, stamp: &str| {
        let mut object = genuine.clone();
        object.metadata = kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            labels: genuine.metadata.labels.clone(),
            annotations: Some([("dot-ai.io/stamp".to_owned(), stamp.to_owned())].into()),
            ..kube::api::ObjectMeta::default()
        };
        object
    };
    let there = PostParams::default();
    let solution: Solution = serde_json::from_value(json!({
        "apiVersion": "dot-ai.io/v1", "kind": "Solution", "metadata": {"name": "shop"}, "spec": {}
    }))
    .unwrap();
    let in_home: Api<Solution> = Api::namespaced(scene.client(), HOME);
    in_home.create(&there, &solution).await.unwrap();
    home.create(&there, &forged("config", &stamp))
        .await
        .unwrap();
    home.create(
        &there,
        &forged("altered", &stamp.replace("alice", "mallory")),
    )
    .await
    .unwrap();
    let status = wait::until(&in_home, "shop", "has both members", |solution| {
        let status = solution.and_then(|solution| solution.status.as_ref());
        status.is_some_and(|status| status.inventory.len() == 2)
    })
    .await
    .unwrap()
    .status
    .unwrap();
    for member in &status.inventory {
        assert_eq!(
            member.last_change.as_ref().unwrap().actor,
            "unresolved",
            "{member:?}"
        );
        assert_eq!(member.intent_digest, None);
    }
    assert_eq!(status.last_change.unwrap().actor, "unresolved");
}

#[tokio::test]
async fn what_changes_past_the_webhook_has_no_author() {
    let scene = Scene::shared().await;
    let (namespace, solutions, _) = deployed(scene).await;
    // `scale` is a subresource: the webhook is not asked.
    scene
        .kubectl([
            "scale",
            "-n",
            &namespace,
            "deployment",
            "web",
            "--replicas=1",
        ])
        .success();
    let status = wait::until(
        &solutions,
        "shop",
        "has no author for the Deployment",
        |solution| {
            let status = solution.and_then(|solution| solution.status.as_ref());
            status.is_some_and(|status| actor(status, "Deployment") == Some("unresolved"))
        },
    )
    .await
    .unwrap()
    .status
    .unwrap();
    assert_eq!(
        actor(&status, "ConfigMap"),
        Some("alice"),
        "the others keep theirs"
    );
}

#[tokio::test]
async fn a_member_that_is_deleted_is_no_longer_listed() {
    let scene = Scene::shared().await;
    let (namespace, solutions, _) = deployed(scene).await;
    scene
        .kubectl(["delete", "-n", &namespace, "configmap", "config"])
        .success();
    wait::within(
        Duration::from_secs(30),
        &solutions,
        "shop",
        "has two members",
        |solution| {
            let status = solution.and_then(|solution| solution.status.as_ref());
            status.is_some_and(|status| status.ready.as_deref() == Some("2/2"))
        },
    )
    .await;
}

#[tokio::test]
async fn a_transform_has_a_solution_with_its_inventory() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("transform").await;
    let text = "
apiVersion: platform.pequod.io/v1alpha1
kind: Transform
metadata: {name: site}
spec: {cueRef: {type: embedded, ref: webservice}}
---
apiVersion: platform.pequod.io/v1alpha1
kind: ResourceGraph
metadata: {name: site}
spec:
  source: {transform: site, generation: 1, moduleDigest: 'sha256:0', renderDigest: 'sha256:0'}
  serviceAccountName: default
  nodes: []
  store: {secrets: [], digest: ''}
";
    let (done, words) = scene.apply_as("admin", &namespace, text);
    assert!(done, "{words}");
    let solutions: Api<Solution> = Api::namespaced(scene.client(), &namespace);
    let made = wait::until(&solutions, "site", "was made for the Transform", |found| {
        found.is_some()
    });
    assert_eq!(
        made.await.unwrap().metadata.owner_references.unwrap()[0].kind,
        "Transform"
    );

    let graphs: Api<pequod_api::ResourceGraph> = Api::namespaced(scene.client(), &namespace);
    let target =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": "site"});
    let inventory = json!({"status": {"inventory": [{"node": "config", "target": target}]}});
    graphs
        .patch_status("site", &PatchParams::default(), &Patch::Merge(inventory))
        .await
        .unwrap();
    wait::until(
        &solutions,
        "site",
        "misses what the Transform wants",
        |found| {
            let status = found.and_then(|found| found.status.as_ref());
            status.is_some_and(|s| member(s, "ConfigMap").is_some_and(|m| m.health == "NotFound"))
        },
    )
    .await;

    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: site, labels: \
               {platform.pequod.io/transform: site, platform.pequod.io/transform-namespace: x}}}";
    let (done, words) = scene.apply_as("admin", &namespace, map);
    assert!(done, "{words}");
    let status = wait::until(&solutions, "site", "is deployed", |found| {
        let status = found.and_then(|found| found.status.as_ref());
        status.is_some_and(|status| status.state == SolutionState::Deployed)
    })
    .await
    .unwrap()
    .status
    .unwrap();
    assert_eq!(status.ready.as_deref(), Some("1/1"));
    assert_ne!(
        actor(&status, "ConfigMap"),
        Some("unresolved"),
        "it was stamped, too"
    );
}
