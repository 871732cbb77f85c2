//! `join` and `leave`: a cluster becomes a member of the fleet, and stops being one.

mod manifests;

use std::time::Duration;

use kube::config::Kubeconfig;
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, to_yaml};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::{ApiError, Cluster};
use serde_json::{Value, json};

use super::open;
use super::opened::{failure, secret};
use crate::agent::now;
use crate::cli::{JoinArgs, LeaveArgs, StoreArgs};
use crate::redact::REDACTED;
use manifests::Membership;

const MANAGER: &str = "kubectl-fleet";

/// How long an object may take to go: a Pod has 30 s to end, and the agent hands over its Lease.
const GOING: Duration = Duration::from_mins(2);

fn usage(message: String) -> Failure {
    Failure::input(Diagnostic::error(Code("fleet/join"), message))
}

pub(super) async fn join(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &JoinArgs,
) -> Result<Exit, Failure> {
    let id = args.id.clone().unwrap_or_else(|| args.context.clone());
    let Some(qdrant) = store.qdrant.clone() else {
        let problem = "an agent in a cluster needs a Qdrant server: name it with --qdrant";
        return Err(usage(problem.to_owned()));
    };
    let file = store.qdrant_api_key_file.as_deref();
    let key = secret(file, "PEQUOD_FLEET_QDRANT_API_KEY")?;
    let membership = Membership {
        namespace: kubectl
            .namespace
            .clone()
            .unwrap_or_else(|| "pequod-system".to_owned()),
        image: args.image.clone(),
        qdrant,
        collection: store.collection.clone(),
        with_key: key.is_some(),
        kubeconfig_secret: if args.hub_context.is_some() {
            secret_name(&id)?
        } else {
            String::new()
        },
        id,
    };
    let mut printer = Printer::new(Format::Table);
    let mut objects = membership.agent();
    if args.hub_context.is_some() {
        objects.extend(membership.reader());
    }
    if args.dry_run {
        let redacted = key.as_ref().map(|_| membership.key(REDACTED));
        for object in objects.iter().chain(&redacted) {
            printer.data(&format!("---\n{}", to_yaml(object)?))?;
        }
        return Ok(Exit::Done);
    }
    let member = connect(kubectl, &args.context).await?;
    // The Secret comes after its namespace and before who mounts it.
    if let Some(key) = &key {
        objects.insert(1, membership.key(key.expose()));
    }
    for object in &objects {
        apply(&member, object).await?;
    }
    printer.say(&format!(
        "{}: the agent is in namespace {} and writes to {}",
        membership.id, membership.namespace, membership.qdrant
    ));
    if let Some(hub_context) = &args.hub_context {
        let token = token(&member, &membership).await?;
        let entry = cluster_entry(kubectl, &args.context)?;
        let hub = connect(kubectl, hub_context).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": membership.namespace}});
        apply(&hub, &namespace).await?;
        apply(&hub, &membership.kubeconfig(&entry, &token)).await?;
        printer.say(&format!(
            "{hub_context}: Secret {}/{} holds a kubeconfig that may read {} as the role view",
            membership.namespace, membership.kubeconfig_secret, membership.id
        ));
    }
    printer.say("see `kubectl fleet clusters`");
    Ok(Exit::Done)
}

/// The Secret's name; an id that cannot be a part of one is refused before anything is written.
fn secret_name(id: &str) -> Result<String, Failure> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if id.is_empty() || id.len() > 200 || !id.chars().all(fits) {
        return Err(usage(format!(
            "`{id}` cannot be a part of a Secret's name; choose another with --id"
        )));
    }
    Ok(format!("fleet-{id}-kubeconfig"))
}

async fn connect(kubectl: &KubectlArgs, context: &str) -> Result<Cluster, Failure> {
    let mut flags = kubectl.clone();
    flags.context = Some(context.to_owned());
    flags.connect().await
}

