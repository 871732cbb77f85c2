//! `cargo xtask demo`: the product on a local control plane, from nothing to a recorded Solution.
//!
//! Everything is real but the machines: kwok makes Pods ready that nothing runs. The control plane stays until
//! `cargo xtask demo --stop`; its kubeconfig and a folder with kubectl and the plugins are left in `.demo`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pequod_testkit::{ControlPlane, Error, Installation, Result, bin, build_bins, workspace_root};

const NAMESPACE: &str = "shop";
const TRANSFORM: &str = "shop";
const PATIENCE: Duration = Duration::from_mins(3);

/// What the person who tries it can do in the namespace is what the Transform may do.
const RIGHTS: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: transform}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
";

/// Runs the demonstration, or with `stop` ends the control plane of an earlier one.
///
/// # Errors
/// What did not work; the control plane is then ended.
pub(crate) fn run(stop: bool) -> Result<()> {
    let folder = workspace_root().join(".demo");
    end_earlier(&folder)?;
    if stop {
        println!("the demo's control plane is ended");
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Error::while_doing("no runtime"))?;
    let outcome = runtime.block_on(show(&folder));
    if outcome.is_err() {
        end_earlier(&folder)?;
    }
    outcome
}

async fn show(folder: &Path) -> Result<()> {
    let begin = Instant::now();
    step("building the suite");
    build_bins()?;
    step(
        "starting a control plane: etcd, kube-apiserver, controller manager, scheduler, two kwok nodes",
    );
    std::fs::create_dir_all(folder).map_err(Error::while_doing("could not create .demo"))?;
    let cluster = ControlPlane::start_staying(folder).await?;
    let demo = Demo {
        bins: link_programs(folder, &cluster)?,
        cluster,
    };
    std::fs::copy(demo.cluster.kubeconfig(), folder.join("kubeconfig"))
        .map_err(Error::while_doing("could not write .demo/kubeconfig"))?;

    step(
        "installing the charts, and starting the webhook and the controllers beside the control plane",
    );
    let installation = Installation::install(&demo.cluster).await?;
    for process in installation.into_processes() {
        process.leave();
    }

    step("a policy for every Deployment, and a namespace whose ServiceAccount may edit it");
    demo.kubectl(&[
        "apply",
        "-f",
        "samples/policy_v1alpha1_clustercuepolicy_pinned-images.yaml",
    ])?;
    demo.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "clustercuepolicy/pinned-images",
        "--timeout=60s",
    ])?;
    demo.kubectl(&["create", "namespace", NAMESPACE])?;
    demo.cluster
        .try_apply(demo.cluster.client(), NAMESPACE, RIGHTS)
        .await?;

    step("a Transform: one object in, a graph of objects out");
    let sample = "samples/platform_v1alpha1_transform_webservice.yaml";
    demo.kubectl(&["transform", "apply", sample, "-n", NAMESPACE])?;
    demo.tree_until_ready().await?;
    demo.kubectl(&["get", "deployment,service,configmap", "-n", NAMESPACE])?;

    step("the policy denies what breaks it, with the path and the reason");
    let image = "--image=example.com/careless:latest";
    demo.refused(&["create", "deployment", "careless", image, "-n", NAMESPACE])?;

    step("the Solution: what the application consists of, how it stands, who changed it");
    let deployed = "--for=jsonpath={.status.state}=Deployed";
    let solution = format!("solution/{TRANSFORM}");
    demo.quietly(&[
        "wait",
        deployed,
        &solution,
        "-n",
        NAMESPACE,
        "--timeout=120s",
    ])?;
    demo.kubectl(&["solution", "list", "-n", NAMESPACE])?;
    demo.kubectl(&["solution", "tree", TRANSFORM, "-n", NAMESPACE])?;

    let seconds = begin.elapsed().as_secs();
    println!("\ndone in {seconds} s. The control plane stays; to play with it:\n");
    println!(
        "  export KUBECONFIG={} PATH={}:$PATH",
        folder.join("kubeconfig").display(),
        demo.bins.display()
    );
    println!("  kubectl transform explain webservice\n  cargo xtask demo --stop");
    Ok(())
}

fn step(what: &str) {
    println!("\n# {what}");
}

struct Demo {
    cluster: ControlPlane,
    bins: PathBuf,
}

impl Demo {
    fn command(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.cluster.command(&self.bins.join("kubectl"), "admin");
        command
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.bins.display()))
            .current_dir(workspace_root())
            .stdin(Stdio::null());
        command
    }

    /// Runs kubectl before the reader's eyes.
    fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        println!("\n$ kubectl {}", arguments.join(" "));
        self.end(self.command(arguments).status(), arguments)
    }

    fn quietly(&self, arguments: &[&str]) -> Result<()> {
        self.end(
            self.command(arguments).stdout(Stdio::null()).status(),
            arguments,
        )
    }

    fn end(
        &self,
        status: std::io::Result<std::process::ExitStatus>,
        arguments: &[&str],
    ) -> Result<()> {
        let status = status.map_err(Error::while_doing("could not run kubectl"))?;
        if status.success() {
            return Ok(());
        }
        let logs = self.cluster.folder().join("logs");
        let line = arguments.join(" ");
        Err(Error::new(format!(
            "`kubectl {line}` failed; logs are in {}",
            logs.display()
        )))
    }

    /// Runs kubectl, which must be refused.
    fn refused(&self, arguments: &[&str]) -> Result<()> {
        println!("\n$ kubectl {}", arguments.join(" "));
        let status = self
            .command(arguments)
            .status()
            .map_err(Error::while_doing("could not run kubectl"))?;
        if status.success() {
            return Err(Error::new("the policy did not deny it"));
        }
        Ok(())
    }

    /// Prints the Transform's tree whenever it has changed, until everything is ready.
    async fn tree_until_ready(&self) -> Result<()> {
        let arguments = ["transform", "tree", TRANSFORM, "-n", NAMESPACE];
        println!("\n$ kubectl {}", arguments.join(" "));
        let (begin, mut before) = (Instant::now(), String::new());
        loop {
            let output = self
                .command(&arguments)
                .output()
                .map_err(Error::while_doing("could not run kubectl"))?;
            let tree = String::from_utf8_lossy(&output.stdout).into_owned();
            if tree != before {
                println!("{}", tree.trim_end());
            }
            if output.status.success() {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::new(format!(
                    "the Transform does not become ready\n{words}"
                )));
            }
            before = tree;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A folder for a `PATH`: kubectl, helm and the plugins with their completers.
fn link_programs(folder: &Path, cluster: &ControlPlane) -> Result<PathBuf> {
    let bins = folder.join("bin");
    std::fs::create_dir_all(&bins).map_err(Error::while_doing("could not create .demo/bin"))?;
    let mut links: Vec<(String, PathBuf)> = ["kubectl", "helm"]
        .map(|name| (name.to_owned(), cluster.tools().path(name)))
        .into();
    for plugin in ["transform", "solution"] {
        let program = bin(&format!("kubectl-{plugin}"));
        links.push((format!("kubectl_complete-{plugin}"), program.clone()));
        links.push((format!("kubectl-{plugin}"), program));
    }
    for (name, program) in links {
        std::os::unix::fs::symlink(&program, bins.join(&name))
            .map_err(Error::while_doing(format!("could not link {name}")))?;
    }
    Ok(bins)
}

/// Ends the control plane that an earlier run left, and removes its folder.
fn end_earlier(folder: &Path) -> Result<()> {
    ControlPlane::end_staying(folder)?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::while_doing("could not remove .demo")(error))
        }
        _ => Ok(()),
    }
}
