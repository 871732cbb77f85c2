//! The cluster's side: which lists are read, and rows out of them.

pub mod config;
pub mod decode;
pub mod read;
pub mod rights;