async fn send(
    cluster: &Cluster,
    what: String,
    request: Result<http::Request<Vec<u8>>, http::Error>,
) -> Result<Option<Value>, Failure> {
    let request = request.map_err(|error| usage(error.to_string()))?;
    match cluster.client().request::<Value>(request).await {
        Ok(answer) => Ok(Some(answer)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(Failure::remote(ApiError::new(what, &error).to_diagnostic())),
    }
}

async fn apply(cluster: &Cluster, object: &Value) -> Result<(), Failure> {
    let path = manifests::path(object);
    if object["kind"] == "Namespace" {
        // One that is there is somebody's: it gets no mark of ours.
        let request = http::Request::get(&path).body(Vec::new());
        if send(cluster, format!("read {path}"), request)
            .await?
            .is_some()
        {
            return Ok(());
        }
    }
    let body = serde_json::to_vec(object).map_err(|error| usage(error.to_string()))?;
    let request = http::Request::patch(format!("{path}?fieldManager={MANAGER}&force=true"))
        .header("content-type", "application/apply-patch+yaml")
        .body(body);
    match send(cluster, format!("apply {path}"), request).await? {
        Some(_) => Ok(()),
        None => Err(Failure::remote(Diagnostic::error(
            Code("fleet/join"),
            format!("{path} cannot be applied: its namespace is not there"),
        ))),
    }
}

/// The reader's token, which the cluster writes into its Secret a moment after that is made.
async fn token(cluster: &Cluster, membership: &Membership) -> Result<String, Failure> {
    let path = format!(
        "/api/v1/namespaces/{}/secrets/{}",
        membership.namespace,
        manifests::READER
    );
    for _ in 0..100 {
        let request = http::Request::get(&path).body(Vec::new());
        let found = send(cluster, format!("read {path}"), request).await?;
        let token = found
            .as_ref()
            .and_then(|it| it.pointer("/data/token")?.as_str());
        if let Some(token) = token {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(token);
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return text
                .ok_or_else(|| usage("the cluster wrote a token that is no text".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let problem = Diagnostic::error(
        Code("fleet/join"),
        "the cluster made no token for the reader",
    );
    Err(Failure::remote(problem.hint(
        "its controller manager may not issue ServiceAccount tokens",
    )))
}

/// How the cluster of a context is reached, with its certificate authority in it.
fn cluster_entry(kubectl: &KubectlArgs, context: &str) -> Result<Value, Failure> {
    let unreadable = |error: kube::config::KubeconfigError| {
        let problem = Diagnostic::error(Code("fleet/kubeconfig"), "the kubeconfig cannot be read");
        Failure::input(problem.caused_by(&error))
    };
    let kubeconfig = match &kubectl.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    }
    .map_err(unreadable)?;
    let named = kubeconfig.contexts.iter().find(|it| it.name == context);
    let cluster = named
        .and_then(|it| it.context.as_ref())
        .and_then(|it| {
            let mut clusters = kubeconfig.clusters.iter();
            clusters.find(|cluster| cluster.name == it.cluster)
        })
        .and_then(|it| it.cluster.clone())
        .ok_or_else(|| usage(format!("the kubeconfig has no cluster for `{context}`")))?;
    let mut entry = json!({ "server": cluster.server });
    if let Some(name) = &cluster.tls_server_name {
        entry["tls-server-name"] = json!(name);
    }
    if let Some(data) = &cluster.certificate_authority_data {
        entry["certificate-authority-data"] = json!(data);
    } else if let Some(file) = &cluster.certificate_authority {
        use base64::Engine as _;
        let bytes = std::fs::read(file)
            .map_err(|error| usage(format!("{file} cannot be read: {error}")))?;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        entry["certificate-authority-data"] = json!(data);
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        entry["insecure-skip-tls-verify"] = json!(true);
    }
    Ok(entry)
}

/// Takes a cluster's objects of ours away. What bears another's mark stays.
async fn remove(cluster: &Cluster, objects: &[Value]) -> Result<(), Failure> {
    // Who acts goes before what it may.
    for object in objects.iter().rev() {
        if object["kind"] == "Namespace" {
            // Somebody else may live there by now.
            continue;
        }
        let path = manifests::path(object);
        let (key, value) = manifests::LABEL;
        let request = http::Request::get(&path).body(Vec::new());
        let Some(found) = send(cluster, format!("read {path}"), request).await? else {
            continue;
        };
        if pequod_kube::object::label(&found, key) != Some(value) {
            continue;
        }
        let uid = pequod_kube::object::uid(&found).unwrap_or_default();
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid}});
        let request = http::Request::delete(&path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes());
        send(cluster, format!("delete {path}"), request).await?;
        gone(cluster, &path, uid).await?;
    }
    Ok(())
}

/// Waits until an object is gone, as `kubectl delete` does: with a Deployment its Pods, which still act.
async fn gone(cluster: &Cluster, path: &str, uid: &str) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + GOING;
    loop {
        let request = http::Request::get(path).body(Vec::new());
        let found = send(cluster, format!("read {path}"), request).await?;
        // Another of that name is somebody else's.
        if found.is_none_or(|found| pequod_kube::object::uid(&found) != Some(uid)) {
            return Ok(());
        }
        if tokio::time::Instant::now() > end {
            let what = format!("{path} is still being deleted after {} s", GOING.as_secs());
            let problem = Diagnostic::error(Code("fleet/leave"), what);
            return Err(Failure::remote(problem.hint(
                "see why (`kubectl get` shows its finalizers, its Pods may be on a node that is gone), then run this again",
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(super) async fn leave(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &LeaveArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let mut printer = Printer::new(Format::Table);
    if args.member_context.is_some() || args.hub_context.is_some() {
        let membership = Membership {
            id: args.id.clone(),
            namespace: kubectl
                .namespace
                .clone()
                .unwrap_or_else(|| "pequod-system".to_owned()),
            image: String::new(),
            qdrant: String::new(),
            collection: String::new(),
            with_key: false,
            kubeconfig_secret: secret_name(&args.id)?,
        };
        if let Some(context) = &args.member_context {
            let mut objects = membership.agent();
            objects.extend([membership.key("")]);
            objects.extend(membership.reader());
            remove(&connect(kubectl, context).await?, &objects).await?;
            printer.say(&format!("{context}: the agent and the reader are gone"));
        }
        if let Some(context) = &args.hub_context {
            let kubeconfig = [membership.kubeconfig(&Value::Null, "")];
            remove(&connect(kubectl, context).await?, &kubeconfig).await?;
            printer.say(&format!("{context}: the kubeconfig is gone"));
        }
    }
    let states = async || {
        opened
            .store
            .clusters()
            .await
            .map_err(|error| failure(&error))
    };
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let states = states().await?;
        let Some(state) = states.iter().find(|state| state.cluster == args.id) else {
            if args.member_context.is_some() || args.hub_context.is_some() {
                // Its agent never wrote a word: there is nothing to forget.
                return Ok(Exit::Done);
            }
            let message = format!("no cluster `{}` is known", args.id);
            return Err(Failure::input(
                Diagnostic::error(Code("fleet/cluster"), message)
                    .hint("see `kubectl fleet clusters`"),
            ));
        };
        if state.abandoned(now()) {
            break;
        }
        // An agent that was just taken away needs a moment for its last word.
        if args.member_context.is_none() || tokio::time::Instant::now() > deadline {
            let message = format!("an agent is still reading cluster `{}`", args.id);
            return Err(Failure::input(
                Diagnostic::error(Code("fleet/cluster"), message)
                    .hint("stop it first: it would come back"),
            ));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    opened
        .store
        .forget(&args.id)
        .await
        .map_err(|error| failure(&error))?;
    opened
        .store
        .flush()
        .await
        .map_err(|error| failure(&error))?;
    printer.say(&format!("forgot {}", args.id));
    Ok(Exit::Done)
}
