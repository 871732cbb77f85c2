//! Sources that grow one thing each — the elements of a list, the entries of a map, the records of data, the depth of a
//! chain, the arms of disjunctions — to where a method of the wrong order shows.

use std::fmt::Write as _;

use pequod_cue::SourceFile;

use super::{Case, Demand};

/// A kind of source, and how much of it.
#[derive(Debug)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// What `size` counts.
    pub about: &'static str,
    /// How much is measured.
    pub size: usize,
    /// How much of it is pinned.
    pub pinned: usize,
    /// Whether twice as much is to be twice the work.
    pub linear: bool,
    /// What is asked.
    pub demand: Demand,
    source: fn(usize) -> String,
}

impl Row {
    /// The row at a size.
    pub fn case(&self, size: usize) -> Case {
        let size_text = if size == 1 {
            self.about.to_owned()
        } else {
            format!("{} {}", grouped(size), self.about)
        };
        Case {
            name: self.name.to_owned(),
            about: size_text,
            demand: self.demand,
            files: vec![SourceFile::new("row.cue", (self.source)(size))],
        }
    }
}

/// All of them.
pub const ROWS: &[Row] = &[
    Row {
        name: "start",
        about: "one field",
        size: 1,
        pinned: 1,
        linear: false,
        demand: Demand::Export,
        source: |_| "a: 1\n".to_owned(),
    },
    Row {
        name: "list",
        about: "elements by a comprehension",
        size: 25_000,
        pinned: 200,
        linear: true,
        demand: Demand::Export,
        source: list,
    },
    Row {
        name: "patterns",
        about: "entries under a pattern",
        size: 20_000,
        pinned: 200,
        linear: true,
        demand: Demand::Export,
        source: patterns,
    },
    Row {
        name: "apps",
        about: "applications, each a Deployment and a Service",
        size: 4_000,
        pinned: 50,
        linear: true,
        demand: Demand::Export,
        source: apps,
    },
    Row {
        name: "data",
        about: "records of JSON",
        size: 20_000,
        pinned: 100,
        linear: true,
        demand: Demand::Export,
        source: data,
    },
    Row {
        name: "chain",
        about: "references in a chain",
        size: 400,
        pinned: 50,
        linear: false,
        demand: Demand::Export,
        source: chain,
    },
    Row {
        name: "embeddings",
        about: "embedded disjunctions of two arms",
        size: 9,
        pinned: 5,
        linear: false,
        demand: Demand::Vet,
        source: embeddings,
    },
    Row {
        name: "arms",
        about: "elements, each one of ten arms",
        size: 2_000,
        pinned: 50,
        linear: true,
        demand: Demand::Export,
        source: arms,
    },
];

fn grouped(number: usize) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", number / 1_000, number % 1_000)
}

/// As many elements as asked.
pub fn list(elements: usize) -> String {
    format!("import \"list\"\n\nout: [for x in list.Range(0, {elements}, 1) {{n: x}}]\n")
}

fn patterns(entries: usize) -> String {
    let pattern = "m: [string]: {kind: \"a\" | \"b\", size: >0 & <1000000, name: string}";
    let entry = r#"{"k\(i)": {kind: "a", size: i + 1, name: "n\(i)"}}"#;
    format!("import \"list\"\n\n{pattern}\nm: {{for i in list.Range(0, {entries}, 1) {entry}}}\n")
}

const APP: &str = r#"#App: {
	name:     string
	replicas: int | *1
	port:     int | *8080
	deployment: {
		apiVersion: "apps/v1"
		kind:       "Deployment"
		metadata: {"name": name, labels: app: name}
		spec: {
			"replicas": replicas
			selector: matchLabels: app: name
			template: {
				metadata: labels: app: name
				spec: containers: [{"name": name, image: "registry/\(name):v1", ports: [{containerPort: port}]}]
			}
		}
	}
	service: {
		apiVersion: "v1"
		kind:       "Service"
		metadata: {"name": name, labels: app: name}
		spec: {selector: app: name, ports: [{"port": port, targetPort: port}]}
	}
}
"#;

fn apps(apps: usize) -> String {
    let app = r#"{"app\(i)": #App & {name: "app\(i)"}}"#;
    format!("import \"list\"\n\n{APP}\napps: {{for i in list.Range(0, {apps}, 1) {app}}}\n")
}

fn data(records: usize) -> String {
    let records: Vec<_> = (0..records)
        .map(|id| {
            serde_json::json!({
                "id": id,
                "name": format!("user {id}"),
                "active": id % 2 == 0,
                "tags": ["a", "b", (id % 7).to_string()],
                "address": {"street": format!("{id} Main St"), "city": "Town"},
            })
        })
        .collect();
    format!("data: {}\n", serde_json::Value::from(records))
}

fn chain(links: usize) -> String {
    let mut text = String::from("a0: {x: 1}\n");
    for at in 1..links {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "a{at}: a{} & {{y{at}: {at}}}", at - 1);
    }
    text
}

fn embeddings(embeddings: usize) -> String {
    let mut text = String::from("x: {\n");
    for at in 0..embeddings {
        let _ = writeln!(text, "\t({{a{at}!: int}} | {{b{at}!: int}})\n\tb{at}: {at}");
    }
    text + "}\n"
}

fn arms(elements: usize) -> String {
    let arms: Vec<_> = (0..10)
        .map(|at| format!("{{kind: \"k{at}\", v{at}: int}}"))
        .collect();
    let element = r#"{#E & {kind: "k\(mod(i, 10))", "v\(mod(i, 10))": i}}"#;
    format!(
        "import \"list\"\n\n#E: {}\nout: [for i in list.Range(0, {elements}, 1) {element}]\n",
        arms.join(" | ")
    )
}
