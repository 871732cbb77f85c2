//! The two webhook configurations: which writes are asked about, and above all which never are.
//!
//! A webhook that fails closed can stop a cluster, and a stopped cluster cannot start the webhook. So nothing that
//! a cluster needs to come up ever reaches it (each rule below has brought somebody's cluster down elsewhere;
//! the incidents are in docs/guides/policies.md):
//!
//! * the namespaces `kube-system`, `kube-node-lease` and our own;
//! * nodes, certificate signing requests, leases, events, endpoints, and what kubelets write at start;
//! * whatever the API server writes itself, and token and access reviews;
//! * what the control plane's own controllers make of other objects: aggregated ClusterRoles, the ServiceAccount and the
//!   CA bundle of every namespace, what the garbage collector and the end of a namespace change;
//! * the cluster roles and kinds of this installation, so that it can be repaired while it does not answer;
//! * every subresource, so all of `status`, with one exception: ephemeral containers bring images with them.
//!
//! The chart has the same objects as templates; a test compares them. `caBundle` is never here: the running
//! webhook writes it, and nobody else.

use pequod_api::names::{
    LABEL_PART_OF, LABEL_POLICY_EXEMPT, LABEL_SOLUTION, LABEL_TRANSFORM, PART_OF,
};
use serde_json::{Value, json};

/// Namespaces in which nothing is asked, besides our own.
pub const EXEMPT_NAMESPACES: [&str; 2] = ["kube-system", "kube-node-lease"];

/// Controllers of kube-controller-manager whose writes only follow from objects that were judged, or take something
/// away. (Those that make Pods are not among them.)
const FOLLOWERS: [&str; 6] = [
    "clusterrole-aggregation-controller",
    "generic-garbage-collector",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "root-ca-cert-publisher",
    "service-account-controller",
];

/// The parts of an installation that have cluster roles.
const PARTS: [&str; 4] = [
    "webhook",
    "transform-controller",
    "solution-controller",
    "fleet-agent",
];

/// Where the API server finds the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service of our own namespace, port 443.
    Service(String),
    /// A base URL, to which the paths are added: for a webhook outside of the cluster.
    Url(String),
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of both configurations.
    pub name: String,
    /// Our own namespace.
    pub namespace: String,
    /// Where the webhook is.
    pub endpoint: Endpoint,
    /// Whether a write that cannot be judged is refused.
    pub fail_closed: bool,
    /// How long the API server waits for a judgement.
    pub validate_timeout_seconds: u32,
    /// How long the API server waits for a stamp.
    pub mutate_timeout_seconds: u32,
    /// Further namespaces in which nothing is asked.
    pub exempt_namespaces: Vec<String>,
}

impl Settings {
    /// The defaults for a Service of the same name as the configurations.
    pub fn new(name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            endpoint: Endpoint::Service(name.to_owned()),
            fail_closed: true,
            validate_timeout_seconds: 3,
            mutate_timeout_seconds: 1,
            exempt_namespaces: Vec::new(),
        }
    }

    /// All namespaces in which nothing is asked.
    pub fn exempt(&self) -> Vec<String> {
        let own = [self.namespace.clone()];
        let fixed = EXEMPT_NAMESPACES.map(str::to_owned);
        fixed
            .into_iter()
            .chain(own)
            .chain(self.exempt_namespaces.iter().cloned())
            .collect()
    }

    fn client(&self, path: &str) -> Value {
        match &self.endpoint {
            Endpoint::Service(service) => json!({
                "service": {"name": service, "namespace": self.namespace, "path": path, "port": 443}
            }),
            Endpoint::Url(base) => json!({"url": format!("{}{path}", base.trim_end_matches('/'))}),
        }
    }

    fn metadata(&self) -> Value {
        json!({"name": self.name, "labels": {LABEL_PART_OF: PART_OF}})
    }

    fn namespaces(&self, honour_exemption: bool) -> Value {
        let mut conditions = vec![json!({
            "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": self.exempt()
        })];
        if honour_exemption {
            conditions.push(json!({"key": LABEL_POLICY_EXEMPT, "operator": "DoesNotExist"}));
        }
        json!({"matchExpressions": conditions})
    }
}

