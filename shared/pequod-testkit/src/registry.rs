//! An OCI registry for tests, and what pushes CUE modules to it.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pequod_cue_load::archive::pack;
use sha2::{Digest as _, Sha256};

use crate::{Error, Process, Result, Supervisor, Tools, ports};

/// Who a closed registry and a closed git server let in: a name and a password.
pub const INSIDER: (&str, &str) = ("insider", "let-me-in");
/// The same as a line of an htpasswd file.
const HTPASSWD: &str = "insider:$2y$05$abcdefghijklmnopqrstuu3Jd./u/rH1RxB6auX5v7gLP6uWhKCgG\n";

/// A running registry with nothing in it and without TLS.
#[derive(Debug)]
pub struct Registry {
    host: String,
    is_closed: bool,
    process: Process,
    _supervisor: Arc<Supervisor>,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one that is open to everybody on this machine.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// Starts one that only lets [`INSIDER`] in.
    pub async fn start_closed() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(is_closed: bool) -> Result<Self> {
        let tools = Tools::find_or_build()?;
        let folder = tempfile::Builder::new()
            .prefix("pequod-registry-")
            .tempdir()
            .map_err(Error::while_doing("no temporary folder"))?;
        let supervisor = Arc::new(Supervisor::start(
            &tools,
            &folder.path().join("logs"),
            None,
        )?);
        let port = ports::free(1)?.first().copied().unwrap_or_default();
        let config = folder.path().join("registry.yaml");
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD)
            .map_err(Error::while_doing("could not write htpasswd"))?;
        let mut text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            folder.path().join("data").display()
        );
        if is_closed {
            let _ = writeln!(
                text,
                "auth: {{htpasswd: {{realm: pequod, path: {}}}}}",
                passwords.display()
            );
        }
        std::fs::write(&config, text)
            .map_err(Error::while_doing("could not write registry.yaml"))?;
        let mut command = Command::new(tools.path("registry"));
        command.arg("serve").arg(&config);
        let process = supervisor.run("registry", &command)?;
        let this = Self {
            host: format!("127.0.0.1:{port}"),
            is_closed,
            process,
            _supervisor: supervisor,
            _folder: folder,
        };
        this.until_listening().await?;
        Ok(this)
    }

    /// `HOST:PORT`, as references to artifacts begin.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Pushes a CUE module made of these files, as `cue mod publish` does. Gives the digest of its manifest.
    pub async fn push_module(
        &self,
        repository: &str,
        tag: &str,
        files: &[(&str, &str)],
    ) -> Result<String> {
        let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
        self.push(repository, tag, &pack(files)).await
    }

    /// Pushes an artifact whose only layer says that it is a zip archive.
    pub async fn push(&self, repository: &str, tag: &str, layer: &[u8]) -> Result<String> {
        // A client under test may have chosen already; then that holds.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let base = format!("http://{}/v2/{repository}", self.host);
        let allowed = |request: reqwest::RequestBuilder| {
            if self.is_closed {
                request.basic_auth(INSIDER.0, Some(INSIDER.1))
            } else {
                request
            }
        };
        for blob in [layer, b"{}"] {
            let begun = allowed(http.post(format!("{base}/blobs/uploads/")))
                .send()
                .await
                .and_then(reqwest::Response::error_for_status)
                .map_err(Error::while_doing("could not begin an upload"))?;
            let place = begun
                .headers()
                .get("location")
                .and_then(|place| place.to_str().ok())
                .ok_or_else(|| Error::new("the registry named no place for an upload"))?;
            let mark = if place.contains('?') { '&' } else { '?' };
            let host = if place.starts_with('/') {
                format!("http://{}", self.host)
            } else {
                String::new()
            };
            let url = format!("{host}{place}{mark}digest={}", digest(blob));
            allowed(http.put(url).body(blob.to_vec()))
                .send()
                .await
                .and_then(reqwest::Response::error_for_status)
                .map_err(Error::while_doing("could not upload a blob"))?;
        }
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {"mediaType": "application/vnd.cue.module.v1+json", "digest": digest(b"{}"), "size": 2},
            "layers": [{"mediaType": "application/zip", "digest": digest(layer), "size": layer.len()}],
        })
        .to_string();
        allowed(
            http.put(format!("{base}/manifests/{tag}"))
                .header("content-type", kind)
                .body(manifest.clone()),
        )
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(Error::while_doing("could not push a manifest"))?;
        Ok(digest(manifest.as_bytes()))
    }

    async fn until_listening(&self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(&self.host).is_err() {
            if let Some(exit) = self.process.exit() {
                return Err(Error::new(format!(
                    "the registry ended ({exit}):\n{}",
                    self.process.log()
                )));
            }
            if begin.elapsed() > Duration::from_secs(30) {
                return Err(Error::new("the registry does not listen"));
            }
            // A server that is only just starting has nothing to watch yet.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// `sha256:` and the digest of some bytes.
fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}
