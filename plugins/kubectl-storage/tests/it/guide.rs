//! docs/guides/storage.md, as a person follows it: on a control plane of their own, since what it plans is everything
//! that is orphaned.

use pequod_testkit::{ControlPlane, documents::Reader};
use truenas_simulator::Profile;

use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_guide_does_what_it_says() {
    let cluster = ControlPlane::start().await.unwrap();
    let site = Site::new(&cluster, Profile::V2504).await;
    tokio::task::block_in_place(|| {
        let reader = Reader::new(&cluster, &[]);
        // What the reader has from the appliance's page of keys and certificates.
        let give =
            |name: &str, text: &str| std::fs::write(reader.folder().join(name), text).unwrap();
        give("nas.pem", &site.nas.certificate);
        give("read.key", "2-read\n");
        give("write.key", "1-simulated\n");
        reader.follow("docs/guides/storage.md");
    });
    site.nas.stop().await;
}
