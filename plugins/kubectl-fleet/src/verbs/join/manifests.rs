//! The objects that make a cluster a member: the agent with its rights, and a reader whose credentials others may hold.
//!
//! They are those of the chart (`fleetSync`) with its defaults; who wants to change more than is offered here installs the
//! chart. A test compares the rights of both.

use serde_json::{Value, json};

/// What the objects are made from.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    /// The cluster's id in the fleet.
    pub(super) id: String,
    /// The namespace of the objects.
    pub(super) namespace: String,
    /// The container image.
    pub(super) image: String,
    /// Address of the Qdrant server, as it is reached from the member.
    pub(super) qdrant: String,
    /// The collection there.
    pub(super) collection: String,
    /// Whether an API key is in the Secret.
    pub(super) with_key: bool,
    /// The Secret, in the hub, that holds a kubeconfig for the member.
    pub(super) kubeconfig_secret: String,
}

/// The name of what belongs to the agent.
pub(super) const AGENT: &str = "pequod-fleet-agent";
/// The name of the reader and of the Secret with its token.
pub(super) const READER: &str = "pequod-fleet-reader";
/// The label by which `leave` finds them again.
pub(super) const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "kubectl-fleet");
/// The Secret with the API key of the Qdrant server.
const KEY: &str = "pequod-fleet-qdrant";

/// The API group of roles and their bindings.
const RIGHTS: &str = "rbac.authorization.k8s.io";

impl Membership {
    fn object(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        namespaced: bool,
        rest: &Value,
    ) -> Value {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {
            "name": name,
            "labels": {LABEL.0: LABEL.1, "app.kubernetes.io/part-of": "pequod", "app.kubernetes.io/component": "fleet-agent"},
        }});
        if namespaced {
            object["metadata"]["namespace"] = json!(self.namespace);
        }
        if let (Some(object), Some(rest)) = (object.as_object_mut(), rest.as_object()) {
            object.extend(rest.clone());
        }
        object
    }

    fn binding(&self, kind: &str, role_kind: &str, role: &str, account: &str) -> Value {
        let rest = json!({
            "roleRef": {"apiGroup": RIGHTS, "kind": role_kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        });
        let namespaced = kind == "RoleBinding";
        self.object(&format!("{RIGHTS}/v1"), kind, account, namespaced, &rest)
    }

    /// The agent and what it needs, the first first.
    pub(super) fn agent(&self) -> Vec<Value> {
        let rights = format!("{RIGHTS}/v1");
        vec![
            self.object("v1", "Namespace", &self.namespace, false, &json!({})),
            self.object("v1", "ServiceAccount", AGENT, true, &json!({})),
            self.object(&rights, "ClusterRole", AGENT, false, &json!({"rules": [
                {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
                {"apiGroups": [RIGHTS], "resources": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], "verbs": ["list"]},
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]},
            ]})),
            self.binding("ClusterRoleBinding", "ClusterRole", AGENT, AGENT),
            self.object(&rights, "Role", AGENT, true, &json!({"rules": [
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch", "update"]},
            ]})),
            self.binding("RoleBinding", "Role", AGENT, AGENT),
            self.deployment(),
        ]
    }

    fn deployment(&self) -> Value {
        let selector = json!({"app.kubernetes.io/name": AGENT});
        let mut arguments = vec![
            "agent".to_owned(),
            format!("--cluster-id={}", self.id),
            format!("--cluster-secret-ref={}", self.kubeconfig_secret),
            format!("--qdrant={}", self.qdrant),
            format!("--collection={}", self.collection),
            "--health-address=0.0.0.0:8081".to_owned(),
            "--lease-namespace=$(POD_NAMESPACE)".to_owned(),
            "--spool=/var/spool/pequod".to_owned(),
        ];
        let mut mounts = vec![json!({"name": "spool", "mountPath": "/var/spool/pequod"})];
        let mut volumes = vec![json!({"name": "spool", "emptyDir": {"sizeLimit": "384Mi"}})];
        if self.with_key {
            arguments.push("--qdrant-api-key-file=/etc/qdrant/api-key".to_owned());
            mounts.push(json!({"name": "api-key", "mountPath": "/etc/qdrant", "readOnly": true}));
            volumes.push(json!({"name": "api-key", "secret": {"secretName": KEY}}));
        }
        let from = |field: &str| json!({"fieldRef": {"fieldPath": field}});
        let container = json!({
            "name": "fleet-agent", "image": self.image, "command": ["/usr/local/bin/kubectl-fleet"], "args": arguments,
            "env": [{"name": "POD_NAME", "valueFrom": from("metadata.name")}, {"name": "POD_NAMESPACE", "valueFrom": from("metadata.namespace")}],
            "ports": [{"name": "health", "containerPort": 8081}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "health"}, "initialDelaySeconds": 5},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 3},
            "volumeMounts": mounts,
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
        });
        let pod = json!({
            "serviceAccountName": AGENT, "containers": [container], "volumes": volumes,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        });
        let rest = json!({"spec": {
            "replicas": 1, "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": pod},
        }});
        self.object("apps/v1", "Deployment", AGENT, true, &rest)
    }

    /// The Secret with the API key.
    pub(super) fn key(&self, key: &str) -> Value {
        let rest = json!({"type": "Opaque", "stringData": {"api-key": key}});
        self.object("v1", "Secret", KEY, true, &rest)
    }

    /// A ServiceAccount that may read what the role `view` shows, Secrets not among it, and a token of it that lasts.
    pub(super) fn reader(&self) -> Vec<Value> {
        let token = json!({"type": "kubernetes.io/service-account-token"});
        let mut token = self.object("v1", "Secret", READER, true, &token);
        token["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": READER});
        vec![
            self.object("v1", "ServiceAccount", READER, true, &json!({})),
            self.binding("ClusterRoleBinding", "ClusterRole", "view", READER),
            token,
        ]
    }

    /// The Secret, for the hub, with a kubeconfig of the reader. `cluster` is the member's entry in a kubeconfig.
    pub(super) fn kubeconfig(&self, cluster: &Value, token: &str) -> Value {
        let id = &self.id;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": id,
            "clusters": [{"name": id, "cluster": cluster}],
            "users": [{"name": READER, "user": {"token": token}}],
            "contexts": [{"name": id, "context": {"cluster": id, "user": READER}}],
        });
        let rest = json!({"type": "Opaque", "stringData": {"kubeconfig": kubeconfig.to_string()}});
        self.object("v1", "Secret", &self.kubeconfig_secret, true, &rest)
    }
}

