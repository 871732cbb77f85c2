//! The errors of a finished value, for people.

use indexmap::IndexSet;
use pequod_diag::{Path, Place};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::evaluation::Evaluation;
use crate::kind::{Label, Presence};
use crate::session::Session;
use crate::value::{Arg, FaultCode, FaultId, NodeId, Problem, Value};

/// An error for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issue {
    /// Its class.
    pub code: FaultCode,
    /// The path of the value, empty for the root.
    pub path: Path,
    /// One sentence.
    pub sentence: String,
    /// Where; the first is the most telling.
    pub places: Vec<Place>,
    /// What lies below it: the arms of a disjunction.
    pub below: Vec<Issue>,
}

/// How much is looked for, in bytes. What is shared is met at many paths, and so are its errors; each may show a value as
/// large as any; and what lies below them is a tree, where the same reasons stand at many places.
const ENOUGH: usize = 64 << 20;

/// What an issue takes besides its sentence: so many are 131,072 at most.
const OF_AN_ISSUE: usize = 512;

/// Each once, in the order in which they were found.
type Issues = IndexSet<Issue, FxBuildHasher>;

impl Evaluation {
    /// The errors of a value. Everything was evaluated before, so this only looks.
    pub fn issues(&self, node: NodeId, concrete: bool) -> Vec<Issue> {
        self.session().issues(node, concrete, true)
    }

    /// What keeps a value from being written as data.
    pub(crate) fn issues_of_data(&self, node: NodeId) -> Vec<Issue> {
        self.session().issues(node, true, false)
    }
}

/// A search for the errors of a value.
struct Search<'a> {
    session: &'a Session<'static>,
    concrete: bool,
    /// Whether required definitions and hidden fields count.
    declared: bool,
    /// What is shared and has none.
    clean: FxHashSet<NodeId>,
    /// Where it is: the node it began at, and the labels from there. A shared node itself knows only where it was written.
    start: NodeId,
    way: Vec<Label>,
    /// The nodes on the way that share a value.
    sharers: Vec<NodeId>,
    found: Found,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    issues: Issues,
    size: usize,
}

impl Found {
    fn insert(&mut self, issue: Issue) {
        let size = size_of(&issue);
        if self.issues.insert(issue) {
            self.size += size;
        }
    }

    const fn is_enough(&self) -> bool {
        self.size >= ENOUGH
    }
}

fn size_of(issue: &Issue) -> usize {
    let below = issue.below.iter().map(size_of);
    OF_AN_ISSUE + issue.sentence.len() + below.sum::<usize>()
}

impl Search<'_> {
    fn collect(&mut self, node: NodeId, in_definition: u32) {
        if self.found.is_enough() {
            return;
        }
        let target = self.session.deref(node);
        if target == node {
            self.collect_own(node, target, in_definition);
        } else if in_definition == 0 && !self.clean.contains(&target) {
            // What is shared is shared by many: values of values of values.
            let before = self.found.issues.len();
            self.sharers.push(node);
            self.collect_own(node, target, in_definition);
            self.sharers.pop();
            if self.found.issues.len() == before {
                self.clean.insert(target);
            }
        }
    }

    fn collect_own(&mut self, node: NodeId, mut target: NodeId, in_definition: u32) {
        let session = self.session;
        let concrete_here = self.concrete && in_definition == 0;
        if let Some(fault) = session.fault_of(target) {
            let data = &session[fault];
            let report = match data.code {
                FaultCode::Cycle | FaultCode::Incomplete => concrete_here,
                _ => !data.child,
            };
            if report {
                session.issues_of(fault, node, &mut self.found, &mut FxHashMap::default());
            }
            if !data.recursive {
                return;
            }
        } else if concrete_here {
            target = session.with_default(target);
            let value = session.final_value(target);
            if !value.is_some_and(|value| session.is_concrete(value)) {
                let sentence = format!("incomplete value {}", session.show(Value::Node(target)));
                let place = session.place_of_undecided(node, value);
                self.found_unfinished(sentence, place);
                return;
            }
        }
        for arc in session[target].arcs() {
            let label = session[*arc].label;
            let presence = session[*arc].presence;
            if presence == Presence::Required && concrete_here {
                if !self.declared && !label.is_string() {
                    continue;
                }
                let sentence = "field is required but not present".to_owned();
                let place = session.node_pos(*arc).and_then(|pos| session.place(pos));
                self.way.push(label);
                self.found_unfinished(sentence, place);
                self.way.pop();
                continue;
            }
            if label.is_let() || presence != Presence::Member {
                continue;
            }
            self.way.push(label);
            self.collect(*arc, in_definition + u32::from(!label.is_regular()));
            self.way.pop();
        }
    }

    /// Notes what is not there yet, at the path that led to it; who shares it is a place of it, too.
    fn found_unfinished(&mut self, sentence: String, place: Option<Place>) {
        let mut places = Vec::from_iter(place);
        for sharer in &self.sharers {
            // What is shared is all there is.
            let taken = self.session[*sharer].conjuncts.first();
            let place = taken
                .and_then(|c| self.session.value_pos(c.elem))
                .and_then(|pos| self.session.place(pos));
            places.extend(place.filter(|place| !places.contains(place)));
        }
        let mut path = self.session.path_of(self.start);
        let steps = self.way.iter();
        path.0
            .extend(steps.filter_map(|label| self.session.step_of(*label)));
        self.found.insert(Issue {
            code: FaultCode::Incomplete,
            path,
            sentence,
            places,
            below: Vec::new(),
        });
    }
}

