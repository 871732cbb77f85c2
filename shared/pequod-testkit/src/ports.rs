//! Free loopback ports.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use crate::{Error, Result};

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of those comes between
/// finding a port free and listening on it.
const RANGE: std::ops::Range<u16> = 15_000..30_000;

/// So many different ports on which nobody listened a moment ago.
///
/// Another process may still be faster: whoever starts a server on them tries again with others when it fails.
pub fn free(count: usize) -> Result<Vec<u16>> {
    let random = RandomState::new();
    let mut found = BTreeSet::new();
    for attempt in 0..10_000_u32 {
        if found.len() == count {
            return Ok(found.into_iter().collect());
        }
        let width = u64::from(RANGE.end - RANGE.start);
        let offset = u16::try_from(random.hash_one(attempt) % width).unwrap_or_default();
        let port = RANGE.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            found.insert(port);
        }
    }
    Err(Error::new("no free loopback port"))
}
