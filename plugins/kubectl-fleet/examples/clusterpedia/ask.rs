//! Questions, and how they are asked over HTTPS.

use std::time::Duration;

use pequod_testkit::ControlPlane;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::members::cluster_name;

/// The token of a person, in every control plane.
const TOKEN: &str = "alice-token";
/// What makes this person see everything there.
pub(crate) const BINDING: &str =
    "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: bench},
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin},
    subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]}";

/// What is asked of the whole fleet, or of one cluster.
pub(crate) enum Question {
    /// Everything of a kind, in the namespace that was filled.
    All(Kind),
    /// ConfigMaps of that name.
    Name(String),
    /// Pods with three labels, two of them with a value; the team is one of 97.
    Labels { team: usize },
    /// Pods in that phase.
    Phase(&'static str),
    /// One ConfigMap of a cluster, if it has that label `v`.
    Changed {
        cluster: usize,
        name: String,
        value: String,
    },
    /// One ConfigMap of a cluster.
    One { cluster: usize, name: String },
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Pod,
    ConfigMap,
}

/// How many objects an answer shows, and how many there are in all, where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) shown: usize,
    pub(crate) total: Option<u64>,
}

/// How one side is asked, and how it answers.
pub(crate) trait Dialect {
    /// Path and query; at most so many objects are wanted, and their number in all if `counted`.
    fn path(
        &self,
        question: &Question,
        limit: usize,
        counted: bool,
    ) -> (String, Vec<(&str, String)>);

    fn found(&self, answer: &Value) -> Found;
}

/// A side that answers.
pub(crate) struct Asked<D> {
    pub(crate) dialect: D,
    client: Client,
    base: String,
}

impl<D: Dialect> Asked<D> {
    pub(crate) fn new(dialect: D, hub: &ControlPlane, port: u16) -> Self {
        let authority = reqwest::Certificate::from_pem(hub.ca_pem().as_bytes()).unwrap();
        let client = Client::builder()
            .tls_certs_merge([authority])
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            dialect,
            client,
            base: format!("https://127.0.0.1:{port}"),
        }
    }

    fn url(&self, question: &Question, limit: usize, counted: bool) -> Url {
        let (path, query) = self.dialect.path(question, limit, counted);
        Url::parse_with_params(&format!("{}{path}", self.base), query).unwrap()
    }

    /// The answer's text; nothing while the side does not answer.
    async fn text(&self, url: Url) -> Result<String, String> {
        let answer = self.client.get(url).bearer_auth(TOKEN).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        if status == StatusCode::OK {
            return Ok(text);
        }
        Err(format!("{status}: {text}"))
    }

    /// Asks, and reads the answer to its end.
    pub(crate) async fn read(&self, question: &Question, limit: usize) -> String {
        let url = self.url(question, limit, false);
        match self.text(url.clone()).await {
            Ok(text) => text,
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// How many there are in all; nothing while the side does not answer.
    pub(crate) async fn count(&self, question: &Question) -> Option<u64> {
        let text = self.text(self.url(question, 1, true)).await.ok()?;
        let answer = serde_json::from_str(&text).unwrap();
        self.dialect.found(&answer).total
    }

    /// Whether there is one; nothing while the side does not answer.
    pub(crate) async fn any(&self, question: &Question) -> Option<bool> {
        let text = self.text(self.url(question, 1, false)).await.ok()?;
        let answer = serde_json::from_str(&text).unwrap();
        Some(self.dialect.found(&answer).shown > 0)
    }

    /// All objects of both kinds that it knows of.
    pub(crate) async fn objects(&self) -> Option<u64> {
        let maps = self.count(&Question::All(Kind::ConfigMap)).await?;
        let pods = self.count(&Question::All(Kind::Pod)).await?;
        Some(maps + pods)
    }
}

/// The cluster that a question is about, if it is about one.
pub(crate) fn of_cluster(question: &Question) -> Option<String> {
    match question {
        Question::Changed { cluster, .. } | Question::One { cluster, .. } => {
            Some(cluster_name(*cluster))
        }
        _ => None,
    }
}
