//! Who may talk to a control plane: kubeconfigs and clients.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use kube::{Client, Config};
use serde_json::json;

use super::ControlPlane;
use crate::error::Context as _;
use crate::{Error, Result};

/// People who can sign in, and may do nothing until a test gives them a role.
pub const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A ServiceAccount to speak as.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAccountRef<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The file that tells the API server who has which token: `admin` with all rights, and [`USERS`] with none.
pub(super) fn write_tokens(folder: &Path) -> Result<()> {
    let people = USERS.iter().map(|user| {
        format!(
            "{},{user},{user},people
",
            token(user)
        )
    });
    let lines: String = std::iter::once(format!(
        "{},admin,admin,system:masters
",
        token("admin")
    ))
    .chain(people)
    .collect();
    fs::write(folder.join("tokens.csv"), lines)
        .map_err(Error::while_doing("could not write tokens.csv"))
}

pub(super) fn write_kubeconfig(
    folder: &Path,
    url: &str,
    ca_pem: &str,
    user: &str,
    token: &str,
) -> Result<()> {
    let authority = crate::control_plane::objects::base64(ca_pem.as_bytes());
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": "default"}}],
        "current-context": "test",
    });
    fs::write(path(folder, user), format!("{kubeconfig:#}\n")).map_err(Error::while_doing(format!(
        "could not write the kubeconfig of {user}"
    )))
}

pub(super) fn token(user: &str) -> String {
    format!("{user}-token")
}

fn path(folder: &Path, user: &str) -> PathBuf {
    folder.join(format!("{user}.kubeconfig"))
}

impl ControlPlane {
    /// The kubeconfig file of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("admin")
    }

    /// The kubeconfig file of one of [`USERS`] (or of `admin`).
    pub fn kubeconfig_of(&self, user: &str) -> PathBuf {
        path(&self.folder, user)
    }

    /// Writes a kubeconfig file for whoever has the token, and gives back its path.
    pub fn kubeconfig_with_token(&self, user: &str, token: &str) -> Result<PathBuf> {
        write_kubeconfig(&self.folder, &self.url, &self.ca_pem, user, token)?;
        Ok(self.kubeconfig_of(user))
    }

    /// A client of one of [`USERS`] (or of `admin`).
    pub fn client_of(&self, user: &str) -> Client {
        self.try_client(user)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A client with the rights of a ServiceAccount, by impersonation.
    pub fn client_as(&self, account: ServiceAccountRef<'_>) -> Client {
        let name = format!(
            "system:serviceaccount:{}:{}",
            account.namespace, account.name
        );
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", account.namespace),
            "system:authenticated".to_owned(),
        ];
        self.config_of("admin")
            .and_then(|mut config| {
                let value = |text: &str| {
                    HeaderValue::from_str(text).map_err(Error::while_doing("not a header value"))
                };
                config
                    .headers
                    .push((HeaderName::from_static("impersonate-user"), value(&name)?));
                for group in &groups {
                    config
                        .headers
                        .push((HeaderName::from_static("impersonate-group"), value(group)?));
                }
                Client::try_from(config).map_err(Error::while_doing("no client"))
            })
            .unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn try_client(&self, user: &str) -> Result<Client> {
        Client::try_from(self.config_of(user)?).context("no client")
    }

    fn config_of(&self, user: &str) -> Result<Config> {
        let mut config = Config::new(self.url.parse().context("not an address")?);
        config.root_cert = Some(vec![self.ca_der.clone()]);
        config.auth_info.token = Some(token(user).into());
        Ok(config)
    }
}
