//! One ClusterCuePolicy, compiled.

use pequod_api::policy::OnError;
use pequod_api::{ClusterCuePolicySpec, PolicyAction};
use pequod_diag::{Code, Diagnostic, Diagnostics};

use crate::canonical;
use crate::input::{Input, contains};
use crate::program::{Failure, Program, Stop};
use crate::verdict::Finding;

/// A policy text that says something else than policies.
pub const NOT_A_POLICY: Code = Code("policy/invalid");

/// The rules of one ClusterCuePolicy, ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    name: String,
    spec: ClusterCuePolicySpec,
    digest: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Compiled(Program),
    /// The text cannot be used; why, in one line.
    Broken(String),
}

impl Policy {
    /// Compiles a policy; or says, with positions, why its text cannot be used.
    pub fn compile(name: &str, spec: &ClusterCuePolicySpec) -> Result<Self, Diagnostics> {
        let program = Program::compile(name, &spec.cue)?;
        if program.rules().is_empty() {
            let nothing = "the text has no field `policy` with at least one policy in it";
            let hint =
                "write `policy: \"its-name\": {object: …}`; docs/guides/policies.md shows more";
            return Err(Diagnostic::error(NOT_A_POLICY, nothing).hint(hint).into());
        }
        Ok(Self::new(name, spec, Content::Compiled(program)))
    }

    /// A policy that exists but cannot be evaluated, and of which no earlier version is known: each object that
    /// it is meant for gets what its `onError` says.
    pub fn broken(name: &str, spec: &ClusterCuePolicySpec, why: &Diagnostics) -> Self {
        let why = why
            .iter()
            .next()
            .map(ToString::to_string)
            .unwrap_or_default();
        Self::new(name, spec, Content::Broken(why))
    }

    fn new(name: &str, spec: &ClusterCuePolicySpec, content: Content) -> Self {
        let mut spelled = String::new();
        // A spec is plain data: it always has a JSON form.
        let json = serde_json::to_value(spec).unwrap_or_default();
        canonical::write(&json, &mut spelled);
        let digest = canonical::digest(&spelled);
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            digest,
            content,
        }
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of its spec.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it has to say about an object.
    pub(crate) fn judge(&self, input: &Input<'_>, stop: Stop<'_>) -> Vec<Finding> {
        let here = self
            .spec
            .excluded_namespaces
            .iter()
            .all(|excluded| excluded != input.namespace);
        if !here || !input.selected_by(&self.spec.kinds) {
            return Vec::new();
        }
        let program = match &self.content {
            Content::Compiled(program) => program,
            Content::Broken(why) => return vec![self.failed("", why)],
        };
        let mut findings = Vec::new();
        for rule in program.rules() {
            if !contains(input.object, &rule.pattern) {
                continue;
            }
            match program.check(rule, input, stop) {
                Ok(problems) => {
                    let effect = rule.severity.min(self.spec.action);
                    findings.extend(problems.into_iter().map(|problem| Finding {
                        policy: self.name.clone(),
                        rule: rule.name.clone(),
                        path: problem.path,
                        message: problem.message,
                        detail: problem.detail,
                        effect,
                    }));
                }
                Err(Failure(why)) => findings.push(self.failed(&rule.name, &why)),
            }
        }
        findings
    }

    /// What is found when a rule gives no answer.
    fn failed(&self, rule: &str, why: &str) -> Finding {
        // An explicit `onError` decides, but a policy that never denies does not begin to here.
        let effect = match self.spec.on_error {
            OnError::Deny => self.spec.action,
            OnError::Allow => self.spec.action.min(PolicyAction::Warn),
        };
        Finding {
            policy: self.name.clone(),
            rule: rule.to_owned(),
            path: String::new(),
            message: String::new(),
            detail: format!("cannot be evaluated: {why}"),
            effect,
        }
    }
}
