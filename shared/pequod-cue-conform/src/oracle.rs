//! The reference's answers.
//!
//! A Go program of ours (tests/tools/oracle) loads the reference's test archives through its
//! public interface. Its output is kept in the user's cache under a hash of the program and of the
//! pinned versions, so that it is computed once per change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use sha2::{Digest, Sha256};

use crate::node::Outcome;

/// Why there are no answers.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// A file could not be read or written.
    #[error("cannot read or write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// Which.
        program: String,
        /// What it wrote.
        message: String,
    },
    /// The answers are not what was expected.
    #[error("the oracle's output cannot be read")]
    Output(#[from] serde_json::Error),
}

/// The built oracle program.
#[derive(Debug)]
pub struct Oracle {
    folder: PathBuf,
    program: PathBuf,
    /// Where the reference's module lies.
    pub module: PathBuf,
}

impl Oracle {
    /// Builds the program if it is not in the cache.
    pub fn build() -> Result<Self, OracleError> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/oracle");
        let mut names: Vec<PathBuf> = fs::read_dir(&source)
            .map_err(|error| file_error(&source, error))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        names.sort();
        let mut hash = Sha256::new();
        for name in &names {
            hash.update(fs::read(name).map_err(|error| file_error(name, error))?);
        }
        let digest = hash.finalize();
        let key = u64::from_be_bytes(std::array::from_fn(|index| digest[index]));
        let folder = cache_folder().join("oracle").join(format!("{key:016x}"));
        let program = folder.join("oracle");
        if !program.exists() {
            fs::create_dir_all(&folder).map_err(|error| file_error(&folder, error))?;
            let fresh = folder.join("oracle.new");
            output(
                Command::new("go")
                    .current_dir(&source)
                    .arg("build")
                    .arg("-o")
                    .arg(&fresh)
                    .arg("."),
            )?;
            fs::rename(&fresh, &program).map_err(|error| file_error(&program, error))?;
        }
        let module = output(Command::new(&program).arg("dir").current_dir(&source))?;
        Ok(Self {
            folder,
            program,
            module: PathBuf::from(module.trim()),
        })
    }

    /// The answers to all archives of a suite, such as `cue/testdata`.
    pub fn suite(&self, suite: &str) -> Result<Vec<Outcome>, OracleError> {
        let cached = self
            .folder
            .join(format!("{}.jsonl", suite.replace('/', "-")));
        if !cached.exists() {
            let text = output(
                Command::new(&self.program)
                    .args(["dump", suite])
                    .env("PEQUOD_CUE_MODULE", &self.module),
            )?;
            let fresh = cached.with_extension("new");
            fs::write(&fresh, text).map_err(|error| file_error(&fresh, error))?;
            fs::rename(&fresh, &cached).map_err(|error| file_error(&cached, error))?;
        }
        let text = fs::read_to_string(&cached).map_err(|error| file_error(&cached, error))?;
        text.lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    /// The program's path, for those who talk to it.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

fn cache_folder() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("pequod")
}

fn output(command: &mut Command) -> Result<String, OracleError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| OracleError::Start {
        program: program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(OracleError::Failed { program, message })
}

fn file_error(path: &Path, source: io::Error) -> OracleError {
    OracleError::File {
        path: path.to_owned(),
        source,
    }
}
