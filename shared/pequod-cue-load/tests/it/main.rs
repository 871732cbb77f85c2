//! From files in memory to values.

use std::collections::BTreeMap;
use std::sync::Arc;

use pequod_cue::{Budget, Inputs, Program};
use pequod_cue_load::{Failed, MemoryFiles, ModuleVersion, Opened, Request, TagValue, load};

const MODULE: &str = "module: \"a.com/m@v0\"\nlanguage: version: \"v0.9.0\"\n";

fn files(files: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles {
        origin: String::new(),
        files: files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Arc::from(text.as_bytes())))
            .collect(),
    }
}

#[derive(Default)]
struct World {
    files: Vec<(&'static str, &'static str)>,
    arguments: Vec<&'static str>,
    tags: Vec<&'static str>,
    variables: Option<BTreeMap<String, TagValue>>,
    modules: BTreeMap<ModuleVersion, Opened>,
}

impl World {
    fn of(files: &[(&'static str, &'static str)]) -> Self {
        Self {
            files: files.to_vec(),
            ..Self::default()
        }
    }

    fn argument(mut self, argument: &'static str) -> Self {
        self.arguments.push(argument);
        self
    }

    fn tag(mut self, tag: &'static str) -> Self {
        self.tags.push(tag);
        self
    }

    fn module(mut self, path: &str, version: &str, content: &[(&str, &str)]) -> Self {
        let module = ModuleVersion {
            path: path.to_owned(),
            version: version.to_owned(),
        };
        let opened = Opened::Here(Arc::new(files(content)));
        self.modules.insert(module, opened);
        self
    }

    /// The value of the first instance as JSON, or everything that is wrong.
    fn value(&self) -> Result<String, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut loaded = load(&Request {
            files: Arc::new(files(&self.files)),
            folder: String::new(),
            arguments: owned(&self.arguments),
            tags: owned(&self.tags),
            variables: self.variables.clone(),
            modules: &self.modules,
            stdin: None,
        })
        .map_err(|failed| match failed {
            Failed::Missing(modules) => format!("missing {modules:?}"),
            Failed::Problems(problems) => problems.to_string(),
        })?;
        let instance = loaded.instances.remove(0);
        let units = loaded.units(instance.unit);
        let program = Program::compile_units(&units, &[], loaded.sources.clone())
            .map_err(|problems| problems.to_string())?;
        let evaluation = program
            .evaluate(&Inputs::new(), &Budget::default())
            .map_err(|problems| problems.to_string())?;
        evaluation
            .root()
            .to_json_text(false)
            .map_err(|problems| problems.to_string())
    }
}

#[test]
fn packages_of_the_module_are_imported_and_their_references_stay_theirs() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        (
            "a.cue",
            "package a\nimport \"a.com/m/b\"\nx: b.#D & {n: 2}\ny: b",
        ),
        ("b/b.cue", "package b\n#D: {n: int, twice: n * 2}\none: 1"),
    ]);
    assert_eq!(
        world.value().unwrap(),
        r#"{"x":{"n":2,"twice":4},"y":{"one":1}}"#
    );
}

#[test]
fn a_package_takes_the_files_of_its_name_in_the_folders_above() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        ("top.cue", "package p\nx: 1"),
        ("q/other.cue", "package other\nx: 2"),
        ("q/p.cue", "package p\ny: x"),
    ])
    .argument("./q:p");
    assert_eq!(world.value().unwrap(), r#"{"x":1,"y":1}"#);
}

#[test]
fn hidden_fields_are_those_of_their_package() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        (
            "a.cue",
            "package a\nimport \"a.com/m/b\"\nx: b.#D & {_h: 2}\nmine: x._h",
        ),
        ("b/b.cue", "package b\n#D: {_h: 1, theirs: _h}"),
    ]);
    let value = world.value().unwrap();
    assert_eq!(value, r#"{"x":{"theirs":1},"mine":2}"#);
}

#[test]
fn a_circle_of_imports_is_an_error() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        ("a.cue", "package a\nimport \"a.com/m/b\"\nx: b.x"),
        ("b/b.cue", "package b\nimport \"a.com/m/c\"\nx: c.x"),
        ("c/c.cue", "package c\nimport \"a.com/m/b\"\nx: b.x"),
    ]);
    let error = world.value().unwrap_err();
    assert!(
        error.contains("package import cycle not allowed"),
        "{error}"
    );
}

#[test]
fn a_missing_package_is_named_with_the_place_of_its_import() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        ("a.cue", "package a\nimport \"b.com/x\"\nx: x"),
    ]);
    let error = world.value().unwrap_err();
    assert!(error.contains("a.cue:2:8"), "{error}");
    assert!(
        error.contains("import failed: cannot find package \"b.com/x\": cannot find module providing package b.com/x"),
        "{error}"
    );
}

