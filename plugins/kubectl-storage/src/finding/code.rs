//! The kinds of findings. A number never changes its meaning; docs/guides/storage.md lists them.

use std::fmt;

use serde::{Serialize, Serializer};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Wastes space or will bite.
    Warning,
    /// Something does not work.
    Error,
    /// Data is lost or about to be.
    Critical,
}

impl Severity {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $severity:ident, $title:literal;)+) => {
        /// What kind of finding it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name: `PQS-1001`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => concat!("PQS-", $number),)+ }
            }

            /// How grave it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// A few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// A dataset or zvol of a driver without a PersistentVolume.
    VolumeOrphan = "1001", Warning, "volume on the NAS without a PersistentVolume";
    /// A create that stopped half way and left its pieces.
    PartialProvision = "1002", Warning, "provisioning stopped half way";
    /// An iSCSI target of a volume that is gone.
    TargetOrphan = "1003", Warning, "iSCSI target without a volume";
    /// An iSCSI extent of a zvol that is gone.
    ExtentOrphan = "1004", Warning, "iSCSI extent without a zvol";
    /// A target-to-extent link with a missing end.
    LinkOrphan = "1005", Warning, "iSCSI association without target or extent";
    /// An NFS or SMB share of a file system that is gone.
    ShareOrphan = "1006", Warning, "share without a file system";
    /// An NVMe-oF subsystem of a volume that is gone.
    SubsystemOrphan = "1007", Warning, "NVMe subsystem without a volume";
    /// A CSI snapshot without a VolumeSnapshotContent.
    SnapshotOrphan = "1008", Warning, "CSI snapshot without a VolumeSnapshotContent";
    /// A detached snapshot dataset without a VolumeSnapshotContent.
    DetachedOrphan = "1009", Warning, "detached snapshot without a VolumeSnapshotContent";
    /// An empty folder in which detached snapshots of a volume were kept.
    EmptyContainer = "1010", Info, "empty container of detached snapshots";
    /// A helper snapshot of the driver whose purpose is gone.
    LeakedHelper = "1011", Warning, "leaked helper snapshot";
    /// A destroyed snapshot that waits for its clones.
    DeferredSnapshot = "1012", Info, "destroyed snapshot waiting for a clone";
    /// An iSCSI session to something nobody has attached.
    StaleSession = "1013", Info, "iSCSI session without an attachment";
    /// No PersistentVolume, but nothing proves whose volume it is.
    UnknownOwner = "1014", Info, "volume without a PersistentVolume, owner unknown";
    /// Kept on purpose by a reclaim policy or a delete strategy.
    Retained = "1015", Info, "volume kept by policy";
    /// A dataset inside a driver's parent that no driver made.
    Unmanaged = "1016", Info, "dataset in a driver's parent that the driver did not make";
    /// A PersistentVolume whose dataset is gone.
    VolumeMissing = "2001", Critical, "PersistentVolume without its dataset: data loss";
    /// A PersistentVolume whose share, target or extent is gone.
    ShareMissing = "2002", Error, "PersistentVolume without its share or target";
    /// Sizes differ.
    SizeMismatch = "2003", Warning, "PersistentVolume and dataset differ in size";
    /// A ready VolumeSnapshotContent whose snapshot is gone.
    SnapshotMissing = "2004", Critical, "VolumeSnapshotContent without its snapshot";
    /// A VolumeAttachment to a node that is gone.
    AttachmentNode = "2005", Error, "VolumeAttachment to a node that is gone";
    /// A VolumeAttachment of a volume that is gone.
    AttachmentVolume = "2006", Warning, "VolumeAttachment of a PersistentVolume that is gone";
    /// A released volume with policy Delete that is not deleted.
    ReleasedStuck = "2007", Warning, "released PersistentVolume is not deleted";
    /// A claim that lost its volume.
    ClaimLost = "2008", Critical, "PersistentVolumeClaim lost its volume";
    /// A VolumeSnapshot bound to a content that is gone.
    SnapshotUnbound = "2009", Error, "VolumeSnapshot without its content";
    /// A StorageClass whose driver's parent dataset is gone.
    ParentMissing = "2010", Critical, "StorageClass whose parent dataset is gone";
    /// A claim that stays unbound.
    ClaimPending = "2011", Warning, "PersistentVolumeClaim stays unbound";
    /// A snapshot that failed or never became ready.
    SnapshotStuck = "2012", Warning, "snapshot failed or stuck";
    /// Two keys that should name one volume name two.
    Conflict = "3001", Error, "identities disagree";
    /// A pool that is likely to be nearly full within days, by its history.
    Filling = "5001", Warning, "pool that will soon be full";
    /// The scan could not see everything.
    Incomplete = "9001", Error, "scan incomplete";
    /// Too much looks orphaned to be true.
    MassOrphan = "9002", Critical, "too many orphans to be true";
}

impl Code {
    /// Whether something may be removed for it, once confirmed.
    pub fn removable(self) -> bool {
        matches!(
            self,
            Self::VolumeOrphan
                | Self::PartialProvision
                | Self::TargetOrphan
                | Self::ExtentOrphan
                | Self::LinkOrphan
                | Self::ShareOrphan
                | Self::SubsystemOrphan
                | Self::SnapshotOrphan
                | Self::DetachedOrphan
                | Self::EmptyContainer
                | Self::LeakedHelper
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_are_unique_and_ascending() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
    }
}
