//! Every label, annotation, finalizer and field manager that Pequod writes or reads.

/// Field manager of everything that the controllers apply.
pub const FIELD_MANAGER: &str = "pequod-operator";
/// Field manager of what the command line writes (Transforms).
pub const CLI_FIELD_MANAGER: &str = "kubectl-transform";

/// Label on every object of a graph: the name of its Transform.
pub const LABEL_TRANSFORM: &str = "platform.pequod.io/transform";
/// Label on every object of a graph: the namespace of its Transform (objects may lie elsewhere).
pub const LABEL_TRANSFORM_NAMESPACE: &str = "platform.pequod.io/transform-namespace";
/// Annotation on every object of a graph: the id of its node.
pub const ANNOTATION_NODE: &str = "platform.pequod.io/node";
/// Label on the Secrets that hold a ResourceGraph's objects: the graph's name.
pub const LABEL_GRAPH: &str = "platform.pequod.io/graph";
/// Annotation on a ResourceGraph: with value `true` nothing is applied, repaired or pruned; deletion still works.
pub const ANNOTATION_SUSPEND: &str = "platform.pequod.io/suspend";
/// Annotation on any object: with value `true` it is never pruned nor deleted by Pequod.
pub const ANNOTATION_PROTECT: &str = "platform.pequod.io/protect";

/// Finalizer on a Transform: its ResourceGraph is to be deleted and gone first.
pub const FINALIZER_TRANSFORM: &str = "platform.pequod.io/transform";
/// Finalizer on a ResourceGraph: its objects are to be deleted in reverse order first.
pub const FINALIZER_GRAPH: &str = "platform.pequod.io/graph";

/// Label that makes an object a member of the Solution of that name in its namespace.
pub const LABEL_SOLUTION: &str = "dot-ai.io/solution";
/// Annotation that the webhook puts on a member: the signed stamp of who asked for what.
pub const ANNOTATION_STAMP: &str = "dot-ai.io/stamp";

/// Label on a namespace: the webhook's policies do not apply in it.
pub const LABEL_POLICY_EXEMPT: &str = "policy.pequod.io/exempt";
/// Label on everything that belongs to Pequod's own installation.
pub const LABEL_PART_OF: &str = "app.kubernetes.io/part-of";
/// Value of [`LABEL_PART_OF`].
pub const PART_OF: &str = "pequod";
