//! The fleet for assistants, over the Model Context Protocol: read-only, small answers, each with its freshness.
//!
//! An assistant needs no other tool to know what a tool can do: a question in plain words gives objects *and* the exact
//! query it was understood as, which the next call can refine. Lists are short unless more is asked for, because what a
//! model has to read is what it costs. Nothing here writes, and nothing returns the content of Secrets or ConfigMaps,
//! since none is stored.

use std::sync::Arc;

use futures::future::BoxFuture;
use pequod_cli::Failure;
use pequod_diag::{Code, Diagnostic};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::{Json, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::now;
use crate::answer::{self, answer};
use crate::concepts;
use crate::freshness::{ClusterState, Freshness};
use crate::query::parse::parse;
use crate::query::{Field, Query, words};
use crate::record::Record;
use crate::store::{Capability, Page, Store, StoreError};
use crate::text;

/// How many objects an answer holds unless more are asked for, and at most.
const USUAL: usize = 20;
const MOST: usize = 200;

/// What `fleet_search` takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct SearchInput {
    /// An exact query, such as `kind:Pod health:Failed cluster:*prod* age>1h`. Fields: cluster, namespace, name, kind,
    /// group, health (Current, InProgress, Failed, Terminating), reason, phase, label, condition, owner, ready (none,
    /// partial, full, zero), image, about; age and changed take < and >; `-` negates, commas are alternatives,
    /// `by:FIELD` counts; other words are searched.
    #[serde(default)]
    query: Option<String>,
    /// A question in plain words instead, such as "failing pods in prod clusters older than 1h".
    #[serde(default)]
    question: Option<String>,
    /// At most so many objects (default 20, at most 200).
    #[serde(default)]
    limit: Option<usize>,
}

/// What `fleet_capabilities` takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct CapabilitiesInput {
    /// What kinds should be for, such as "database". Empty lists all kinds.
    #[serde(default)]
    words: String,
}

/// What an answer is worth.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Worth {
    /// Whether nothing can be missing from the answer.
    complete: bool,
    /// How fresh it is.
    summary: String,
    /// What may be missing, and where.
    warnings: Vec<String>,
}

impl From<&Freshness> for Worth {
    fn from(freshness: &Freshness) -> Self {
        Self {
            complete: freshness.complete,
            summary: freshness.footer(),
            warnings: freshness.warnings(),
        }
    }
}

/// An object, in short.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    cluster: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    kind: String,
    name: String,
    health: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    age_seconds: i64,
    /// The kind's printer columns, as `Name: cell`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
}

impl Item {
    fn of(record: Record, now: i64) -> Self {
        Self {
            id: record.id,
            cluster: record.identity.cluster,
            namespace: record.identity.namespace,
            kind: record.identity.kind,
            name: record.identity.name,
            health: record.health.as_str(),
            reason: record.reason,
            message: record.message,
            age_seconds: (now - record.created_at).max(0),
            columns: record
                .status
                .columns
                .into_iter()
                .map(|(name, cell)| format!("{name}: {cell}"))
                .collect(),
        }
    }
}

/// How many objects have a value.
#[derive(Debug, Serialize, JsonSchema)]
struct Count {
    value: String,
    count: u64,
}

/// What `fleet_search` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SearchOutput {
    /// The exact query that was answered; change it and call again to refine.
    query: String,
    /// How many objects match in all.
    total: u64,
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<Count>,
    freshness: Worth,
}

/// A cluster, in short.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterItem {
    cluster: String,
    version: String,
    complete: bool,
    /// Everything up to this moment is known, in seconds since 1970.
    complete_at: i64,
    seen_seconds_ago: i64,
    objects: u64,
    kinds: usize,
    dropped: u64,
    problems: Vec<String>,
}

