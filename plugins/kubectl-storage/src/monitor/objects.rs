//! `StorageFinding` objects, one for each finding that is more than information.
//!
//! They are there to be looked at with kubectl. Deleting one dismisses it: it comes back only when
//! the finding says something else. Deleting one never deletes anything on an appliance. What was
//! written is remembered in the state folder, so that a restart brings nothing back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pequod_api::{StorageFinding, StorageFindingSpec};
use sha2::{Digest, Sha256};

use super::state::FindingView;

const MANAGER: &str = "pequod-storage-monitor";
/// More are a flood, not a list for people; the API has them all.
const MOST: usize = 1000;

/// Keeps the objects in step.
pub(super) struct Objects {
    api: Api<StorageFinding>,
    /// What was written, to tell a deleted one from one never written.
    written: BTreeMap<String, StorageFindingSpec>,
    /// Where that is remembered.
    file: PathBuf,
}

fn name_of(finding: &FindingView) -> String {
    let digest = Sha256::digest(finding.id.as_bytes());
    let short = digest[..6]
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{}-{short}", finding.code.to_lowercase())
}

fn spec_of(finding: &FindingView) -> StorageFindingSpec {
    StorageFindingSpec {
        code: finding.code.clone(),
        severity: finding.severity.clone(),
        state: finding.state.clone(),
        site: finding.site.clone(),
        subject: format!("{} {}", finding.kind, finding.subject),
        message: finding.message.clone(),
        next: finding.next.clone(),
    }
}

impl Objects {
    /// With what was written before, if that can be read.
    pub(super) fn open(client: Client, file: PathBuf) -> Self {
        let written = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "what was dismissed is forgotten");
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self {
            api: Api::all(client),
            written,
            file,
        }
    }

    /// Writes what is new or different, removes what is over, leaves alone what was dismissed.
    pub(super) async fn follow(&mut self, findings: &[FindingView]) -> Result<(), kube::Error> {
        let wanted: BTreeMap<String, StorageFindingSpec> = findings
            .iter()
            .filter(|finding| finding.severity != "info")
            .map(|finding| (name_of(finding), spec_of(finding)))
            .take(MOST)
            .collect();
        let there: BTreeMap<String, StorageFindingSpec> = self
            .api
            .list(&ListParams::default())
            .await?
            .items
            .into_iter()
            .map(|object| (object.name_any(), object.spec))
            .collect();
        let dismissed: BTreeSet<&String> = self
            .written
            .iter()
            .filter(|(name, spec)| !there.contains_key(*name) && wanted.get(*name) == Some(*spec))
            .map(|(name, _)| name)
            .collect();
        for (name, spec) in &wanted {
            if dismissed.contains(name) || there.get(name) == Some(spec) {
                continue;
            }
            let object = StorageFinding::new(name, spec.clone());
            let patch = PatchParams::apply(MANAGER).force();
            self.api.patch(name, &patch, &Patch::Apply(&object)).await?;
        }
        for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
            match self.api.delete(name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        if self.written != wanted {
            self.written = wanted;
            self.remember();
        }
        Ok(())
    }

    /// Replaces the file whole: a crash leaves the old one.
    fn remember(&self) {
        let fresh = self.file.with_extension("new");
        let written = serde_json::to_vec(&self.written)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&fresh, bytes))
            .and_then(|()| std::fs::rename(&fresh, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, "what was written is not remembered over a restart");
        }
    }
}
