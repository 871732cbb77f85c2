//! The evaluator through its one door.

mod goldens;
mod inputs;
mod limits;
