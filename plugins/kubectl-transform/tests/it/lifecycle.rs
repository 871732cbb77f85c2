//! Transforms on a real API server, the controller a process of its own.

use std::process::Command;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use pequod_api::{NodePhase, ResourceGraph, Transform};
use pequod_testkit::{ControlPlane, Output, Process, run, wait};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{inline, sample};

/// The control plane of this binary, with the definitions installed and one controller running.
pub(crate) async fn cluster() -> &'static ControlPlane {
    static CONTROLLER: OnceCell<Process> = OnceCell::const_new();
    let cluster = ControlPlane::shared().await;
    CONTROLLER
        .get_or_init(|| async {
            cluster.install_crds().await;
            let mut command =
                cluster.command(env!("CARGO_BIN_EXE_kubectl-transform").as_ref(), "admin");
            command.args([
                "controller",
                "--no-leader-election",
                "--health-address=127.0.0.1:0",
            ]);
            cluster.spawn("transform-controller", &command).unwrap()
        })
        .await;
    cluster
}

/// A namespace whose ServiceAccount `default` may do everything in it.
pub(crate) async fn namespace(cluster: &ControlPlane, prefix: &str) -> String {
    let namespace = cluster.namespace(prefix).await;
    cluster.apply(&namespace, "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: edit}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}, subjects: [{kind: ServiceAccount, name: default}]}").await;
    namespace
}

#[track_caller]
pub(crate) fn transform(
    cluster: &ControlPlane,
    namespace: &str,
    arguments: &[&str],
    stdin: &str,
) -> Output {
    let plugin = env!("CARGO_BIN_EXE_kubectl-transform").as_ref();
    let mut command: Command = cluster.command(plugin, "admin");
    command.args(arguments).args(["-n", namespace]);
    run(&mut command, stdin).unwrap()
}

