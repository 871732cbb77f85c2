//! What ends an evaluation early: a spent budget, or a construct that is not supported.
//!
//! Both are *poison*: no error value that a disjunction could drop or a comparison could test for,
//! but the end of the whole evaluation. Counting, not measuring, keeps the point of the end the
//! same on every machine.

use pequod_cue_syntax::{Pos, Recursive, Stack};

use crate::session::{Run, Session, Stop};

/// How much an evaluation may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Units of work.
    pub steps: u64,
    /// How deep evaluation may nest.
    pub depth: u32,
    /// How much memory values may take, roughly.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            depth: 2_000,
            bytes: 1 << 30,
        }
    }
}

/// Why an evaluation ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poison {
    /// A construct this implementation does not have.
    Unsupported {
        /// Which.
        feature: &'static str,
        /// Where.
        pos: Option<Pos>,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// A spent budget, or the caller's stop.
    Limit {
        /// Which: `steps`, `depth`, `bytes`, `deadline`, `bytes of output`.
        what: &'static str,
        /// Where evaluation was.
        pos: Option<Pos>,
    },
}

/// How many units of work so many bytes of text are. What is shorter than a name takes none.
pub(crate) const fn units_of(bytes: usize) -> u64 {
    (bytes / 64) as u64
}

/// Work done, as a measure that is equal on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Nodes whose conjuncts were brought together.
    pub unifications: u64,
    /// Conjuncts looked at.
    pub conjuncts: u64,
    /// Arms of disjunctions tried.
    pub disjuncts: u64,
    /// All steps.
    pub steps: u64,
}

/// What is left for something that is written. What is shared is written as often as it is met, so that a value of a few
/// lines may be one of many gigabytes.
#[derive(Debug)]
pub struct Room(u64);

impl Room {
    /// What a value takes besides its text.
    const OF_A_VALUE: u64 = 64;

    /// As much as values may take.
    pub const fn new(limits: &Limits) -> Self {
        Self(limits.bytes)
    }

    /// Takes room for one more value with so many bytes of text; whether there was any.
    pub const fn take(&mut self, text: usize) -> bool {
        self.0 = self
            .0
            .saturating_sub(Self::OF_A_VALUE.saturating_add(text as u64));
        !self.is_spent()
    }

    /// Whether there was too little.
    pub const fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// What was written, if there was room for all of it.
    ///
    /// # Errors
    ///
    /// The spent budget.
    pub fn of<T>(&self, written: T) -> Result<T, Poison> {
        if self.is_spent() {
            return Err(Poison::Limit {
                what: OUTPUT,
                pos: None,
            });
        }
        Ok(written)
    }
}

/// The budget of what is written.
pub(crate) const OUTPUT: &str = "bytes of output";

/// Counts.
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    pub(crate) work: Work,
    pub(crate) depth: u32,
    bytes: u64,
    stack: Stack,
}

impl Recursive for Session<'_> {
    fn stack(&mut self) -> &mut Stack {
        &mut self.meter.stack
    }
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            work: Work {
                unifications: 0,
                conjuncts: 0,
                disjuncts: 0,
                steps: 0,
            },
            depth: 0,
            bytes: 0,
            stack: Stack::default(),
        }
    }

    /// Work that was done where it cannot end the evaluation; the next step does.
    pub(crate) const fn note(&mut self, units: u64) {
        self.work.steps = self.work.steps.saturating_add(units);
    }

    /// The same of text that is copied or hashed: it takes as long as a unit does for some bytes, and memory besides.
    pub(crate) const fn note_text(&mut self, bytes: usize) {
        self.note(units_of(bytes));
    }

    pub(crate) const fn charge_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

impl Session<'_> {
    /// One unit of work.
    pub(crate) fn step(&mut self) -> Run<()> {
        self.charge(1)
    }

    /// Work that takes as long as so many units. A unit is what looking at a conjunct takes; what is copied or
    /// compared in bulk is charged by its size, so that no budget lasts much longer than another.
    pub(crate) fn charge(&mut self, units: u64) -> Run<()> {
        let before = self.meter.work.steps;
        let steps = before.saturating_add(units);
        self.meter.work.steps = steps;
        if steps > self.meter.limits.steps {
            return self.limit("steps");
        }
        if self.meter.bytes > self.meter.limits.bytes {
            return self.limit("bytes");
        }
        if before / 4096 != steps / 4096 && self.stop.is_some_and(|stop| stop()) {
            return self.limit("deadline");
        }
        Ok(())
    }

    /// Runs something one level deeper, on a stack that grows when needed.
    pub(crate) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.meter.depth += 1;
        if self.meter.depth > self.meter.limits.depth {
            self.meter.depth -= 1;
            return self.limit("depth");
        }
        if self.meter.depth == 1 {
            self.begin();
        }
        let result = self.with_stack(run);
        self.meter.depth -= 1;
        result
    }

    pub(crate) fn limit<T>(&mut self, what: &'static str) -> Run<T> {
        if self.poison.is_none() {
            self.poison = Some(Poison::Limit {
                what,
                pos: self.pos,
            });
        }
        Err(Stop::Poison)
    }

    pub(crate) fn unsupported<T>(&mut self, feature: &'static str) -> Run<T> {
        if self.poison.is_none() {
            self.poison = Some(Poison::Unsupported {
                feature,
                pos: self.pos,
                hint: None,
            });
        }
        Err(Stop::Poison)
    }
}
