//! The modules that come with Pequod.

use std::path::Path;

use pequod_cue::{Budget, Package, Program, SourceFile};
use pequod_render::{Rendered, Request};
use serde_json::{Value, json};

use super::context;

fn program(name: &str) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pequod-modules/modules")
        .join(name);
    let mut files: Vec<SourceFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            SourceFile::new(path.file_name().unwrap().to_string_lossy(), text)
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Program::compile(&Package { files }).unwrap()
}

fn render(name: &str, input: &Value) -> Rendered {
    let program = program(name);
    let request = Request {
        program: &program,
        module_digest: "sha256:0",
        input,
        context: &context(),
        observed: &Value::Null,
        budget: Budget::default(),
    };
    pequod_render::render(&request).unwrap_or_else(|refused| panic!("{}", refused.problems))
}

fn ids(rendered: &Rendered) -> Vec<&str> {
    rendered
        .nodes
        .iter()
        .map(|node| node.spec.id.0.as_str())
        .collect()
}

#[test]
fn the_smallest_web_service() {
    let rendered = render("webservice", &json!({"image": "shop:1"}));
    assert_eq!(ids(&rendered), ["config", "service", "web", "budget"]);
    assert!(rendered.violations.is_empty(), "{:?}", rendered.violations);
    assert_eq!(json!(rendered.outputs), json!({"url": "http://shop.team"}));
}

#[test]
fn a_web_service_with_everything() {
    let input = json!({
        "image": "shop:1", "replicas": 3, "size": "large", "healthPath": "/healthz", "host": "shop.example.com",
        "labels": {"owner": "a"}, "autoscaling": {"enabled": true}, "database": {"enabled": true},
        "config": {"A": "1", "B": "2"}
    });
    let rendered = render("webservice", &input);
    let mut all = ids(&rendered);
    all.sort_unstable();
    assert_eq!(
        all,
        [
            "autoscaler",
            "budget",
            "config",
            "database",
            "ingress",
            "service",
            "web"
        ]
    );
    let web = rendered
        .nodes
        .iter()
        .find(|node| node.spec.id.0 == "web")
        .unwrap();
    assert_eq!(web.spec.ignore, ["/spec/replicas"]);
    let template = &web.object["spec"]["template"];
    assert_eq!(
        template["metadata"]["annotations"]["platform.pequod.io/config"],
        "A=1,B=2"
    );
    assert_eq!(
        template["spec"]["containers"][0]["env"][1]["name"],
        "DATABASE_USERNAME"
    );
}

#[test]
fn the_violating_web_service() {
    let rendered = render(
        "webservice",
        &json!({"image": "shop:latest", "replicas": 1}),
    );
    let policies: Vec<_> = rendered
        .violations
        .iter()
        .map(|v| v.policy.as_str())
        .collect();
    assert_eq!(policies, ["pinned-image", "several-replicas"]);
    assert!(rendered.is_forbidden());
}

#[test]
fn databases_of_both_kinds() {
    let postgres = render("database", &json!({"credentialsSecret": "s"}));
    assert_eq!(
        ids(&postgres),
        ["volume", "credentials", "service", "server"]
    );
    let input = json!({"engine": "mysql", "credentialsSecret": "s", "storage": {"kind": "ephemeral"}, "backup": {"enabled": true}});
    let mysql = render("database", &input);
    let mut all = ids(&mysql);
    all.sort_unstable();
    assert_eq!(all, ["backup", "credentials", "dumps", "server", "service"]);
    assert_eq!(mysql.violations.len(), 1);
    assert!(!mysql.is_forbidden());
}
