//! What an appliance tells by itself, on the session that is open anyway.
//!
//! Events are hints and nothing else: of a change made by the command line, by replication or by
//! a periodic task there may be none, and one that was sent while the connection was broken is
//! lost. So they only say that it is worth while to read again; what is believed is what a read
//! shows, and scans go on at their pace whether anything is heard or not.

use serde::Deserialize;

/// What may have changed since it was last read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// Snapshots.
    pub snapshots: bool,
    /// Datasets, shares, targets and what belongs to them.
    pub others: bool,
}

impl Hints {
    /// Anything may have: nothing was heard for a while.
    pub(super) const ALL: Self = Self {
        snapshots: true,
        others: true,
    };

    /// Nothing was told.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            snapshots: self.snapshots || other.snapshots,
            others: self.others || other.others,
        }
    }

    /// What a message tells; nothing when it is no event, or one about something else.
    pub(super) fn of(message: &[u8]) -> Self {
        let event: Event = serde_json::from_slice(message).unwrap_or_default();
        let collection = event
            .params
            .map_or(event.collection, |params| params.collection);
        match collection.as_str() {
            "" => Self::default(),
            "zfs.snapshot.query" | "pool.snapshot.query" => Self {
                snapshots: true,
                others: false,
            },
            _ => Self {
                snapshots: false,
                others: true,
            },
        }
    }
}

/// The names by which a release is asked to tell.
pub(super) fn collections(release: (u16, u16)) -> [&'static str; 7] {
    [
        if release >= (25, 10) {
            "pool.snapshot.query"
        } else {
            "zfs.snapshot.query"
        },
        "pool.dataset.query",
        "sharing.nfs.query",
        "sharing.smb.query",
        "iscsi.target.query",
        "iscsi.extent.query",
        "iscsi.targetextent.query",
    ]
}

/// An event of either dialect: the older has its fields beside `msg`, JSON-RPC below `params`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    collection: String,
    params: Option<Params>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    collection: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_tell_the_same() {
        let older =
            br#"{"msg":"added","collection":"zfs.snapshot.query","id":"tank/v/a@s","fields":{}}"#;
        let newer = br#"{"jsonrpc":"2.0","method":"collection_update","params":{"msg":"added",
            "collection":"pool.snapshot.query","id":"tank/v/a@s","fields":{}}}"#;
        for message in [&older[..], &newer[..]] {
            let hints = Hints::of(message);
            assert!(hints.snapshots && !hints.others);
        }
        let share = br#"{"msg":"removed","collection":"sharing.nfs.query","id":3}"#;
        assert!(Hints::of(share).others && !Hints::of(share).snapshots);
    }

    #[test]
    fn an_answer_or_rubbish_tells_nothing() {
        for message in [
            &br#"{"id":"3","msg":"result","result":[]}"#[..],
            br#"{"msg":"ready","subs":["4"]}"#,
            br#"{"jsonrpc":"2.0","id":3,"result":true}"#,
            b"[1]",
            b"",
        ] {
            assert!(Hints::of(message).is_empty());
        }
    }
}
