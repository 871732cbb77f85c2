//! From arguments to packages: what a program in CUE is made of.
//!
//! CUE code is organised in *packages* (folders; a package also takes the files of the same package in its parent
//! folders), packages in *modules* (a folder with `cue.mod/module.cue`), and modules depend on modules by path and
//! least version. [`load`] reads the packages that arguments name and everything they import, takes out files whose
//! build attributes do not hold, puts in the values of `@tag` and the files of `@embed`, and gives parsed units that
//! `pequod_cue` compiles.
//!
//! This crate does no input or output: files come from a [`Files`] that it is given, dependencies from a [`Modules`].
//! A dependency that is not at hand is named in [`Failed::Missing`]; whoever can fetch it does so and asks again.
//!
//! | file | what |
//! | --- | --- |
//! | `files` | where files come from, and paths |
//! | `argument` | which arguments are packages, which files, of which kind |
//! | `import_path`, `version` | `example.com/m/p@v0:q`, `v1.2.3` |
//! | `module_file`, `requirements`, `resolve` | `module.cue`, least versions, which module has a package |
//! | `package` | which files of a folder make a package |
//! | `build`, `tag`, `embed` | the attributes `@if`, `@ignore`, `@tag`, `@embed` |
//! | `data`, `json` | JSON, YAML and text as trees |
//! | `archive` | the zip archive in which a module is published |
//! | `loader` | all of it together |
//!
//! The rules are those of the reference, documented in its [modules reference](https://cuelang.org/docs/reference/modules/).

pub mod archive;
mod argument;
mod build;
mod data;
mod embed;
mod files;
mod import_path;
mod json;
mod loader;
mod module_file;
mod package;
mod requirements;
mod resolve;
mod tag;
mod version;

pub use argument::{Arguments, DataFile, Encoding};
pub use data::{documents, file_of};
pub use files::{Entry, Files, MemoryFiles};
pub use import_path::ImportPath;
pub use json::check as check_json;
pub use loader::{Failed, Instance, Loaded, Request, load};
pub use module_file::{Dependency, ModuleFile};
pub use requirements::{ModuleVersion, Modules, Opened};
pub use tag::TagValue;
pub use version::Version;

/// The codes of this crate's diagnostics.
pub mod codes {
    use pequod_diag::Code;

    /// Something is not where it should be, or cannot be told apart.
    pub const LOAD: Code = Code("cue/load");
    /// A file of data is not what its name says.
    pub const DATA: Code = Code("cue/data");
    /// A kind of file that is not supported.
    pub const UNSUPPORTED: Code = Code("cue/unsupported");
}
