//! Big graphs: their nodes, states and inventory, packed.
//!
//! An object in the cluster may have about 1.5 MB (etcd's limit of a request), and 5,000 nodes with states and inventory
//! need more than twice that. Beyond a size they are packed within the same object, so that what belongs together is
//! still written in one step. Smaller graphs stay readable with any tool.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::resource_graph::{InventoryItem, NodeStatus, ResourceGraphStatus};
use crate::{NodeId, ResourceGraph, ResourceGraphSpec};

/// From how many bytes of JSON on the parts of a graph are packed: two parts of this size and their managed fields
/// stay well below the limit.
const OPEN: usize = 256 * 1024;
const LEVEL: i32 = 6;
/// What is packed may unpack to this many bytes and no more: nobody's memory is filled by an object of a megabyte.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What was packed cannot be read, or what should be packed cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the packed part of a ResourceGraph is damaged: {0}")]
pub struct Damaged(String);

impl Damaged {
    fn by(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    node_status: BTreeMap<NodeId, NodeStatus>,
    inventory: Vec<InventoryItem>,
}

/// Unpacks what is packed of a graph. Everything that reads one must call this first.
///
/// # Errors
/// What is packed is no base64 of a zstd frame of JSON, or unpacks to too much.
pub fn open(graph: &mut ResourceGraph) -> Result<(), Damaged> {
    if let Some(text) = graph.spec.packed_nodes.take() {
        graph.spec.nodes = unpack(&text)?;
    }
    if let Some(status) = &mut graph.status
        && let Some(text) = status.packed.take()
    {
        let state: State = unpack(&text)?;
        status.node_status = state.node_status;
        status.inventory = state.inventory;
    }
    Ok(())
}

/// Packs the nodes, if they are many.
///
/// # Errors
/// The nodes cannot be written as JSON.
pub fn close_spec(spec: &mut ResourceGraphSpec) -> Result<(), Damaged> {
    if let Some(text) = pack_if_big(&spec.nodes)? {
        spec.packed_nodes = Some(text);
        spec.nodes = Vec::new();
    }
    Ok(())
}

/// The status as it is written: states and inventory packed, if they are many.
///
/// # Errors
/// The status cannot be written as JSON.
pub fn close_status(status: &ResourceGraphStatus) -> Result<ResourceGraphStatus, Damaged> {
    let state = State {
        node_status: status.node_status.clone(),
        inventory: status.inventory.clone(),
    };
    let Some(text) = pack_if_big(&state)? else {
        return Ok(status.clone());
    };
    Ok(ResourceGraphStatus {
        observed_generation: status.observed_generation,
        phase: status.phase,
        conditions: status.conditions.clone(),
        packed: Some(text),
        ..ResourceGraphStatus::default()
    })
}

fn pack_if_big(value: &impl Serialize) -> Result<Option<String>, Damaged> {
    let json = serde_json::to_vec(value).map_err(Damaged::by)?;
    if json.len() <= OPEN {
        return Ok(None);
    }
    let frame = zstd::encode_all(json.as_slice(), LEVEL).map_err(Damaged::by)?;
    Ok(Some(STANDARD.encode(frame)))
}

fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, Damaged> {
    let frame = STANDARD.decode(text).map_err(Damaged::by)?;
    let decoder = zstd::Decoder::new(frame.as_slice()).map_err(Damaged::by)?;
    let mut json = Vec::new();
    decoder
        .take(MAX_BYTES)
        .read_to_end(&mut json)
        .map_err(Damaged::by)?;
    serde_json::from_slice(&json).map_err(Damaged::by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_states_are_packed_and_small_ones_stay_readable() {
        let mut status = ResourceGraphStatus::default();
        status.node_status.insert("a".into(), NodeStatus::default());
        assert_eq!(close_status(&status).unwrap(), status);
        for n in 0..5000 {
            let state = NodeStatus {
                message: Some(format!("{n:060}")),
                ..NodeStatus::default()
            };
            status
                .node_status
                .insert(NodeId(format!("node-{n}")), state);
        }
        let closed = close_status(&status).unwrap();
        assert!(closed.node_status.is_empty());
        let state: State = unpack(&closed.packed.unwrap()).unwrap();
        assert_eq!(state.node_status, status.node_status);
        assert!(unpack::<State>("not base64").is_err());
    }
}
