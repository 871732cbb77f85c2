//! `cue.mod/module.cue`: a module's path, language version and dependencies.

use std::collections::BTreeMap;

use pequod_cue::{Budget, Inputs, Package, Program};
use pequod_diag::{Diagnostic, Diagnostics};
use serde_json::Value as Json;

use crate::{Version, codes};

/// The language version that is the newest we know.
const LANGUAGE: &str = "v0.17.1";

/// What `module.cue` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModuleFile {
    /// The module's path with its major version: `example.com/m@v0`. Empty if it has none.
    pub module: String,
    /// The version of the language it is written in.
    pub language: String,
    /// The modules it depends on, by path with major version.
    pub dependencies: BTreeMap<String, Dependency>,
}

/// A module that another depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependency {
    /// The least version; none if it is only there to be replaced.
    pub version: Option<String>,
    /// Whether imports without a major version mean this one.
    pub default: bool,
    /// A folder or another module that stands for it here.
    pub replace: Option<String>,
}

impl ModuleFile {
    /// Reads the text of a `module.cue`. `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::read(name, text, false)
    }

    /// Reads the text of a `local-module.cue`, in which replacements may stand and versions may be left out.
    pub(crate) fn parse_local(name: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::read(name, text, true)
    }

    fn read(name: &str, text: &str, local: bool) -> Result<Self, Diagnostics> {
        let wrong = |what: String| -> Diagnostics {
            Diagnostic::error(codes::LOAD, format!("invalid module file {name}: {what}")).into()
        };
        let program = Program::compile(&Package::of(name, text))?;
        let evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
        let json = evaluation.root().to_json()?;
        let mut file = Self::default();
        let Json::Object(fields) = &json else {
            return Err(wrong("it is no struct".to_owned()));
        };
        let known = [
            "module",
            "language",
            "source",
            "description",
            "deps",
            "custom",
        ];
        if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(wrong(format!("{unknown}: field not allowed")));
        }
        match fields
            .get("language")
            .and_then(|language| language.get("version"))
        {
            Some(Json::String(version)) => match Version::parse(version) {
                None => {
                    return Err(wrong(format!(
                        "language version {version:?} is not well formed"
                    )));
                }
                Some(parsed) if Some(&parsed) > Version::parse(LANGUAGE).as_ref() => {
                    return Err(wrong(format!(
                        "language version {version:?} is too new; the newest that is known is {LANGUAGE}"
                    )));
                }
                Some(_) => file.language.clone_from(version),
            },
            Some(_) => return Err(wrong("language.version is no string".to_owned())),
            None if local => {}
            None => {
                return Err(wrong(
                    "no language version declared in module.cue".to_owned(),
                ));
            }
        }
        match fields.get("module") {
            Some(Json::String(path)) if path.is_empty() => {
                return Err(wrong("empty module path".to_owned()));
            }
            Some(Json::String(path)) => file.module = qualified(path),
            None if local => {}
            _ => {}
        }
        if let Some(Json::Object(deps)) = fields.get("deps") {
            for (path, dep) in deps {
                let mut dependency = Dependency::default();
                match dep.get("v") {
                    Some(Json::String(version)) => {
                        if Version::parse(version).is_none() {
                            return Err(wrong(format!(
                                "module {path} has a version that is not well formed: {version:?}"
                            )));
                        }
                        dependency.version = Some(version.clone());
                    }
                    _ if local || dep.get("v").is_some() => {}
                    _ => return Err(wrong(format!("deps.{path:?}.v: field is required"))),
                }
                dependency.default = dep.get("default").and_then(Json::as_bool).unwrap_or(false);
                dependency.replace = dep
                    .get("replaceWith")
                    .and_then(Json::as_str)
                    .map(ToOwned::to_owned);
                let path = match (&dependency.version, path.contains('@')) {
                    (_, true) => path.clone(),
                    (Some(version), false) => format!("{path}@{}", Version::major(version)),
                    (None, false) => format!("{path}@v0"),
                };
                if dependency.replace.is_some() && !local {
                    let what = format!(
                        "module replace for {path:?} is not allowed in module.cue; move it to cue.mod/local-module.cue"
                    );
                    return Err(wrong(what));
                }
                if let Some(version) = &dependency.version
                    && let Some((_, major)) = path.split_once('@')
                    && Version::major(version) != major
                {
                    return Err(wrong(format!(
                        "invalid module.cue file: version {version} does not match the major version of {path}"
                    )));
                }
                file.dependencies.insert(path, dependency);
            }
        }
        Ok(file)
    }

    /// The path without the major version.
    pub fn base(&self) -> &str {
        self.module.split('@').next().unwrap_or_default()
    }

    /// The major version that an import of a module without one means: the default, or the only one there is.
    pub(crate) fn default_major(&self, path: &str) -> Option<&str> {
        let majors = || {
            self.dependencies
                .iter()
                .filter_map(move |(key, dependency)| {
                    let (base, major) = key.split_once('@')?;
                    (base == path).then_some((major, dependency.default))
                })
        };
        if let Some((major, _)) = majors().find(|(_, default)| *default) {
            return Some(major);
        }
        let own = self
            .module
            .split_once('@')
            .filter(|(base, _)| *base == path)
            .map(|(_, major)| major);
        let mut all = own.into_iter().chain(majors().map(|(major, _)| major));
        match (all.next(), all.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }
}

/// A module path with a major version; without one it is `v0`.
fn qualified(path: &str) -> String {
    if path.contains('@') {
        path.to_owned()
    } else {
        format!("{path}@v0")
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleFile;

    fn parse(text: &str) -> Result<ModuleFile, String> {
        ModuleFile::parse("cue.mod/module.cue", text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn dependencies_have_a_major_version_even_where_it_is_not_written() {
        let file = parse(
            r#"module: "a.com/m", language: version: "v0.9.0"
            deps: {"b.com/x": v: "v0.1.0", "b.com/y@v2": {v: "v2.0.1", default: true}, "b.com/y@v1": v: "v1.0.0"}"#,
        )
        .unwrap();
        assert_eq!(file.module, "a.com/m@v0");
        assert_eq!(file.default_major("b.com/x"), Some("v0"));
        assert_eq!(file.default_major("b.com/y"), Some("v2"));
        assert_eq!(file.default_major("b.com"), None);
    }

    #[test]
    fn a_replacement_belongs_into_the_local_file() {
        let text = r#"module: "a.com/m@v0", language: version: "v0.17.0"
            deps: "b.com/x@v0": {v: "v0.1.0", replaceWith: "./x"}"#;
        let error = parse(text).unwrap_err();
        assert!(error.contains("is not allowed in module.cue"), "{error}");
        assert!(ModuleFile::parse_local("local-module.cue", text).is_ok());
    }

    #[test]
    fn a_language_that_is_too_new_is_refused() {
        let error = parse(r#"module: "a.com/m@v0", language: version: "v0.99.0""#).unwrap_err();
        assert!(error.contains("too new"), "{error}");
    }
}