impl ClusterItem {
    /// Of a state, at `now`.
    pub(crate) fn of(state: &ClusterState, now: i64) -> Self {
        let judged = state.judge(now, None);
        Self {
            cluster: state.cluster.clone(),
            version: state.version.clone(),
            complete: judged.complete,
            complete_at: state.complete_at,
            seen_seconds_ago: judged.age_seconds,
            objects: state.kinds.values().map(|kind| kind.objects).sum(),
            kinds: state.kinds.len(),
            dropped: state.dropped,
            problems: judged.problems,
        }
    }
}

/// What `fleet_clusters` gives.
#[derive(Debug, Serialize, JsonSchema)]
struct ClustersOutput {
    clusters: Vec<ClusterItem>,
    freshness: Worth,
}

/// A kind.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindItem {
    /// Its full name, as `kind:` takes it.
    name: String,
    kind: String,
    about: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    clusters: Vec<String>,
}

impl KindItem {
    /// The kinds that serve a purpose; every one for no words.
    pub(crate) fn all(capabilities: &[Capability], words: &str) -> Vec<Self> {
        let wanted = text::words(words);
        let concepts: Vec<&str> = words
            .split_whitespace()
            .filter_map(concepts::named)
            .collect();
        let mut kinds: Vec<Self> = Vec::new();
        for capability in capabilities {
            let served = &capability.served;
            let name = served.full_name();
            if let Some(kind) = kinds.iter_mut().find(|kind| kind.name == name) {
                kind.clusters.push(capability.cluster.clone());
                continue;
            }
            let own = text::words(&format!(
                "{name} {} {}",
                served.kind, capability.description
            ));
            let fits = wanted.is_empty()
                || served
                    .about
                    .iter()
                    .any(|about| concepts.contains(&about.as_str()))
                || wanted.iter().all(|word| own.contains(word));
            if fits {
                kinds.push(Self {
                    name,
                    kind: served.kind.clone(),
                    about: served.about.clone(),
                    description: capability.description.clone(),
                    clusters: vec![capability.cluster.clone()],
                });
            }
        }
        kinds.sort_by(|a, b| a.name.cmp(&b.name));
        kinds
    }
}

/// What `fleet_capabilities` gives.
#[derive(Debug, Serialize, JsonSchema)]
struct CapabilitiesOutput {
    kinds: Vec<KindItem>,
    freshness: Worth,
}

/// What `fleet_object` takes.
#[derive(Debug, Deserialize, JsonSchema)]
struct ObjectInput {
    /// The `id` of an object that fleet_search found.
    id: String,
}

/// What `fleet_object` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ObjectOutput {
    /// The id that was asked for.
    pub id: String,
    /// The object as it is now; of a Secret or ConfigMap the keys, without what they hold.
    pub object: serde_json::Map<String, serde_json::Value>,
    /// What happened to it lately.
    pub events: Vec<serde_json::Value>,
}

/// Reads an object live, with the rights of whoever started the server.
pub type Details =
    Arc<dyn Fn(Record) -> BoxFuture<'static, Result<ObjectOutput, String>> + Send + Sync>;

/// The server.
#[derive(Clone)]
pub struct Fleet {
    store: Arc<dyn Store>,
    details: Option<Details>,
    tool_router: ToolRouter<Self>,
}

fn told(error: &StoreError) -> String {
    error.to_string()
}

#[tool_router]
impl Fleet {
    /// Over a store. Objects can be read live only where somebody's own rights are at hand.
    pub fn new(store: Arc<dyn Store>, details: Option<Details>) -> Self {
        let mut tool_router = Self::tool_router();
        if details.is_none() {
            tool_router.remove_route("fleet_object");
        }
        Self {
            store,
            details,
            tool_router,
        }
    }

