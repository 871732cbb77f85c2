//! Which kinds a cluster serves.
//!
//! One request each for the core group and all others, in the aggregated form, which says of every group version
//! whether it is *stale*: served by an API server that does not answer. Kinds of a stale group are unknown. They are
//! never taken to be gone, because what follows from *gone* is a deletion.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Options;
use super::raw::{self, RawError};
use crate::concepts;
use crate::observe::Served;
use crate::query::glob;
use crate::record::cut;
use crate::store::Capability;

/// What a discovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The kinds that can be listed and watched, each in its preferred version.
    pub served: Vec<Served>,
    /// Groups that could not be asked.
    pub undiscovered: Vec<String>,
}

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Asks a cluster for its kinds.
pub async fn discover(client: &kube::Client) -> Result<Discovered, RawError> {
    let mut found = Discovered::default();
    for path in ["/api", "/apis"] {
        let answer = raw::get(client, path, AGGREGATED).await?;
        if answer.get("kind").and_then(Value::as_str) == Some("APIGroupDiscoveryList") {
            read(&answer, &mut found);
        } else {
            by_version(client, path, &answer, &mut found).await?;
        }
    }
    Ok(found)
}

fn string<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn list_at<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn strings(value: &Value, key: &str) -> Vec<String> {
    list(value, key)
        .iter()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// Reads the aggregated form.
fn read(answer: &Value, found: &mut Discovered) {
    for group in list(answer, "items") {
        let name = string(group, "/metadata/name");
        let mut seen = BTreeSet::new();
        for version in list(group, "versions") {
            if string(version, "/freshness") == "Stale" {
                if !found.undiscovered.iter().any(|it| it == name) {
                    found.undiscovered.push(name.to_owned());
                }
                continue;
            }
            for resource in list(version, "resources") {
                let kind = string(resource, "/responseKind/kind");
                let verbs = strings(resource, "verbs");
                // Versions come in the server's order of preference: the first to have a kind is its own.
                if !readable(&verbs) || !seen.insert(kind.to_owned()) {
                    continue;
                }
                let mut aliases = strings(resource, "shortNames");
                aliases.push(string(resource, "/singularResource").to_owned());
                found.served.push(Served {
                    group: name.to_owned(),
                    version: string(version, "/version").to_owned(),
                    kind: kind.to_owned(),
                    resource: string(resource, "/resource").to_owned(),
                    namespaced: string(resource, "/scope") == "Namespaced",
                    aliases,
                    categories: strings(resource, "categories"),
                    about: Vec::new(),
                });
            }
        }
    }
}

fn readable(verbs: &[String]) -> bool {
    verbs.iter().any(|verb| verb == "list") && verbs.iter().any(|verb| verb == "watch")
}

/// The older form: a list of groups, then a request for each version. One that fails leaves its group unknown.
async fn by_version(
    client: &kube::Client,
    path: &str,
    answer: &Value,
    found: &mut Discovered,
) -> Result<(), RawError> {
    let versions: Vec<(String, String)> = if path == "/api" {
        strings(answer, "versions")
            .into_iter()
            .map(|version| (String::new(), version))
            .collect()
    } else {
        list(answer, "groups")
            .iter()
            .flat_map(|group| {
                let name = string(group, "/name").to_owned();
                let preferred = string(group, "/preferredVersion/version").to_owned();
                let mut versions: Vec<String> = list(group, "versions")
                    .iter()
                    .map(|version| string(version, "/version").to_owned())
                    .collect();
                versions.sort_by_key(|version| *version != preferred);
                versions
                    .into_iter()
                    .map(move |version| (name.clone(), version))
            })
            .collect()
    };
    let mut seen = BTreeSet::new();
    for (group, version) in versions {
        let of_version = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        let resources = match raw::get(client, &of_version, "application/json").await {
            Ok(resources) => resources,
            Err(error) if group.is_empty() => return Err(error),
            Err(_) => {
                if !found.undiscovered.contains(&group) {
                    found.undiscovered.push(group);
                }
                continue;
            }
        };
        for resource in list(&resources, "resources") {
            let name = string(resource, "/name");
            let kind = string(resource, "/kind");
            if name.contains('/')
                || !readable(&strings(resource, "verbs"))
                || !seen.insert((group.clone(), kind.to_owned()))
            {
                continue;
            }
            let mut aliases = strings(resource, "shortNames");
            aliases.push(string(resource, "/singularName").to_owned());
            found.served.push(Served {
                group: group.clone(),
                version: version.clone(),
                kind: kind.to_owned(),
                resource: name.to_owned(),
                namespaced: resource
                    .get("namespaced")
                    .and_then(Value::as_bool)
                    .unwrap_or(false),
                aliases,
                categories: strings(resource, "categories"),
                about: Vec::new(),
            });
        }
    }
    Ok(())
}

/// Kinds that say much and mean little: events, heartbeats, and what exists twice.
const NEVER: &[&str] = &[
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "endpoints",
    "componentstatuses",
];

/// Whether a kind is to be read.
pub(super) fn wanted(served: &Served, options: &Options) -> bool {
    let name = served.full_name();
    let fits = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, &name));
    if NEVER.contains(&name.as_str()) || served.group == "metrics.k8s.io" || fits(&options.exclude)
    {
        return false;
    }
    options.include.is_empty() || fits(&options.include)
}