pub(crate) fn condition(transform: &Transform, kind: &str) -> Option<(String, String)> {
    let status = transform.status.as_ref()?;
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)?;
    Some((found.status.clone(), found.reason.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_service_from_plan_to_its_end() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "shop").await;
    let file = sample("platform_v1alpha1_transform_webservice.yaml");
    let file = file.to_str().unwrap();

    let plan = transform(cluster, &namespace, &["plan", file], "").expect_code(1);
    assert!(plan.stdout.contains("Plan: 4 to create"), "{}", plan.stdout);
    transform(
        cluster,
        &namespace,
        &["apply", file, "--wait", "--timeout", "90s"],
        "",
    )
    .success();

    let again = transform(cluster, &namespace, &["plan", file], "");
    assert_eq!(
        (again.code, again.stdout.contains("0 to change")),
        (Some(0), true),
        "{again:?}"
    );
    let tree = transform(cluster, &namespace, &["tree", "shop"], "").success();
    assert!(tree.contains("Ready  4/4"), "{tree}");
    let list = transform(cluster, &namespace, &["list"], "").success();
    assert!(
        list.contains("webservice") && list.contains("4/4"),
        "{list}"
    );
    let object = transform(
        cluster,
        &namespace,
        &["graph", "shop", "web", "-o", "json"],
        "",
    )
    .success();
    let rendered = transform(
        cluster,
        &namespace,
        &["render", file, "-o", "json", "--live"],
        "",
    )
    .success();
    let rendered: Value = serde_json::from_str(&rendered).unwrap();
    let object: Value = serde_json::from_str(&object).unwrap();
    let items = rendered["items"].as_array().unwrap();
    assert!(
        items.contains(&object),
        "what was rendered here is what the controller stored"
    );

    let text = std::fs::read_to_string(file)
        .unwrap()
        .replace("replicas: 2", "replicas: 3");
    let changed = transform(cluster, &namespace, &["plan", "-"], &text).expect_code(1);
    assert!(
        changed.stdout.contains("spec.replicas: 2 → 3"),
        "{}",
        changed.stdout
    );
    transform(
        cluster,
        &namespace,
        &["apply", "-", "--wait", "--timeout", "90s"],
        &text,
    )
    .success();

    transform(
        cluster,
        &namespace,
        &["delete", "shop", "--wait", "--timeout", "90s"],
        "",
    )
    .success();
    let left = cluster
        .kubectl(["-n", &namespace, "get", "deploy,svc,pdb,rg", "-o", "name"])
        .success();
    assert_eq!(left.trim(), "");
    // The graph's store belongs to the graph: the cluster's own garbage collector takes it, in its own time.
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), &namespace);
    for secret in secrets.list_metadata(&ListParams::default()).await.unwrap() {
        wait::until(&secrets, &secret.name_any(), "is gone", |found| {
            found.is_none()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_writes_nothing_and_says_why() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "careless").await;
    let file = sample("transform-with-policy-violation.yaml");
    let refused =
        transform(cluster, &namespace, &["apply", file.to_str().unwrap()], "").expect_code(1);
    assert!(
        refused.stderr.contains("pinned-image"),
        "{}",
        refused.stderr
    );
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    assert!(transforms.get_opt("careless").await.unwrap().is_none());

    // Past the command line, the controller says the same.
    cluster
        .apply(&namespace, &std::fs::read_to_string(file).unwrap())
        .await;
    let seen = wait::until(&transforms, "careless", "is stalled", |found| {
        found
            .and_then(|found| condition(found, "Stalled"))
            .is_some_and(|c| c.0 == "True")
    })
    .await
    .unwrap();
    assert_eq!(
        condition(&seen, "Validated"),
        Some(("False".into(), "PolicyViolated".into()))
    );
    let violations = &seen.status.as_ref().unwrap().violations;
    assert_eq!(violations[0].policy, "pinned-image");
    assert!(
        violations[0]
            .path
            .starts_with("spec.template.spec.containers"),
        "{violations:?}"
    );
    let graphs: Api<ResourceGraph> = Api::namespaced(cluster.client(), &namespace);
    assert!(graphs.get_opt("careless").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_in_a_config_map_is_rendered_anew_when_it_changes() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "module").await;
    let module = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "platform"}, "data": {
            "a.cue": format!("package p\ncontext: {{name: string, ...}}\ngraph: nodes: c: object: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: context.name, data: text: \"{text}\"}}\n")
        }})
        .to_string()
    };
    let wanted = json!({"apiVersion": "platform.pequod.io/v1alpha1", "kind": "Transform", "metadata": {"name": "t"},
        "spec": {"cueRef": {"type": "configmap", "ref": "platform"}}});
    // The Transform comes first: a module that is not there yet is waited for.
    cluster.apply(&namespace, &wanted.to_string()).await;
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    wait::until(&transforms, "t", "misses its module", |found| {
        found
            .and_then(|found| condition(found, "Ready"))
            .is_some_and(|c| c.1 == "ModuleUnavailable")
    })
    .await;
    for text in ["one", "two"] {
        cluster.apply(&namespace, &module(text)).await;
        let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
            Api::namespaced(cluster.client(), &namespace);
        wait::until(&maps, "t", "has the text", |found| {
            found
                .and_then(|found| found.data.as_ref()?.get("text").cloned())
                .as_deref()
                == Some(text)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_render_keeps_what_is_there() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "keep").await;
    let module = |broken: &str| {
        inline(
            &format!(
                "package t\ninput: {{x: int}}\ngraph: nodes: a: object: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"kept\", data: x: \"\\(input.x)\"}}\n{broken}"
            ),
            "{x: 1}",
        )
    };
    let apply = |text: &str| {
        transform(
            cluster,
            &namespace,
            &["apply", "-", "--wait", "--timeout", "60s"],
            text,
        )
    };
    apply(&module("")).success();
    // Past the command line, which would refuse it.
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "-n",
        &namespace,
        "-f",
        "-",
    ];
    cluster
        .kubectl_as("admin", arguments, &module("y: 1 & 2"))
        .success();
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    wait::until(&transforms, "t", "is stalled", |found| {
        found
            .and_then(|found| condition(found, "Stalled"))
            .is_some_and(|c| c == ("True".into(), "RenderFailed".into()))
    })
    .await;
    cluster
        .kubectl(["-n", &namespace, "get", "configmap", "kept"])
        .success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_has_the_rights_of_its_service_account_and_no_others() {
    let cluster = cluster().await;
    // No role is given to the ServiceAccount here.
    let namespace = cluster.namespace("poor").await;
    let file = sample("platform_v1alpha1_transform_inline.yaml");
    cluster
        .apply(&namespace, &std::fs::read_to_string(file).unwrap())
        .await;
    let graphs: Api<ResourceGraph> = Api::namespaced(cluster.client(), &namespace);
    let graph = wait::until(&graphs, "greeting", "was refused", |found| {
        found
            .and_then(|found| found.status.as_ref())
            .is_some_and(|status| {
                status.node_status.values().any(|node| {
                    node.message
                        .as_deref()
                        .is_some_and(|m| m.contains("forbidden"))
                })
            })
    })
    .await;
    assert!(graph.is_some());
    let maps = cluster.kubectl([
        "-n",
        &namespace,
        "get",
        "configmap",
        "greeting",
        "--ignore-not-found",
        "-o",
        "name",
    ]);
    assert_eq!(maps.success().trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_approved_plan_is_carried_out() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "approve").await;
    let text = std::fs::read_to_string(sample("platform_v1alpha1_transform_inline.yaml")).unwrap();
    let plan = transform(cluster, &namespace, &["plan", "-", "-o", "json"], &text).expect_code(1);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let approving = |digest: &str| {
        text.replacen(
            "spec:\n",
            &format!("spec:\n  approvedPlan: '{digest}'\n"),
            1,
        )
    };
    transform(
        cluster,
        &namespace,
        &["apply", "-"],
        &approving("sha256:other"),
    )
    .success();
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    wait::until(&transforms, "greeting", "waits for approval", |found| {
        found
            .and_then(|found| condition(found, "Ready"))
            .is_some_and(|c| c.1 == "PlanNotApproved")
    })
    .await;
    let approved = approving(plan["digest"].as_str().unwrap());
    transform(
        cluster,
        &namespace,
        &["apply", "-", "--wait", "--timeout", "60s"],
        &approved,
    )
    .success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_waits_for_its_credentials() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "db").await;
    let file = sample("platform_v1alpha1_transform_database.yaml");
    let file = file.to_str().unwrap();
    transform(cluster, &namespace, &["apply", file], "").success();
    let graphs: Api<ResourceGraph> = Api::namespaced(cluster.client(), &namespace);
    wait::until(&graphs, "db", "has its Service and no server", |found| {
        let Some(status) = found.and_then(|found| found.status.as_ref()) else {
            return false;
        };
        let phase = |id: &str| status.node_status.get(&id.into()).map(|node| node.phase);
        phase("service") == Some(NodePhase::Ready) && phase("server") == Some(NodePhase::Pending)
    })
    .await;
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: db-credentials}, stringData: {username: a, password: b}}";
    cluster.apply(&namespace, secret).await;
    transform(
        cluster,
        &namespace,
        &["apply", file, "--wait", "--timeout", "90s"],
        "",
    )
    .success();
    transform(
        cluster,
        &namespace,
        &["delete", "db", "--wait", "--timeout", "90s"],
        "",
    )
    .success();
    // What was only looked at is not ours to delete.
    cluster
        .kubectl(["-n", &namespace, "get", "secret", "db-credentials"])
        .success();
}
