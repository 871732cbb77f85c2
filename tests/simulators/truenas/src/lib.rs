//! A TrueNAS SCALE that lives in memory.
//!
//! [`Nas`] is the model: pools, datasets, snapshots, clones, holds, inheritance of user
//! properties, shares, iSCSI, and the methods of the middleware over them. A [`Profile`] chooses
//! the release whose shapes and limits it shows, [`Bugs`] which of that release's known bugs it
//! has, and a [`Script`] makes single calls fail. [`server`] puts it behind the three protocols.
//!
//! It is meant for testing CSI drivers and tools for TrueNAS; README.md says what is modelled and
//! what is not. The behaviour follows the middleware's published sources and issue threads.

mod methods;
mod model;
mod mutate;
mod query;
pub mod server;
mod shape;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use model::Nas;

/// The release that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// 22.12 Bluefin: REST and the older WebSocket.
    V2212,
    /// 24.10 Electric Eel: the same.
    V2410,
    /// 25.04 Fangtooth: JSON-RPC arrives.
    V2504,
    /// 25.10 Goldeye: `zfs.resource.query`, NVMe-oF, other snapshot methods.
    V2510,
    /// 26: no REST, snapshot properties only by `zfs.resource.snapshot.query`.
    V26,
}

impl Profile {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2212,
        Self::V2410,
        Self::V2504,
        Self::V2510,
        Self::V26,
    ];

    /// What `system.version` answers.
    pub fn version(self) -> &'static str {
        match self {
            Self::V2212 => "TrueNAS-SCALE-22.12.4.2",
            Self::V2410 => "TrueNAS-SCALE-24.10.2.4",
            Self::V2504 => "TrueNAS-25.04.2.6",
            Self::V2510 => "TrueNAS-25.10.1",
            Self::V26 => "TrueNAS-26.0.0-BETA.3",
        }
    }

    /// By its short name: `22.12`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2212 => "22.12",
            Self::V2410 => "24.10",
            Self::V2504 => "25.04",
            Self::V2510 => "25.10",
            Self::V26 => "26",
        }
    }

    /// Whether it serves REST.
    pub fn rest(self) -> bool {
        self < Self::V26
    }

    /// Whether it serves JSON-RPC.
    pub fn json_rpc(self) -> bool {
        self >= Self::V2504
    }

    /// The bugs this release is known for.
    pub fn bugs(self) -> Bugs {
        Bugs {
            uppercase_origin: self >= Self::V2510,
            source_always_local: self >= Self::V2510,
            count_ignores_filters: self == Self::V2510,
            delete_keeps: false,
            snapshot_update_ignored: self == Self::V26,
            create_drops_properties: self == Self::V26,
        }
    }
}

/// Known bugs, each of which can be switched on in any release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Bugs {
    /// `origin.value` in upper case (25.10).
    pub uppercase_origin: bool,
    /// Every property's source is `LOCAL` (25.10).
    pub source_always_local: bool,
    /// `count: true` counts everything (25.10).
    pub count_ignores_filters: bool,
    /// A delete answers true and deletes nothing (26 betas).
    pub delete_keeps: bool,
    /// `pool.snapshot.update` does nothing (26).
    pub snapshot_update_ignored: bool,
    /// `pool.dataset.create` forgets user properties (26).
    pub create_drops_properties: bool,
}

/// An error of a method, as the middleware words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodError {
    /// Errno, or one of the middleware's own numbers.
    pub errno: i64,
    /// Its name: `ENOENT`, `EBUSY`, …
    pub errname: &'static str,
    /// In words.
    pub reason: String,
    /// Attribute of a validation error.
    pub attribute: Option<String>,
}

impl MethodError {
    fn new(errno: i64, errname: &'static str, reason: impl Into<String>) -> Self {
        Self {
            errno,
            errname,
            reason: reason.into(),
            attribute: None,
        }
    }

    fn invalid(attribute: &str, reason: impl Into<String>) -> Self {
        Self {
            attribute: Some(attribute.to_owned()),
            ..Self::new(22, "EINVAL", reason)
        }
    }

    fn no_method(method: &str) -> Self {
        Self::new(201, "ENOMETHOD", format!("Method {method:?} not found"))
    }

    /// The `data` of a JSON-RPC error, and the body of an older one.
    pub(crate) fn data(&self) -> Value {
        let extra = self.attribute.as_ref().map_or(Value::Null, |attribute| {
            json!([[attribute, self.reason, self.errno]])
        });
        json!({"error": self.errno, "errname": self.errname,
            "reason": format!("[{}] {}", self.errname, self.reason), "trace": null, "extra": extra})
    }
}

/// What is to go wrong, by method.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: BTreeMap<String, Vec<Trouble>>,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The method fails.
    Fail(MethodError),
    /// The connection is closed instead of an answer.
    Drop,
    /// The answer breaks off in the middle.
    Truncate,
    /// REST: this status from the proxy in front (502, 504).
    Proxy(u16),
}

impl Script {
    /// Lets the next call of a method go wrong; several are used one after the other.
    pub fn next(&mut self, method: &str, trouble: Trouble) {
        self.steps
            .entry(method.to_owned())
            .or_default()
            .push(trouble);
    }

    fn take(&mut self, method: &str) -> Option<Trouble> {
        let steps = self.steps.get_mut(method)?;
        (!steps.is_empty()).then(|| steps.remove(0))
    }
}

/// An error for [`Trouble::Fail`].
pub fn failure(errno: i64, errname: &'static str, reason: &str) -> Trouble {
    Trouble::Fail(MethodError::new(errno, errname, reason))
}
