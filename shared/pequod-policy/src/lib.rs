//! CUE policies: what they say of an object that is about to be written.
//!
//! A [`Policy`] is one ClusterCuePolicy, compiled once. A [`PolicySet`] holds all that are in force and judges an
//! [`Input`]: the object and the request that writes it. The [`Verdict`] has every violation, in an order that
//! depends on nothing but the content, with what each does: deny, warn, or only be noted.
//!
//! [`stamp`] is the other thing that admission leaves behind: the signed word of who asked for what.
//!
//! Pure: no clock, no network, no cluster. Whoever has a deadline passes a function that says when it is over.

mod canonical;
mod input;
mod intent;
mod policy;
mod program;
mod set;
pub mod stamp;
mod verdict;

pub use input::Input;
pub use intent::intent_digest;
pub use policy::{NOT_A_POLICY, Policy};
pub use program::Stop;
pub use set::PolicySet;
pub use verdict::{Finding, Verdict};
