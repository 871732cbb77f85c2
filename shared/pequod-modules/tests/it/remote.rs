//! Modules from a real registry and a real git server.

use std::time::Duration;

use pequod_api::{CueRef, CueRefType};
use pequod_cue::{Budget, Inputs};
use pequod_modules::{Credentials, Module, Remote, Sources, codes, fetch, sha256};
use pequod_testkit::{GitServer, Registry, registry};

const MODULE_FILE: &str = "module: \"a.com/shop@v0\"\nlanguage: version: \"v0.9.0\"\n";

async fn module(
    remote: &Remote,
    kind: CueRefType,
    reference: &str,
) -> Result<Module, pequod_diag::Diagnostic> {
    let sources = Sources {
        client: None,
        secrets: None,
        remote,
    };
    let reference = CueRef {
        kind,
        reference: reference.to_owned(),
        path: None,
        pull_secret_ref: None,
    };
    fetch(&reference, "shop", &sources).await
}

fn value(module: &Module) -> String {
    let program = module.compile().unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    evaluation.root().to_json_text(false).unwrap()
}

#[tokio::test]
async fn an_artifact_is_fetched_once_pinned_and_kept() {
    let registry = Registry::start().await.unwrap();
    let host = registry.host();
    let files = [
        ("cue.mod/module.cue", MODULE_FILE),
        (
            "shop.cue",
            "package shop\nimport \"a.com/shop/part\"\nx: part.y + 1",
        ),
        ("part/part.cue", "package part\ny: 1"),
    ];
    let digest = registry
        .push_module("acme/shop", "v0.1.0", &files)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::in_folder(folder.path());
    let tagged = format!("{host}/acme/shop:v0.1.0");
    let first = module(&remote, CueRefType::Oci, &tagged).await.unwrap();
    assert_eq!(value(&first), r#"{"x":2}"#);
    let pinned = format!("{host}/acme/shop@{digest}");
    let second = module(&remote, CueRefType::Oci, &pinned).await.unwrap();
    assert_eq!(first.digest, second.digest);
    assert_eq!((remote.counts().fetched, remote.counts().hits), (1, 1));

    let other = format!("{host}/acme/shop@{}", sha256(b"other"));
    let error = module(&remote, CueRefType::Oci, &other).await.unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND, "{error}");
    let error = module(&remote, CueRefType::Oci, &format!("{host}/acme/shop:v9"))
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND, "{error}");
    let error = module(&remote, CueRefType::Oci, "no reference")
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::REFERENCE, "{error}");
}

#[tokio::test]
async fn an_artifact_that_is_no_module_is_refused() {
    let registry = Registry::start().await.unwrap();
    let host = registry.host();
    registry
        .push("acme/broken", "v1", b"no archive")
        .await
        .unwrap();
    let huge = "x".repeat(17 << 20);
    let text = format!("package a\nx: \"{huge}\"");
    registry
        .push_module("acme/huge", "v1", &[("a.cue", &text)])
        .await
        .unwrap();
    let remote = Remote::default();
    for name in ["broken", "huge"] {
        let reference = format!("{host}/acme/{name}:v1");
        let error = module(&remote, CueRefType::Oci, &reference)
            .await
            .unwrap_err();
        assert_eq!(error.code, codes::LIMIT, "{error}");
    }
}

/// A server that answers every connection with the same bytes, or with none.
fn server(answer: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            use std::io::{Read as _, Write as _};
            if answer.is_empty() {
                open.push(stream);
            } else {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_registry_that_refuses_lies_or_is_silent_is_told_apart() {
    let remote = Remote::default().with_patience(Duration::from_millis(200));
    let denied = server(b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let error = module(&remote, CueRefType::Oci, &format!("{denied}/a:v1"))
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::DENIED, "{error}");
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.contains("pullSecretRef"))
    );

    let lying = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let pinned = format!("{lying}/a@{}", sha256(b"manifest"));
    let error = module(&remote, CueRefType::Oci, &pinned).await.unwrap_err();
    assert_eq!(error.code, codes::WRONG, "{error}");

    let silent = server(b"");
    let error = module(&remote, CueRefType::Oci, &format!("{silent}/a:v1"))
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::UNREACHABLE, "{error}");
    assert_eq!(remote.counts().failed, 3);
}

/// Two commits of `shop`; gives the first.
fn commits(server: &GitServer) -> String {
    let files = |text| [("cue.mod/module.cue", MODULE_FILE), ("shop.cue", text)];
    let first = server.commit("shop", "v1", &files("package shop\nx: 1"));
    server
        .commit("shop", "v2", &files("package shop\nx: 2"))
        .unwrap();
    first.unwrap()
}

