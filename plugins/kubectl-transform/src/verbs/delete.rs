//! `delete`: removes a Transform; its controller removes the objects.

use kube::Api;
use kube::api::DeleteParams;
use pequod_api::Transform;
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, Progress};
use pequod_diag::{Code, Diagnostic, Place};

use crate::cli::DeleteArgs;

pub(crate) async fn run(kubectl: &KubectlArgs, args: DeleteArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let namespace = cluster.namespace().to_owned();
    let api: Api<Transform> = Api::namespaced(cluster.client().clone(), &namespace);
    let name = &args.name;
    api.delete(name, &DeleteParams::default())
        .await
        .map_err(|error| Failure::api(format!("delete Transform {namespace}/{name}"), &error))?;
    let mut printer = Printer::new(Format::Table);
    if !args.wait.wait {
        printer.line(&format!(
            "transform.platform.pequod.io/{name} is being deleted"
        ))?;
        return Ok(Exit::Done);
    }
    let mut progress = Progress::start("waiting for the objects to go");
    let mut last = String::new();
    let gone = super::outcome::follow(&api, name, args.wait.timeout, |transform| match transform {
        None => Some(()),
        Some(transform) => {
            let why = transform
                .status
                .iter()
                .flat_map(|status| &status.conditions)
                .find(|condition| condition.type_ == "Ready")
                .map(|condition| condition.message.clone());
            if let Some(why) = why {
                progress.say(&why);
                last = why;
            }
            None
        }
    })
    .await;
    drop(progress);
    if gone.is_some() {
        printer.line(&format!("transform.platform.pequod.io/{name} deleted"))?;
        return Ok(Exit::Done);
    }
    let what = format!(
        "not gone after {} seconds: {last}",
        args.wait.timeout.as_secs()
    );
    printer.problem(
        &Diagnostic::error(Code("transform/timeout"), what)
            .at(Place::Path {
                document: format!("Transform {namespace}/{name}"),
                path: String::new(),
            })
            .hint(format!("kubectl transform status {name}")),
    );
    Ok(Exit::No)
}
