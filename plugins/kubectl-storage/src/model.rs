//! The two inventories, as rows.
//!
//! A NAS of 10,000 volumes answers with tens of megabytes of JSON; what the matcher needs of it is
//! a few dozen bytes a row. Rows therefore hold shared text ([`Text`]) instead of documents, and
//! everything that was read but is not used is dropped while decoding.

pub mod cluster;
pub mod driver;
pub mod intern;
pub mod nas;
mod same;

use std::sync::Arc;

use serde::Serialize;

/// Text that many rows share.
pub type Text = Arc<str>;

/// Seconds since 1970-01-01T00:00:00Z.
pub type Seconds = i64;

/// A part of an inventory that could not be read, or not whole.
///
/// One gap makes the whole scan incomplete: nothing that is only known by its absence can be
/// believed any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Whose inventory: `nas/<name>` or `cluster/<name>`.
    pub source: Text,
    /// What was asked for: `pool.dataset.query tank/k8s`, `persistentvolumes`.
    pub asked: Text,
    /// What came instead.
    pub reason: Text,
}

/// Everything that was read in one scan, NAS first and Kubernetes after it, so that a volume
/// created in between shows up as matched and not as lost.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The appliances.
    pub appliances: Vec<nas::Nas>,
    /// The clusters.
    pub clusters: Vec<cluster::Cluster>,
}

impl Inventory {
    /// Everything that is missing from this inventory, in a stable order.
    pub fn gaps(&self) -> Vec<&Gap> {
        let mut gaps: Vec<_> = self
            .appliances
            .iter()
            .flat_map(|nas| &nas.gaps)
            .chain(self.clusters.iter().flat_map(|cluster| &cluster.gaps))
            .collect();
        gaps.sort();
        gaps
    }
}
