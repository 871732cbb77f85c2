//! Objects of any kind, as somebody.

use std::time::Duration;

use kube::Client;
use kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use kube::core::{DynamicObject, Request, Resource as _};
use pequod_api::ObjectRef;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::discovery::{Discovery, Kind};
use crate::error::{ApiError, Failure};

/// How many objects a page of a list holds.
const PAGE: u32 = 500;

/// Requests to an API server as one identity, each with a time limit.
#[derive(Clone)]
pub struct Access {
    client: Client,
    discovery: Discovery,
    timeout: Option<Duration>,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// As which field manager.
    pub manager: &'a str,
    /// Whether fields of other managers are taken over.
    pub force: bool,
    /// Whether the API server only says what would become of it.
    pub dry_run: bool,
}

/// How far a deletion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The object is not there any more.
    Gone,
    /// The API server took the request; the object may still be there.
    Begun,
}

/// What is done with the objects that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes at once, what it owns later.
    Background,
    /// What it owns goes first.
    Foreground,
}

impl Access {
    pub(crate) const fn new(
        client: Client,
        discovery: Discovery,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            client,
            discovery,
            timeout,
        }
    }

    /// The client behind it, for what is not offered here.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What is known about kinds.
    pub const fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// Which resource a kind is.
    pub async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, ApiError> {
        self.discovery.resolve(self, api_version, kind).await
    }

    /// The object, or `None` if it is not there.
    pub async fn get(&self, kind: &Kind, target: &ObjectRef) -> Result<Option<Value>, ApiError> {
        let request =
            Self::path(kind, target.namespace.as_deref()).get(&target.name, &GetParams::default());
        match self.send(request, || format!("get {target}")).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.failure == Failure::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Metadata of all objects of a kind, in a namespace or everywhere.
    pub async fn list_metadata(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, ApiError> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = labels.map(str::to_owned);
        let mut found = Vec::new();
        loop {
            let request = Self::path(kind, namespace).list_metadata(&params);
            let what = || format!("list {}", kind.resource.plural);
            let mut page: Value = self.send(request, what).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                found.extend(items);
            }
            match crate::object::meta(&page, "continue") {
                Some(token) if !token.is_empty() => {
                    params.continue_token = Some(token.to_owned());
                }
                _ => return Ok(found),
            }
        }
    }

    /// Server-side apply.
    pub async fn apply(
        &self,
        kind: &Kind,
        target: &ObjectRef,
        object: &Value,
        options: ApplyOptions<'_>,
    ) -> Result<Value, ApiError> {
        let params = PatchParams {
            dry_run: options.dry_run,
            force: options.force,
            field_manager: Some(options.manager.to_owned()),
            field_validation: None,
        };
        let request = Self::path(kind, target.namespace.as_deref()).patch(
            &target.name,
            &params,
            &Patch::Apply(object),
        );
        let verb = if options.dry_run { "try" } else { "apply" };
        self.send(request, || format!("{verb} {target}")).await
    }

    /// A merge patch.
    pub async fn merge(
        &self,
        kind: &Kind,
        target: &ObjectRef,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let request = Self::path(kind, target.namespace.as_deref()).patch(
            &target.name,
            &params,
            &Patch::Merge(patch),
        );
        self.send(request, || format!("change {target}")).await
    }

    /// Replaces an object's status as a whole, if the object is still the one of the given resource version.
    pub async fn set_status(
        &self,
        kind: &Kind,
        target: &ObjectRef,
        manager: &str,
        version: &str,
        status: &impl serde::Serialize,
    ) -> Result<Value, ApiError> {
        let what = || format!("write the status of {target}");
        let operations = serde_json::json!([
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/status", "value": status},
        ]);
        // Written by hand: the client's JSON patch would bring a library for three lines.
        let path = Self::path(kind, target.namespace.as_deref()).url_path;
        let body = serde_json::to_vec(&operations)
            .map_err(|error| ApiError::new(what(), &kube::Error::SerdeError(error)))?;
        let request = http::Request::patch(format!(
            "{path}/{}/status?fieldManager={manager}",
            target.name
        ))
        .header(http::header::CONTENT_TYPE, "application/json-patch+json")
        .body(body)
        .map_err(kube::core::request::Error::BuildRequest);
        self.send(request, what).await
    }

    /// Deletes an object, if it has the given uid.
    pub async fn delete(
        &self,
        kind: &Kind,
        target: &ObjectRef,
        uid: &str,
        propagation: Propagation,
    ) -> Result<Deletion, ApiError> {
        let params = DeleteParams {
            propagation_policy: Some(match propagation {
                Propagation::Background => PropagationPolicy::Background,
                Propagation::Foreground => PropagationPolicy::Foreground,
            }),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let request = Self::path(kind, target.namespace.as_deref()).delete(&target.name, &params);
        match self
            .send::<Value>(request, || format!("delete {target}"))
            .await
        {
            // A `Status` says that it is gone; the object itself, that it is on its way or was the last of its kind.
            Ok(answer) if answer.get("kind").and_then(Value::as_str) == Some("Status") => {
                Ok(Deletion::Gone)
            }
            Ok(_) => Ok(Deletion::Begun),
            Err(error) if error.failure == Failure::NotFound => Ok(Deletion::Gone),
            Err(error) => Err(error),
        }
    }

    /// A path that is no object's.
    pub async fn raw_get<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &str,
    ) -> Result<T, ApiError> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(kube::core::request::Error::BuildRequest);
        self.send(request, || what.to_owned()).await
    }

    fn path(kind: &Kind, namespace: Option<&str>) -> Request {
        let namespace = namespace.filter(|_| kind.namespaced);
        Request::new(DynamicObject::url_path(&kind.resource, namespace))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        what: impl Fn() -> String,
    ) -> Result<T, ApiError> {
        let request =
            request.map_err(|error| ApiError::new(what(), &kube::Error::BuildRequest(error)))?;
        let answer = self.client.request::<T>(request);
        let answer = match self.timeout {
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .map_err(|_| ApiError {
                    what: what(),
                    failure: Failure::Unreachable,
                    message: format!("no answer within {} seconds", limit.as_secs_f32()),
                })?,
            None => answer.await,
        };
        answer.map_err(|error| ApiError::new(what(), &error))
    }
}