#[test]
fn dependencies_that_are_not_at_hand_are_named_and_then_used() {
    let deps = "module: \"a.com/m@v0\"\nlanguage: version: \"v0.9.0\"\ndeps: \"b.com/x@v0\": v: \"v0.1.0\"\n";
    let world = || {
        World::of(&[
            ("cue.mod/module.cue", deps),
            ("a.cue", "package a\nimport \"b.com/x/sub\"\ny: sub.y"),
        ])
    };
    let error = world().value().unwrap_err();
    assert!(
        error.contains("b.com/x@v0") && error.contains("missing"),
        "{error}"
    );
    let world = world().module(
        "b.com/x@v0",
        "v0.1.0",
        &[
            (
                "cue.mod/module.cue",
                "module: \"b.com/x@v0\"\nlanguage: version: \"v0.9.0\"",
            ),
            ("sub/s.cue", "package sub\ny: 7"),
        ],
    );
    assert_eq!(world.value().unwrap(), r#"{"y":7}"#);
}

#[test]
fn copies_below_cue_mod_are_one_package() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        ("cue.mod/gen/k8s.io/v1/a.cue", "package v1\nx: int"),
        ("cue.mod/usr/k8s.io/v1/b.cue", "package v1\nx: 5"),
        ("a.cue", "package a\nimport \"k8s.io/v1\"\ny: v1.x"),
    ]);
    assert_eq!(world.value().unwrap(), r#"{"y":5}"#);
}

#[test]
fn files_are_left_out_by_their_build_attributes() {
    let world = || {
        World::of(&[
            ("cue.mod/module.cue", MODULE),
            ("a.cue", "package a\nx: 1"),
            ("b.cue", "@if(prod && !test)\npackage a\ny: 2"),
            ("c.cue", "@ignore()\npackage a\nz: 3"),
        ])
    };
    assert_eq!(world().value().unwrap(), r#"{"x":1}"#);
    assert_eq!(world().tag("prod").value().unwrap(), r#"{"x":1,"y":2}"#);
    let error = world().tag("other").value().unwrap_err();
    assert!(error.contains("not used in any file"), "{error}");
}

#[test]
fn tags_take_values_short_forms_and_variables() {
    let world = || {
        World::of(&[(
            "a.cue",
            "package a\nenv: \"dev\" | \"prod\" @tag(env,short=dev|prod)\nn: int | *1 @tag(n,type=int)\nos: string | *\"?\" @tag(os,var=os)",
        )])
    };
    let value = world().tag("prod").tag("n=3").value().unwrap();
    assert_eq!(value, r#"{"env":"prod","n":3,"os":"?"}"#);
    let mut with = world().tag("env=dev");
    with.variables = Some(BTreeMap::from([(
        "os".to_owned(),
        TagValue::Text("linux".to_owned()),
    )]));
    assert_eq!(with.value().unwrap(), r#"{"env":"dev","n":1,"os":"linux"}"#);
    let error = world().tag("m=1").value().unwrap_err();
    assert!(error.contains("no tag for \"m\""), "{error}");
}

#[test]
fn files_are_embedded_as_what_they_hold() {
    let world = World::of(&[
        ("cue.mod/module.cue", MODULE),
        (
            "a.cue",
            "@extern(embed)\npackage a\nj: _ @embed(file=x.json)\nt: _ @embed(file=y.txt)\nall: _ @embed(glob=z/*.yaml)",
        ),
        ("x.json", "{\"a\": [1, 2.50]}"),
        ("y.txt", "hello\n"),
        ("z/1.yaml", "b: yes"),
        ("z/2.yaml", "- 010"),
    ]);
    assert_eq!(
        world.value().unwrap(),
        r#"{"j":{"a":[1,2.50]},"t":"hello\n","all":{"z/1.yaml":{"b":"yes"},"z/2.yaml":[8]}}"#
    );
}

#[test]
fn nothing_outside_the_folder_is_embedded() {
    for path in ["../x.json", "/x.json", "a/../../x.json"] {
        let text = format!("@extern(embed)\npackage a\nj: _ @embed(file={path:?})");
        let world = World::of(&[
            ("cue.mod/module.cue", MODULE),
            ("a.cue", Box::leak(text.into_boxed_str())),
        ]);
        assert!(world.value().unwrap_err().contains("@embed:"), "{path}");
    }
}

#[test]
fn two_packages_in_a_folder_are_told_apart_by_name_only() {
    let world = || {
        World::of(&[
            ("cue.mod/module.cue", MODULE),
            ("a.cue", "package a\nx: 1"),
            ("b.cue", "package b\nx: 2"),
        ])
    };
    let error = world().value().unwrap_err();
    assert!(
        error.contains("found packages \"a\" (a.cue) and \"b\" (b.cue)"),
        "{error}"
    );
    assert_eq!(world().argument(".:b").value().unwrap(), r#"{"x":2}"#);
}
