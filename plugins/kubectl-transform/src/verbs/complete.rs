//! What is offered for an argument while it is typed.

use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use kube::Api;
use kube::api::ListParams;
use pequod_api::Transform;
use pequod_cli::KubectlArgs;

/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_secs(2);

/// The modules that come with Pequod.
pub(crate) fn modules() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        pequod_modules::embedded()
            .iter()
            .map(|module| CompletionCandidate::new(module.name).help(Some(module.summary.into())))
            .collect()
    })
}

/// The Transforms of the namespace that the words typed so far mean. None, if the cluster does not answer at once.
pub(crate) fn transforms() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return Vec::new();
        };
        let kubectl = typed_flags(std::env::args());
        let names = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, names(&kubectl))
                .await
                .ok()
                .flatten()
        });
        names
            .unwrap_or_default()
            .into_iter()
            .map(CompletionCandidate::new)
            .collect()
    })
}

async fn names(kubectl: &KubectlArgs) -> Option<Vec<String>> {
    let cluster = kubectl.connect().await.ok()?;
    let api: Api<Transform> = Api::namespaced(cluster.client().clone(), cluster.namespace());
    let found = api.list(&ListParams::default()).await.ok()?;
    Some(
        found
            .items
            .into_iter()
            .filter_map(|transform| transform.metadata.name)
            .collect(),
    )
}

/// The flags that say which cluster and namespace; the line is not whole yet, so it cannot be parsed as one.
fn typed_flags(words: impl Iterator<Item = String>) -> KubectlArgs {
    let mut kubectl = KubectlArgs::default();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || value.clone().or_else(|| words.next());
        match name.as_str() {
            "-n" | "--namespace" => kubectl.namespace = value(),
            "--context" => kubectl.context = value(),
            "--cluster" => kubectl.cluster = value(),
            "--user" => kubectl.user = value(),
            "--kubeconfig" => kubectl.kubeconfig = value().map(Into::into),
            "-s" | "--server" => kubectl.server = value(),
            _ => {}
        }
    }
    kubectl
}

#[cfg(test)]
mod tests {
    use super::typed_flags;

    #[test]
    fn flags_of_an_unfinished_line_are_understood() {
        let line = [
            "kubectl_complete-transform",
            "status",
            "-n",
            "shop",
            "--context=prod",
            "",
        ];
        let kubectl = typed_flags(line.into_iter().map(ToOwned::to_owned));
        assert_eq!(kubectl.namespace.as_deref(), Some("shop"));
        assert_eq!(kubectl.context.as_deref(), Some("prod"));
    }
}