#[tokio::test]
async fn a_repository_is_read_at_a_tag_a_branch_and_a_pinned_commit() {
    let server = GitServer::start(false).unwrap();
    let commit = commits(&server);
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::in_folder(folder.path());
    let of = async |query: &str| {
        let reference = format!("{}?{query}", server.url("shop"));
        module(&remote, CueRefType::Git, &reference).await
    };
    assert_eq!(value(&of("ref=v1").await.unwrap()), r#"{"x":1}"#);
    assert_eq!(value(&of("ref=main").await.unwrap()), r#"{"x":2}"#);
    let pinned = format!("ref={commit}");
    assert_eq!(value(&of(&pinned).await.unwrap()), r#"{"x":1}"#);
    // The commit was there already: it is the tag's.
    assert_eq!((remote.counts().fetched, remote.counts().hits), (2, 1));

    let error = of("ref=v9").await.unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND, "{error}");
    let error = of(&format!("ref={}", "0".repeat(40))).await.unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND, "{error}");
    let error = of("ref=--upload-pack=x").await.unwrap_err();
    assert_eq!(error.code, codes::REFERENCE, "{error}");
}

#[tokio::test]
async fn a_closed_repository_says_that_it_wants_credentials() {
    let server = GitServer::start(true).unwrap();
    commits(&server);
    let reference = format!("{}?ref=v1", server.url("shop"));
    let error = module(&Remote::default(), CueRefType::Git, &reference)
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::DENIED, "{error}");
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.contains("pullSecretRef"))
    );
}

/// What one who has credentials fetched is not handed to one who has not, although it lies there.
#[tokio::test]
async fn what_is_kept_is_not_for_those_without_credentials() {
    let registry = Registry::start_closed().await.unwrap();
    let files = [("shop.cue", "package shop\nx: 1")];
    let digest = registry
        .push_module("acme/shop", "v1", &files)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::in_folder(folder.path());
    let (user, password) = registry::INSIDER;
    let insider = Credentials::default().with(registry.host(), user, password);
    for reference in [
        format!("{}/acme/shop:v1", registry.host()),
        format!("{}/acme/shop@{digest}", registry.host()),
    ] {
        for _ in 0..2 {
            let first = remote.module(CueRefType::Oci, &reference, &insider).await;
            assert_eq!(value(&first.unwrap()), r#"{"x":1}"#);
        }
        let outsider = Credentials::default().with(registry.host(), user, "guessed");
        for who in [Credentials::default(), outsider] {
            let refused = remote.module(CueRefType::Oci, &reference, &who).await;
            assert_eq!(refused.unwrap_err().code, codes::DENIED);
        }
    }
    assert_eq!((remote.counts().fetched, remote.counts().hits), (1, 3));
}

/// Dependencies come from the registry that the module's users name, and only once.
#[tokio::test]
async fn a_dependency_is_fetched_once_and_kept() {
    let registry = Registry::start().await.unwrap();
    let shop = "module: \"a.com/shop@v0\"\nlanguage: version: \"v0.9.0\"\ndeps: \"b.com/part@v0\": v: \"v0.1.0\"\n";
    let part = "module: \"b.com/part@v0\"\nlanguage: version: \"v0.9.0\"\n";
    registry
        .push_module(
            "b.com/part",
            "v0.1.0",
            &[
                ("cue.mod/module.cue", part),
                ("part.cue", "package part\ny: 1"),
            ],
        )
        .await
        .unwrap();
    registry
        .push_module(
            "acme/shop",
            "v1",
            &[
                ("cue.mod/module.cue", shop),
                (
                    "shop.cue",
                    "package shop\nimport \"b.com/part\"\nx: part.y + 1",
                ),
            ],
        )
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::in_folder(folder.path()).with_registries(registry.host());
    let reference = format!("{}/acme/shop:v1", registry.host());
    let first = module(&remote, CueRefType::Oci, &reference).await.unwrap();
    assert_eq!(value(&first), r#"{"x":2}"#);
    let kept = remote.counts().bytes;
    assert!(kept > 0);
    // Nobody there any more: everything that is needed was kept.
    drop(registry);
    let second = module(&remote, CueRefType::Oci, &reference).await.unwrap();
    assert_eq!(first.digest, second.digest);
    assert_eq!(remote.counts().bytes, kept);
}

#[tokio::test]
async fn a_repository_that_is_silent_is_given_up() {
    let silent = server(b"");
    let remote = Remote::default().with_patience(Duration::from_millis(300));
    let reference = format!("git://{silent}/shop?ref=v1");
    let error = module(&remote, CueRefType::Git, &reference)
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::UNREACHABLE, "{error}");
}
