//! The modules that come with Pequod. Their sources stand in `modules/` beside this crate's `src/`.

use std::sync::Arc;

use pequod_diag::Diagnostic;

use crate::Module;

/// A module that comes with Pequod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// What `cueRef.ref` calls it.
    pub name: &'static str,
    /// What it is for, in a line.
    pub summary: &'static str,
    /// Its files: name and text.
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($name:literal),+) => {
        &[$(($name, include_str!(concat!("../modules/", $folder, "/", $name)))),+]
    };
}

const MODULES: &[Embedded] = &[
    Embedded {
        name: "database",
        summary: "one PostgreSQL or MySQL server: StatefulSet, Service, volume, daily dump",
        files: files!("database": "policy.cue", "render.cue", "schema.cue"),
    },
    Embedded {
        name: "policy",
        summary: "policies for any platform: pinned images, memory limits, no privileges",
        files: files!("policy": "defaults.cue"),
    },
    Embedded {
        name: "webservice",
        summary: "a web service: Deployment, Service, ConfigMap; Ingress, autoscaler, database",
        files: files!("webservice": "policy.cue", "render.cue", "schema.cue"),
    },
];

/// All of them, in the order of their names.
pub fn embedded() -> &'static [Embedded] {
    MODULES
}

impl Embedded {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MODULES.iter().find(|module| module.name == name)
    }

    /// As a module.
    pub fn module(&self) -> Result<Module, Diagnostic> {
        let files = self
            .files
            .iter()
            .map(|&(name, text)| (name.to_owned(), Arc::from(text)))
            .collect();
        Module::new(self.name, files)
    }
}