impl Session<'static> {
    fn issues(&self, node: NodeId, concrete: bool, declared: bool) -> Vec<Issue> {
        let mut search = Search {
            session: self,
            concrete,
            declared,
            clean: FxHashSet::default(),
            start: node,
            way: Vec::new(),
            sharers: Vec::new(),
            found: Found::default(),
        };
        search.collect(node, 0);
        let enough = search.found.is_enough();
        let mut found: Vec<_> = search.found.issues.into_iter().collect();
        if enough {
            found.push(Issue {
                code: FaultCode::Incomplete,
                path: self.path_of(node),
                sentence: format!(
                    "more than {} errors; what comes behind was not looked at",
                    found.len()
                ),
                places: Vec::new(),
                below: Vec::new(),
            });
        }
        found
    }

    /// Where a value that is not decided was written. What came of several has no place of its own.
    fn place_of_undecided(&self, node: NodeId, value: Option<Value>) -> Option<Place> {
        if matches!(value, None | Some(Value::Disjunction(_) | Value::Top)) {
            return None;
        }
        self.written_at(node).find_map(|pos| self.place(pos))
    }

    /// The issues of a fault. What is below a problem is worked out once: arms often die of the same, at many levels.
    fn issues_of(
        &self,
        fault: FaultId,
        node: NodeId,
        found: &mut Found,
        known: &mut FxHashMap<u32, Vec<Issue>>,
    ) {
        let data = &self[fault];
        for id in self.problems_of(fault) {
            if found.is_enough() {
                break;
            }
            let id = self.telling(id);
            let problem = &self.problems[id as usize];
            let below = if let Some(below) = known.get(&id) {
                below.clone()
            } else {
                let mut below = Found::default();
                for child in &problem.children {
                    self.issues_of(*child, node, &mut below, known);
                }
                let below: Vec<_> = below.issues.into_iter().collect();
                known.insert(id, below.clone());
                below
            };
            found.insert(Issue {
                code: data.code,
                path: self.path_of(problem.node.or(data.node).unwrap_or(node)),
                sentence: self.sentence(problem),
                places: self.places_of(problem, node),
                below,
            });
        }
    }

    /// Where a problem is, each place once; the first is the most telling.
    pub(crate) fn places_of(&self, problem: &Problem, node: NodeId) -> Vec<Place> {
        let mut places = Vec::new();
        self.add_places(problem, &mut places);
        // What was noticed nowhere in particular stands where its value was written.
        if places.is_empty()
            && let Some(pos) = self.node_pos(problem.node.unwrap_or(node))
        {
            places.extend(self.place(pos));
        }
        places
    }

    /// Where it was noticed, what else it is about, where the values it names were written, and the same of its cause.
    fn add_places(&self, problem: &Problem, places: &mut Vec<Place>) {
        let rejected = problem.node.filter(|_| problem.rejects());
        let named = problem.args.iter().filter_map(|arg| match arg {
            Arg::Value(Value::Node(node)) | Arg::Content(node) => Some(*node),
            _ => None,
        });
        let written = rejected.into_iter().chain(named);
        let written = written.flat_map(|node| self.written_at(node));
        let noticed = problem.pos.iter().chain(&problem.others).copied();
        for pos in noticed.chain(written) {
            if let Some(place) = self.place(pos)
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        let caused = problem.cause.filter(|_| problem.is_where_its_cause_is());
        for id in caused.map_or_else(Vec::new, |cause| self.problems_of(cause)) {
            self.add_places(&self.problems[id as usize], places);
        }
    }
}
