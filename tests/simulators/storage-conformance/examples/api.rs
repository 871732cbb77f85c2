//! `cargo xtask conformance storage-api`: the monitor's API document against the API, by schemathesis.
//!
//! The API serves what a scan of a made world came to, and a program that is not ours (`schemathesis`, from PyPI) makes
//! requests out of the document and holds the answers against it. Arguments: the program, and what it is given besides.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a checking program: what fails here fails it"
)]

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use kubectl_storage::monitor::{
    api::{Served, router},
    auth::Gate,
    state::{Hub, Published},
};
use storage_conformance::{inventory, two_scans};
use storage_ground_truth::{Recipe, world};
use truenas_simulator::Profile;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = arguments
        .next()
        .unwrap_or_else(|| "schemathesis".to_owned());
    let world = world(&Recipe::standard(1, 500));
    let inventory = inventory(&world, Profile::V2510).unwrap();
    let report = two_scans(&inventory, world.now);
    assert!(report.complete && !report.findings.is_empty());
    let hub = Arc::new(Hub::default());
    hub.publish(Published::of(&inventory, &report, world.now, 1.0, |_| {
        false
    }));
    let folder = std::env::temp_dir().join(format!("pequod-api-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let tokens: PathBuf = folder.join("tokens");
    std::fs::write(&tokens, "schemathesis token\n").unwrap();
    let served = Served {
        hub,
        gate: Arc::new(Gate::new(Some(tokens), None, 1e6)),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(served)).await });
    let status = tokio::process::Command::new(&program)
        .arg("run")
        .arg(format!("http://{address}/api/v1/openapi.json"))
        .args(["--header", "Authorization: Bearer token"])
        .args(arguments)
        .current_dir(&folder)
        .status()
        .await;
    std::fs::remove_dir_all(&folder).unwrap();
    match status {
        Err(error) => {
            println!("{program} cannot be run ({error}): install it, for example with pipx");
            ExitCode::from(2)
        }
        Ok(status) if status.success() => {
            println!("figures: issues=0");
            ExitCode::SUCCESS
        }
        Ok(_) => {
            println!("figures: issues=1");
            ExitCode::from(1)
        }
    }
}
