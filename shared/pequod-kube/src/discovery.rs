//! Which resource of the API server a kind is.
//!
//! Learnt one group and version at a time, when first asked for: a broken aggregated API is nobody's problem but
//! that of its own kinds. Kept until a kind is missed; then the group and version is asked for again, since a CRD
//! may have come meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::core::discovery::ApiResource;

use crate::access::Access;
use crate::error::{ApiError, Failure};

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// What can be done with it: `list`, `watch`, …
    pub verbs: Vec<String>,
    /// Whether it has a `status` subresource.
    pub has_status: bool,
}

type GroupVersion = Arc<BTreeMap<String, Kind>>;

/// What has been learnt. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    known: Arc<Mutex<HashMap<String, GroupVersion>>>,
}

impl Discovery {
    /// Forgets a group and version.
    pub fn forget(&self, api_version: &str) {
        self.lock().remove(api_version);
    }

    pub(crate) async fn resolve(
        &self,
        access: &Access,
        api_version: &str,
        kind: &str,
    ) -> Result<Kind, ApiError> {
        let known = self
            .lock()
            .get(api_version)
            .and_then(|kinds| kinds.get(kind))
            .cloned();
        if let Some(found) = known {
            return Ok(found);
        }
        let kinds = self.learn(access, api_version).await?;
        kinds.get(kind).cloned().ok_or_else(|| ApiError {
            what: format!("find kind {kind} of {api_version}"),
            failure: Failure::NoKind,
            message: format!("the API server does not serve the kind {kind} of {api_version}"),
        })
    }

    async fn learn(&self, access: &Access, api_version: &str) -> Result<GroupVersion, ApiError> {
        let path = if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        };
        let what = format!("list the kinds of {api_version}");
        let list: Result<APIResourceList, _> = access.raw_get(&path, &what).await;
        let kinds = match list {
            Ok(list) => Arc::new(kinds_of(api_version, list)),
            // The group or version is not served: no kinds. That is an answer, not a failure.
            Err(error) if error.failure == Failure::NotFound => GroupVersion::default(),
            Err(error) => return Err(error),
        };
        self.lock().insert(api_version.to_owned(), kinds.clone());
        Ok(kinds)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, GroupVersion>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kinds_of(api_version: &str, list: APIResourceList) -> BTreeMap<String, Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let with_status: Vec<String> = list
        .resources
        .iter()
        .filter_map(|r| r.name.strip_suffix("/status").map(str::to_owned))
        .collect();
    list.resources
        .into_iter()
        .filter(|resource| !resource.name.contains('/'))
        .map(|resource| {
            let kind = Kind {
                has_status: with_status.contains(&resource.name),
                namespaced: resource.namespaced,
                verbs: resource.verbs,
                resource: ApiResource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    api_version: api_version.to_owned(),
                    kind: resource.kind.clone(),
                    plural: resource.name,
                },
            };
            (resource.kind, kind)
        })
        .collect()
}
