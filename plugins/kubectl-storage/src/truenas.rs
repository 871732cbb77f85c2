//! One client for TrueNAS SCALE 22.12 to 26.
//!
//! The appliance speaks three dialects: JSON-RPC 2.0 at `/api/current` (25.04 and later), an older
//! WebSocket protocol at `/websocket` (all), and REST v2.0 (up to 25.10). They carry the same
//! methods with the same rows, so a dialect is only a [`Caller`]: everything above it asks the
//! cheapest question the release can answer ([`read`]) and decodes rows of either shape
//! ([`decode`]).

pub mod client;
pub mod decode;
pub mod events;
pub mod read;
pub mod rest;
pub mod tls;
pub mod websocket;

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, SeqAccess, Visitor},
};
use serde_json::Value;
/// Text that was received, shared and never copied.
pub use tokio_tungstenite::tungstenite::Bytes;

/// Sends one call and brings its answer.
pub trait Caller {
    /// Calls a method. The answer is the JSON text of its result.
    fn call(
        &self,
        method: &str,
        params: &[Value],
    ) -> impl Future<Output = Result<Answer, CallError>> + Send;
}

/// The JSON text of a result, inside the message it came in: a list of 10,000 volumes is tens of
/// megabytes and is never copied.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    message: Bytes,
    start: usize,
    end: usize,
}

impl Answer {
    /// A message that is nothing but the result.
    pub fn whole(message: impl Into<Bytes>) -> Self {
        let message = message.into();
        Self {
            start: 0,
            end: message.len(),
            message,
        }
    }

    /// The part of a message that holds the result. Empty when the range does not fit.
    pub fn part(message: Bytes, start: usize, end: usize) -> Self {
        Self {
            message,
            start,
            end,
        }
    }

    /// The result's JSON.
    pub fn json(&self) -> &[u8] {
        self.message.get(self.start..self.end).unwrap_or_default()
    }

    /// Decodes it.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CallError> {
        serde_json::from_slice(self.json()).map_err(|error| unreadable(&error))
    }

    /// Decodes it with something that keeps what it wants while it reads.
    pub fn decode_with<'a, S: DeserializeSeed<'a>>(
        &'a self,
        seed: S,
    ) -> Result<S::Value, CallError> {
        let mut json = serde_json::Deserializer::from_slice(self.json());
        let value = seed
            .deserialize(&mut json)
            .map_err(|error| unreadable(&error))?;
        json.end().map_err(|error| unreadable(&error))?;
        Ok(value)
    }

    /// Decodes a list of which only one row exists at a time. When it fails, the rows before the
    /// one that cannot be read were taken.
    pub fn each<'a, T: Deserialize<'a>>(&'a self, take: impl FnMut(T)) -> Result<(), CallError> {
        self.decode_with(Rows {
            take,
            row: PhantomData,
        })
    }
}

fn unreadable(error: &serde_json::Error) -> CallError {
    CallError {
        kind: ErrorKind::Unreadable,
        reason: format!("the answer breaks off or is no JSON of the expected shape: {error}"),
    }
}

/// Hands over row by row.
struct Rows<F, T> {
    take: F,
    row: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Rows<F, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Rows<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.take)(row);
        }
        Ok(())
    }
}

/// What kind of failure it is; only this steers what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The connection could not be made, or broke.
    Connection,
    /// The certificate was not accepted.
    Certificate,
    /// The key is wrong, expired or revoked.
    Login,
    /// Too many logins in a minute.
    Throttled,
    /// The key lacks the right.
    Forbidden,
    /// This release has no such method.
    NoMethod,
    /// The thing asked for does not exist.
    NotFound,
    /// The appliance answered with an error.
    Refused,
    /// The answer could not be read to its end.
    Unreadable,
    /// A plain connection for a key: refused here, because the appliance would revoke the key.
    Plain,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What kind.
    pub kind: ErrorKind,
    /// In the appliance's words where it said any.
    pub reason: String,
}

impl CallError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for CallError {}

/// The release in `TrueNAS-SCALE-24.10.2` or `TrueNAS-25.04.0` (later ones have no SCALE).
pub fn release(version: &str) -> Option<(u16, u16)> {
    let numbers = version.strip_prefix("TrueNAS-")?;
    let numbers = numbers.strip_prefix("SCALE-").unwrap_or(numbers);
    let mut parts = numbers.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn reads_releases_with_and_without_scale() {
        assert_eq!(release("TrueNAS-SCALE-22.12.4.2"), Some((22, 12)));
        assert_eq!(release("TrueNAS-25.10.1"), Some((25, 10)));
        assert_eq!(release("TrueNAS-26.0.0-BETA.3"), Some((26, 0)));
        assert_eq!(release("FreeNAS-11.3"), None);
    }
}
