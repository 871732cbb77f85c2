//! Of several replicas one works: won, given back, stolen, deleted, and out of reach, on a real API server.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use pequod_kube::lease::{LeaderElection, Leadership};
use pequod_testkit::{ControlPlane, ServiceAccountRef};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Much shorter than in earnest, so that a loss is seen soon.
const DURATION: Duration = Duration::from_secs(3);
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn election(namespace: &str, identity: &str) -> LeaderElection {
    LeaderElection {
        duration: DURATION,
        period: Duration::from_millis(200),
        ..LeaderElection::new(namespace, "work", identity)
    }
}

async fn lead(client: Client, namespace: &str, identity: &str) -> Leadership {
    let never = CancellationToken::new();
    let election = election(namespace, identity);
    let led = tokio::time::timeout(PATIENCE, election.acquire(client, &never)).await;
    led.unwrap().unwrap()
}

async fn holder(leases: &Api<Lease>) -> Option<String> {
    leases.get("work").await.unwrap().spec?.holder_identity
}

async fn until_lost(leadership: &Leadership) {
    let told = tokio::time::timeout(PATIENCE, leadership.lost().cancelled()).await;
    assert!(told.is_ok(), "whoever leads no more is told");
}

#[tokio::test]
async fn a_lease_that_is_given_back_need_not_be_waited_for() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("lease").await;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), &namespace);
    let first = lead(cluster.client(), &namespace, "first").await;
    let waiting = tokio::spawn({
        let (client, namespace) = (cluster.client(), namespace.clone());
        async move { lead(client, &namespace, "second").await }
    });
    // Longer than a lease lasts: it is renewed, so nobody takes it.
    tokio::time::sleep(DURATION + Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    assert_eq!(holder(&leases).await.as_deref(), Some("first"));
    assert!(!first.lost().is_cancelled());

    first.release().await;
    let second = waiting.await.unwrap();
    assert_eq!(holder(&leases).await.as_deref(), Some("second"));
    let spec = leases.get("work").await.unwrap().spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(2), "it changed hands twice");
    second.release().await;
}

#[tokio::test]
async fn a_lease_that_somebody_else_took_is_lost() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("lease").await;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), &namespace);
    let leadership = lead(cluster.client(), &namespace, "robbed").await;
    let theft = json!({"spec": {"holderIdentity": "thief"}});
    leases
        .patch("work", &PatchParams::default(), &Patch::Merge(theft))
        .await
        .unwrap();
    until_lost(&leadership).await;
    assert_eq!(
        holder(&leases).await.as_deref(),
        Some("thief"),
        "what was lost is not taken back"
    );
}

#[tokio::test]
async fn a_lease_that_was_only_edited_is_kept() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("lease").await;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), &namespace);
    let leadership = lead(cluster.client(), &namespace, "edited").await;
    let note = json!({"metadata": {"annotations": {"note": "seen"}}});
    leases
        .patch("work", &PatchParams::default(), &Patch::Merge(note))
        .await
        .unwrap();
    tokio::time::sleep(DURATION + Duration::from_secs(1)).await;
    assert!(!leadership.lost().is_cancelled());
    leadership.release().await;
}

#[tokio::test]
async fn a_lease_that_was_deleted_is_lost() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("lease").await;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), &namespace);
    let leadership = lead(cluster.client(), &namespace, "deleted").await;
    leases
        .delete("work", &DeleteParams::default())
        .await
        .unwrap();
    until_lost(&leadership).await;
}

#[tokio::test]
async fn who_cannot_renew_stops_before_another_can_begin() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("lease").await;
    cluster.apply(&namespace, "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: lease}, rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}]}").await;
    cluster.apply(&namespace, "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: lease}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lease}, subjects: [{kind: ServiceAccount, name: default}]}").await;
    let account = ServiceAccountRef {
        namespace: &namespace,
        name: "default",
    };
    let leadership = lead(cluster.client_as(account), &namespace, "cut-off").await;

    let bindings: Api<RoleBinding> = Api::namespaced(cluster.client(), &namespace);
    bindings
        .delete("lease", &DeleteParams::default())
        .await
        .unwrap();
    let begin = Instant::now();
    let other = tokio::spawn({
        let (client, namespace) = (cluster.client(), namespace.clone());
        async move {
            let other = lead(client, &namespace, "other").await;
            (other, Instant::now())
        }
    });
    until_lost(&leadership).await;
    let stopped = Instant::now();
    let (other, began) = other.await.unwrap();
    assert!(
        stopped < began,
        "lost {:?} after the cut, taken over after {:?}",
        stopped - begin,
        began - begin
    );
    other.release().await;
}