/// What is known of a custom kind's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    description: String,
    /// Its kind is, or is about to be, served.
    established: bool,
}

/// Definitions by group and kind.
pub(super) type Definitions = BTreeMap<(String, String), Definition>;

impl Discovered {
    /// Groups of definitions that are established while their kinds were not found.
    pub(super) fn lacks(&self, definitions: &Definitions) -> BTreeSet<String> {
        let found: BTreeSet<(&str, &str)> = self
            .served
            .iter()
            .map(|served| (served.group.as_str(), served.kind.as_str()))
            .collect();
        definitions
            .iter()
            .filter(|((group, kind), definition)| {
                definition.established && !found.contains(&(group.as_str(), kind.as_str()))
            })
            .map(|((group, _), _)| group.clone())
            .filter(|group| !self.undiscovered.contains(group))
            .collect()
    }
}

/// The kinds with what their definitions say about them.
pub(super) fn capabilities(
    cluster: &str,
    wanted: &BTreeMap<(String, String), Served>,
    definitions: &Definitions,
) -> Vec<Capability> {
    wanted
        .iter()
        .map(|(key, served)| {
            let description = definitions
                .get(key)
                .map(|definition| definition.description.clone())
                .unwrap_or_default();
            let mut served = served.clone();
            served.about = concepts::of(
                &served.kind,
                [served.group.as_str(), first_sentence(&description)],
            );
            Capability {
                cluster: cluster.to_owned(),
                served,
                description,
            }
        })
        .collect()
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

/// The definitions of custom kinds.
pub(super) async fn definitions(client: &kube::Client) -> Result<Definitions, RawError> {
    let mut found = BTreeMap::new();
    let mut next = String::new();
    loop {
        let path =
            format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=50{next}");
        let page = raw::get(client, &path, "application/json").await?;
        for definition in list(&page, "items") {
            let description = list_at(definition, "/spec/versions")
                .iter()
                .find_map(|version| version.pointer("/schema/openAPIV3Schema/description"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            let key = (
                string(definition, "/spec/group").to_owned(),
                string(definition, "/spec/names/kind").to_owned(),
            );
            let leaving = definition.pointer("/metadata/deletionTimestamp").is_some();
            let established = list_at(definition, "/status/conditions")
                .iter()
                .any(|it| string(it, "/type") == "Established" && string(it, "/status") == "True");
            let served = list_at(definition, "/spec/versions")
                .iter()
                .any(|version| version.get("served") == Some(&Value::Bool(true)));
            let definition = Definition {
                description: cut(description, 512),
                established: established && served && !leaving,
            };
            found.insert(key, definition);
        }
        match string(&page, "/metadata/continue") {
            "" => return Ok(found),
            more => next = format!("&continue={more}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stale_group_is_unknown_and_not_empty() {
        let answer = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "freshness": "Current", "resources": [
                    {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced",
                     "singularResource": "deployment", "shortNames": ["deploy"], "verbs": ["list", "watch"]},
                    {"resource": "bindings", "responseKind": {"kind": "Binding"}, "scope": "Namespaced", "verbs": ["create"]},
                ]},
                {"version": "v1beta1", "freshness": "Current", "resources": [
                    {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced", "verbs": ["list", "watch"]},
                ]},
            ]},
            {"metadata": {"name": "metrics.example.com"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
        ]});
        let mut found = Discovered::default();
        read(&answer, &mut found);
        assert_eq!(found.served.len(), 1);
        assert_eq!(found.served[0].path(), "/apis/apps/v1/deployments");
        assert_eq!(found.undiscovered, ["metrics.example.com"]);
    }

    #[test]
    fn kinds_are_chosen_by_pattern() {
        let mut options = Options::new("a");
        let pods = Served {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
            resource: "pods".into(),
            namespaced: true,
            aliases: vec![],
            categories: vec![],
            about: vec![],
        };
        let events = Served {
            resource: "events".into(),
            kind: "Event".into(),
            ..pods.clone()
        };
        assert!(wanted(&pods, &options) && !wanted(&events, &options));
        options.include = vec!["*.apps".into()];
        assert!(!wanted(&pods, &options));
    }
}
