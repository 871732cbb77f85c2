//! What an object is about, in words people ask with: *database*, *certificate*, *queue* …
//!
//! A small dictionary maps concepts to the words by which objects of it give themselves away: their kind, API group,
//! images, and for custom kinds the description in their definition. It is applied when a record is made, so that
//! `about:database` is an exact filter like any other, the same in every store, and not a guess at query time.

use crate::text;

/// A concept and its words. Words are singular, as [`text::words`] yields them.
struct Concept {
    name: &'static str,
    /// Other words for it in questions.
    also: &'static [&'static str],
    /// Words in a kind, group, image or description that say that an object is about it; after `=`, a whole kind.
    signs: &'static [&'static str],
}

const CONCEPTS: &[Concept] = &[
    Concept {
        name: "database",
        also: &["db", "sql", "datastore"],
        signs: &[
            "database",
            "postgre",
            "postgres",
            "postgresql",
            "cnpg",
            "mysql",
            "mariadb",
            "percona",
            "mongo",
            "mongodb",
            "cockroach",
            "cockroachdb",
            "cassandra",
            "scylla",
            "rds",
            "dbinstance",
            "dbcluster",
            "cloudsql",
            "sqlserver",
            "mssql",
            "couchdb",
            "clickhouse",
            "influxdb",
            "timescaledb",
            "etcd",
            "dynamodb",
            "firestore",
            "neo4j",
            "vitess",
            "tidb",
            "yugabyte",
            "oracledb",
            "sqlinstance",
            "zalando",
            "crunchydata",
            "pgo",
            "aurora",
        ],
    },
    Concept {
        name: "cache",
        also: &["caching"],
        signs: &[
            "cache",
            "redis",
            "valkey",
            "memcached",
            "dragonfly",
            "elasticache",
            "memorystore",
            "keydb",
        ],
    },
    Concept {
        name: "queue",
        also: &[
            "messaging",
            "broker",
            "stream",
            "streaming",
            "event-bus",
            "message queue",
            "message broker",
        ],
        signs: &[
            "queue",
            "kafka",
            "kafkatopic",
            "rabbitmq",
            "nats",
            "jetstream",
            "pulsar",
            "activemq",
            "sqs",
            "pubsub",
            "strimzi",
            "redpanda",
            "broker",
            "amqp",
            "mqtt",
        ],
    },
    Concept {
        name: "certificate",
        also: &["tls", "cert", "pki"],
        signs: &[
            "certificate",
            "certificaterequest",
            "issuer",
            "clusterissuer",
            "acme",
            "certmanager",
            "x509",
        ],
    },
    Concept {
        name: "network",
        also: &["networking", "ingress", "routing", "traffic"],
        signs: &[
            "ingress",
            "ingressclass",
            "gateway",
            "httproute",
            "grpcroute",
            "tcproute",
            "networkpolicy",
            "=service",
            "endpointslice",
            "virtualservice",
            "envoy",
            "nginx",
            "haproxy",
            "traefik",
            "istio",
            "cilium",
            "calico",
            "loadbalancer",
            "dns",
            "coredns",
            "linkerd",
        ],
    },
    Concept {
        name: "storage",
        also: &["volume", "disk"],
        signs: &[
            "storageclass",
            "persistentvolume",
            "persistentvolumeclaim",
            "volumesnapshot",
            "volumeattachment",
            "csidriver",
            "csi",
            "csinode",
            "bucket",
            "minio",
            "ceph",
            "rook",
            "longhorn",
            "openebs",
            "s3",
            "truenas",
            "nfs",
            "iscsi",
        ],
    },
    Concept {
        name: "backup",
        also: &["restore", "disaster-recovery"],
        signs: &[
            "backup",
            "restore",
            "velero",
            "schedule",
            "scheduledbackup",
            "volumesnapshot",
            "restic",
            "kopia",
        ],
    },
    Concept {
        name: "monitoring",
        also: &["observability", "metric", "alerting", "logging", "tracing"],
        signs: &[
            "prometheus",
            "prometheusrule",
            "servicemonitor",
            "podmonitor",
            "alertmanager",
            "grafana",
            "loki",
            "tempo",
            "victoriametric",
            "vmalert",
            "vmsingle",
            "fluentd",
            "fluentbit",
            "opentelemetry",
            "otel",
            "jaeger",
            "alert",
            "exporter",
            "datadog",
            "elasticsearch",
            "kibana",
        ],
    },
    Concept {
        name: "secret",
        also: &["credential", "password"],
        signs: &[
            "secret",
            "externalsecret",
            "secretstore",
            "vault",
            "sealedsecret",
            "onepassworditem",
            "keyvault",
        ],
    },
    Concept {
        name: "security",
        also: &["policy", "rbac", "permission", "access"],
        signs: &[
            "role",
            "clusterrole",
            "rolebinding",
            "clusterrolebinding",
            "serviceaccount",
            "policy",
            "clusterpolicy",
            "constraint",
            "constrainttemplate",
            "kyverno",
            "gatekeeper",
            "opa",
            "falco",
            "trivy",
            "validatingadmissionpolicy",
            "podsecuritypolicy",
            "authorizationpolicy",
        ],
    },
    Concept {
        name: "delivery",
        also: &["gitops", "deployment-pipeline", "ci", "cd", "pipeline"],
        signs: &[
            "argocd",
            "application",
            "applicationset",
            "appproject",
            "kustomization",
            "helmrelease",
            "gitrepository",
            "ocirepository",
            "rollout",
            "canary",
            "flux",
            "fluxcd",
            "tekton",
            "pipeline",
            "pipelinerun",
            "taskrun",
            "flagger",
            "helmchart",
        ],
    },
    Concept {
        name: "autoscaling",
        also: &["scaling", "autoscaler", "autoscaled"],
        signs: &[
            "horizontalpodautoscaler",
            "verticalpodautoscaler",
            "scaledobject",
            "keda",
            "nodepool",
            "karpenter",
        ],
    },
];

/// The concept that a word of a question names.
pub fn named(word: &str) -> Option<&'static str> {
    let word = text::singular(&word.to_lowercase());
    CONCEPTS
        .iter()
        .find(|concept| concept.name == word || concept.also.contains(&word.as_str()))
        .map(|concept| concept.name)
}

/// All concepts and the other words for each.
pub fn all() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    CONCEPTS.iter().map(|concept| (concept.name, concept.also))
}

/// What a kind is about, together with its group, images or a description.
pub fn of<'a>(kind: &str, texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = texts.into_iter().flat_map(text::words).collect();
    words.extend(text::words(kind));
    words.push(format!("={}", kind.to_lowercase()));
    let mut found: Vec<String> = CONCEPTS
        .iter()
        .filter(|concept| {
            words
                .iter()
                .any(|word| concept.signs.contains(&word.as_str()))
        })
        .map(|concept| concept.name.to_owned())
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_known_by_kind_group_or_image() {
        assert_eq!(of("Cluster", ["postgresql.cnpg.io"]), ["database"]);
        assert_eq!(
            of("", ["ghcr.io/cloudnative-pg/postgresql:17"]),
            ["database"]
        );
        assert_eq!(of("DBInstance", ["rds.services.k8s.aws"]), ["database"]);
        assert_eq!(of("Deployment", ["apps", "nginx:1.29"]), ["network"]);
        assert!(of("Deployment", ["apps", "example.com/shop:1"]).is_empty());
    }

    #[test]
    fn questions_may_use_other_words() {
        assert_eq!(named("databases"), Some("database"));
        assert_eq!(named("TLS"), Some("certificate"));
        assert_eq!(named("banana"), None);
    }
}
