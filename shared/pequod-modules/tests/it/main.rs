//! What a module is, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: what fails here fails the test"
)]

use pequod_api::{CueRef, CueRefType};
use pequod_modules::{MAX_BYTES, Module, Remote, Sources, codes, embedded, fetch};

mod remote;

fn reference(kind: CueRefType, reference: &str) -> CueRef {
    CueRef {
        kind,
        reference: reference.to_owned(),
        path: None,
        pull_secret_ref: None,
    }
}

/// No cluster, nothing kept.
fn here() -> Sources<'static> {
    static REMOTE: std::sync::LazyLock<Remote> = std::sync::LazyLock::new(Remote::default);
    Sources {
        client: None,
        secrets: None,
        remote: &REMOTE,
    }
}

#[tokio::test]
async fn inline_text_is_a_module_of_one_file() {
    let module = fetch(&reference(CueRefType::Inline, "a: 1"), "shop", &here())
        .await
        .unwrap();
    assert_eq!(module.package.files.len(), 1);
    assert!(module.digest.starts_with("sha256:"));
}

#[tokio::test]
async fn every_embedded_module_has_a_digest_and_says_what_it_is_for() {
    for one in embedded() {
        let module = fetch(&reference(CueRefType::Embedded, one.name), "shop", &here())
            .await
            .unwrap();
        assert_eq!(module, one.module().unwrap());
        assert!(!one.summary.is_empty());
    }
}

#[tokio::test]
async fn an_unknown_embedded_module_lists_the_known_ones() {
    let error = fetch(&reference(CueRefType::Embedded, "web"), "shop", &here())
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::NOT_FOUND);
    assert_eq!(
        error.hint.as_deref(),
        Some("there are: database, policy, webservice")
    );
}

#[test]
fn a_folder_of_a_module_has_its_packages() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "cue.mod/module.cue",
        "module: \"a.com/m@v0\", language: version: \"v0.9.0\"",
    );
    write("lib/lib.cue", "package lib\nx: 1");
    write(
        "app/app.cue",
        "package app\nimport \"a.com/m/lib\"\ny: lib.x",
    );
    let module = Module::from_directory(&folder.path().join("app")).unwrap();
    assert!(module.compile().is_ok());
    let before = module.digest;
    write("lib/lib.cue", "package lib\nx: 2");
    let after = Module::from_directory(&folder.path().join("app"))
        .unwrap()
        .digest;
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_config_map_needs_a_cluster() {
    let error = fetch(&reference(CueRefType::Configmap, "m"), "shop", &here())
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::NEEDS_CLUSTER);
}

#[tokio::test]
async fn a_path_that_means_nothing_is_refused() {
    let mut wrong = reference(CueRefType::Inline, "a: 1");
    wrong.path = Some("sub".into());
    assert_eq!(
        fetch(&wrong, "shop", &here()).await.unwrap_err().code,
        codes::REFERENCE
    );
}

#[tokio::test]
async fn a_module_over_its_limit_is_refused() {
    let text = " ".repeat(MAX_BYTES) + "a: 1";
    let error = fetch(&reference(CueRefType::Inline, &text), "shop", &here())
        .await
        .unwrap_err();
    assert_eq!(error.code, codes::LIMIT);
}

#[test]
fn a_folder_is_a_module_while_it_is_being_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/webservice");
    let local = Module::from_directory(&folder).unwrap();
    let webservice = embedded()
        .iter()
        .find(|one| one.name == "webservice")
        .unwrap();
    assert_eq!(local.digest, webservice.module().unwrap().digest);
}

#[test]
fn every_file_of_the_modules_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let module = embedded()
            .iter()
            .find(|one| one.name == name)
            .expect("a module is forgotten");
        assert_eq!(
            Module::from_directory(&path).unwrap().digest,
            module.module().unwrap().digest
        );
    }
}
