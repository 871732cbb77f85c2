//! Big graphs: their nodes, states and inventory, packed.
//!
//! An object in the cluster may have about 1.5 MB (etcd's limit of a request), and 5,000 nodes with states and inventory
//! need more than twice that. Beyond a size they are packed within the same object, so that what belongs together is
//! still written in one step. Smaller graphs stay readable with any tool.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pequod_api::resource_graph::{InventoryItem, NodeStatus, ResourceGraphStatus};
use pequod_api::{NodeId, ResourceGraph, ResourceGraphSpec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::{MAX_BYTES, StoreError};

/// From how many bytes of JSON on the parts of a graph are packed: two parts of this size and their managed fields
/// stay well below the limit.
const OPEN: usize = 256 * 1024;
const LEVEL: i32 = 6;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    node_status: BTreeMap<NodeId, NodeStatus>,
    inventory: Vec<InventoryItem>,
}

/// Unpacks what is packed of a graph. Everything that reads one must call this first.
pub fn open(graph: &mut ResourceGraph) -> Result<(), StoreError> {
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

/// The same for those that only show a graph: one that cannot be unpacked is shown as it is, without nodes.
pub fn opened(mut graph: ResourceGraph) -> ResourceGraph {
    if let Err(error) = open(&mut graph) {
        tracing::warn!(%error, "a ResourceGraph cannot be unpacked");
    }
    graph
}

/// Packs the nodes, if they are many.
pub(crate) fn close_spec(spec: &mut ResourceGraphSpec) -> Result<(), StoreError> {
    if let Some(text) = pack_if_big(&spec.nodes)? {
        spec.packed_nodes = Some(text);
        spec.nodes = Vec::new();
    }
    Ok(())
}

/// The status as it is written.
pub(crate) fn close_status(
    status: &ResourceGraphStatus,
) -> Result<ResourceGraphStatus, StoreError> {
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

fn pack_if_big(value: &impl Serialize) -> Result<Option<String>, StoreError> {
    let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged(what.to_string());
    let json = serde_json::to_vec(value).map_err(|e| damaged(&e))?;
    if json.len() <= OPEN {
        return Ok(None);
    }
    let frame = zstd::encode_all(json.as_slice(), LEVEL).map_err(|e| damaged(&e))?;
    Ok(Some(STANDARD.encode(frame)))
}

fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged(what.to_string());
    let frame = STANDARD.decode(text).map_err(|e| damaged(&e))?;
    let decoder = zstd::Decoder::new(frame.as_slice()).map_err(|e| damaged(&e))?;
    let mut json = Vec::new();
    decoder
        .take(MAX_BYTES as u64)
        .read_to_end(&mut json)
        .map_err(|e| damaged(&e))?;
    serde_json::from_slice(&json).map_err(|e| damaged(&e))
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
