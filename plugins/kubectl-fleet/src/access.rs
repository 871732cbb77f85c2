//! Who may see what: decided in each member cluster, enforced where the answer is made.
//!
//! The hub holds no credentials of the member clusters. It leaves a [`Question`] in the store; the cluster's agent asks
//! its own API server (SubjectAccessReview, which every authorizer answers) and leaves a [`Grant`]. The grants of all
//! clusters become a [`Scope`], which is a part of the query that the store itself answers: what a caller may not read
//! is not counted, not in a facet and not found by words. No answer from a cluster means nothing of it is shown.
//!
//! An object is readable if its kind may be listed where it is, or if it may be got by its name. Which reviews are worth
//! asking for is found out from the cluster's RBAC objects ([`Rbac`]); what they say is never taken for an answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::observe::Served;
use crate::query::or_dash;
use crate::record::Record;

/// Somebody who asks, as their cluster or identity provider knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The user name.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
    /// The cluster whose API server vouches for them; none for an identity provider that all clusters trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

impl Caller {
    /// As a cluster may know them. Names that begin with `system:` mean somebody else in every cluster: they are worth
    /// nothing outside of the cluster that vouched for them.
    pub fn in_cluster(&self, cluster: &str) -> Option<Self> {
        let at_home = self.home.as_deref() == Some(cluster);
        if !at_home && self.user.starts_with("system:") {
            return None;
        }
        let mut groups: Vec<String> = self
            .groups
            .iter()
            .filter(|group| at_home || !group.starts_with("system:"))
            .cloned()
            .collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Some(Self {
            user: self.user.clone(),
            groups,
            home: self.home.clone(),
        })
    }
}

const AUTHENTICATED: &str = "system:authenticated";

/// A kind: group and kind.
pub type Kind = (String, String);

/// What a hub asks a cluster's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// About whom.
    pub caller: Caller,
}

/// What somebody may read in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grant {
    /// Everything there is, and will be.
    pub everything: bool,
    /// These kinds, everywhere.
    pub kinds: BTreeSet<Kind>,
    /// These kinds, in a namespace.
    pub namespaces: BTreeMap<String, BTreeSet<Kind>>,
    /// These objects, by namespace (`*` for every one), kind and name.
    pub names: BTreeSet<(String, Kind, String)>,
}

impl Grant {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.everything
            && self.kinds.is_empty()
            && self.namespaces.is_empty()
            && self.names.is_empty()
    }

    /// Whether some object of a kind may be readable.
    pub fn concerns(&self, kind: &Kind) -> bool {
        self.everything
            || self.kinds.contains(kind)
            || self.namespaces.values().any(|kinds| kinds.contains(kind))
            || self.names.iter().any(|(_, named, _)| named == kind)
    }

    /// Whether every object of a kind is readable.
    pub fn covers(&self, kind: &Kind) -> bool {
        self.everything || self.kinds.contains(kind)
    }

    /// Whether an object is readable.
    pub fn allows(&self, record: &Record) -> bool {
        let identity = &record.identity;
        let kind = (identity.api_group.clone(), identity.kind.clone());
        let named = |namespace: &str| {
            self.names
                .contains(&(namespace.to_owned(), kind.clone(), identity.name.clone()))
        };
        self.covers(&kind)
            || self
                .namespaces
                .get(&identity.namespace)
                .is_some_and(|kinds| kinds.contains(&kind))
            || named(&identity.namespace)
            || named(EVERYWHERE)
    }
}

/// In the place of a namespace: every one.
pub const EVERYWHERE: &str = "*";

/// What somebody may read in all clusters. A cluster that is not in it is not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope(pub BTreeMap<String, Grant>);

impl Scope {
    /// Whether an object is readable.
    pub fn allows(&self, record: &Record) -> bool {
        self.0
            .get(&record.identity.cluster)
            .is_some_and(|grant| grant.allows(record))
    }

    /// As a condition in Qdrant's JSON, over keys that are indexed.
    pub fn filter(&self) -> Value {
        let mut any = Vec::new();
        let is = |key: &str, value: &str| json!({ "key": key, "match": { "value": value } });
        let among = |key: &str, values: &[&str]| json!({ "key": key, "match": { "any": values } });
        let by_group = |kinds: &BTreeSet<Kind>| {
            let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (group, kind) in kinds {
                groups.entry(group.clone()).or_default().push(kind.clone());
            }
            groups
        };
        for (cluster, grant) in &self.0 {
            let here = is("cluster", cluster);
            if grant.everything {
                any.push(here);
                continue;
            }
            let mut allow = |place: Option<&str>, kinds: &BTreeSet<Kind>| {
                for (group, kinds) in by_group(kinds) {
                    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
                    let mut must = vec![
                        here.clone(),
                        is("apiGroup", or_dash(&group)),
                        among("kind", &kinds),
                    ];
                    must.extend(place.map(|namespace| is("namespace", or_dash(namespace))));
                    any.push(json!({ "must": must }));
                }
            };
            allow(None, &grant.kinds);
            for (namespace, kinds) in &grant.namespaces {
                allow(Some(namespace), kinds);
            }
            let mut named: BTreeMap<(&str, &Kind), Vec<&str>> = BTreeMap::new();
            for (namespace, kind, name) in &grant.names {
                named.entry((namespace, kind)).or_default().push(name);
            }
            for ((namespace, (group, kind)), names) in named {
                let mut must = vec![
                    here.clone(),
                    is("apiGroup", or_dash(group)),
                    is("kind", kind),
                    among("name", &names),
                ];
                if namespace != EVERYWHERE {
                    must.push(is("namespace", or_dash(namespace)));
                }
                any.push(json!({ "must": must }));
            }
        }
        if any.is_empty() {
            // No cluster has this name.
            any.push(is("cluster", "\u{0}"));
        }
        json!({ "should": any })
    }
}

