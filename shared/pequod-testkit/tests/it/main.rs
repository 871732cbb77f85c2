//! The test kit, tried on itself.

mod control_plane;
mod registry;
