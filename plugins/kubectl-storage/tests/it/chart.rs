//! What this product asks of a cluster: the chart's part of it, and the lists that a scan reads.

use kubectl_storage::kubernetes::decode::LISTS;
use pequod_testkit::{Tools, workspace_root};

/// Groups and versions that Kubernetes 1.23 (OpenShift 4.10) serves by itself.
const OLD: [&str; 4] = [
    "v1",
    "apps/v1",
    "rbac.authorization.k8s.io/v1",
    "networking.k8s.io/v1",
];

fn rendered(more: &[&str]) -> String {
    let tools = Tools::find_or_build().unwrap();
    let mut command = std::process::Command::new(tools.path("helm"));
    let chart = workspace_root().join("charts/pequod");
    command
        .args(["template", "pequod"])
        .arg(chart)
        .args(["--set", "storage.monitor.enabled=true"])
        .args(["--set", "storage.monitor.configSecret=config"])
        .args(["--set", "storage.monitor.tlsSecret=tls"])
        .args(more);
    pequod_testkit::run(&mut command, "").unwrap().success()
}

/// The documents of this product's templates.
fn documents(text: &str) -> Vec<serde_json::Value> {
    text.split("\n---\n")
        .filter(|part| part.contains("templates/storage-") || part.contains("storage-monitor"))
        .map(|part| serde_saphyr::from_str(part).unwrap())
        .filter(|document: &serde_json::Value| document.is_object())
        .collect()
}

#[test]
fn a_scan_reads_only_what_the_oldest_cluster_serves() {
    for list in LISTS {
        let own = ["/api/v1/", "/apis/storage.k8s.io/v1/"];
        // Kinds of others, whose absence is no gap.
        let added = ["/apis/snapshot.storage.k8s.io/v1/", "/apis/velero.io/"];
        let starts = |known: &[&str]| known.iter().any(|path| list.path.starts_with(path));
        assert!(
            starts(&own) || (list.optional && starts(&added)),
            "{}",
            list.path
        );
    }
}

#[test]
fn nothing_of_the_monitor_is_privileged_or_new() {
    let found = documents(&rendered(&[]));
    assert!(found.len() >= 5, "{found:?}");
    for document in &found {
        let version = document["apiVersion"].as_str().unwrap();
        let new = version == "admissionregistration.k8s.io/v1";
        assert!(new || OLD.contains(&version), "{document}");
    }
    let deployment = found
        .iter()
        .find(|document| document["kind"] == "Deployment")
        .unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{pod}");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["readOnlyRootFilesystem"], true);
}

#[test]
fn what_is_chosen_reaches_the_monitor() {
    let chosen = [
        "--set",
        "storage.monitor.clientCaSecret=clients",
        "--set",
        "storage.monitor.notify.url=https://hooks.test/storage",
        "--set",
        "storage.monitor.notify.tokenSecret=hook",
        "--set",
        "storage.monitor.driverNamespaces={democratic-csi}",
    ];
    let text = rendered(&chosen);
    for argument in [
        "--client-ca=/etc/pequod-storage-clients/ca.crt",
        "--notify=https://hooks.test/storage",
        "--notify-token-file=/etc/pequod-storage-notify/token",
        "--driver-namespaces=democratic-csi",
    ] {
        assert!(text.contains(argument), "{argument}\n{text}");
    }
    // Secrets are read in the drivers' namespaces and nowhere else.
    for document in documents(&text) {
        let rules = document["rules"].to_string();
        if rules.contains("secrets") {
            assert_eq!(document["kind"], "Role");
            assert_eq!(document["metadata"]["namespace"], "democratic-csi");
        }
    }
}
