//! What is offered for an argument while it is typed.

use std::fmt::Debug;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::KubectlArgs;

/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_secs(2);

/// The names of the objects of a kind, in the namespace that the words typed so far mean.
///
/// None are offered if the cluster does not answer within two seconds, or refuses.
pub fn names<K>() -> ArgValueCandidates
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + 'static,
{
    ArgValueCandidates::new(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return Vec::new();
        };
        let kubectl = typed_flags(std::env::args());
        let asked =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, ask::<K>(&kubectl)).await });
        let found = asked.ok().flatten().unwrap_or_default();
        found.into_iter().map(CompletionCandidate::new).collect()
    })
}

async fn ask<K>(kubectl: &KubectlArgs) -> Option<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let cluster = kubectl.connect().await.ok()?;
    let api: Api<K> = Api::namespaced(cluster.client().clone(), cluster.namespace());
    let found = api.list_metadata(&ListParams::default()).await.ok()?;
    Some(found.iter().map(ResourceExt::name_any).collect())
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
            "kubectl_complete-x",
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
