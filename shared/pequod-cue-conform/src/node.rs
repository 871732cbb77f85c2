//! What is known of a value path, on either side.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::assertion::DETAILS;

/// What one side makes of an archive.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The archive's path without its ending.
    pub case: String,
    /// Why nothing could be evaluated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Whether that was for a construct we do not have, or a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<Poison>,
    /// All value paths, parents first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// The sources' form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Judged>,
    /// What came of the archive's own assertions; ours only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<Assertion>,
}

/// Why we give no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Poison {
    /// A construct we do not have.
    Unsupported,
    /// A spent budget.
    Limit,
    /// A panic, or the end of the process.
    Crash,
    /// No answer in time.
    Timeout,
}

/// A value path.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Node {
    /// Labels joined by dots, list elements by index.
    #[serde(rename = "p")]
    pub path: String,
    /// `""`, `"?"` or `"!"`.
    #[serde(rename = "a", default, skip_serializing_if = "String::is_empty")]
    pub arc: String,
    /// A set of types: `int`, `(int|string)`, `_`, `_|_`.
    #[serde(rename = "k", default)]
    pub kind: String,
    /// The class of the error here: `eval`, `user`, `incomplete`, `cycle`, `structural_cycle`.
    #[serde(rename = "e", default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The error's text.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The JSON of a concrete scalar.
    #[serde(
        rename = "v",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub leaf: Option<Box<RawValue>>,
    /// The JSON of the default of what is not concrete.
    #[serde(
        rename = "d",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub default: Option<Box<RawValue>>,
    /// Of structs and lists.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
    /// The regular fields of a struct as they are output, if there are several.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// The CUE of what is neither concrete nor made of fields or elements.
    #[serde(rename = "x", default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Of the reference: there was a value, or what is closed was open, until its interface was asked for it.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What the error consists of, where the archive asserts anything.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Told>,
    /// Which of the fields that assertions name could be there; of structs and lists.
    #[serde(rename = "y", default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<String>,
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its path and text.
    #[serde(rename = "m")]
    pub message: String,
    /// Where, as `file:line:column`; the first is the most telling.
    #[serde(rename = "at", default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

/// A value that is there, even if it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

/// Whether a source is well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The file.
    pub name: String,
    /// Whether it is.
    pub accept: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// What came of a `@test` directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// `eq`, `err`, …
    pub directive: String,
    /// The value it is about.
    pub path: String,
    /// What went wrong, empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// Whether the reference is known to fail it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub todo: bool,
}

impl Assertion {
    /// Whether it is about the value itself, rather than about what else is told of it.
    pub fn of_value(&self) -> bool {
        !DETAILS.contains(&&*self.directive)
    }
}
