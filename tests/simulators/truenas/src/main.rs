//! `truenas-simulator`: an appliance to test drivers and tools against.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use truenas_simulator::{
    Nas, Profile,
    server::{Options, start},
};

/// A TrueNAS SCALE that lives in memory.
#[derive(Debug, Parser)]
struct Arguments {
    /// Seed document (JSON); README.md describes it.
    seed: PathBuf,
    /// Release to simulate: 22.12, 24.10, 25.04, 25.10 or 26.
    #[arg(long, default_value = "25.10")]
    release: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The API key that is accepted.
    #[arg(long, default_value = "1-simulated")]
    api_key: String,
    /// A key that is accepted too and may only read.
    #[arg(long)]
    read_key: Option<String>,
    /// Speak plain HTTP.
    #[arg(long)]
    plain: bool,
    /// Where to write the certificate.
    #[arg(long)]
    certificate: Option<PathBuf>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("truenas-simulator: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let profile = Profile::named(&arguments.release)
        .ok_or_else(|| format!("no such release: {}", arguments.release))?;
    let seed = serde_json::from_slice(&std::fs::read(&arguments.seed)?)?;
    let nas = Nas::new(profile, &seed)?;
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    let options = Options {
        api_key: arguments.api_key,
        read_key: arguments.read_key,
        tls: !arguments.plain,
        ..Options::default()
    };
    let running = start(listener, nas, options)?;
    if let Some(path) = arguments.certificate {
        std::fs::write(path, &running.certificate)?;
    }
    println!(
        "{} listens on {}, certificate sha256 {}",
        profile.version(),
        running.address,
        running.fingerprint
    );
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
