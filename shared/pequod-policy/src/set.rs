//! All policies that are in force together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical;
use crate::input::Input;
use crate::policy::Policy;
use crate::program::Stop;
use crate::verdict::Verdict;

/// An immutable set of policies; cheap to clone and to change by one.
#[derive(Debug, Clone)]
pub struct PolicySet {
    policies: BTreeMap<String, Arc<Policy>>,
    digest: String,
}

impl Default for PolicySet {
    fn default() -> Self {
        Self::new([])
    }
}

impl PolicySet {
    /// The set of the given policies; of two with one name the last counts.
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        let policies: BTreeMap<_, _> = policies
            .into_iter()
            .map(|policy| (policy.name().to_owned(), policy))
            .collect();
        let lines: Vec<String> = policies
            .values()
            .map(|p| format!("{} {}", p.name(), p.digest()))
            .collect();
        Self {
            policies,
            digest: canonical::digest(&lines.join("\n")),
        }
    }

    /// The digest of the whole set: equal sets have equal digests, in every process.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// What all policies together say about an object.
    ///
    /// Evaluation has fixed budgets of its own; `stop` is asked besides, for a deadline. A policy that is stopped
    /// by either answers with its `onError`.
    pub fn judge(&self, input: &Input<'_>, stop: Stop<'_>) -> Verdict {
        Verdict::new(
            self.policies
                .values()
                .flat_map(|policy| policy.judge(input, stop)),
        )
    }
}
