//! The objects of a graph, as Secrets.
//!
//! Real modules render megabytes, more than one request to the API server may carry, and rendered Secrets must not be
//! readable by whoever may read a ResourceGraph. So the objects lie in Secrets that belong to the graph: one JSON
//! document with sorted keys, compressed as one zstd frame, cut into chunks. The same objects give the same bytes, and
//! the Secrets are named after them: writing them again changes nothing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use pequod_api::names::{FIELD_MANAGER, LABEL_GRAPH, LABEL_PART_OF, PART_OF};
use pequod_api::resource_graph::ObjectStore;
use pequod_api::{NodeId, ObjectRef};
use pequod_kube::{Access, ApiError, ApplyOptions, Kind, Propagation, object};
use serde_json::{Value, json};

use crate::digest::of_bytes;

/// Bytes of a chunk before base64: with it a Secret stays well below the 1 MiB that one may hold.
const CHUNK: usize = 600 * 1024;
/// The most that the objects of a graph may be, uncompressed.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The level at which both size and time are small for manifests (50 to 100 MB/s, about a tenth of the size).
const LEVEL: i32 = 6;
/// Under which key a Secret holds its chunk.
const KEY: &str = "chunk";

/// Why objects cannot be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The objects are too big.
    #[error(
        "the objects of the graph are {bytes} bytes, more than the {MAX_BYTES} that are supported"
    )]
    TooBig {
        /// How big they are.
        bytes: usize,
    },
    /// A Secret is not there (yet, or any more).
    #[error("Secret {namespace}/{name}, which holds objects of the graph, is not there")]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A part of the graph is not what was written.
    #[error(transparent)]
    Packed(#[from] pequod_api::packed::Damaged),
    /// What was read is not what was written.
    #[error("the stored objects are damaged: {0}")]
    Damaged(String),
    /// The API server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Objects, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the document.
    pub digest: String,
    /// The zstd frame, cut.
    pub chunks: Vec<Vec<u8>>,
}

/// Packs objects.
pub fn pack(objects: &BTreeMap<NodeId, Value>) -> Result<Packed, StoreError> {
    let sorted: BTreeMap<&str, Value> = objects
        .iter()
        .map(|(id, object)| (id.0.as_str(), sorted(object)))
        .collect();
    let document =
        serde_json::to_vec(&sorted).map_err(|error| StoreError::Damaged(error.to_string()))?;
    if document.len() > MAX_BYTES {
        return Err(StoreError::TooBig {
            bytes: document.len(),
        });
    }
    let frame = zstd::encode_all(document.as_slice(), LEVEL)
        .map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Packed {
        digest: of_bytes(&document),
        chunks: frame.chunks(CHUNK).map(<[u8]>::to_vec).collect(),
    })
}

/// Unpacks objects, and checks that they are those that were packed.
pub fn unpack(packed: &Packed) -> Result<BTreeMap<NodeId, Value>, StoreError> {
    use std::io::Read as _;

    let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged(what.to_string());
    let frame = packed.chunks.concat();
    let decoder = zstd::Decoder::new(frame.as_slice()).map_err(|e| damaged(&e))?;
    let mut document = Vec::new();
    // One byte more than allowed: a frame that unpacks to anything must not fill the memory.
    let most = MAX_BYTES as u64 + 1;
    decoder
        .take(most)
        .read_to_end(&mut document)
        .map_err(|e| damaged(&e))?;
    if document.len() > MAX_BYTES {
        return Err(StoreError::TooBig {
            bytes: document.len(),
        });
    }
    if of_bytes(&document) != packed.digest {
        return Err(StoreError::Damaged("their digest differs".to_owned()));
    }
    serde_json::from_slice(&document).map_err(|e| damaged(&e))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            Value::Object(
                fields
                    .into_iter()
                    .map(|(k, v)| (k.clone(), sorted(v)))
                    .collect(),
            )
        }
        scalar => scalar.clone(),
    }
}

/// The Secrets of a graph.
#[derive(Clone)]
pub struct Store {
    access: Access,
    secrets: Kind,
    namespace: String,
    graph: String,
}

impl Store {
    /// Of the graph of that name.
    pub async fn of(access: Access, namespace: &str, graph: &str) -> Result<Self, ApiError> {
        let secrets = access.kind("v1", "Secret").await?;
        Ok(Self {
            access,
            secrets,
            namespace: namespace.to_owned(),
            graph: graph.to_owned(),
        })
    }

