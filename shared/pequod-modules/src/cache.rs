//! Compiled modules by digest: most Transforms share a few modules.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pequod_cue::Program;
use pequod_diag::Diagnostics;

use crate::Module;

/// How many compiled modules are kept.
const KEPT: usize = 64;

/// Compiles every digest once and keeps the [`KEPT`] used last.
#[derive(Debug, Default)]
pub struct Programs {
    /// Used last at the back.
    kept: Mutex<VecDeque<(String, Program)>>,
}

impl Programs {
    /// The module's program, and whether it was compiled before.
    pub fn get(&self, module: &Module) -> Result<(Program, bool), Diagnostics> {
        if let Some(program) = self.find(&module.digest) {
            return Ok((program, true));
        }
        // Compiled outside the lock: two at once do the work twice, nobody waits for a large one.
        let program = module.compile()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((module.digest.clone(), program.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok((program, false))
    }

    fn find(&self, digest: &str) -> Option<Program> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let position = kept.iter().position(|(kept, _)| kept == digest)?;
        let entry = kept.remove(position)?;
        let program = entry.1.clone();
        kept.push_back(entry);
        Some(program)
    }
}
