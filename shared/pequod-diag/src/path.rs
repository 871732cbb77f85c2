//! The path of a value in a tree: what a problem is about, so that nobody needs to read it out of a
//! sentence.

use std::fmt;

use serde::Serialize;

/// Labels from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Path(pub Vec<Step>);

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// A field, whatever characters its name has.
    Field(String),
    /// A name that is never output: `#definition`, `_hidden`.
    Hidden(String),
    /// An element of a list.
    Index(u32),
}

impl Path {
    /// Whether it is the root.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part below another path, as that is written; the whole path if it does not lie below it.
    ///
    /// ```
    /// use pequod_diag::{Path, Step};
    ///
    /// let path = Path(vec![Step::Field("a b".into()), Step::Index(0), Step::Field("c".into())]);
    /// assert_eq!(path.to_string(), r#""a b"[0].c"#);
    /// assert_eq!(path.below(r#""a b""#).to_string(), "[0].c");
    /// assert_eq!(path.below("a"), path);
    /// ```
    #[must_use]
    pub fn below(&self, above: &str) -> Self {
        let is_above = |length: &usize| Self(self.0[..*length].to_vec()).to_string() == above;
        let length = (0..=self.0.len()).find(is_above).unwrap_or_default();
        Self(self.0[length..].to_vec())
    }
}

/// As CUE writes it: `a."b c"[0]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 && !matches!(step, Step::Index(_)) {
                f.write_str(".")?;
            }
            match step {
                Step::Field(name) if is_identifier(name) => f.write_str(name)?,
                Step::Field(name) => write!(f, "{}", serde_json::Value::from(name.as_str()))?,
                Step::Hidden(name) => f.write_str(name)?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a name needs no quotes.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|letter| letter == '$' || letter.is_alphabetic());
    first && letters.all(|letter| letter == '_' || letter == '$' || letter.is_alphanumeric())
}
