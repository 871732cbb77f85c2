//! `render -o value` against the official `cue export -e graph.nodes`: the same module, input and context.

use std::process::Command;

use pequod_testkit::{Tools, run, workspace_root};
use serde_json::{Value, json};

use super::{offline, sample};

fn without_space(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    value.to_string()
}

#[test]
fn the_samples_render_as_the_reference_exports_them() {
    let cue = Tools::find_or_build().unwrap().path("cue");
    for (file, module) in [
        ("platform_v1alpha1_transform_webservice.yaml", "webservice"),
        ("platform_v1alpha1_transform_database.yaml", "database"),
        ("transform-with-policy-violation.yaml", "webservice"),
    ] {
        let file = sample(file);
        let text = std::fs::read_to_string(&file).unwrap();
        let text = pequod_cli::documents::Text {
            name: String::new(),
            text,
        };
        let transform = text.document().unwrap();
        let ours = offline(&["render", file.to_str().unwrap(), "-o", "value"], "").success();

        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data.json");
        let context = json!({"name": transform["metadata"]["name"], "namespace": "default"});
        let filled = json!({"input": transform["spec"]["input"], "context": context});
        std::fs::write(&data, filled.to_string()).unwrap();
        let mut command = Command::new(&cue);
        command.arg("export").args(["-e", "graph.nodes"]);
        let sources = workspace_root()
            .join("shared/pequod-modules/modules")
            .join(module);
        for entry in std::fs::read_dir(sources).unwrap() {
            command.arg(entry.unwrap().path());
        }
        let theirs = run(command.arg(&data), "").unwrap().success();
        assert_eq!(
            without_space(&ours),
            without_space(&theirs),
            "{}",
            file.display()
        );
    }
}
