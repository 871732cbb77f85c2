//! Clean-up that can be undone.
//!
//! | step | what happens | what it needs |
//! | --- | --- | --- |
//! | `plan` | an enumerated, hashed list of steps ([`plan`]) | findings confirmed by two complete scans |
//! | `apply` | quarantine: nothing is removed, everything is recorded ([`execute`]) | a fresh scan that gives the same plan, a second key |
//! | `undo` | the steps in reverse, each read back | the audit log |
//! | `plan --purge`, `apply` | what has been quarantined long enough is removed | the same again, and the approval of another person |
//!
//! Right before the first call of each item both sides are read again ([`execute::Recheck`]): what was
//! adopted since the plan was compared is left alone.
//!
//! What was quarantined, since when and by whom is what the [`audit`] log says: an append-only
//! chain of hashes into which every changing call goes before it is sent and after it was read
//! back. No flag of the appliance that widens a call (`recursive`, `force`, `defer`) is ever sent.

pub mod audit;
pub mod execute;
pub mod plan;
pub mod step;

pub use audit::{Audit, Entry, Event};
pub use execute::{Change, Outcome, Recheck, apply, undo};
pub use plan::{Item, Phase, Plan, Request};
pub use step::{Row, Step, Table};
