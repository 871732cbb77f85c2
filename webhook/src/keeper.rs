//! What one of the replicas does for all: certificates, CA bundles, stamp keys, the status of policies.
//!
//! It does each of these again and again, from what is there: nothing is remembered between two rounds, and a
//! round that is cut short is made up for by the next, here or in another replica.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use pequod_api::ClusterCuePolicy;
use pequod_api::policy::ClusterCuePolicyStatus;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::certificate::CertificateError;
use crate::metrics::Metrics;
use crate::policies::{Report, Reports};
use crate::rotation::{self, BUNDLE, Content, Pace};
use crate::secrets;

/// As which manager fields are written.
const MANAGER: &str = "pequod-webhook";

/// Which certificates, and where.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Name of the Secret.
    pub secret: String,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// Name of the ValidatingWebhookConfiguration.
    pub validating: String,
    /// Name of the MutatingWebhookConfiguration.
    pub mutating: String,
    /// How fast they rotate.
    pub pace: Pace,
}

/// The work of the holder of the lease.
#[derive(Clone)]
pub struct Keeper {
    /// Whose rights it works with.
    pub client: Client,
    /// Our own namespace.
    pub namespace: String,
    /// The certificates; `None` if somebody else makes them.
    pub certificates: Option<Certificates>,
    /// Name of the Secret with the stamp keys.
    pub stamp_secret: String,
    /// What is to be said of policies.
    pub reports: watch::Receiver<Reports>,
    /// What is counted.
    pub metrics: Metrics,
}

/// What stops a round.
#[derive(Debug, Error)]
enum Trouble {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// How long after a round in which nothing happened the next one comes.
const QUIET: Duration = Duration::from_secs(10);
/// How long after a round that changed something, or failed.
const BUSY: Duration = Duration::from_secs(1);

impl Keeper {
    /// Works until the leadership is lost.
    pub async fn keep(mut self, lost: CancellationToken) {
        loop {
            let pause = tokio::select! {
                () = lost.cancelled() => return,
                busy = self.round() => if busy { BUSY } else { QUIET },
            };
            tokio::select! {
                () = lost.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                // An error says that nobody reports any more: the process ends.
                changed = self.reports.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Whether the next round should come soon.
    async fn round(&self) -> bool {
        let tell = |what: &str, result: Result<bool, Trouble>| {
            result.unwrap_or_else(|error| {
                warn!(%error, "{what}");
                true
            })
        };
        let certificates = tell(
            "the certificates are not right yet",
            self.certificates().await,
        );
        let keys = tell("the stamp keys are not right yet", self.keys().await);
        let reports = tell(
            "the status of the policies is not right yet",
            self.report().await,
        );
        certificates | keys | reports
    }

    async fn keys(&self) -> Result<bool, Trouble> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        secrets::ensure_keys(&api, &self.stamp_secret, Timestamp::now()).await?;
        Ok(false)
    }

    async fn certificates(&self) -> Result<bool, Trouble> {
        let Some(certificates) = &self.certificates else {
            return Ok(false);
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = api.get_opt(&certificates.secret).await?;
        let content = secret.as_ref().map(secrets::content).unwrap_or_default();
        // First the trust, then the step that relies on it.
        self.trust(certificates, &content).await?;
        let pace = certificates.pace;
        let Some(new) = rotation::next(&content, &certificates.names, pace, Timestamp::now())?
        else {
            return Ok(false);
        };
        secrets::write_content(&api, &certificates.secret, secret, new.clone()).await?;
        info!(secret = certificates.secret, "certificates: one step on");
        self.trust(certificates, &new).await?;
        Ok(true)
    }

    async fn trust(&self, certificates: &Certificates, content: &Content) -> Result<(), Trouble> {
        let Some(bundle) = content.data.get(BUNDLE) else {
            return Ok(());
        };
        let bundle = STANDARD.encode(bundle);
        let validating = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
        let mutating = ApiResource::erase::<MutatingWebhookConfiguration>(&());
        self.trust_in(&validating, &certificates.validating, &bundle)
            .await?;
        self.trust_in(&mutating, &certificates.mutating, &bundle)
            .await
    }

    async fn trust_in(&self, kind: &ApiResource, name: &str, bundle: &str) -> Result<(), Trouble> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), kind);
        // Not installed (yet): nobody to be trusted by. Found in a later round.
        let Some(found) = api.get_opt(name).await? else {
            return Ok(());
        };
        let webhooks = found.data.get("webhooks").and_then(Value::as_array);
        let wrong: Vec<Value> = webhooks
            .into_iter()
            .flatten()
            .filter(|webhook| webhook["clientConfig"]["caBundle"] != bundle)
            .map(|webhook| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle}}))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        self.metrics.bundle_repaired();
        info!(
            kind = kind.kind,
            name,
            webhooks = wrong.len(),
            "CA bundle written"
        );
        // Merged by the name of each webhook; what else stands in the configuration belongs to others.
        let patch = json!({"webhooks": wrong});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(name, &params, &Patch::Strategic(patch)).await?;
        Ok(())
    }

    async fn report(&self) -> Result<bool, Trouble> {
        let api: Api<ClusterCuePolicy> = Api::all(self.client.clone());
        let reports = self.reports.borrow().clone();
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        for (name, report) in reports.iter() {
            let status = status(report, Timestamp::now());
            if status == report.status {
                continue;
            }
            let mut patch = json!({"status": status});
            // What a merge patch leaves out, it leaves alone.
            patch["status"]["activeDigest"] = json!(status.active_digest);
            match api.patch_status(name, &params, &Patch::Merge(patch)).await {
                Ok(_) => {}
                // Deleted meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

/// What the object of a policy should say.
fn status(report: &Report, now: Timestamp) -> ClusterCuePolicyStatus {
    let word = if report.ready { "True" } else { "False" };
    let old = report
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let since = old
        .filter(|old| old.status == word)
        .map(|old| old.last_transition_time.clone());
    ClusterCuePolicyStatus {
        observed_generation: report.generation,
        conditions: vec![Condition {
            type_: "Ready".to_owned(),
            status: word.to_owned(),
            reason: report.reason.to_owned(),
            message: report.message.chars().take(2_000).collect(),
            observed_generation: report.generation,
            last_transition_time: since.unwrap_or(Time(now)),
        }],
        active_digest: report.active_digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};

    use super::{ClusterCuePolicyStatus, Report, status};

    #[test]
    fn a_status_that_is_right_is_not_written_again() {
        let now = Timestamp::UNIX_EPOCH;
        let mut report = Report {
            generation: Some(1),
            ready: true,
            reason: "Compiled",
            message: "fine".to_owned(),
            active_digest: Some("sha256:0".to_owned()),
            status: ClusterCuePolicyStatus::default(),
        };
        report.status = status(&report, now);
        assert_eq!(status(&report, now + 1.hour()), report.status);
        report.ready = false;
        assert_ne!(status(&report, now + 1.hour()), report.status);
    }
}
