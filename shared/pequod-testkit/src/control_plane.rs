//! A real control plane for tests: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok for nodes.
//!
//! It runs on loopback with certificates of its own, in a folder that goes with it. Nothing on disk is flushed and
//! nothing survives: a start takes some seconds. One serves all tests of a binary ([`ControlPlane::shared`]).

mod access;
mod certificates;
mod commands;
mod components;
mod objects;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::OnceCell;

pub use access::{ServiceAccountRef, USERS};

use crate::{Error, Process, Result, Supervisor, Tools, ports, supervisor};

/// How long a control plane takes to answer at most, on a machine that is busy with other things.
const START: Duration = Duration::from_mins(2);

/// File with the process id of the supervisor of one that stays.
const PID: &str = "supervisor.pid";

/// Set to keep the folder with data and logs after the tests.
const KEEP: &str = "PEQUOD_TEST_KEEP";

/// A running control plane. Dropping it, or the end of the process that holds it, ends it.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    url: String,
    ca_pem: String,
    ca_der: Vec<u8>,
    tools: Tools,
    supervisor: Arc<Supervisor>,
}

impl ControlPlane {
    /// Starts one in a temporary folder.
    pub async fn start() -> Result<Self> {
        let tools = Tools::find_or_build()?;
        let folder = tempfile::Builder::new()
            .prefix("pequod-")
            .tempdir()
            .map_err(Error::while_doing("no temporary folder"))?
            .keep();
        let remove = std::env::var_os(KEEP).is_none().then_some(folder.as_path());
        let supervisor = Supervisor::start(&tools, &folder.join("logs"), remove)?;
        let this = Self::start_under(tools, folder, supervisor).await?;
        report::on_panic(&this.folder);
        Ok(this)
    }

    /// Starts one in the given folder that goes on when this process ends: until [`ControlPlane::end_staying`].
    pub async fn start_staying(folder: &Path) -> Result<Self> {
        let tools = Tools::find_or_build()?;
        let supervisor = Supervisor::start_staying(&tools, &folder.join("logs"))?;
        std::fs::write(folder.join(PID), supervisor.pid().to_string()).map_err(
            Error::while_doing("could not note the supervisor's process id"),
        )?;
        Self::start_under(tools, folder.to_owned(), supervisor).await
    }

    /// Ends the one that [`ControlPlane::start_staying`] started in the given folder, if there is one, and waits until
    /// it is gone.
    pub fn end_staying(folder: &Path) -> Result<()> {
        let Ok(pid) = std::fs::read_to_string(folder.join(PID)) else {
            return Ok(());
        };
        supervisor::end(pid.trim())
    }

    /// The one of this test binary; started by the first who asks.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        let started = SHARED.get_or_try_init(Self::start).await;
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn start_under(tools: Tools, folder: PathBuf, supervisor: Supervisor) -> Result<Self> {
        let certificates = certificates::make(&folder)?;
        access::write_tokens(&folder)?;
        components::write_kwok_config(&folder)?;
        let supervisor = Arc::new(supervisor);
        let mut this = Self {
            folder,
            url: String::new(),
            ca_pem: certificates.ca_pem,
            ca_der: certificates.ca_der,
            tools,
            supervisor,
        };
        // Somebody else may take a port between the search and the start.
        for attempt in 1.. {
            match this.try_start().await {
                Err(error) if attempt < 3 => eprintln!("trying again: {error}"),
                outcome => return outcome.map(|()| this),
            }
        }
        Err(Error::new("unreachable: the last attempt returns"))
    }

    async fn try_start(&mut self) -> Result<()> {
        let ports: [u16; 3] = ports::free(3)?
            .try_into()
            .map_err(|_| Error::new("not as many ports as asked for"))?;
        let [api, client, peer] = ports;
        let begin = Instant::now();
        self.url = format!("https://127.0.0.1:{api}");
        for user in std::iter::once("admin").chain(USERS.iter().copied()) {
            access::write_kubeconfig(
                &self.folder,
                &self.url,
                &self.ca_pem,
                user,
                &access::token(user),
            )?;
        }
        let data = self.folder.join(format!("etcd-{client}"));
        let etcd = self.spawn("etcd", &components::etcd(&self.tools, &data, client, peer))?;
        let apiserver = self.spawn(
            "kube-apiserver",
            &components::apiserver(&self.tools, &self.folder, api, client),
        )?;
        self.until_ready([&etcd, &apiserver]).await?;
        let answers = begin.elapsed();
        etcd.leave();
        apiserver.leave();
        for (name, command) in components::controllers(&self.tools, &self.folder) {
            self.spawn(name, &command)?.leave();
        }
        self.make_nodes().await?;
        self.until_settled().await;
        let whole = begin.elapsed();
        eprintln!("control plane: answers after {answers:.1?}, has nodes after {whole:.1?}");
        Ok(())
    }

    /// Waits until the API server says that it is ready.
    async fn until_ready(&self, needed: [&Process; 2]) -> Result<()> {
        let client = self.try_client("admin")?;
        let begin = Instant::now();
        loop {
            let request = http::Request::get("/readyz").body(Vec::new());
            let request = request.map_err(Error::while_doing("no request"))?;
            let answer = client.request_text(request).await;
            let Err(error) = answer else { return Ok(()) };
            if let Some((process, exit)) = needed
                .iter()
                .find_map(|process| Some((process, process.exit()?)))
            {
                return Err(Error::new(format!(
                    "a component ended ({exit}):\n{}",
                    process.log()
                )));
            }
            if begin.elapsed() > START {
                return Err(Error::while_doing("the API server did not become ready")(
                    error,
                ));
            }
            // A server that is only just starting has nothing to watch yet.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The folder with its data, kubeconfigs and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority that signed the API server's.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The reference programs it was started from.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// What runs its programs.
    pub fn supervisor(&self) -> &Arc<Supervisor> {
        &self.supervisor
    }

    /// Starts a program beside it; its output goes to `logs/NAME.log` and is shown when a test panics.
    pub fn spawn(&self, name: &str, command: &Command) -> Result<Process> {
        self.supervisor.run(name, command)
    }

    /// A client with all rights. Make one per test: a client belongs to the runtime it was made in.
    pub fn client(&self) -> Client {
        self.client_of("admin")
    }
}
