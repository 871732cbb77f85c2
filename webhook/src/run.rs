//! From the command line to the end of the process.

use std::process::ExitCode;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use pequod_diag::{Code, Diagnostic, Exit, Style};
use pequod_server::process::{LogFormat, log, shutdown_on_signal};

use crate::args::{Cli, Command, ServeArgs};
use crate::manifests::{self, Settings};
use crate::serve::{Listeners, serve};

/// Does what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Some(Command::Manifests(args)) => print(&args.into()),
        None => tokio::runtime::Runtime::new()
            .map_err(|error| failed("the process cannot be set up", &error, Exit::Remote))
            .and_then(|runtime| runtime.block_on(start(cli.serve))),
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err((problem, exit)) => {
            eprint!("{}", pequod_diag::render(&problem, Style::Plain));
            exit.into()
        }
    }
}

type Failed = (Diagnostic, Exit);

fn failed(what: &str, error: &dyn std::error::Error, exit: Exit) -> Failed {
    (
        Diagnostic::error(Code("webhook/start"), what).caused_by(error),
        exit,
    )
}

fn print(settings: &Settings) -> Result<(), Failed> {
    for configuration in [
        manifests::validating(settings),
        manifests::mutating(settings),
    ] {
        let text = serde_saphyr::to_string(&configuration)
            .map_err(|error| failed("the manifests cannot be printed", &error, Exit::Input))?;
        print!("---\n{text}");
    }
    Ok(())
}

async fn start(args: ServeArgs) -> Result<(), Failed> {
    log(
        if args.log_text {
            LogFormat::Text
        } else {
            LogFormat::Json
        },
        &args.log,
    );
    // Another provider that was installed before would do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shutdown = shutdown_on_signal()
        .map_err(|error| failed("signals cannot be received", &error, Exit::Remote))?;
    let config = config(&args).await?;
    let client = Client::try_from(config)
        .map_err(|error| failed("there is no way to the API server", &error, Exit::Input))?;
    let serving = async {
        serve(
            args.clone(),
            client,
            Listeners::bind(&args).await?,
            shutdown,
        )
        .await
    };
    serving
        .await
        .map_err(|error| failed("the webhook ended", &error, Exit::Remote))
}

async fn config(args: &ServeArgs) -> Result<Config, Failed> {
    let unusable = |error: &dyn std::error::Error| {
        failed("there is no way to the API server", error, Exit::Input)
    };
    let Some(path) = &args.kubeconfig else {
        return Config::infer().await.map_err(|error| unusable(&error));
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| unusable(&error))
}
