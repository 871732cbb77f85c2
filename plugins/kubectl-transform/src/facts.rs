//! What a module may know of the cluster: its version, and the kinds it serves.

use kube::Client;
use pequod_kube::ApiError;
use pequod_render::{Cluster, Scope};

/// Asks an API server: three requests, whatever it serves.
pub async fn cluster(client: &Client) -> Result<Cluster, ApiError> {
    let failed =
        |error: kube::Error| ApiError::new("list the kinds that are served".to_owned(), &error);
    let (version, core, groups) = futures::future::try_join3(
        client.apiserver_version(),
        client.list_core_api_versions_aggregated(),
        client.list_api_groups_aggregated(),
    )
    .await
    .map_err(failed)?;

    let mut cluster = Cluster {
        version: version.git_version,
        ..Cluster::default()
    };
    for group in core.items.into_iter().chain(groups.items) {
        let name = group
            .metadata
            .and_then(|metadata| metadata.name)
            .unwrap_or_default();
        for version in group.versions {
            let version_name = version.version.unwrap_or_default();
            let api_version = if name.is_empty() {
                version_name
            } else {
                format!("{name}/{version_name}")
            };
            for resource in version.resources {
                let scope = match resource.scope.as_deref() {
                    Some("Cluster") => Scope::Cluster,
                    _ => Scope::Namespaced,
                };
                if let Some(kind) = resource.response_kind.and_then(|kind| kind.kind) {
                    cluster.kinds.insert(format!("{api_version}/{kind}"), scope);
                }
            }
        }
    }
    Ok(cluster)
}
