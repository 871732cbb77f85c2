//! An OCI registry for tests.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Error, Process, Result, Supervisor, Tools, ports};

/// A running registry with nothing in it, without TLS and open to everybody on this machine.
#[derive(Debug)]
pub struct Registry {
    host: String,
    process: Process,
    _supervisor: Arc<Supervisor>,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one.
    pub async fn start() -> Result<Self> {
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
        let text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(&config, text)
            .map_err(Error::while_doing("could not write registry.yaml"))?;
        let mut command = Command::new(tools.path("registry"));
        command.arg("serve").arg(&config);
        let process = supervisor.run("registry", &command)?;
        let this = Self {
            host: format!("127.0.0.1:{port}"),
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
