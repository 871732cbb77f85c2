//! The samples, applied as a person does and carried out by the controllers.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use pequod_api::{ResourceGraph, Transform};
use pequod_testkit::{ControlPlane, Output, bin, run, wait, workspace_root};

use crate::suite::installed;

/// Gives the namespace's ServiceAccount `default` the rights to edit it.
pub(crate) async fn let_default_edit(cluster: &ControlPlane, namespace: &str) {
    let binding = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: edit}}, \
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}, \
          subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]}}"
    );
    cluster.apply(namespace, &binding).await;
}

/// Runs `kubectl-transform` as administrator.
pub(crate) fn transform(cluster: &ControlPlane, namespace: &str, arguments: &[&str]) -> Output {
    let mut command = cluster.command(&bin("kubectl-transform"), "admin");
    command
        .args(arguments)
        .args(["-n", namespace])
        .current_dir(workspace_root());
    run(&mut command, "").unwrap()
}

pub(crate) fn is_ready(transform: Option<&Transform>, status: &str) -> bool {
    transform
        .and_then(|transform| transform.status.as_ref())
        .into_iter()
        .flat_map(|status| &status.conditions)
        .any(|condition| condition.type_ == "Ready" && condition.status == status)
}

fn reason<'a>(transform: Option<&'a Transform>, kind: &str) -> Option<&'a str> {
    let conditions = &transform?.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|one| one.type_ == kind)
        .map(|one| one.status.as_str())
}

#[tokio::test]
async fn the_samples_become_ready_and_go_without_a_trace() {
    let (cluster, _) = installed().await;
    let namespace = cluster.namespace("samples").await;
    let_default_edit(cluster, &namespace).await;
    let secret = [
        "create",
        "secret",
        "generic",
        "db-credentials",
        "-n",
        &namespace,
    ];
    let values = ["--from-literal=username=app", "--from-literal=password=x"];
    cluster.kubectl(secret.into_iter().chain(values)).success();
    let samples = [
        ("webservice", "shop"),
        ("database", "db"),
        ("inline", "greeting"),
    ];
    for (sample, _) in samples {
        let file = format!("samples/platform_v1alpha1_transform_{sample}.yaml");
        transform(cluster, &namespace, &["apply", &file]).success();
    }
    let api = Api::<Transform>::namespaced(cluster.client(), &namespace);
    for (_, name) in samples {
        wait::until(&api, name, "is ready", |it| is_ready(it, "True")).await;
    }
    let tree = transform(cluster, &namespace, &["tree", "shop"]).success();
    assert!(tree.contains("Deployment"), "{tree}");

    for (_, name) in samples {
        transform(cluster, &namespace, &["delete", name, "--wait"]).success();
    }
    let ours = [
        "get",
        "all,configmaps,pdb",
        "-n",
        &namespace,
        "-o",
        "name",
        "-l",
    ];
    let left = cluster
        .kubectl(ours.into_iter().chain(["platform.pequod.io/transform"]))
        .success();
    assert!(
        left.lines()
            .all(|name| name.starts_with("pod/") || name.starts_with("replicaset")),
        "{left}"
    );
    let secret = [
        "get",
        "secret",
        "db-credentials",
        "-n",
        &namespace,
        "-o",
        "name",
    ];
    assert!(
        !cluster.kubectl(secret).success().is_empty(),
        "what is only observed is never removed"
    );
}

#[tokio::test]
async fn a_violating_transform_applies_nothing_and_says_which_policy_and_where() {
    let (cluster, _) = installed().await;
    let namespace = cluster.namespace("violation").await;
    let_default_edit(cluster, &namespace).await;
    let file = "samples/transform-with-policy-violation.yaml";
    let refused = transform(cluster, &namespace, &["apply", file]).expect_code(1);
    let words = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        words.contains("pinned-image") && words.contains("containers"),
        "{refused}"
    );

    // Somebody may send it without asking us first.
    cluster
        .kubectl([
            "apply",
            "-n",
            &namespace,
            "-f",
            &workspace_root().join(file).to_string_lossy(),
        ])
        .success();
    let api = Api::<Transform>::namespaced(cluster.client(), &namespace);
    let seen = wait::until(&api, "careless", "is not validated", |it| {
        reason(it, "Validated") == Some("False")
    })
    .await;
    let violations = seen.unwrap().status.unwrap().violations;
    assert!(
        violations.iter().any(|one| one.policy == "pinned-image"),
        "{violations:?}"
    );
    let graphs = Api::<ResourceGraph>::namespaced(cluster.client(), &namespace);
    assert!(graphs.get_opt("careless").await.unwrap().is_none());
    let deployments = ["get", "deployments", "-n", &namespace, "-o", "name"];
    assert_eq!(cluster.kubectl(deployments).success(), "");
}

#[tokio::test]
async fn a_transform_cannot_create_what_its_service_account_may_not() {
    let (cluster, _) = installed().await;
    let namespace = cluster.namespace("rights").await;
    // The ServiceAccount may write ConfigMaps, and nothing else.
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: configmaps}}\n\
         rules: [{{apiGroups: [''], resources: [configmaps], verbs: ['*']}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: configmaps}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: configmaps}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {namespace}}}]\n"
    );
    cluster.apply(&namespace, &role).await;
    let sample = workspace_root().join("samples/platform_v1alpha1_transform_webservice.yaml");
    cluster
        .kubectl(["apply", "-n", &namespace, "-f", &sample.to_string_lossy()])
        .success();
    let api = Api::<Transform>::namespaced(cluster.client(), &namespace);
    let failed = wait::until(&api, "shop", "is not ready, and says why", |it| {
        is_ready(it, "False")
            && it.is_some_and(|it| {
                serde_json::to_string(&it.status)
                    .unwrap()
                    .contains("forbidden")
            })
    })
    .await;
    assert!(failed.is_some());
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), &namespace);
    wait::until(&maps, "shop", "is there: that was allowed", |map| {
        map.is_some()
    })
    .await;
    let others = [
        "get",
        "deployments,services",
        "-n",
        &namespace,
        "-o",
        "name",
    ];
    assert_eq!(cluster.kubectl(others).success(), "");
}
