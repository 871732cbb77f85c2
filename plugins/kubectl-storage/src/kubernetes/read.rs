//! Reads one cluster: every list page by page, and the driver configurations.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use pequod_kube::Cluster as Connection;
use serde::Deserialize;
use serde_json::Value;

use super::{
    config::{self, Login},
    decode::{LISTS, List},
};
use crate::model::{Gap, Text, cluster::Cluster};

const PAGE: usize = 500;
/// A list whose token has expired is read again from its beginning; not for ever.
const ATTEMPTS: usize = 3;

/// A cluster's rows, and how its drivers reach their appliances.
#[derive(Debug, Default)]
pub struct Reading {
    /// The rows.
    pub cluster: Cluster,
    /// One login an instance, in the same order.
    pub logins: Vec<Login>,
}

#[derive(Deserialize)]
struct Secrets {
    items: Vec<SecretObject>,
}

#[derive(Deserialize)]
struct SecretObject {
    metadata: SecretMeta,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct SecretMeta {
    name: String,
    namespace: String,
}

/// The drivers, by Helm release: CSI name from the controller's arguments.
#[derive(Deserialize)]
struct Workloads {
    items: Vec<Value>,
}

/// Finds the drivers of a cluster: their Secrets and the names they are registered under.
/// Secrets are listed in the given namespaces only, or in all when none is given.
pub async fn drivers(connection: &Connection, name: &str, namespaces: &[String]) -> Reading {
    let mut reading = Reading {
        cluster: Cluster {
            name: name.into(),
            ..Cluster::default()
        },
        ..Reading::default()
    };
    match text(connection, "/api/v1/namespaces/kube-system").await {
        Ok(json) => {
            let object: Value = serde_json::from_str(&json).unwrap_or_default();
            let uid = object
                .pointer("/metadata/uid")
                .and_then(Value::as_str)
                .unwrap_or_default();
            reading.cluster.uid = uid.into();
        }
        Err(error) => gap(
            &mut reading.cluster,
            "namespace kube-system",
            &error.to_string(),
        ),
    }
    let names = match text(
        connection,
        "/api/v1/pods?labelSelector=app.kubernetes.io%2Fname%3Ddemocratic-csi",
    )
    .await
    {
        Ok(json) => releases(&json),
        Err(error) => {
            gap(
                &mut reading.cluster,
                "pods of democratic-csi",
                &error.to_string(),
            );
            BTreeMap::new()
        }
    };
    let everywhere = ["/api/v1/secrets".to_owned()];
    let paths: Vec<String> = namespaces
        .iter()
        .map(|namespace| format!("/api/v1/namespaces/{namespace}/secrets"))
        .collect();
    let paths = if paths.is_empty() {
        &everywhere[..]
    } else {
        &paths
    };
    for path in paths {
        let path = format!("{path}?fieldSelector=type%3DOpaque");
        match text(connection, &path).await {
            Ok(json) => match serde_json::from_str::<Secrets>(&json) {
                Ok(list) => {
                    for secret in list.items {
                        add_driver(&mut reading, &secret, &names);
                    }
                }
                Err(error) => gap(&mut reading.cluster, "secrets", &error.to_string()),
            },
            Err(error) => gap(
                &mut reading.cluster,
                "driver configurations",
                &error.to_string(),
            ),
        }
    }
    reading
}

/// What the pods of a release say about it.
#[derive(Debug, Default, Clone)]
struct Release {
    /// `--csi-name`.
    csi_name: Option<String>,
    /// Image of the driver's own container.
    image: Option<String>,
    /// Arguments of the external-provisioner.
    provisioner: Vec<String>,
    /// Its image.
    provisioner_image: Option<String>,
    /// ServiceAccount of the Pod that has it.
    account: Option<String>,
    /// Pods that are not ready, with the node and why.
    unready: Vec<String>,
    /// Secrets that its pods mount: the configuration may be one that the chart did not make.
    secrets: BTreeSet<String>,
}

/// Releases by namespace and name.
fn releases(pods: &str) -> BTreeMap<(String, String), Release> {
    let mut names: BTreeMap<(String, String), Release> = BTreeMap::new();
    let list: Workloads = serde_json::from_str(pods).unwrap_or(Workloads { items: Vec::new() });
    for pod in list.items {
        let at = |pointer: &str| {
            pod.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let key = (
            at("/metadata/namespace").to_owned(),
            at("/metadata/labels/app.kubernetes.io~1instance").to_owned(),
        );
        if let Some(why) = unready(&pod) {
            let place = format!(
                "{} on {}: {why}",
                at("/metadata/name"),
                at("/spec/nodeName")
            );
            names.entry(key.clone()).or_default().unready.push(place);
        }
        let mounted = pod
            .pointer("/spec/volumes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|volume| volume.pointer("/secret/secretName")?.as_str())
            .map(str::to_owned);
        names
            .entry(key.clone())
            .or_default()
            .secrets
            .extend(mounted);
        let account = at("/spec/serviceAccountName").to_owned();
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let release = names.entry(key.clone()).or_default();
            let text = |field: &str| container.get(field).and_then(Value::as_str);
            let arguments: Vec<&str> = container
                .get("args")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let name = arguments
                .iter()
                .find_map(|argument| argument.strip_prefix("--csi-name="));
            if let Some(name) = name {
                release.csi_name = Some(name.to_owned());
                release.image = text("image").map(str::to_owned);
            }
            if text("name").is_some_and(|name| name.contains("provisioner")) {
                release.provisioner = arguments
                    .iter()
                    .map(|&argument| argument.to_owned())
                    .collect();
                release.provisioner_image = text("image").map(str::to_owned);
                release.account = (!account.is_empty()).then(|| account.clone());
            }
        }
    }
    names
}

/// Why a Pod is not ready; none when it is, is over, or its status was never written.
fn unready(pod: &Value) -> Option<String> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str)?;
    if phase == "Succeeded" || pod.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let statuses = pod
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    let waiting = statuses.into_iter().flatten().find_map(|status| {
        let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
        let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
        let reason = text("/state/waiting/reason").or_else(|| text("/state/terminated/reason"));
        (!ready).then(|| {
            let name = text("/name").unwrap_or_default();
            format!("{name} {}", reason.unwrap_or("is not ready"))
        })
    });
    waiting.or_else(|| (phase != "Running").then(|| format!("it is {phase}")))
}

