use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::Api;
use pequod_testkit::{ControlPlane, ServiceAccountRef, wait};

const DEPLOYMENT: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'example.com/web:1'}]}
";

#[tokio::test]
async fn a_deployment_becomes_available() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("deployment").await;
    cluster.apply(&namespace, DEPLOYMENT).await;
    let deployments = Api::<Deployment>::namespaced(cluster.client(), &namespace);
    wait::until(&deployments, "web", "has three available replicas", |web| {
        web.and_then(|web| web.status.as_ref()?.available_replicas) == Some(3)
    })
    .await;
}

#[tokio::test]
async fn a_job_completes_and_a_claim_is_bound() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("job").await;
    let yaml = r"
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: 'example.com/once:1'}]}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: test, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
    cluster.apply(&namespace, yaml).await;
    let jobs = Api::<Job>::namespaced(cluster.client(), &namespace);
    wait::until(&jobs, "once", "has succeeded", |job| {
        job.and_then(|job| job.status.as_ref()?.succeeded) == Some(1)
    })
    .await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(cluster.client(), &namespace);
    wait::until(&claims, "data", "is bound", |claim| {
        claim
            .and_then(|claim| claim.status.as_ref()?.phase.clone())
            .as_deref()
            == Some("Bound")
    })
    .await;
}

#[tokio::test]
async fn users_and_service_accounts_may_do_nothing_until_they_are_given_a_role() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("rights").await;
    let account = ServiceAccountRef {
        namespace: &namespace,
        name: "default",
    };
    for client in [cluster.client_of("alice"), cluster.client_as(account)] {
        let config_maps = Api::<ConfigMap>::namespaced(client, &namespace);
        let refusal = config_maps.get("kube-root-ca.crt").await.unwrap_err();
        assert!(refusal.to_string().contains("forbidden"), "{refusal}");
    }
    let role = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: view}}, \
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}, \
          subjects: [{{kind: User, name: alice}}, {{kind: ServiceAccount, name: default, namespace: {namespace}}}]}}"
    );
    cluster.apply(&namespace, &role).await;
    for client in [cluster.client_of("alice"), cluster.client_as(account)] {
        Api::<ConfigMap>::namespaced(client, &namespace)
            .get("kube-root-ca.crt")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn kubectl_and_helm_speak_to_it() {
    let cluster = ControlPlane::shared().await;
    let version = cluster.kubectl(["version", "-o", "json"]).success();
    assert!(version.contains(r#""gitVersion": "v1.35"#), "{version}");
    cluster.helm(["list", "-A"]).success();
    let refused = cluster
        .kubectl_as("bob", ["get", "nodes"], "")
        .expect_code(1);
    assert!(refused.stderr.contains("Forbidden"), "{refused}");
}

#[tokio::test]
async fn a_killed_process_can_be_started_again() {
    let cluster = ControlPlane::shared().await;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo started; exec sleep 600"]);
    let first = cluster.spawn("sleeper", &command).unwrap();
    assert_eq!(first.kill().await, "signal: killed");
    let second = cluster.spawn("sleeper", &command).unwrap();
    assert_eq!(second.exit(), None);
    assert_eq!(second.stop().await, "signal: terminated");
}
