//! Every command in the documentation is run, in the order of the documents, by a reader who knows nothing else.

use std::collections::BTreeSet;
use std::fs;

use pequod_testkit::documents::{Reader, steps};
use pequod_testkit::{ControlPlane, Installation, workspace_root};

/// Commands that are not run here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "cargo xtask demo",
        "a task of minutes; it ends with an error unless all it shows happens",
    ),
    ("cargo xtask test", "runs this test"),
    (
        "cargo xtask dist",
        "a release build; the archives and manifests have tests in the task",
    ),
    (
        "kubectl krew install --manifest=krew-manifests/transform.yaml --archive=dist/kubectl-transform_v0.1.0_linux_amd64.tar.gz",
        "needs what the release build made",
    ),
    (
        "helm install pequod-crds charts/pequod-crds --namespace pequod-system --create-namespace",
        "the guide to installing runs it",
    ),
    (
        "helm install pequod charts/pequod --namespace pequod-system",
        "the guide to installing runs it",
    ),
];

/// Documents whose commands need more than the suite in one cluster, and the test that runs them.
const OTHERS: &[(&str, &str)] = &[
    ("docs/guides/install.md", "tests/it/documents.rs"),
    (
        "docs/guides/fleet.md",
        "plugins/kubectl-fleet/tests/it/guide.rs",
    ),
    (
        "docs/guides/storage.md",
        "plugins/kubectl-storage/tests/it/guide.rs",
    ),
];

/// Known gap: documents that no test follows yet.
const NOT_YET: &[&str] = &[];

const GUIDES: &[&str] = &[
    "README.md",
    "docs/guides/transform.md",
    "docs/guides/modules.md",
    "docs/guides/cue.md",
    "docs/guides/solution.md",
    "docs/guides/policies.md",
];

/// On a control plane of its own: the guide to policies makes one for every namespace.
#[tokio::test(flavor = "multi_thread")]
async fn guides() {
    let cluster = ControlPlane::start().await.unwrap();
    let _installation = Installation::install(&cluster).await.unwrap();
    tokio::task::block_in_place(|| {
        let reader = Reader::new(&cluster, ELSEWHERE);
        let contexts = reader.shell(
            "cluster=$(kubectl config view -o 'jsonpath={.contexts[0].context.cluster}')
            user=$(kubectl config view -o 'jsonpath={.contexts[0].context.user}')
            for context in eu-prod-1 us-prod-2 staging; do
                kubectl config set-context $context --cluster $cluster --user $user
            done",
        );
        assert_eq!(contexts.code, Some(0), "{contexts}");
        let mut left_out = BTreeSet::new();
        for guide in GUIDES {
            left_out.extend(reader.follow(guide));
        }
        let listed: BTreeSet<_> = ELSEWHERE
            .iter()
            .map(|(command, _)| (*command).to_owned())
            .collect();
        assert_eq!(left_out, listed, "a listed command is in no guide");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn installing() {
    let cluster = ControlPlane::start().await.unwrap();
    tokio::task::block_in_place(|| Reader::new(&cluster, &[]).follow("docs/guides/install.md"));
}

#[test]
fn every_document_with_commands_is_followed() {
    let mut documents = vec!["README.md".to_owned()];
    for entry in fs::read_dir(workspace_root().join("docs/guides")).unwrap() {
        let name = entry.unwrap().file_name();
        documents.push(format!("docs/guides/{}", name.to_string_lossy()));
    }
    for document in documents {
        let text = fs::read_to_string(workspace_root().join(&document)).unwrap();
        if steps(&text).is_empty() || GUIDES.contains(&document.as_str()) {
            continue;
        }
        let other = OTHERS
            .iter()
            .find(|(of, _)| *of == document)
            .map(|(_, test)| fs::read_to_string(workspace_root().join(test)).unwrap());
        let followed = other.is_some_and(|test| test.contains(&document));
        assert_eq!(
            followed,
            !NOT_YET.contains(&document.as_str()),
            "{document}: does a test follow it?"
        );
    }
}