fn add_driver(
    reading: &mut Reading,
    secret: &SecretObject,
    names: &BTreeMap<(String, String), Release>,
) {
    use base64::Engine as _;
    let Some(data) = secret.data.get("driver-config-file.yaml") else {
        return;
    };
    let release = secret
        .metadata
        .name
        .strip_suffix("-driver-config")
        .unwrap_or(&secret.metadata.name);
    let place = format!("{}/{}", secret.metadata.namespace, secret.metadata.name);
    let key = (secret.metadata.namespace.clone(), release.to_owned());
    // Whoever mounts it is served by it. Else by name; the chart's release name may carry its own
    // suffix in the pods' labels.
    let mounts = names
        .iter()
        .find(|((namespace, _), known)| {
            *namespace == key.0
                && known.csi_name.is_some()
                && known.secrets.contains(&secret.metadata.name)
        })
        .map(|(_, known)| known);
    let release_of = mounts.or_else(|| names.get(&key)).or_else(|| {
        names
            .iter()
            .find(|((namespace, instance), _)| {
                *namespace == key.0 && release.starts_with(instance.as_str())
            })
            .map(|(_, known)| known)
    });
    let known = release_of.cloned().unwrap_or_default();
    let Some(csi_name) = &known.csi_name else {
        gap(
            &mut reading.cluster,
            &place,
            "no running controller says which CSI name it serves",
        );
        return;
    };
    let decoded = base64::engine::general_purpose::STANDARD.decode(data).ok();
    let document = decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| serde_saphyr::from_str::<Value>(&text).ok());
    match document {
        // The parser's message could quote a credential; the place is enough.
        None => gap(
            &mut reading.cluster,
            &place,
            "the driver configuration is no YAML",
        ),
        Some(document) => {
            if let Some((mut instance, login)) = config::instance(&document, csi_name) {
                instance.settings.release =
                    format!("{}/{release}", secret.metadata.namespace).into();
                instance.settings.image = known.image.as_deref().map(Text::from);
                instance.settings.provisioner_args = known
                    .provisioner
                    .iter()
                    .map(|argument| Text::from(&**argument))
                    .collect();
                instance.settings.provisioner_image =
                    known.provisioner_image.as_deref().map(Text::from);
                instance.settings.account = known.account.as_deref().map(Text::from);
                instance.settings.unready =
                    known.unready.iter().map(|why| Text::from(&**why)).collect();
                reading.logins.push(login);
                reading.cluster.instances.push(instance);
            }
        }
    }
}