fn condition(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": expression})
}

fn quoted(words: impl Iterator<Item = String>) -> String {
    words
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The writes that are never asked about, as CEL (at most 64 conditions a webhook; these are five).
fn never(settings: &Settings) -> Vec<Value> {
    let followers = FOLLOWERS.map(|name| format!("system:serviceaccount:kube-system:{name}"));
    let release = settings.name.strip_suffix("-webhook");
    let release = release.unwrap_or(&settings.name);
    let parts = PARTS.map(|part| format!("{release}-{part}"));
    vec![
        condition(
            "not-by-the-api-server",
            "request.userInfo.username != 'system:apiserver'",
        ),
        condition(
            "not-what-a-node-needs",
            "!(request.resource.group == '' && request.resource.resource in \
             ['nodes', 'events', 'endpoints', 'bindings', 'componentstatuses'])",
        ),
        condition(
            "not-what-a-cluster-needs",
            "!(request.resource.group in ['admissionregistration.k8s.io', 'apiregistration.k8s.io', \
             'authentication.k8s.io', 'authorization.k8s.io', 'certificates.k8s.io', \
             'coordination.k8s.io', 'discovery.k8s.io', 'events.k8s.io', \
             'flowcontrol.apiserver.k8s.io', 'internal.apiserver.k8s.io', 'metrics.k8s.io', \
             'resource.k8s.io'] || (request.resource.group == 'storage.k8s.io' && \
             request.resource.resource in ['csinodes', 'csistoragecapacities', 'volumeattachments']))",
        ),
        condition(
            "not-what-follows-by-itself",
            &format!(
                "!(request.userInfo.username in [{}])",
                quoted(followers.into_iter())
            ),
        ),
        condition(
            "not-this-installation",
            &format!(
                "!((request.resource.group == 'rbac.authorization.k8s.io' && \
                 request.resource.resource in ['clusterroles', 'clusterrolebindings'] && \
                 request.name in [{}]) || (request.resource.group == 'apiextensions.k8s.io' && \
                 (request.name.endsWith('.pequod.io') || request.name == 'solutions.dot-ai.io')))",
                quoted(parts.into_iter())
            ),
        ),
    ]
}

fn everything() -> Value {
    json!([{
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "pods/ephemeralcontainers"],
        "scope": "*"
    }])
}

/// `/validate`: policies; and `/guard`: who may exempt a namespace from them.
pub fn validating(settings: &Settings) -> Value {
    let failure = if settings.fail_closed {
        "Fail"
    } else {
        "Ignore"
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": settings.metadata(),
        "webhooks": [
            {
                "name": "validate.policy.pequod.io",
                "admissionReviewVersions": ["v1"],
                "clientConfig": settings.client("/validate"),
                "failurePolicy": failure,
                "sideEffects": "None",
                "matchPolicy": "Equivalent",
                "timeoutSeconds": settings.validate_timeout_seconds,
                "namespaceSelector": settings.namespaces(true),
                "matchConditions": never(settings),
                "rules": everything(),
            },
            {
                "name": "guard.policy.pequod.io",
                "admissionReviewVersions": ["v1"],
                "clientConfig": settings.client("/guard"),
                "failurePolicy": failure,
                "sideEffects": "None",
                "matchPolicy": "Equivalent",
                "timeoutSeconds": settings.validate_timeout_seconds,
                "matchConditions": [
                    condition("not-by-the-api-server", "request.userInfo.username != 'system:apiserver'"),
                    condition("exemption-changes", &format!(
                        "(has(object.metadata.labels) && '{LABEL_POLICY_EXEMPT}' in object.metadata.labels) != \
                         (oldObject != null && has(oldObject.metadata.labels) && \
                         '{LABEL_POLICY_EXEMPT}' in oldObject.metadata.labels)"
                    )),
                    condition("by-somebody-who-may-not",
                        "!authorizer.group('policy.pequod.io').resource('clustercuepolicies')\
                         .check('update').allowed()"),
                ],
                "rules": [{
                    "operations": ["CREATE", "UPDATE"],
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["namespaces"],
                    "scope": "Cluster"
                }],
            }
        ]
    })
}