    #[tool(
        name = "fleet_object",
        description = "Reads one object whole and live from its cluster, with recent events; of Secrets and ConfigMaps only the keys. Use the id of a found object.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn object(
        &self,
        Parameters(input): Parameters<ObjectInput>,
    ) -> Result<Json<ObjectOutput>, String> {
        let page = Page {
            limit: 1,
            after: None,
        };
        // An id is a value, whatever stands in it; a pattern is none.
        let query = Query::default().is(Field::Id, [input.id.as_str()]);
        let found = if input.id.contains('*') {
            Vec::new()
        } else {
            let found = self.store.list(&query, now(), page).await;
            found.map_err(|error| told(&error))?.records
        };
        let (Some(record), Some(details)) = (found.into_iter().next(), &self.details) else {
            return Err(format!("no object has the id `{}`", input.id));
        };
        details(record).await.map(Json)
    }

    #[tool(
        name = "fleet_search",
        description = "Finds Kubernetes objects over all clusters, by an exact query or a question in plain words. Says how fresh and complete the answer is.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn search(
        &self,
        Parameters(input): Parameters<SearchInput>,
    ) -> Result<Json<SearchOutput>, String> {
        let known = answer::known(&*self.store)
            .await
            .map_err(|error| told(&error))?;
        let query = match (input.query, input.question) {
            (Some(query), _) => parse(&query).map_err(|problem| problem.message)?,
            (None, Some(question)) => words::understand(&question, &known.vocabulary),
            (None, None) => return Err("give a `query` or a `question`".to_owned()),
        };
        let now = now();
        let limit = input.limit.unwrap_or(USUAL).clamp(1, MOST);
        let answered = answer(&*self.store, &known, &query, now, limit)
            .await
            .map_err(|error| told(&error))?;
        let mut freshness = Worth::from(&answered.freshness);
        freshness.warnings.extend(answered.warnings);
        Ok(Json(SearchOutput {
            query: answered.query,
            total: answered.total,
            items: answered
                .items
                .into_iter()
                .map(|record| Item::of(record, now))
                .collect(),
            counts: answered
                .counts
                .into_iter()
                .map(|it| Count {
                    value: it.value,
                    count: it.count,
                })
                .collect(),
            freshness,
        }))
    }

    #[tool(
        name = "fleet_clusters",
        description = "Lists the clusters: how fresh and complete what is known of each is.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn clusters(&self) -> Result<Json<ClustersOutput>, String> {
        let known = answer::known(&*self.store)
            .await
            .map_err(|error| told(&error))?;
        let now = now();
        let clusters = known
            .states
            .iter()
            .map(|state| ClusterItem::of(state, now))
            .collect();
        let freshness = answer::freshness(&known, &Query::default(), now);
        Ok(Json(ClustersOutput {
            clusters,
            freshness: Worth::from(&freshness),
        }))
    }

    #[tool(
        name = "fleet_capabilities",
        description = "Finds the kinds of objects that serve a purpose, custom ones included: what can be asked for with `kind:`.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn capabilities(
        &self,
        Parameters(input): Parameters<CapabilitiesInput>,
    ) -> Result<Json<CapabilitiesOutput>, String> {
        let known = answer::known(&*self.store)
            .await
            .map_err(|error| told(&error))?;
        let kinds = KindItem::all(&known.capabilities, &input.words);
        let freshness = answer::freshness(&known, &Query::default(), now());
        Ok(Json(CapabilitiesOutput {
            kinds,
            freshness: Worth::from(&freshness),
        }))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Fleet {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_instructions(
            "Every object of every cluster of a fleet, read-only. Start with fleet_search and a question; the exact query \
             it was understood as comes back with the answer. Tell people when `freshness.complete` is false.",
        )
    }
}

/// Serves on stdin and stdout until stdin ends.
pub async fn serve(store: Arc<dyn Store>, details: Option<Details>) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::input(
            Diagnostic::error(Code("fleet/mcp"), "the conversation with the client failed")
                .caused_by(error),
        )
    };
    let service = Fleet::new(store, details)
        .serve(rmcp::transport::stdio())
        .await
        .map_err(|error| failed(&error))?;
    service
        .waiting()
        .await
        .map(|_| ())
        .map_err(|error| failed(&error))
}