/// Appliances by name, with the login of the first driver that has a key. An appliance is called by its host; where
/// drivers reach several at one host (behind one address, by port) by host and port, whatever cluster the drivers are
/// of. Sets the names in the instances.
pub fn appliances(readings: &mut [&mut Reading]) -> BTreeMap<String, Login> {
    let port = |login: &Login| {
        let usual = if login.protocol == "http" { 80 } else { 443 };
        login.port.unwrap_or(usual)
    };
    let mut ports: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for login in readings.iter().flat_map(|reading| &reading.logins) {
        let known = ports.entry(login.host.clone()).or_default();
        known.insert(port(login));
    }
    let mut appliances: BTreeMap<String, Login> = BTreeMap::new();
    for reading in readings {
        let instances = reading.cluster.instances.iter_mut();
        for (instance, login) in instances.zip(&reading.logins) {
            let several = ports.get(&login.host).is_some_and(|ports| ports.len() > 1);
            let name = if several {
                format!("{}:{}", login.host, port(login))
            } else {
                login.host.clone()
            };
            instance.nas = name.as_str().into();
            let known = appliances.entry(name).or_insert_with(|| login.clone());
            if known.api_key.is_none() {
                known.api_key.clone_from(&login.api_key);
            }
        }
    }
    appliances
}

/// Reads every list into the cluster.
pub async fn lists(connection: &Connection, cluster: &mut Cluster) {
    for list in LISTS {
        one_list(connection, cluster, list).await;
    }
}

async fn one_list(connection: &Connection, cluster: &mut Cluster, list: &List) {
    let before = cluster.clone();
    for attempt in 1..=ATTEMPTS {
        match pages(connection, cluster, list).await {
            Ok(()) => return,
            // Half a list read and the rest expired: once more from the beginning.
            Err(Problem { expired: true, .. }) if attempt < ATTEMPTS => *cluster = before.clone(),
            Err(Problem { absent: true, .. }) if list.optional => return,
            Err(problem) => {
                gap(cluster, list.name(), &problem.reason);
                return;
            }
        }
    }
}

struct Problem {
    reason: String,
    expired: bool,
    absent: bool,
}

async fn pages(connection: &Connection, cluster: &mut Cluster, list: &List) -> Result<(), Problem> {
    let mut next = String::new();
    loop {
        let token = if next.is_empty() {
            String::new()
        } else {
            format!("&continue={}", escape(&next))
        };
        let json = text(connection, &format!("{}?limit={PAGE}{token}", list.path))
            .await
            .map_err(|error| {
                let code = match &error {
                    kube::Error::Api(status) => status.code,
                    _ => 0,
                };
                Problem {
                    reason: error.to_string(),
                    expired: code == 410,
                    absent: code == 404,
                }
            })?;
        let page = list
            .add(cluster, json.as_bytes())
            .map_err(|error| Problem {
                reason: format!("the answer breaks off: {error}"),
                expired: false,
                absent: false,
            })?;
        match page.next {
            Some(token) => next = token,
            None => return Ok(()),
        }
    }
}

fn escape(token: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for byte in token.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

async fn text(connection: &Connection, path: &str) -> Result<String, kube::Error> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    connection.client().request_text(request).await
}

