//! What the policies say, all of it, in an order that depends on nothing but its content.

use std::collections::BTreeMap;
use std::fmt;

use pequod_api::PolicyAction;

/// One thing that a policy has to say about an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The name of the ClusterCuePolicy.
    pub policy: String,
    /// The key under `policy` in its CUE text; empty where the text as a whole is meant.
    pub rule: String,
    /// Where in the object, for example `metadata.labels.owner`; empty for the whole object.
    pub path: String,
    /// The policy's own words for people; empty if it has none.
    pub message: String,
    /// What the evaluation says: the conflict, the missing field, the limit that was met.
    pub detail: String,
    /// What it does.
    pub effect: PolicyAction,
}

/// `workloads/has-owner: metadata.labels.owner: say who owns it (field is required but not present)`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.policy)?;
        if !self.rule.is_empty() {
            write!(f, "/{}", self.rule)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        match (self.message.as_str(), self.detail.as_str()) {
            ("", detail) => write!(f, ": {detail}"),
            (message, "") => write!(f, ": {message}"),
            (message, detail) => write!(f, ": {message} ({detail})"),
        }
    }
}

/// The findings of a set of policies about one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict(Vec<Finding>);

impl Verdict {
    /// Puts findings in their order.
    pub fn new(findings: impl IntoIterator<Item = Finding>) -> Self {
        let mut findings: Vec<Finding> = findings.into_iter().collect();
        findings.sort();
        findings.dedup();
        Self(findings)
    }

    /// All findings.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// Those with the given effect.
    pub fn with(&self, effect: PolicyAction) -> impl Iterator<Item = &Finding> {
        self.0
            .iter()
            .filter(move |finding| finding.effect == effect)
    }

    /// Whether the write goes through.
    pub fn allowed(&self) -> bool {
        self.with(PolicyAction::Deny).next().is_none()
    }

    /// Why not, for people: one line for one reason, a list for several; `None` if the write goes through.
    pub fn message(&self) -> Option<String> {
        let denials: Vec<&Finding> = self.with(PolicyAction::Deny).collect();
        match denials.as_slice() {
            [] => None,
            [one] => Some(one.to_string()),
            many => {
                let lines = many.iter().map(|finding| format!("\n- {finding}"));
                Some(format!(
                    "{} violations:{}",
                    many.len(),
                    lines.collect::<String>()
                ))
            }
        }
    }

    /// Warnings for the writer, each short enough to be passed on whole.
    pub fn warnings(&self) -> Vec<String> {
        self.with(PolicyAction::Warn)
            .map(|finding| shortened(finding.to_string()))
            .collect()
    }

    /// What goes to the audit log: which rules denied, warned, and would have.
    pub fn audit_annotations(&self) -> BTreeMap<String, String> {
        let keys = [
            ("denied", PolicyAction::Deny),
            ("warned", PolicyAction::Warn),
            ("audited", PolicyAction::Audit),
        ];
        let named = keys.into_iter().map(|(key, effect)| {
            let mut rules: Vec<String> = self
                .with(effect)
                .map(|f| format!("{}/{}", f.policy, f.rule))
                .collect();
            rules.dedup();
            (key.to_owned(), rules.join(","))
        });
        named.filter(|(_, rules)| !rules.is_empty()).collect()
    }
}

/// The API server may cut a warning after 256 bytes, and does so in the middle.
const WARNING_BYTES: usize = 256;

fn shortened(mut text: String) -> String {
    if text.len() > WARNING_BYTES {
        text.truncate(text.floor_char_boundary(WARNING_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use pequod_api::PolicyAction;

    use super::{Finding, Verdict};

    fn finding(rule: &str, effect: PolicyAction) -> Finding {
        Finding {
            policy: "workloads".to_owned(),
            rule: rule.to_owned(),
            path: "metadata.labels.owner".to_owned(),
            message: "say who owns it".to_owned(),
            detail: "field is required but not present".to_owned(),
            effect,
        }
    }

    #[test]
    fn a_denial_names_policy_path_message_and_detail() {
        let verdict = Verdict::new([finding("has-owner", PolicyAction::Deny)]);
        assert!(!verdict.allowed());
        assert_eq!(
            verdict.message().unwrap(),
            "workloads/has-owner: metadata.labels.owner: say who owns it (field is required but not \
             present)"
        );
    }

    #[test]
    fn all_violations_are_named_in_one_order() {
        let (a, b) = (
            finding("a", PolicyAction::Deny),
            finding("b", PolicyAction::Deny),
        );
        let verdict = Verdict::new([b.clone(), a.clone(), b.clone()]);
        assert_eq!(verdict, Verdict::new([a, b]));
        let message = verdict.message().unwrap();
        assert!(
            message.starts_with("2 violations:\n- workloads/a: "),
            "{message}"
        );
    }

    #[test]
    fn warnings_and_audits_let_the_write_through() {
        let verdict = Verdict::new([
            finding("w", PolicyAction::Warn),
            finding("x", PolicyAction::Audit),
        ]);
        assert!(verdict.allowed());
        assert_eq!(verdict.message(), None);
        assert_eq!(verdict.warnings().len(), 1);
        let annotations = verdict.audit_annotations();
        assert_eq!(annotations["warned"], "workloads/w");
        assert_eq!(annotations["audited"], "workloads/x");
        assert!(!annotations.contains_key("denied"));
    }

    #[test]
    fn a_long_warning_is_cut_between_characters() {
        let mut long = finding("w", PolicyAction::Warn);
        long.message = "ä".repeat(300);
        let warnings = Verdict::new([long]).warnings();
        assert!(
            warnings[0].len() <= 256 && warnings[0].ends_with('…'),
            "{}",
            warnings[0]
        );
    }
}
