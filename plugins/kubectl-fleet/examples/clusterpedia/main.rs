//! `cargo xtask bench clusterpedia`: Clusterpedia and kubectl-fleet over the same three API servers, one after the other.
//!
//! ```text
//! clusterpedia [OBJECTS IN EACH API SERVER]
//! ```
//!
//! Half of the objects are Pods with a status, half are ConfigMaps of 800 bytes. Both sides are what their makers build:
//! processes with usual settings, one that reads the clusters and one that answers over HTTPS with the same certificate, to
//! the same caller with the same token. Both are asked the same questions by the same client, and have to find the same
//! number of objects. Whatever belongs to one side is gone before the other one starts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be taken ends the program"
)]

mod ask;
mod lane;
mod members;
mod ours;
mod rival;
mod source;
mod table;

use members::Members;
use pequod_testkit::ControlPlane;

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let each = std::env::args()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or(10_000);
    let programs = source::find_or_build().unwrap();
    let postgres = rival::postgres_programs().unwrap();
    let hub = ControlPlane::start().await.unwrap();
    hub.apply("", ask::BINDING).await;
    let members = Members::start(each).await;

    let objects = members.objects().await;
    eprintln!("{objects} objects are there; kubectl-fleet reads them");
    let ours = ours::lane(&hub, &members, 0).await;
    let objects = members.objects().await;
    eprintln!("{objects} objects are there; Clusterpedia reads them");
    let rival = rival::lane(&hub, &members, &programs, &postgres, 1).await;
    table::print(&ours, &rival);
}
