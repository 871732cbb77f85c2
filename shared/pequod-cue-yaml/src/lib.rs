//! YAML in and out, as CUE reads and writes it.
//!
//! No YAML library agrees with another on what a plain scalar means. CUE's rules are those of Go's `yaml.v3` with
//! corrections of its own: `yes` and `on` are strings, `0777` is the number 511, `08` is a string, dates stay
//! strings, `!!binary` gives bytes, and mapping keys are texts. The event parser is a library; what the events
//! mean is decided here:
//!
//! * `resolve`: what a plain scalar is;
//! * `load`: text to [`Node`]s with positions, anchors and merges expanded under a budget;
//! * `emit`: a value to text, quoting whatever a reader of YAML 1.1 would misread.
//!
//! ```
//! let nodes = pequod_cue_yaml::load("a: 0777\nb: yes\n")?;
//! assert_eq!(pequod_cue_yaml::emit(&nodes[0].value), "a: 511\nb: \"yes\"\n");
//! # Ok::<(), pequod_cue_yaml::Error>(())
//! ```

mod emit;
mod load;
mod resolve;

pub use emit::{emit, emit_stream, push_document};
pub use load::{Error, load};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// What YAML can hold, in the terms of CUE.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`, in three spellings.
    Bool(bool),
    /// An integer or a float as a literal of CUE, sign included: `511`, `1_000`, `0x1F`, `1.50`.
    Number(String),
    /// Text.
    String(String),
    /// `!!binary`.
    Bytes(Vec<u8>),
    /// A list.
    Sequence(Vec<Node>),
    /// Fields in the order of the text. A key may occur more than once: CUE unifies the values.
    Mapping(Vec<(Key, Node)>),
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key as text.
    pub text: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl From<Value> for Node {
    /// A value that was not read from a text; its position is 0.
    fn from(value: Value) -> Self {
        Self {
            value,
            line: 0,
            column: 0,
        }
    }
}

impl From<&str> for Key {
    /// A key that was not read from a text; its position is 0.
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            line: 0,
            column: 0,
        }
    }
}

#[cfg(test)]
mod tests;