/// Where an object of these is found at an API server.
pub(super) fn path(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, kind) = (text("/apiVersion"), text("/kind").to_lowercase());
    let base = if version.contains('/') { "apis" } else { "api" };
    let place = match text("/metadata/namespace") {
        "" => String::new(),
        namespace => format!("namespaces/{namespace}/"),
    };
    format!(
        "/{base}/{version}/{place}{kind}s/{}",
        text("/metadata/name")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership() -> Membership {
        Membership {
            id: "eu-1".into(),
            namespace: "pequod-system".into(),
            image: "image:1".into(),
            qdrant: "https://qdrant.example.com:6333".into(),
            collection: "fleet-resources".into(),
            with_key: true,
            kubeconfig_secret: "fleet-eu-1-kubeconfig".into(),
        }
    }

    #[test]
    fn every_object_says_who_made_it_and_lies_where_it_is_found() {
        let membership = membership();
        let paths: Vec<String> = membership
            .agent()
            .iter()
            .chain(&membership.reader())
            .map(|object| {
                assert_eq!(object["metadata"]["labels"][LABEL.0], LABEL.1);
                path(object)
            })
            .collect();
        assert!(paths.contains(&"/api/v1/namespaces/pequod-system".to_owned()));
        assert!(paths.contains(
            &"/apis/apps/v1/namespaces/pequod-system/deployments/pequod-fleet-agent".to_owned()
        ));
        assert!(
            paths.contains(
                &"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/pequod-fleet-reader"
                    .to_owned()
            )
        );
    }

    #[test]
    fn no_secret_is_among_the_agents_objects() {
        assert!(
            membership()
                .agent()
                .iter()
                .all(|object| object["kind"] != "Secret")
        );
    }
}
