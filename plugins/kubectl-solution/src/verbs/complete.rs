//! What is offered for an argument while it is typed.

use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use kube::Api;
use kube::api::ListParams;
use pequod_api::Solution;
use pequod_cli::KubectlArgs;

/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_secs(2);

/// The Solutions of the namespace that the words typed so far mean. None, if the cluster does not answer at once.
pub(crate) fn solutions() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
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
    let api: Api<Solution> = Api::namespaced(cluster.client().clone(), cluster.namespace());
    let found = api.list(&ListParams::default()).await.ok()?;
    Some(
        found
            .items
            .into_iter()
            .filter_map(|solution| solution.metadata.name)
            .collect(),
    )
}

/// Which cluster and namespace the words so far mean. The line is unfinished, so it is not parsed but looked through.
fn typed_flags(mut words: impl Iterator<Item = String>) -> KubectlArgs {
    let mut kubectl = KubectlArgs::default();
    while let Some(word) = words.next() {
        let (flag, mut value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || value.take().or_else(|| words.next());
        match flag {
            "--kubeconfig" => kubectl.kubeconfig = value().map(Into::into),
            "--context" => kubectl.context = value(),
            "--cluster" => kubectl.cluster = value(),
            "--user" => kubectl.user = value(),
            "-n" | "--namespace" => kubectl.namespace = value(),
            "-s" | "--server" => kubectl.server = value(),
            _ => {}
        }
    }
    kubectl
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_unfinished_line_says_where_to_look() {
        let line = [
            "kubectl_complete-solution",
            "get",
            "--context=prod",
            "-n",
            "shop",
            "",
        ];
        let kubectl = super::typed_flags(line.into_iter().map(str::to_owned));
        assert_eq!(kubectl.context.as_deref(), Some("prod"));
        assert_eq!(kubectl.namespace.as_deref(), Some("shop"));
    }
}
