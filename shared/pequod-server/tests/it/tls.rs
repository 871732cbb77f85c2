use std::time::Duration;

use axum::Router;
use axum::routing::get;
use pequod_server::tls::CertificateFiles;
use pequod_server::{Certificates, Server, Stopping, TlsError};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio_util::sync::CancellationToken;

use crate::provider;

fn localhost() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

fn put(certificates: &Certificates, pair: &CertifiedKey<KeyPair>) -> Result<bool, TlsError> {
    certificates.replace(
        pair.cert.pem().as_bytes(),
        pair.signing_key.serialize_pem().as_bytes(),
    )
}

/// A client that trusts the given certificate only and keeps no connection.
fn client(pair: &CertifiedKey<KeyPair>) -> reqwest::Client {
    provider();
    let root = reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([root])
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

async fn serve(certificates: &Certificates) -> (String, CancellationToken) {
    let (listener, address) = pequod_server::loopback().await.unwrap();
    let shutdown = CancellationToken::new();
    let server = Server::tls(listener, certificates.clone(), Stopping::promptly());
    let router = Router::new().route("/", get(async || "hello"));
    tokio::spawn(server.run(router, shutdown.clone()));
    (format!("https://{address}"), shutdown)
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let certificates = Certificates::empty();
    let (url, _shutdown) = serve(&certificates).await;
    let (first, second) = (localhost(), localhost());
    assert!(
        client(&first).get(&url).send().await.is_err(),
        "there is no certificate yet"
    );

    assert!(put(&certificates, &first).unwrap());
    let answer = client(&first).get(&url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "hello");

    assert!(put(&certificates, &second).unwrap());
    assert!(client(&first).get(&url).send().await.is_err());
    assert!(client(&second).get(&url).send().await.is_ok());
}

#[tokio::test]
async fn a_bad_certificate_never_replaces_a_good_one() {
    let certificates = Certificates::empty();
    let (good, other) = (localhost(), localhost());
    put(&certificates, &good).unwrap();
    let fingerprint = certificates.fingerprint();

    let key = other.signing_key.serialize_pem();
    let mismatched = certificates.replace(good.cert.pem().as_bytes(), key.as_bytes());
    assert!(
        matches!(mismatched, Err(TlsError::Pair(_))),
        "{mismatched:?}"
    );
    assert!(matches!(
        certificates.replace(b"", key.as_bytes()),
        Err(TlsError::Empty)
    ));
    let no_key = certificates.replace(good.cert.pem().as_bytes(), b"nonsense");
    assert!(
        matches!(no_key, Err(TlsError::Pem { what: "key", .. })),
        "{no_key:?}"
    );

    assert_eq!(certificates.fingerprint(), fingerprint);
    assert!(
        !put(&certificates, &good).unwrap(),
        "the same one again is no change"
    );
}

/// The kubelet writes a mounted Secret into a new folder and moves a symbolic link.
#[tokio::test]
async fn files_behind_a_moved_link_are_found() {
    let mount = tempfile::tempdir().unwrap();
    let write = |folder: &str, pair: &CertifiedKey<KeyPair>| {
        let folder = mount.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), pair.cert.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    };
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, mount.path().join("new")).unwrap();
        std::fs::rename(mount.path().join("new"), mount.path().join("..data")).unwrap();
    };
    write("v1", &localhost());
    link("v1");
    let files = CertificateFiles {
        certificate: mount.path().join("..data/tls.crt"),
        key: mount.path().join("..data/tls.key"),
    };
    let certificates = Certificates::empty();
    files.load(&certificates).await.unwrap();
    let before = certificates.fingerprint();

    let shutdown = CancellationToken::new();
    let follow = files.follow(
        certificates.clone(),
        Duration::from_millis(5),
        shutdown.clone(),
    );
    let follow = tokio::spawn(follow);
    write("v2", &localhost());
    link("v2");
    while certificates.fingerprint() == before {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    follow.await.unwrap();
}
