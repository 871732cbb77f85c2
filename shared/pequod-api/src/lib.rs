//! The custom resources of Pequod, and every name it puts on an object.
//!
//! * [`transform`]: what a person writes;
//! * [`resource_graph`]: what a Transform was rendered to, and how far its execution is;
//! * [`packed`]: graphs that are too big to lie in the open;
//! * [`solution`]: an application as one object;
//! * [`policy`]: CUE policies for the admission webhook;
//! * [`node`]: the words shared by a rendered node, its record in a ResourceGraph, and the CUE module contract;
//! * [`storage`]: plans of clean-up, findings and exemptions of `kubectl storage`;
//! * [`names`]: labels, annotations, finalizers, field managers.
//!
//! Types only: no client, no clock, no cluster. The CRD manifests in `charts/pequod-crds` are generated from them.

pub mod names;
pub mod node;
pub mod packed;
pub mod policy;
pub mod resource_graph;
pub mod solution;
pub mod storage;
pub mod transform;

mod schema;

pub use node::{
    ApplyMode, ApplyPolicy, ConflictPolicy, Dependency, DependencyWhen, NodeId, ObjectRef,
    ReadyCheck, ReadyPredicate, RemovalPolicy,
};
pub use policy::{ClusterCuePolicy, ClusterCuePolicySpec, PolicyAction};
pub use resource_graph::{NodePhase, ResourceGraph, ResourceGraphSpec, ResourceNode};
pub use solution::{Solution, SolutionSpec};
pub use storage::{
    CleanupPlan, CleanupPlanSpec, StorageExemption, StorageExemptionSpec, StorageFinding,
    StorageFindingSpec,
};
pub use transform::{CueRef, CueRefType, Transform, TransformSpec};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The definitions of all custom resources, in the order of their names.
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    vec![
        CleanupPlan::crd(),
        ClusterCuePolicy::crd(),
        ResourceGraph::crd(),
        Solution::crd(),
        StorageExemption::crd(),
        StorageFinding::crd(),
        Transform::crd(),
    ]
}
