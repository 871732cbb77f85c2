//! From kubectl's global flags to a connection.
//!
//! The flags have kubectl's meaning and precedence: a flag beats the kubeconfig, the kubeconfig beats the
//! ServiceAccount of a pod. Exec credentials, token files, client certificates and proxies are those of the
//! kubeconfig, and work as they do for kubectl.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use pequod_diag::{Code, Diagnostic, Secret};

use crate::access::Access;
use crate::discovery::Discovery;

/// How long one request may take where no flag says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// kubectl's global flags about the connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`; else `$KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--token`.
    pub token: Option<Secret<String>>,
    /// `--username`.
    pub username: Option<String>,
    /// `--password`.
    pub password: Option<Secret<String>>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_group: Vec<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--request-timeout`, in kubectl's notation (`30s`, `2m`, `0`).
    pub request_timeout: Option<String>,
    /// `--disable-compression`.
    pub disable_compression: bool,
}

/// Why there is no connection. None of these has talked to the API server yet.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read, or lacks what a flag names.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] KubeconfigError),
    /// There is no kubeconfig, no `--server`, and this is no pod.
    #[error("no cluster is configured")]
    NoCluster,
    /// A flag's value makes no sense.
    #[error("--{flag} `{value}` is not valid: {why}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The credentials or certificates cannot be used.
    #[error("the credentials or certificates of the cluster cannot be used")]
    Client(#[source] Box<kube::Error>),
}

impl ConnectError {
    /// As a problem for a person.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let problem = Diagnostic::error(Code("kube/connect"), self.to_string());
        let problem = match std::error::Error::source(self) {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        };
        match self {
            Self::NoCluster => {
                problem.hint("set $KUBECONFIG, pass --kubeconfig FILE, or pass --server URL")
            }
            Self::Kubeconfig(_) => problem.hint("see `kubectl config view`"),
            _ => problem,
        }
    }
}

/// Makes a client of a configuration. The default builds kube's; a test may put a layer around it.
pub type ClientFactory = Arc<dyn Fn(Config) -> Result<Client, kube::Error> + Send + Sync>;

/// An API server, and as whom it is talked to.
#[derive(Clone)]
pub struct Cluster {
    config: Config,
    client: Client,
    factory: ClientFactory,
    timeout: Option<Duration>,
    discovery: Discovery,
    impersonated: Arc<Mutex<HashMap<(String, String), Client>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &self.config.cluster_url)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Connects as the flags say. Nothing is sent yet; credentials of an exec plugin may be asked for.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let timeout = match options.request_timeout.as_deref() {
            None => Some(REQUEST_TIMEOUT),
            Some(text) => request_timeout(text)?,
        };
        let mut config = base_config(options).await?;
        apply_flags(&mut config, options)?;
        let mut cluster =
            Self::with_factory(config, Arc::new(default_client)).map_err(ConnectError::client)?;
        cluster.timeout = timeout;
        Ok(cluster)
    }

    /// A cluster of a configuration that is already there.
    pub fn new(config: Config) -> Result<Self, ConnectError> {
        Self::with_factory(config, Arc::new(default_client)).map_err(ConnectError::client)
    }

    /// A cluster whose clients, impersonating ones included, are all made by `factory`.
    pub fn with_factory(mut config: Config, factory: ClientFactory) -> Result<Self, kube::Error> {
        // Retries are ours (`retry`): bounded, and visible to the caller. kube's default waits for many minutes.
        config.default_retry = false;
        let client = factory(config.clone())?;
        Ok(Self {
            config,
            client,
            factory,
            timeout: Some(REQUEST_TIMEOUT),
            discovery: Discovery::default(),
            impersonated: Arc::default(),
        })
    }

    /// The namespace that a request without one means.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// The client of whoever is connected.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Access as whoever is connected.
    pub fn access(&self) -> Access {
        Access::new(self.client.clone(), self.discovery.clone(), self.timeout)
    }

    /// Access with the rights of a ServiceAccount and no others.
    ///
    /// Needs the right to impersonate it.
    pub fn as_service_account(&self, namespace: &str, name: &str) -> Result<Access, ConnectError> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.lock().get(&key).cloned();
        let client = if let Some(client) = known {
            client
        } else {
            let mut config = self.config.clone();
            let auth = &mut config.auth_info;
            auth.impersonate = Some(format!("system:serviceaccount:{namespace}:{name}"));
            // The API server adds a ServiceAccount's groups itself; naming them would need the right to impersonate groups.
            auth.impersonate_groups = None;
            auth.impersonate_uid = None;
            auth.impersonate_user_extra = None;
            let client = (self.factory)(config).map_err(ConnectError::client)?;
            self.lock().insert(key, client.clone());
            client
        };
        Ok(Access::new(client, self.discovery.clone(), self.timeout))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Client>> {
        self.impersonated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectError {
    fn client(error: kube::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

fn default_client(config: Config) -> Result<Client, kube::Error> {
    Client::try_from(config)
}

async fn base_config(options: &ConnectOptions) -> Result<Config, ConnectError> {
    let kubeconfig = match &options.kubeconfig {
        Some(path) => Some(Kubeconfig::read_from(path).map_err(ConnectError::Kubeconfig)?),
        None => match Kubeconfig::read() {
            Ok(found) => Some(found),
            Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) => None,
            Err(error) => return Err(ConnectError::Kubeconfig(error)),
        },
    };
    let named = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    let usable = kubeconfig.filter(|found| {
        named
            || found
                .current_context
                .as_ref()
                .is_some_and(|name| !name.is_empty())
    });
    if let Some(kubeconfig) = usable {
        let choice = KubeConfigOptions {
            context: options.context.clone(),
            cluster: options.cluster.clone(),
            user: options.user.clone(),
        };
        return Config::from_custom_kubeconfig(kubeconfig, &choice)
            .await
            .map_err(ConnectError::Kubeconfig);
    }
    if let Some(server) = &options.server {
        return Ok(Config::new(server_url(server)?));
    }
    Config::incluster().map_err(|_| ConnectError::NoCluster)
}

fn apply_flags(config: &mut Config, options: &ConnectOptions) -> Result<(), ConnectError> {
    if let Some(server) = &options.server {
        config.cluster_url = server_url(server)?;
    }
    if let Some(namespace) = &options.namespace {
        config.default_namespace.clone_from(namespace);
    }
    if let Some(file) = &options.certificate_authority {
        config.root_cert_file = Some(file.clone());
        config.accept_invalid_certs = false;
    }
    if options.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
        config.root_cert = None;
        config.root_cert_file = None;
    }
    if options.tls_server_name.is_some() {
        config.tls_server_name.clone_from(&options.tls_server_name);
    }
    config.disable_compression |= options.disable_compression;
    apply_credentials(config, options);
    Ok(())
}

fn apply_credentials(config: &mut Config, options: &ConnectOptions) {
    let auth = &mut config.auth_info;
    if options.token.is_some() || options.username.is_some() {
        // A flag names the way to log in; what the kubeconfig says about it no longer counts.
        auth.exec = None;
        auth.auth_provider = None;
        auth.token = None;
        auth.token_file = None;
        auth.username = None;
        auth.password = None;
    }
    if let Some(token) = &options.token {
        auth.token = Some(token.expose().clone().into());
    }
    if let Some(username) = &options.username {
        auth.username = Some(username.clone());
        auth.password = options.password.as_ref().map(|p| p.expose().clone().into());
    }
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    if let Some(file) = &options.client_certificate {
        auth.client_certificate = Some(text(file));
        auth.client_certificate_data = None;
    }
    if let Some(file) = &options.client_key {
        auth.client_key = Some(text(file));
        auth.client_key_data = None;
    }
    if options.impersonate.is_some() {
        auth.impersonate.clone_from(&options.impersonate);
    }
    if !options.impersonate_group.is_empty() {
        auth.impersonate_groups = Some(options.impersonate_group.clone());
    }
    if options.impersonate_uid.is_some() {
        auth.impersonate_uid.clone_from(&options.impersonate_uid);
    }
}

fn server_url(text: &str) -> Result<http::Uri, ConnectError> {
    let invalid = |why: String| ConnectError::Flag {
        flag: "server",
        value: text.to_owned(),
        why,
    };
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let uri: http::Uri = with_scheme
        .parse()
        .map_err(|e: http::uri::InvalidUri| invalid(e.to_string()))?;
    match uri.scheme_str() {
        Some("https" | "http") => Ok(uri),
        _ => Err(invalid("want https:// or http://".to_owned())),
    }
}

/// kubectl's notation: a whole number of seconds, or Go's durations without fractions; 0 means no limit.
fn request_timeout(text: &str) -> Result<Option<Duration>, ConnectError> {
    let invalid = || ConnectError::Flag {
        flag: "request-timeout",
        value: text.to_owned(),
        why: "want a time such as 30s, 2m or 1h30m, or 0 for no limit".to_owned(),
    };
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let millis = match &rest[..unit] {
            "" | "s" => 1000,
            "ms" => 1,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(invalid()),
        };
        rest = &rest[unit..];
        let part = number
            .checked_mul(millis)
            .map(Duration::from_millis)
            .ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
    }
    Ok((!total.is_zero()).then_some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kubectls_notation_of_time() {
        let read = |text| request_timeout(text).unwrap();
        assert_eq!(read("0"), None);
        assert_eq!(read("15"), Some(Duration::from_secs(15)));
        assert_eq!(read("1h2m3s4ms"), Some(Duration::from_millis(3_723_004)));
        for bad in ["", "1x", "s", "-1s", "99999999999999999999s"] {
            assert!(request_timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_without_scheme_is_https() {
        assert_eq!(
            server_url("10.0.0.1:6443").unwrap().to_string(),
            "https://10.0.0.1:6443/"
        );
        assert!(server_url("ftp://x").is_err());
    }

    #[test]
    fn a_token_flag_replaces_every_other_login_of_the_kubeconfig() {
        let mut config = Config::new(http::Uri::from_static("https://a"));
        config.auth_info.token_file = Some("f".into());
        config.auth_info.username = Some("u".into());
        let options = ConnectOptions {
            token: Some(Secret::new("t".into())),
            impersonate: Some("jane".into()),
            ..ConnectOptions::default()
        };
        apply_flags(&mut config, &options).unwrap();
        assert_eq!(config.auth_info.token_file, None);
        assert_eq!(config.auth_info.username, None);
        assert!(config.auth_info.token.is_some());
        assert_eq!(config.auth_info.impersonate.as_deref(), Some("jane"));
        assert!(!format!("{options:?}").contains("\"t\""));
    }
}
