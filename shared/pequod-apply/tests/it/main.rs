//! The executor against a real API server.

mod adoption;
mod deletion;
mod drift;
mod faults;
mod order;
mod planning;
mod pruning;
mod refusals;
mod scale;
mod world;
