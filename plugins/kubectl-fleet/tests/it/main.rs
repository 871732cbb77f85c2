//! Tests of the fleet over its public parts.

mod fixture;
mod stores;
