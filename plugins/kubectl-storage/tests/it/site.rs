//! A cluster with a driver, and the appliance it uses.

use std::{path::PathBuf, process::Command};

use pequod_testkit::{ControlPlane, Output};
use serde_json::{Value, json};
use truenas_simulator::{
    Nas, Profile,
    server::{Options, Running, start},
};

pub(crate) const WHOLE: &str = "pvc-11111111-1111-4111-8111-111111111111";
pub(crate) const ORPHAN: &str = "pvc-22222222-2222-4222-8222-222222222222";
pub(crate) const MISSING: &str = "pvc-33333333-3333-4333-8333-333333333333";
const SNAPSHOT: &str = "44444444-4444-4444-8444-444444444444";

pub(crate) struct Site<'a> {
    pub(crate) cluster: &'a ControlPlane,
    pub(crate) nas: Running,
    pub(crate) folder: tempfile::TempDir,
}

fn volume(name: &str) -> Value {
    json!({"id": format!("tank/v/{name}"), "type": "FILESYSTEM", "created": 1_690_000_000,
        "used": 4096, "referenced": 4096, "refquota": 1_u64 << 30, "user_properties": {
            "democratic-csi:managed_resource": "true",
            "democratic-csi:csi_volume_name": name,
            "democratic-csi:volume_context_provisioner_driver": "freenas-api-nfs",
            "democratic-csi:provision_success": "true"}})
}

fn share(id: u64, name: &str) -> Value {
    json!({"id": id, "path": format!("/mnt/tank/v/{name}"), "enabled": true,
        "comment": format!("democratic-csi (org.test.nfs): tank/v/{name}")})
}

fn seed() -> Value {
    let root = |id: &str| {
        json!({"id": id, "type": "FILESYSTEM", "created": 1_680_000_000, "used": 1_u64 << 30,
            "referenced": 98_304, "user_properties": {}})
    };
    let csi = format!("snapshot-{SNAPSHOT}");
    json!({"now": 1_700_000_000, "iqn_base": "iqn.2005-10.org.freenas.ctl",
        "pools": [{"name": "tank", "size": 1_u64 << 40}],
        "datasets": [root("tank"), root("tank/v"), volume(WHOLE), volume(ORPHAN)],
        "snapshots": [
            {"dataset": format!("tank/v/{WHOLE}"), "name": csi, "created": 1_690_100_000, "txg": 7,
                "user_properties": {"democratic-csi:csi_snapshot_name": csi}},
            {"dataset": format!("tank/v/{WHOLE}"), "name": "auto-0", "created": 1_690_100_000, "txg": 6},
            {"dataset": format!("tank/v/{ORPHAN}"), "name": "auto-1", "created": 1_690_100_000, "txg": 8}],
        "nfs": [share(1, WHOLE), share(2, ORPHAN)],
        "services": [{"service": "nfs", "state": "RUNNING", "enable": true}]})
}

fn persistent_volume(name: &str, claim: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  capacity: {{storage: 1Gi}}\n  \
         accessModes: [ReadWriteMany]\n  persistentVolumeReclaimPolicy: Retain\n  storageClassName: nfs\n  \
         claimRef: {{namespace: default, name: {claim}}}\n  csi:\n    driver: org.test.nfs\n    volumeHandle: {name}\n    volumeAttributes: {{share: /mnt/tank/v/{name}}}\n---\n"
    )
}

impl<'a> Site<'a> {
    pub(crate) async fn new(cluster: &'a ControlPlane, profile: Profile) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nas = Nas::new(profile, &seed()).unwrap();
        let options = Options {
            read_key: Some("2-read".to_owned()),
            // A person does in a day what this test does in seconds.
            logins_per_minute: 1000,
            ..Options::default()
        };
        let nas = start(listener, nas, options).unwrap();
        let site = Self {
            cluster,
            nas,
            folder: tempfile::tempdir().unwrap(),
        };
        site.furnish().await;
        site
    }

