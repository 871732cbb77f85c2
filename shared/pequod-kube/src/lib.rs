//! All input and output with the API server.
//!
//! * [`connect`]: from kubectl's global flags to a [`Cluster`]; clients that act as a ServiceAccount;
//! * [`discovery`]: which resource a kind is, learnt per group and version, forgotten on a miss;
//! * [`access`]: objects of any kind: get, list, server-side apply, delete, each with a time limit;
//! * [`error`]: what an API server's refusal means: which manager owns which field, which field is immutable;
//! * [`status`]: whether an object is what it was asked to be (the kstatus rules);
//! * [`fields`]: who owns which field, read from `managedFields`;
//! * [`conditions`], [`events`], [`lease`], [`retry`], [`wait`]: what every controller needs.
//!
//! Objects are plain JSON here: what a kind's type does not know must survive a round trip.

pub mod access;
pub mod conditions;
pub mod connect;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fields;
pub mod lease;
pub mod object;
pub mod retry;
pub mod status;
pub mod wait;

pub use access::{Access, ApplyOptions, Deletion, Propagation};
pub use connect::{Cluster, ConnectError, ConnectOptions};
pub use discovery::{Discovery, Kind};
pub use error::{ApiError, Failure, FieldConflict};
