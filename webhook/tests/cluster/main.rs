//! The webhook and the Solution controller on a real API server.
//!
//! One control plane, one webhook process reached by URL, one Solution controller: as the chart runs them, but
//! beside the cluster instead of in it. Tests keep apart by namespace. What stops the webhook has a control plane
//! of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its scene fails"
)]

mod outage;
mod policies;
mod rotation;
mod solutions;
mod stamps;

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use pequod_testkit::{ControlPlane, Process, bin, wait};
use tokio::sync::OnceCell;

/// The namespace of the Secrets and the Lease.
const HOME: &str = "pequod-system";
/// Name of both configurations.
const NAME: &str = "pequod-webhook";

/// A control plane with everything running.
struct Scene {
    cluster: ControlPlane,
    webhook: Option<Webhook>,
    controller: Option<Process>,
}

/// A running webhook.
struct Webhook {
    process: Process,
    port: u16,
    health: u16,
}

impl std::ops::Deref for Scene {
    type Target = ControlPlane;
    fn deref(&self) -> &ControlPlane {
        &self.cluster
    }
}

impl Scene {
    /// The one that most tests share.
    async fn shared() -> &'static Self {
        static SHARED: OnceCell<Scene> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A scene of one's own.
    async fn start() -> Self {
        let cluster = ControlPlane::start().await.unwrap();
        cluster.install_crds().await;
        cluster.kubectl(["create", "namespace", HOME]).success();
        let [port, health, probes] = free_ports();
        let mut scene = Self {
            cluster,
            webhook: None,
            controller: None,
        };
        scene.install(port);
        scene.webhook = Some(scene.start_webhook("webhook", port, health, &[]));
        scene.until_trusted().await;
        scene.until_ready(health).await;
        let mut controller = scene.command(&bin("kubectl-solution"), "admin");
        controller
            .args([
                "controller",
                "--no-leader-election",
                "--lease-namespace",
                HOME,
            ])
            .args(["--health-address", &format!("127.0.0.1:{probes}")]);
        scene.controller = Some(scene.spawn("solution-controller", &controller).unwrap());
        scene
    }

    /// Tells the API server to ask a webhook on that port.
    fn install(&self, port: u16) {
        let manifests = Command::new(bin("pequod-webhook"))
            .args(["manifests", "--name", NAME, "--namespace", HOME])
            .args(["--url", &format!("https://127.0.0.1:{port}")])
            .output()
            .unwrap();
        assert!(manifests.status.success());
        let text = String::from_utf8(manifests.stdout).unwrap();
        self.kubectl_as("admin", ["apply", "-f", "-"], &text)
            .success();
    }

    fn start_webhook(&self, name: &str, port: u16, health: u16, more: &[&str]) -> Webhook {
        let mut command = self.command(&bin("pequod-webhook"), "admin");
        command
            .args(["--kubeconfig", self.kubeconfig().to_str().unwrap()])
            .args(["--namespace", HOME, "--identity", name])
            .args(["--address", &format!("127.0.0.1:{port}")])
            .args(["--health-address", &format!("127.0.0.1:{health}")])
            .args(["--dns-name", "127.0.0.1", "--dns-name", "localhost"])
            .args([
                "--drain-seconds",
                "2",
                "--announce-seconds",
                "3",
                "--overlap-seconds",
                "3",
            ])
            .args(more);
        let process = self.spawn(name, &command).unwrap();
        Webhook {
            process,
            port,
            health,
        }
    }

    /// Waits until the API server was given the authority of the webhook's certificate.
    async fn until_trusted(&self) {
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(self.client());
        wait::until(&validating, NAME, "has a CA bundle", |found| {
            found
                .and_then(|found| found.webhooks.as_ref())
                .is_some_and(|webhooks| {
                    webhooks
                        .iter()
                        .all(|webhook| webhook.client_config.ca_bundle.is_some())
                })
        })
        .await;
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(self.client());
        wait::until(&mutating, NAME, "has a CA bundle", |found| {
            found
                .and_then(|found| found.webhooks.as_ref())
                .is_some_and(|webhooks| {
                    webhooks
                        .iter()
                        .all(|webhook| webhook.client_config.ca_bundle.is_some())
                })
        })
        .await;
        let keys: Api<Secret> = Api::namespaced(self.client(), HOME);
        wait::until(&keys, "pequod-stamp-keys", "exists", |found| {
            found.is_some()
        })
        .await;
    }

    /// Waits until the webhook says that it is ready.
    async fn until_ready(&self, health: u16) {
        let url = format!("http://127.0.0.1:{health}/readyz");
        let ready = async {
            loop {
                if reqwest::get(&url)
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), ready)
            .await
            .unwrap();
    }

    /// Applies as that user; output and errors together, and whether it succeeded.
    fn apply_as(&self, user: &str, namespace: &str, text: &str) -> (bool, String) {
        let output = self.kubectl_as(user, ["apply", "-n", namespace, "-f", "-"], text);
        (
            output.code == Some(0),
            format!("{}{}", output.stdout, output.stderr),
        )
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    // Rustls has no provider of its own choice; the first who needs one installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