    async fn furnish(&self) {
        self.cluster.install_crds().await;
        self.cluster
            .apply("default", include_str!("crds.yaml"))
            .await;
        let api = kube::Api::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>::all(self.cluster.client());
        for kind in [
            "volumesnapshots",
            "volumesnapshotcontents",
            "volumesnapshotclasses",
        ] {
            let name = format!("{kind}.snapshot.storage.k8s.io");
            pequod_testkit::wait::until(&api, &name, "is served", |found| {
                found.is_some_and(|crd| {
                    let conditions = crd
                        .status
                        .as_ref()
                        .and_then(|status| status.conditions.clone());
                    conditions
                        .unwrap_or_default()
                        .iter()
                        .any(|known| known.type_ == "Established" && known.status == "True")
                })
            })
            .await;
        }
        let config = format!(
            "driver: freenas-api-nfs\nhttpConnection: {{host: localhost, port: {}, protocol: https, apiKey: 2-read}}\n\
             zfs: {{datasetParentName: tank/v, datasetEnableQuotas: true}}\nnfs: {{shareHost: localhost}}\n",
            self.nas.address.port()
        );
        let config = config
            .lines()
            .map(|line| format!("    {line}"))
            .collect::<Vec<_>>()
            .join("\n");
        let namespace = "storage-driver";
        self.cluster
            .apply(
                "default",
                &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}"),
            )
            .await;
        let accounts = kube::Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(
            self.cluster.client(),
            namespace,
        );
        pequod_testkit::wait::until(&accounts, "default", "is there", |known| known.is_some())
            .await;
        let objects = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: zfs-driver-config}}\nstringData:\n  driver-config-file.yaml: |\n{config}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata:\n  name: zfs-controller\n  labels: {{app.kubernetes.io/name: democratic-csi, app.kubernetes.io/instance: zfs}}\n\
             spec:\n  serviceAccountName: default\n  containers:\n    - {{name: csi-driver, image: 'democraticcsi/democratic-csi:v1.9.4', args: ['--csi-name=org.test.nfs']}}\n    \
             - {{name: external-provisioner, image: 'registry.k8s.io/sig-storage/csi-provisioner:v3.6.0', args: ['--timeout=90s']}}\n"
        );
        self.cluster.apply(namespace, &objects).await;
        let objects = [
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: nfs}\nprovisioner: org.test.nfs\nallowVolumeExpansion: true\n---\n\
             apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: org.test.nfs}\nspec: {attachRequired: true}\n---\n".to_owned(),
            persistent_volume(WHOLE, "data"),
            persistent_volume(MISSING, "lost"),
            format!("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec:\n  accessModes: [ReadWriteMany]\n  \
                storageClassName: nfs\n  volumeName: {WHOLE}\n  resources: {{requests: {{storage: 1Gi}}}}\n---\n"),
            format!("apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {{name: csi-gone}}\nspec:\n  attacher: org.test.nfs\n  \
                nodeName: no-such-node\n  source: {{persistentVolumeName: {WHOLE}}}\n---\n"),
            format!("apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotContent\nmetadata: {{name: snapcontent-1}}\nspec:\n  \
                driver: org.test.nfs\n  deletionPolicy: Delete\n  source: {{volumeHandle: {WHOLE}}}\n  \
                volumeSnapshotRef: {{namespace: default, name: s, uid: {SNAPSHOT}}}\n\
                status: {{snapshotHandle: '{WHOLE}@snapshot-{SNAPSHOT}', readyToUse: true}}\n---\n\
                apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshot\nmetadata: {{name: s}}\n\
                spec: {{source: {{persistentVolumeClaimName: data}}}}\nstatus: {{boundVolumeSnapshotContentName: snapcontent-1, readyToUse: true}}\n"),
        ]
        .concat();
        self.cluster.apply("default", &objects).await;
        std::fs::write(self.file("write-key"), "1-simulated\n").unwrap();
        std::fs::write(self.file("read-key"), "2-read\n").unwrap();
        self.settings("never", "write-key");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self, approval: &str, write_key: &str) {
        let text = format!(
            "appliances:\n  localhost: {{fingerprint: '{}', writeKeyFile: {}}}\nexclusiveParents: [tank/v]\napproval: {approval}\n\
             retention: [{{name: nightly, dataset: tank/v, prefix: auto-, keepDays: 7}}]\n",
            self.nas.fingerprint,
            self.file(write_key).display()
        );
        std::fs::write(self.file("storage.yaml"), text).unwrap();
    }

    /// Runs `kubectl storage` as a user.
    pub(crate) fn run_as(&self, user: &str, arguments: &[&str]) -> Output {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-storage"));
        let mut command: Command = self.cluster.command(program, user);
        command
            .args(arguments)
            .arg("--storage-config")
            .arg(self.file("storage.yaml"))
            .arg("--state-dir")
            .arg(self.file("state"))
            .args(["--grace-hours", "0"]);
        pequod_testkit::run(&mut command, "").unwrap()
    }

    /// Runs a command with a terminal in front of it, at which somebody types.
    pub(crate) fn at_a_terminal(&self, command: &str, typed: &str) -> Output {
        let line = format!(
            "{} {command} --storage-config {} --state-dir {}",
            env!("CARGO_BIN_EXE_kubectl-storage"),
            self.file("storage.yaml").display(),
            self.file("state").display()
        );
        // util-linux: runs the line in a pseudo-terminal and ends as it ended.
        let mut script = self
            .cluster
            .command(std::path::Path::new("script"), "admin");
        script.args(["-qec", &line, "/dev/null"]);
        pequod_testkit::run(&mut script, typed).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_as("admin", arguments)
    }

    /// Runs it and expects an exit code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Output {
        self.run(arguments).expect_code(code)
    }

    /// The same as a user.
    #[track_caller]
    pub(crate) fn expect_as(&self, code: i32, user: &str, arguments: &[&str]) -> Output {
        self.run_as(user, arguments).expect_code(code)
    }

    /// Waits until the API server enforces the policy of approvals, which is a moment after it was
    /// written.
    pub(crate) fn until_in_force(&self) {
        let plan = r#"{"apiVersion": "storage.pequod.io/v1alpha1", "kind": "CleanupPlan", "metadata": {"name": "probe"},
            "spec": {"digest": "", "phase": "purge", "items": 0, "steps": [], "author": "somebody-else"}}"#;
        for _ in 0..200 {
            let out =
                self.cluster
                    .kubectl_as("admin", ["create", "--dry-run=server", "-f", "-"], plan);
            if out.stderr.contains("author's own name") {
                return;
            }
        }
        panic!("the policy is not enforced");
    }

    /// Scans until the orphan is confirmed: two scans at least a second apart.
    pub(crate) fn confirm(&self) -> Value {
        for _ in 0..50 {
            let found: Value =
                serde_json::from_str(&self.run(&["orphans", "-o", "json"]).stdout).unwrap();
            if found
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["state"] == "confirmed")
            {
                return found;
            }
        }
        panic!("the orphan was never confirmed");
    }
}