/// `/mutate`: stamps, on members of a Solution or a Transform. Nobody else pays for the call, and nobody is
/// refused for want of a stamp.
pub fn mutating(settings: &Settings) -> Value {
    let webhook = |name: &str, selector: Value| {
        json!({
            "name": name,
            "admissionReviewVersions": ["v1"],
            "clientConfig": settings.client("/mutate"),
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "matchPolicy": "Equivalent",
            // Should another webhook change the object after us, the stamp must be made again.
            "reinvocationPolicy": "IfNeeded",
            "timeoutSeconds": settings.mutate_timeout_seconds,
            "namespaceSelector": settings.namespaces(false),
            "objectSelector": {"matchExpressions": selector},
            "matchConditions": never(settings),
            "rules": [{
                "operations": ["CREATE", "UPDATE"],
                "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "scope": "*"
            }],
        })
    };
    let exists = |key: &str| json!({"key": key, "operator": "Exists"});
    let lacks = |key: &str| json!({"key": key, "operator": "DoesNotExist"});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": settings.metadata(),
        "webhooks": [
            webhook("solution.stamp.pequod.io", json!([exists(LABEL_SOLUTION)])),
            webhook("transform.stamp.pequod.io",
                json!([exists(LABEL_TRANSFORM), lacks(LABEL_SOLUTION)])),
        ]
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Endpoint, Settings, mutating, validating};

    fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
        configuration["webhooks"].as_array().unwrap().iter()
    }

    #[test]
    fn no_webhook_has_side_effects_or_waits_long() {
        let settings = Settings::new("pequod", "pequod");
        for configuration in [validating(&settings), mutating(&settings)] {
            for webhook in webhooks(&configuration) {
                assert_eq!(webhook["sideEffects"], "None");
                assert!(webhook["timeoutSeconds"].as_u64().unwrap() <= 3);
                assert!(webhook["clientConfig"].get("caBundle").is_none());
            }
        }
    }

    #[test]
    fn what_a_cluster_needs_is_never_asked_about() {
        let settings = Settings::new("pequod", "pequod-system");
        for configuration in [validating(&settings), mutating(&settings)] {
            for webhook in
                webhooks(&configuration).filter(|w| w["name"] != "guard.policy.pequod.io")
            {
                let text = webhook.to_string();
                for word in [
                    "kube-system",
                    "kube-node-lease",
                    "pequod-system",
                    "nodes",
                    "certificates.k8s.io",
                    "coordination.k8s.io",
                    "events.k8s.io",
                    "discovery.k8s.io",
                    "system:apiserver",
                ] {
                    assert!(text.contains(word), "{word} in {}", webhook["name"]);
                }
            }
        }
    }

    #[test]
    fn stamping_never_refuses() {
        let settings = Settings::new("pequod", "pequod");
        for webhook in webhooks(&mutating(&settings)) {
            assert_eq!(webhook["failurePolicy"], "Ignore");
        }
    }

    #[test]
    fn a_url_takes_the_place_of_the_service() {
        let endpoint = Endpoint::Url("https://127.0.0.1:9443/".to_owned());
        let settings = Settings {
            endpoint,
            ..Settings::new("pequod", "pequod")
        };
        let client = &validating(&settings)["webhooks"][0]["clientConfig"];
        assert_eq!(client["url"], "https://127.0.0.1:9443/validate");
        assert!(client.get("service").is_none());
    }
}