/// A review worth asking an API server for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Review {
    /// `list` or `get`.
    pub verb: &'static str,
    /// The namespace; empty for all of them, and for kinds without any.
    pub namespace: String,
    /// The name; empty for all.
    pub name: String,
}

/// A rule of a role, as far as reading is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    reads: bool,
}

/// The RBAC objects of a cluster, as hints for what to ask.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    /// By namespace (empty for ClusterRoles) and name.
    roles: BTreeMap<(String, String), Vec<Rule>>,
    /// Namespace (empty for ClusterRoleBindings), the role's key, subjects.
    bindings: Vec<(String, (String, String), Vec<Value>)>,
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

impl Rbac {
    /// Adds a Role or ClusterRole.
    pub fn role(&mut self, object: &Value) {
        let key = (
            text(object, "/metadata/namespace").to_owned(),
            text(object, "/metadata/name").to_owned(),
        );
        let rules = object.get("rules").and_then(Value::as_array);
        let rules = rules
            .into_iter()
            .flatten()
            .map(|rule| Rule {
                groups: texts(rule, "apiGroups"),
                resources: texts(rule, "resources"),
                names: texts(rule, "resourceNames"),
                reads: texts(rule, "verbs")
                    .iter()
                    .any(|verb| matches!(verb.as_str(), "list" | "get" | "*")),
            })
            .filter(|rule| rule.reads)
            .collect();
        self.roles.insert(key, rules);
    }

    /// Adds a RoleBinding or ClusterRoleBinding.
    pub fn binding(&mut self, object: &Value) {
        let namespace = text(object, "/metadata/namespace").to_owned();
        let of = if text(object, "/roleRef/kind") == "Role" {
            namespace.clone()
        } else {
            String::new()
        };
        let role = (of, text(object, "/roleRef/name").to_owned());
        let subjects = object.get("subjects").and_then(Value::as_array);
        self.bindings
            .push((namespace, role, subjects.cloned().unwrap_or_default()));
    }

    /// What is worth asking about a kind for somebody who may not list it everywhere. Each may be allowed, and nothing
    /// that RBAC allows is missing.
    pub fn worth_asking(&self, caller: &Caller, served: &Served) -> BTreeSet<Review> {
        let mut reviews = BTreeSet::new();
        for (namespace, role, subjects) in &self.bindings {
            if !served.namespaced && !namespace.is_empty() {
                continue;
            }
            if !subjects.iter().any(|subject| is_subject(subject, caller)) {
                continue;
            }
            for rule in self.roles.get(role).into_iter().flatten() {
                let fits = |values: &[String], value: &str| {
                    values.iter().any(|it| it == "*" || it == value)
                };
                if !fits(&rule.groups, &served.group) || !fits(&rule.resources, &served.resource) {
                    continue;
                }
                let names: &[String] = if rule.names.is_empty() {
                    &[String::new()]
                } else {
                    &rule.names
                };
                for name in names {
                    let verbs: &[&'static str] = if name.is_empty() {
                        &["list", "get"]
                    } else {
                        &["get"]
                    };
                    reviews.extend(verbs.iter().map(|verb| Review {
                        verb,
                        namespace: namespace.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
        reviews
    }
}

fn is_subject(subject: &Value, caller: &Caller) -> bool {
    let name = text(subject, "/name");
    match text(subject, "/kind") {
        "User" => name == caller.user,
        "Group" => caller.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = text(subject, "/namespace");
            caller.user == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(user: &str, groups: &[&str]) -> Caller {
        Caller {
            user: user.into(),
            groups: groups.iter().map(|&it| it.to_owned()).collect(),
            home: Some("eu-1".into()),
        }
    }

    #[test]
    fn system_names_are_worth_nothing_away_from_home() {
        let robot = caller("system:serviceaccount:ci:robot", &["system:masters"]);
        assert!(robot.in_cluster("eu-1").is_some());
        assert_eq!(robot.in_cluster("eu-2"), None);
        let alice = caller("alice", &["devs", "system:masters"]);
        assert_eq!(
            alice.in_cluster("eu-2").unwrap().groups,
            ["devs", AUTHENTICATED]
        );
        assert!(
            alice
                .in_cluster("eu-1")
                .unwrap()
                .groups
                .contains(&"system:masters".to_owned())
        );
    }

    #[test]
    fn nothing_granted_finds_nothing() {
        let filter = Scope::default().filter();
        assert_eq!(filter["should"][0]["match"]["value"], "\u{0}");
    }

    #[test]
    fn bindings_say_what_is_worth_asking() {
        let mut rbac = Rbac::default();
        rbac.role(&json!({"metadata": {"name": "viewer"}, "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"], "verbs": ["get"]}]}));
        rbac.binding(&json!({"metadata": {"name": "b", "namespace": "shop"},
            "roleRef": {"kind": "ClusterRole", "name": "viewer"}, "subjects": [{"kind": "Group", "name": "devs"}]}));
        let pods = Served {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
            resource: "pods".into(),
            namespaced: true,
            aliases: Vec::new(),
            categories: Vec::new(),
            about: Vec::new(),
        };
        let asked = rbac.worth_asking(&caller("alice", &["devs"]), &pods);
        let asked: Vec<_> = asked
            .iter()
            .map(|it| (it.verb, it.namespace.as_str(), it.name.as_str()))
            .collect();
        assert_eq!(
            asked,
            [
                ("get", "shop", ""),
                ("get", "shop", "web"),
                ("list", "shop", "")
            ]
        );
        assert!(rbac.worth_asking(&caller("bob", &[]), &pods).is_empty());
    }
}