fn gap(cluster: &mut Cluster, asked: &str, reason: &str) {
    let source: Text = format!("cluster/{}", cluster.name).into();
    cluster.gaps.push(Gap {
        source,
        asked: asked.into(),
        reason: reason.into(),
    });
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_driver_is_found_by_its_secret_and_its_controller() {
        let pods = r#"{"items":[{"metadata":{"namespace":"csi","labels":{"app.kubernetes.io/instance":"zfs"}},
            "spec":{"containers":[{"name":"external-provisioner","args":["--timeout=90s"]},
            {"name":"csi-driver","image":"democraticcsi/democratic-csi:next","args":["--v=1","--csi-name=org.test.nfs"]}]}}]}"#;
        let yaml = "driver: freenas-api-nfs\nhttpConnection: {host: nas.test, protocol: https, apiKey: k}\n\
            zfs: {datasetParentName: tank/v}\n";
        let secret = SecretObject {
            metadata: SecretMeta {
                name: "zfs-driver-config".to_owned(),
                namespace: "csi".to_owned(),
            },
            data: BTreeMap::from([(
                "driver-config-file.yaml".to_owned(),
                base64::engine::general_purpose::STANDARD.encode(yaml),
            )]),
        };
        let mut reading = Reading::default();
        add_driver(&mut reading, &secret, &releases(pods));
        let found = &reading.cluster.instances[0];
        assert_eq!(&*found.driver, "org.test.nfs");
        assert_eq!(
            found.settings.image.as_deref(),
            Some("democraticcsi/democratic-csi:next")
        );
        assert_eq!(&*found.settings.provisioner_args[0], "--timeout=90s");
        assert_eq!(reading.logins[0].host, "nas.test");
        assert!(reading.cluster.gaps.is_empty());
    }

    #[test]
    fn a_configuration_of_any_name_is_found_by_who_mounts_it() {
        let pods = r#"{"items":[{"metadata":{"namespace":"csi","labels":{"app.kubernetes.io/instance":"zfs"}},
            "spec":{"volumes":[{"name":"config","secret":{"secretName":"made-by-vault"}}],
            "containers":[{"name":"csi-driver","args":["--csi-name=org.test.nfs"]}]}}]}"#;
        let yaml = "driver: freenas-api-nfs\nhttpConnection: {host: nas.test, protocol: https, apiKey: k}\n\
            zfs: {datasetParentName: tank/v}\n";
        let secret = |name: &str| SecretObject {
            metadata: SecretMeta {
                name: name.to_owned(),
                namespace: "csi".to_owned(),
            },
            data: BTreeMap::from([(
                "driver-config-file.yaml".to_owned(),
                base64::engine::general_purpose::STANDARD.encode(yaml),
            )]),
        };
        let mut reading = Reading::default();
        add_driver(&mut reading, &secret("made-by-vault"), &releases(pods));
        assert_eq!(reading.cluster.instances.len(), 1);
        assert!(reading.cluster.gaps.is_empty());
        // One that nobody mounts is of nobody, and a gap.
        add_driver(&mut reading, &secret("left-over"), &releases(pods));
        assert_eq!(reading.cluster.instances.len(), 1);
        assert_eq!(reading.cluster.gaps.len(), 1);
    }

    #[test]
    fn two_appliances_behind_one_address_are_told_apart_in_every_cluster() {
        let reading = |ports: &[u16]| {
            let mut reading = Reading::default();
            for port in ports {
                let config = json!({"driver": "freenas-api-nfs", "zfs": {"datasetParentName": "tank/v"},
                    "httpConnection": {"host": "nas.test", "port": port, "apiKey": format!("key-{port}")}});
                let (instance, login) = config::instance(&config, "org.test.nfs").unwrap();
                reading.cluster.instances.push(instance);
                reading.logins.push(login);
            }
            reading
        };
        let (mut one, mut two) = (reading(&[443]), reading(&[443, 8443]));
        let names: Vec<String> = appliances(&mut [&mut one, &mut two]).into_keys().collect();
        assert_eq!(names, ["nas.test:443", "nas.test:8443"]);
        assert_eq!(&*one.cluster.instances[0].nas, "nas.test:443");
        let mut alone = reading(&[8443, 8443]);
        let names: Vec<String> = appliances(&mut [&mut alone]).into_keys().collect();
        assert_eq!(names, ["nas.test"]);
    }

    /// An API server of which a list expires at its second page, so many times.
    async fn forgetful(times: usize) -> Cluster {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let expired = std::sync::Arc::new(AtomicUsize::new(0));
        let answer = move |uri: http::Uri| {
            let expired = std::sync::Arc::clone(&expired);
            async move {
                let failure = |code: u16, reason: &str| {
                    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                        "message": reason, "reason": reason, "code": code});
                    let code = http::StatusCode::from_u16(code).unwrap();
                    (code, axum::Json(status))
                };
                let volume = |name: &str| {
                    json!({"metadata": {"name": name, "uid": name}, "spec": {"capacity": {"storage": "1Gi"},
                        "csi": {"driver": "org.test.nfs", "volumeHandle": name}}})
                };
                let good = |page: Value| (http::StatusCode::OK, axum::Json(page));
                let second = uri.query().unwrap_or_default().contains("continue=");
                match uri.path() {
                    "/api/v1/persistentvolumes" if !second => {
                        good(json!({"metadata": {"continue": "more"}, "items": [volume("one")]}))
                    }
                    "/api/v1/persistentvolumes"
                        if expired.fetch_add(1, Ordering::Relaxed) < times =>
                    {
                        failure(410, "Expired")
                    }
                    "/api/v1/persistentvolumes" => good(json!({"items": [volume("two")]})),
                    "/api/v1/nodes" => failure(503, "ServiceUnavailable"),
                    // A cluster without snapshots, and without backups.
                    path if path.contains("snapshot") || path.contains("velero") => {
                        failure(404, "NotFound")
                    }
                    _ => good(json!({"items": []})),
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(
            async move { axum::serve(listener, axum::Router::new().fallback(answer)).await },
        );
        let url = format!("http://{address}").parse().unwrap();
        let connection = Connection::new(kube::Config::new(url)).unwrap();
        let mut cluster = Cluster {
            name: "blue".into(),
            ..Cluster::default()
        };
        lists(&connection, &mut cluster).await;
        cluster
    }

    #[tokio::test]
    async fn a_list_that_expires_is_read_again_and_what_is_not_there_is_a_gap() {
        let once = forgetful(1).await;
        assert_eq!(once.volumes.len(), 2, "each is read once");
        let asked: Vec<&str> = once.gaps.iter().map(|gap| &*gap.asked).collect();
        assert_eq!(asked, ["nodes"]);
        let always = forgetful(100).await;
        let asked: Vec<&str> = always.gaps.iter().map(|gap| &*gap.asked).collect();
        assert_eq!(asked, ["persistentvolumes", "nodes"]);
    }

    #[test]
    fn a_pod_that_is_not_ready_says_why() {
        let pod = |status: Value| json!({"metadata": {"name": "n"}, "status": status});
        let container = |ready: bool, state: Value| json!({"name": "csi-driver", "ready": ready, "state": state});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let crashing =
            json!({"phase": "Running", "containerStatuses": [container(false, waiting)]});
        assert_eq!(
            unready(&pod(crashing)).as_deref(),
            Some("csi-driver CrashLoopBackOff")
        );
        let running =
            json!({"phase": "Running", "containerStatuses": [container(true, json!({}))]});
        assert_eq!(unready(&pod(running)), None);
        assert_eq!(
            unready(&pod(json!({"phase": "Pending"}))).as_deref(),
            Some("it is Pending")
        );
        assert_eq!(unready(&json!({"metadata": {"name": "n"}})), None);
    }

    #[test]
    fn an_unreadable_configuration_is_a_gap_without_its_text() {
        let pods = r#"{"items":[{"metadata":{"namespace":"csi","labels":{"app.kubernetes.io/instance":"zfs"}},
            "spec":{"containers":[{"args":["--csi-name=a"]}]}}]}"#;
        let secret = SecretObject {
            metadata: SecretMeta {
                name: "zfs-driver-config".to_owned(),
                namespace: "csi".to_owned(),
            },
            data: BTreeMap::from([(
                "driver-config-file.yaml".to_owned(),
                "!!secret!!".to_owned(),
            )]),
        };
        let mut reading = Reading::default();
        add_driver(&mut reading, &secret, &releases(pods));
        assert_eq!(reading.cluster.gaps.len(), 1);
        assert!(!format!("{:?}", reading.cluster.gaps).contains("secret!!"));
    }
}
