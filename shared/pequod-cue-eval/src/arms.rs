//! What is said when no arm of a disjunction is left.
//!
//! Every arm died of something. What the author worded (`error("…")`) is said alone; else each
//! different thing is listed. Arms often die of the same, since they are copies of one struct: said once is enough, and
//! if that is all, it is said as if there were no disjunction.

use pequod_cue_syntax::Pos;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::disjunct::Hole;
use crate::session::Session;
use crate::value::{Arg, FaultCode, FaultId, Problem, WorkId};

/// The sentence above the list. Its argument is counted when somebody reads it.
pub(crate) const HEADING: &str = "{} errors in empty disjunction";

/// How many lines the lists below headings have. A heading's sentence says it, and headings stand below headings: without
/// this, each would be counted anew in all those above it.
pub(crate) type Counts = FxHashMap<*const Problem, usize>;

impl Session<'_> {
    pub(crate) fn disjunction_fault(&mut self, work: WorkId, hole: &Hole) -> FaultId {
        let mut code = FaultCode::Eval;
        for fault in hole.faults() {
            if self[fault].code == FaultCode::User {
                continue;
            }
            code = code.max(self[fault].code);
            self[work].disjunct_faults.push(fault);
        }
        self.empty_disjunction(work, code, hole.pos())
    }

    pub(crate) fn empty_disjunction(
        &mut self,
        work: WorkId,
        code: FaultCode,
        pos: Option<Pos>,
    ) -> FaultId {
        let node = self[work].node;
        let worded = !self[work].user_faults.is_empty();
        let mut children = if worded {
            self[work].user_faults.clone()
        } else {
            self[work].disjunct_faults.clone()
        };
        children.dedup();
        if let [only] = children.as_slice() {
            let problems = self[*only].problems;
            let copy = self.new_fault(code, "", [], pos, Some(node));
            self[copy].problems = problems;
            return copy;
        }
        let fault = self.new_fault(code, HEADING, [Arg::Count(0)], None, Some(node));
        self.latest_problem(fault).children = children;
        fault
    }

    /// The problem to be told for one: itself, or the only thing that all arms died of.
    pub(crate) fn telling(&self, problem: u32) -> u32 {
        let mut counts = Counts::default();
        let mut problem = problem;
        loop {
            let lines = self.lines_below(&self.problems[problem as usize], &mut counts);
            match lines.as_slice() {
                [only] => problem = *only,
                _ => return problem,
            }
        }
    }

    /// How many lines the list below a heading has; none for other problems.
    pub(crate) fn count_below(&self, problem: &Problem, counts: &mut Counts) -> Option<usize> {
        if !std::ptr::eq(problem.template, HEADING) {
            return None;
        }
        let key = std::ptr::from_ref(problem);
        if let Some(count) = counts.get(&key) {
            return Some(*count);
        }
        let count = self.lines_below(problem, counts).len();
        counts.insert(key, count);
        Some(count)
    }

    /// The problems of an error one by one: behind each heading what is listed below it.
    pub(crate) fn told(&self, fault: FaultId) -> Vec<u32> {
        let mut counts = Counts::default();
        let mut told = Vec::new();
        for id in self.problems_of(fault) {
            let id = self.telling(id);
            told.push(id);
            told.extend(self.lines_below(&self.problems[id as usize], &mut counts));
        }
        told
    }

    /// What is listed below a problem, with what is listed below that, each thing once.
    fn lines_below(&self, problem: &Problem, counts: &mut Counts) -> Vec<u32> {
        let mut lines = Vec::new();
        let mut seen = FxHashSet::default();
        self.add_lines(problem, &mut lines, &mut seen, counts);
        lines
    }

    fn add_lines(
        &self,
        problem: &Problem,
        lines: &mut Vec<u32>,
        seen: &mut FxHashSet<(String, String, Option<Pos>)>,
        counts: &mut Counts,
    ) {
        for fault in &problem.children {
            for id in self.problems_of(*fault) {
                let below = &self.problems[id as usize];
                let path = below.node.map(|node| self.path(node)).unwrap_or_default();
                let sentence = self.sentence_counting(below, counts);
                if seen.insert((path, sentence, below.pos)) {
                    lines.push(id);
                    self.add_lines(below, lines, seen, counts);
                }
            }
        }
    }
}
