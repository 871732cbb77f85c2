//! What makes an object of a fleet the same object.
//!
//! An object is known by cluster, API group, kind, namespace and name. The API *version* is left out on purpose: one
//! object served as `v1` and `v1beta1` is one object and must be found once. Two ids follow from it: the point id, a
//! UUIDv5 (vector stores take only integers and UUIDs), and the readable id, `cluster/namespace/apps/v1/Kind/name`,
//! which people and other tools see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name space of Pequod's point ids, itself the UUIDv5 of `fleet.pequod.io` in the DNS name space.
const POINTS: Uuid = Uuid::from_u128(0x6405_312e_d419_551d_a1b6_d70c_5168_92f8);

/// What stands in place of the namespace in the readable id of an object that has none.
pub const CLUSTER_SCOPE: &str = "_cluster";

/// Cluster, group, kind, namespace and name of an object.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The cluster's id in the fleet.
    pub cluster: String,
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for an object of the whole cluster.
    #[serde(default)]
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Identity {
    /// The id of the object's point. Parts are joined by a character that none of them can hold, so that no two
    /// objects share one.
    pub fn point(&self) -> Uuid {
        let Self {
            cluster,
            api_group,
            kind,
            namespace,
            name,
        } = self;
        point("object", &[cluster, api_group, kind, namespace, name])
    }

    /// The readable id, with the API version the object was read in.
    pub fn readable(&self, api_version: &str) -> String {
        let namespace = if self.namespace.is_empty() {
            CLUSTER_SCOPE
        } else {
            &self.namespace
        };
        format!(
            "{}/{namespace}/{api_version}/{}/{}",
            self.cluster, self.kind, self.name
        )
    }
}

/// The id of any point: of an object, a cluster's state, or a capability.
pub fn point(what: &str, parts: &[&str]) -> Uuid {
    let mut text = String::from(what);
    for part in parts {
        text.push('\0');
        text.push_str(part);
    }
    Uuid::new_v5(&POINTS, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(namespace: &str, name: &str) -> Identity {
        Identity {
            cluster: "eu-1".into(),
            api_group: "apps".into(),
            kind: "Deployment".into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn versions_of_one_object_are_one_point() {
        let object = web("default", "nginx");
        assert_eq!(
            object.readable("apps/v1"),
            "eu-1/default/apps/v1/Deployment/nginx"
        );
        assert_ne!(object.readable("apps/v1"), object.readable("apps/v1beta1"));
        assert_eq!(object.point(), web("default", "nginx").point());
    }

    #[test]
    fn borders_between_the_parts_count() {
        assert_ne!(web("a", "bc").point(), web("ab", "c").point());
    }

    #[test]
    fn point_ids_never_change_between_releases() {
        assert_eq!(
            web("default", "nginx").point().to_string(),
            "2e76ce23-cb67-5a06-acbc-77a68b629f83"
        );
    }
}
