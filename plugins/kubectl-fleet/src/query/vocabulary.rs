//! The words a fleet has of its own: its clusters, namespaces and kinds with all their names.

use std::collections::BTreeSet;

use super::{Field, Query, Test};
use crate::observe::Served;
use crate::text;

/// What questions can name.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// The ids of all clusters.
    pub clusters: BTreeSet<String>,
    /// The namespaces of all clusters.
    pub namespaces: BTreeSet<String>,
    /// Every kind that is served somewhere.
    pub kinds: Vec<Served>,
}

impl Vocabulary {
    /// The kinds a word names, as kubectl understands it: `pods`, `pod`, `po`, `Pod`, `pods.v1`, `deploy`,
    /// `deployments.apps`; a category (`all`) names several. An unqualified word prefers the core group and the
    /// built-in groups, as kubectl does.
    pub fn kinds_named(&self, word: &str) -> Vec<&Served> {
        let lower = word.to_lowercase();
        let is = |kind: &&Served| {
            kind.full_name().eq_ignore_ascii_case(&lower)
                || kind.resource == lower
                || kind.kind.to_lowercase() == lower
                || kind.aliases.contains(&lower)
                || format!("{}.{}", kind.kind.to_lowercase(), kind.group) == lower
        };
        let mut found: Vec<&Served> = self.kinds.iter().filter(is).collect();
        if found.is_empty() {
            return self
                .kinds
                .iter()
                .filter(|kind| kind.categories.contains(&lower))
                .collect();
        }
        if !lower.contains('.') && found.iter().any(|kind| is_built_in(&kind.group)) {
            found.retain(|kind| is_built_in(&kind.group));
        }
        found
    }

    /// Kind words that are one word of a question, plural or singular.
    pub fn kind_of_word(&self, word: &str) -> Option<&str> {
        let found = self.kinds_named(word);
        let found = if found.is_empty() {
            self.kinds_named(&text::singular(word))
        } else {
            found
        };
        let mut kinds: Vec<&str> = found.iter().map(|kind| kind.kind.as_str()).collect();
        kinds.dedup();
        match kinds.as_slice() {
            [kind] => Some(kind),
            _ => None,
        }
    }

    /// Clusters a word fits: by name, or as a part of names (`prod` fits `eu-prod-1`).
    pub fn cluster_pattern(&self, word: &str) -> Option<String> {
        if self.clusters.contains(word) {
            return Some(word.to_owned());
        }
        let part = |cluster: &String| cluster.split(['-', '_', '.', '/']).any(|part| part == word);
        if self.clusters.iter().any(part)
            || self.clusters.iter().any(|cluster| cluster.contains(word))
        {
            return Some(format!("*{word}*"));
        }
        None
    }

    /// The query with every kind under the name it is stored by: `kind:po` becomes `kind:Pod`. Kinds nobody serves
    /// are returned beside it, as they were written.
    pub fn resolve(&self, query: &Query) -> (Query, Vec<String>) {
        let mut resolved = query.clone();
        let mut unknown = Vec::new();
        let mut groups = Vec::new();
        for term in &mut resolved.terms {
            let Test::Is(Field::Kind, values) = &mut term.test else {
                continue;
            };
            let mut kinds = Vec::new();
            for value in values.iter() {
                if super::is_glob(value) || self.kinds.iter().any(|kind| kind.kind == *value) {
                    kinds.push(value.clone());
                    continue;
                }
                let found = self.kinds_named(value);
                if found.is_empty() {
                    unknown.push(value.clone());
                    kinds.push(value.clone());
                }
                for kind in &found {
                    kinds.push(kind.kind.clone());
                    if value.contains('.') && !term.negated {
                        groups.push(super::or_dash(&kind.group).to_owned());
                    }
                }
            }
            kinds.dedup();
            *values = kinds;
        }
        if !groups.is_empty()
            && groups.len() == query.values(Field::Kind).map_or(0, <[String]>::len)
        {
            groups.dedup();
            resolved = resolved.is(Field::Group, groups);
        }
        (resolved, unknown)
    }

    /// Full names of the kinds a query is about; none if it is about all.
    pub fn concerned(&self, query: &Query) -> Option<Vec<String>> {
        let kinds = query.values(Field::Kind)?;
        Some(
            self.kinds
                .iter()
                .filter(|served| kinds.iter().any(|kind| super::glob(kind, &served.kind)))
                .map(Served::full_name)
                .collect(),
        )
    }
}

fn is_built_in(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy") || group.ends_with(".k8s.io")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::query::parse::parse;

    pub(crate) fn served(group: &str, kind: &str, resource: &str, aliases: &[&str]) -> Served {
        Served {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            resource: resource.into(),
            namespaced: true,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            categories: Vec::new(),
            about: Vec::new(),
        }
    }

    pub(crate) fn fleet() -> Vocabulary {
        Vocabulary {
            clusters: ["eu-prod-1", "us-prod-2", "staging", "eu-2"]
                .map(str::to_owned)
                .into(),
            namespaces: ["default", "kube-system", "shop", "payments"]
                .map(str::to_owned)
                .into(),
            kinds: vec![
                served("", "Pod", "pods", &["pod", "po"]),
                served("", "Service", "services", &["service", "svc"]),
                served("", "Node", "nodes", &["node", "no"]),
                served("", "Secret", "secrets", &["secret"]),
                served(
                    "",
                    "PersistentVolumeClaim",
                    "persistentvolumeclaims",
                    &["persistentvolumeclaim", "pvc"],
                ),
                served(
                    "apps",
                    "Deployment",
                    "deployments",
                    &["deployment", "deploy"],
                ),
                served(
                    "apps",
                    "StatefulSet",
                    "statefulsets",
                    &["statefulset", "sts"],
                ),
                served("batch", "Job", "jobs", &["job"]),
                served(
                    "networking.k8s.io",
                    "NetworkPolicy",
                    "networkpolicies",
                    &["networkpolicy", "netpol"],
                ),
                served(
                    "serving.knative.dev",
                    "Service",
                    "services",
                    &["service", "ksvc"],
                ),
                served("postgresql.cnpg.io", "Cluster", "clusters", &["cluster"]),
                served(
                    "cert-manager.io",
                    "Certificate",
                    "certificates",
                    &["certificate", "cert"],
                ),
            ],
        }
    }

    #[test]
    fn kinds_are_named_as_for_kubectl() {
        let fleet = fleet();
        for (word, kind) in [
            ("po", "Pod"),
            ("Pods", "Pod"),
            ("deploy", "Deployment"),
            ("certificates.cert-manager.io", "Certificate"),
        ] {
            assert_eq!(fleet.kinds_named(word)[0].kind, kind);
        }
        assert_eq!(fleet.kinds_named("svc").len(), 1);
        assert_eq!(
            fleet.kinds_named("services.serving.knative.dev")[0].group,
            "serving.knative.dev"
        );
    }

    #[test]
    fn a_qualified_kind_asks_for_its_group_too() {
        let (query, unknown) =
            fleet().resolve(&parse("kind:services.serving.knative.dev kind:nonsense").unwrap());
        assert_eq!(
            query.to_string(),
            "kind:Service kind:nonsense group:serving.knative.dev"
        );
        assert_eq!(unknown, ["nonsense"]);
    }
}
