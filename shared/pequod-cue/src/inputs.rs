//! What an evaluation is given besides the program.

use serde_json::Value as Json;

/// Data for one evaluation.
///
/// ```
/// use pequod_cue::Inputs;
/// use serde_json::json;
///
/// let input = json!({"image": "shop:1.2.3"});
/// let observed = json!({});
/// let inputs = Inputs::new().fill("input", &input).external("observed", &observed);
/// # let _ = inputs;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Inputs<'a> {
    pub(crate) fills: Vec<(String, &'a Json)>,
    pub(crate) externals: Vec<(String, &'a Json)>,
}

impl<'a> Inputs<'a> {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unifies data with the field at a path of labels joined by dots (`input`, `a.b`; `""` is the
    /// root). Numbers keep their text.
    #[must_use]
    pub fn fill(mut self, path: &str, data: &'a Json) -> Self {
        self.fills.push((path.to_owned(), data));
        self
    }

    /// Unifies data with a top-level field, and records who reads which path under it. Reading a
    /// path that is not there is incomplete, never an error of the package.
    #[must_use]
    pub fn external(mut self, root: &str, data: &'a Json) -> Self {
        self.externals.push((root.to_owned(), data));
        self
    }
}

/// How much an evaluation may do before it is ended with [`crate::codes::LIMIT`].
///
/// Steps, depth and bytes are counted, not measured: the same program and inputs stop at the same
/// point on every machine.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Units of work: conjuncts, expressions, tasks, arms of disjunctions.
    pub steps: u64,
    /// How deep evaluation may nest.
    pub depth: u32,
    /// How much memory values may take.
    pub bytes: u64,
    /// Asked now and then; evaluation ends when it answers yes. For deadlines of a front.
    pub stop: Option<&'a dyn Fn() -> bool>,
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            depth: 2_000,
            bytes: 1 << 30,
            stop: None,
        }
    }
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("steps", &self.steps)
            .field("depth", &self.depth)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
