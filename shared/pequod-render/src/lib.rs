//! From a module, an input and a context to a graph of objects, outputs and violations: the module contract of
//! docs/guides/modules.md.
//!
//! [`render`] is a pure function. The command line, the controller and the webhook's check of inputs call this one,
//! so the same module, input, context and observed objects give the same bytes in all of them; [`Rendered::digest`]
//! names what they were. To that end the input is put into the order of its keys first (an API server forgets the
//! order in which they were written), and of the context only what was read counts.
//!
//! The steps, each a module of this crate:
//!
//! 1. evaluate the package with `input`, and `context` and `observed` as roots whose reads are recorded (`stage`);
//! 2. read the nodes, in the module's order (`node`);
//! 3. complete and check each object: namespace, labels, two nodes with one target (`object`);
//! 4. check the order: unknown and cyclic dependencies;
//! 5. ask the module's policies about every object (`policy`).

mod canonical;
mod context;
mod node;
mod object;
mod policy;
mod stage;

pub use canonical::{canonical, digest};
pub use context::{Cluster, Context, Scope};
pub use stage::{Refused, Request, Stage, exported_nodes, render};

use std::collections::BTreeMap;

use pequod_api::ResourceNode;
use pequod_api::node::NodeId;
use pequod_api::transform::Violation;
use pequod_cue::Counters;
use serde::Serialize;
use serde_json::Value;

/// The most that an input may hold, as compact JSON.
pub const MAX_INPUT_BYTES: usize = 512 << 10;
/// The most nodes of a graph.
pub const MAX_NODES: usize = 5_000;

/// The codes of this crate's diagnostics.
pub mod codes {
    use pequod_diag::Code;

    /// The input is no object, too large, or not what the module takes.
    pub const INPUT: Code = Code("render/input");
    /// A limit of the contract is exceeded.
    pub const LIMIT: Code = Code("render/limit");
    /// The module does not keep the contract.
    pub const CONTRACT: Code = Code("render/contract");
    /// A node has a field that the contract does not know, or one of the wrong form.
    pub const NODE: Code = Code("render/node");
    /// An object lacks what every object of Kubernetes has.
    pub const OBJECT: Code = Code("render/object");
    /// Two nodes have one id or one object.
    pub const DUPLICATE: Code = Code("render/duplicate");
    /// Dependencies that are unknown or go round.
    pub const ORDER: Code = Code("render/order");
    /// A policy is malformed.
    pub const POLICY: Code = Code("render/policy");
    /// A construct of the contract that is not supported.
    pub const UNSUPPORTED: Code = Code("render/unsupported");
}

/// In which form a module was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// `graph: nodes: {ID: …}`, the preferred one.
    Nodes,
    /// `graph: nodes: [{id: ID, …}]`.
    NodeList,
}

impl Form {
    /// As `status.resolvedCueRef.form` says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::NodeList => "nodeList",
        }
    }
}

/// A node with its object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderedNode {
    /// Everything about it but its object.
    pub spec: ResourceNode,
    /// The object as it is to be applied.
    pub object: Value,
}

/// A node whose object read something of a live object that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The node.
    pub id: NodeId,
    /// The absent paths, for example `observed.db.status.host`.
    pub waits_for: Vec<String>,
}

/// What a module was rendered to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The nodes that are known, in the module's order.
    pub nodes: Vec<RenderedNode>,
    /// The nodes that wait for a live value.
    pub pending: Vec<Pending>,
    /// The outputs that are known.
    pub outputs: BTreeMap<String, Value>,
    /// What the module's policies found.
    pub violations: Vec<Violation>,
    /// In which form the module was written.
    pub form: Form,
    /// `sha256:` and the digest over module, input and the context that was read.
    pub digest: String,
    /// The context that was read: path and value; null where there was none.
    pub context_read: BTreeMap<String, Value>,
    /// How much work the evaluation was.
    pub counters: Counters,
}

impl Rendered {
    /// Whether a policy forbids to apply it.
    pub fn is_forbidden(&self) -> bool {
        self.violations
            .iter()
            .any(|violation| violation.severity == pequod_api::transform::ViolationSeverity::Error)
    }
}