    fn target(&self, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            namespace: Some(self.namespace.clone()),
            name: name.to_owned(),
        }
    }

    /// Writes packed objects, owned as given.
    pub async fn write(
        &self,
        packed: &Packed,
        owner: &OwnerReference,
    ) -> Result<ObjectStore, StoreError> {
        let short = packed
            .digest
            .trim_start_matches("sha256:")
            .get(..10)
            .unwrap_or_default();
        // A name may have 253 characters, and a graph's name alone may.
        let stem: String = self.graph.chars().take(200).collect();
        let mut store = ObjectStore {
            secrets: Vec::new(),
            digest: packed.digest.clone(),
        };
        for (at, chunk) in packed.chunks.iter().enumerate() {
            let name = format!("{stem}-{short}-{at}");
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "type": "platform.pequod.io/graph",
                "metadata": {
                    "name": name, "namespace": self.namespace,
                    "labels": {LABEL_GRAPH: label_value(&self.graph), LABEL_PART_OF: PART_OF},
                    "ownerReferences": [owner],
                },
                "data": {KEY: STANDARD.encode(chunk)},
            });
            let options = ApplyOptions {
                manager: FIELD_MANAGER,
                force: true,
                dry_run: false,
            };
            self.access
                .apply(&self.secrets, &self.target(&name), &secret, options)
                .await?;
            store.secrets.push(name);
        }
        Ok(store)
    }

    /// Reads objects back.
    pub async fn read(&self, store: &ObjectStore) -> Result<BTreeMap<NodeId, Value>, StoreError> {
        let mut chunks = Vec::new();
        for name in &store.secrets {
            let secret = self.access.get(&self.secrets, &self.target(name)).await?;
            let missing = || StoreError::Missing {
                namespace: self.namespace.clone(),
                name: name.clone(),
            };
            let secret = secret.ok_or_else(missing)?;
            let text = secret
                .pointer("/data/chunk")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let chunk = STANDARD
                .decode(text)
                .map_err(|e| StoreError::Damaged(e.to_string()))?;
            chunks.push(chunk);
        }
        unpack(&Packed {
            digest: store.digest.clone(),
            chunks,
        })
    }

    /// Removes the graph's Secrets that are not of `keep`.
    pub async fn sweep(&self, keep: &ObjectStore) -> Result<(), StoreError> {
        let selector = format!("{LABEL_GRAPH}={}", label_value(&self.graph));
        let found = self
            .access
            .list_metadata(&self.secrets, Some(&self.namespace), Some(&selector))
            .await?;
        for secret in found {
            let name = object::name(&secret);
            if keep.secrets.iter().any(|kept| kept == name) {
                continue;
            }
            if let Some(uid) = object::uid(&secret) {
                self.access
                    .delete(
                        &self.secrets,
                        &self.target(name),
                        uid,
                        Propagation::Background,
                    )
                    .await?;
            }
        }
        Ok(())
    }
}

/// A graph's name as a label's value, which may have 63 characters only.
fn label_value(graph: &str) -> String {
    if graph.len() <= 63 {
        return graph.to_owned();
    }
    of_bytes(graph.as_bytes())
        .trim_start_matches("sha256:")
        .chars()
        .take(63)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(n: usize) -> BTreeMap<NodeId, Value> {
        (0..n)
            .map(|i| {
                let id = NodeId(format!("n{i}"));
                (id, json!({"kind": "ConfigMap", "data": {"b": format!("{:x}", i * 7919), "a": "ü"}}))
            })
            .collect()
    }

    #[test]
    fn what_is_packed_is_unpacked_and_the_bytes_do_not_depend_on_the_order_of_keys() {
        let packed = pack(&objects(100)).unwrap();
        assert_eq!(unpack(&packed).unwrap(), objects(100));
        let mut other = objects(100);
        for object in other.values_mut() {
            *object = json!({"data": {"a": object["data"]["a"], "b": object["data"]["b"]}, "kind": "ConfigMap"});
        }
        assert_eq!(pack(&other).unwrap(), packed);
    }

    #[test]
    fn big_graphs_are_cut_into_chunks_that_a_secret_can_hold() {
        let mut x = 1_u64;
        let noise: String = (0..1_200_000)
            .map(|_| {
                // xorshift: nothing that a compressor could find.
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                char::from(b' ' + u8::try_from(x % 90).unwrap())
            })
            .collect();
        let packed = pack(&BTreeMap::from([(NodeId("n".into()), json!(noise))])).unwrap();
        assert!(packed.chunks.len() > 1);
        assert!(packed.chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        assert_eq!(unpack(&packed).unwrap()[&NodeId("n".into())], json!(noise));
    }

    #[test]
    fn damage_is_found() {
        let mut packed = pack(&objects(3)).unwrap();
        packed.digest = "sha256:0".into();
        assert!(matches!(unpack(&packed), Err(StoreError::Damaged(_))));
        packed.chunks[0].truncate(5);
        assert!(matches!(unpack(&packed), Err(StoreError::Damaged(_))));
    }
}
