//! One control plane with the suite installed, for all tests that only use it.

use pequod_testkit::{ControlPlane, Installation};
use tokio::sync::OnceCell;

/// The control plane, with webhook and controllers running.
pub(crate) async fn installed() -> (&'static ControlPlane, &'static Installation) {
    static INSTALLATION: OnceCell<Installation> = OnceCell::const_new();
    let cluster = ControlPlane::shared().await;
    let installation = INSTALLATION
        .get_or_try_init(|| Installation::install(cluster))
        .await;
    (
        cluster,
        installation.unwrap_or_else(|error| panic!("{error}")),
    )
}
