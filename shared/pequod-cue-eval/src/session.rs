//! One evaluation's memory: everything lives in vectors, is named by numbers, and goes at once.
//!
//! A [`Node`] is a value with a place: label, presence, conjuncts, arcs. What is only needed while
//! it is evaluated is in its [`Work`]. An [`Env`] says which node a struct literal became; the
//! conjuncts of a node are expressions under environments, with a [`Close`] that says where they
//! came from.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use pequod_cue_syntax::Pos;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::budget::{Meter, Poison};
use crate::close::{ConjunctMark, Requirement, RequirementSet};
use crate::copies::Copies;
use crate::disjunct::{DefaultMode, Hole};
use crate::doubt::Doubts;
use crate::fields::Fields;
use crate::kind::{Kind, Label, Presence};
use crate::program::{CompId, DeclId, ExprId, Names, Program, StructId, Sym};
use crate::sched::{Cond, Mode, Task, Waiting};
use crate::spare::Spare;
use crate::value::{
    Base, Bound, BoundId, Disjunction, EnvId, Fault, FaultId, NodeId, Num, Problem, TaskId,
    Validator, Value, WorkId,
};

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Not begun.
    Fresh,
    /// On the way.
    Evaluating,
    /// Done.
    Final,
}

/// A conjunct's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Elem {
    /// An expression.
    Expr(ExprId),
    /// A field's or a let's value, with the declaration it comes from.
    Decl(DeclId),
    /// A value.
    Value(Value),
    /// A comprehension.
    Comp(CompId),
}

/// An expression or value that a node must satisfy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conjunct {
    /// Where its references look.
    pub env: EnvId,
    /// What.
    pub elem: Elem,
    /// Where it comes from.
    pub close: Close,
}

/// Where a conjunct comes from: what closes it, and by which references it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one conjunct"
)]
pub struct Close {
    /// The id evidence is given by; 0 is none.
    pub id: u32,
    /// The embedding it stands in.
    pub embed: u32,
    /// The struct that is to be closed as a whole.
    pub outer: u32,
    /// Reached through an embedding.
    pub from_embed: bool,
    /// Reached through a definition.
    pub from_def: bool,
    /// Data unified with a definition.
    pub top_def: bool,
    /// `x...`
    pub opened: bool,
    /// An operand of `(x & y)...`.
    pub conjunct_opened: bool,
    /// What is known about cycles.
    pub cycle: CycleKind,
    /// The references it was reached by, latest first; 0 is none.
    pub refs: u32,
}

/// What is known about a conjunct and cycles; it only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CycleKind {
    /// Nothing.
    #[default]
    None,
    /// It stands in an optional field, pattern or disjunction.
    Optional,
    /// It stands in one and met a reference again.
    Maybe,
    /// It is cyclic.
    Cyclic,
}

/// A step of a chain of references.
#[derive(Debug, Clone, Copy)]
pub struct Ref {
    /// The reference.
    pub expr: ExprId,
    /// What it led to.
    pub target: NodeId,
    /// For which node.
    pub node: NodeId,
    /// How deep that node lies.
    pub depth: u32,
    /// The step before; 0 is none.
    pub next: u32,
    /// The first step's reference.
    pub first: ExprId,
}

/// Which node a struct literal became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Env {
    /// The enclosing environment.
    pub up: EnvId,
    /// The node.
    pub node: NodeId,
    /// The label a pattern or dynamic field matched.
    pub label: Label,
    /// The run of a comprehension it belongs to; 0 is none.
    pub comp: u32,
}

/// A pattern constraint of a node.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// Which labels.
    pub filter: Value,
    /// A node that holds the conjuncts.
    pub constraint: NodeId,
}

/// A struct that was unified into a node; for the order of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Which.
    pub source: ShapeSource,
    /// The run of a comprehension it belongs to; 0 is none.
    pub comp: u32,
    /// How often it came again.
    pub repeats: u32,
}

/// Where a shape comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeSource {
    /// A literal.
    Lit(StructId),
    /// Data.
    Data(NodeId),
}

/// A value with a place.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one node"
)]
pub struct Node {
    /// What it is a field of.
    pub parent: Option<NodeId>,
    /// Its label there.
    pub label: Label,
    /// Whether it is there.
    pub presence: Presence,
    /// How far it is.
    pub status: Status,
    /// Its value.
    pub base: Base,
    /// Its arcs, and what only structs and lists have beside.
    pub fields: Option<Box<Fields>>,
    /// What it must satisfy.
    pub conjuncts: SmallVec<[Conjunct; 1]>,
    /// Errors of arcs.
    pub child_faults: Option<FaultId>,
    /// Its state while it is evaluated.
    pub work: Option<WorkId>,
    /// Its state was given back: nobody asks for it any more.
    pub settled: bool,
    /// The node that a copy in an arm of a disjunction stands for.
    pub underlying: Option<NodeId>,
    /// Closed at all levels.
    pub closed: bool,
    /// Closed at this level.
    pub closed_once: bool,
    /// It has `...`.
    pub ellipsis: bool,
    /// Made by an expression, without a place in the tree.
    pub dynamic: bool,
    /// It has no path from the root.
    pub non_rooted: bool,
    /// Never output.
    pub anonymous: bool,
    /// An arm of a disjunction.
    pub disjunct: bool,
    /// It shares the structure of another.
    pub shared: bool,
    /// Holds a pattern's conjuncts.
    pub is_pattern: bool,
    /// A let that was inserted more than once.
    pub multi_let: bool,
    /// Data: not to be evaluated.
    pub data: bool,
    /// It lies under an external root.
    pub external: bool,
    /// Conjuncts came from a struct or list before it had a state.
    pub inserted: bool,
    /// A scalar that its only conjunct gave; it never had a state.
    pub plain: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            parent: None,
            label: Label::NONE,
            presence: Presence::Member,
            status: Status::Fresh,
            base: Base::None,
            fields: None,
            conjuncts: SmallVec::new(),
            child_faults: None,
            work: None,
            settled: false,
            underlying: None,
            closed: false,
            closed_once: false,
            ellipsis: false,
            dynamic: false,
            non_rooted: false,
            anonymous: false,
            disjunct: false,
            shared: false,
            is_pattern: false,
            multi_let: false,
            data: false,
            external: false,
            inserted: false,
            plain: false,
        }
    }
}

/// A place in source, with the value that stands there: one side of a conflict.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The value.
    pub value: Value,
    /// Where.
    pub pos: Option<Pos>,
}

/// Which of the things that come after evaluation expects what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostCheck {
    /// Where the expression looks.
    pub env: EnvId,
    /// What was compared with bottom.
    pub expr: ExprId,
    /// Whether it was an error then.
    pub was_error: bool,
}

/// How closed something is that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opened {
    /// Nothing closed was opened.
    Nothing,
    /// It was closed at one level.
    ClosedOnce,
    /// It was closed at all levels.
    Closed,
}

/// A set of nodes that is mostly small: searched one by one until it has many.
#[derive(Debug, Clone, Default)]
pub struct Few {
    few: SmallVec<[NodeId; 4]>,
    many: Option<Box<FxHashSet<NodeId>>>,
}

impl Few {
    const MANY: usize = 16;

    pub(crate) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.is_none()
    }

    /// Adds all of a set to one that has none yet.
    pub(crate) fn add_all(&mut self, others: &Self) {
        self.few.extend_from_slice(&others.few);
        self.many.clone_from(&others.many);
    }

    /// Adds a node. Says whether it is new.
    pub(crate) fn insert(&mut self, node: NodeId) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(node);
        }
        if self.few.contains(&node) {
            return false;
        }
        if self.few.len() < Self::MANY {
            self.few.push(node);
        } else {
            let mut many: Box<FxHashSet<_>> = Box::new(self.few.drain(..).collect());
            many.insert(node);
            self.many = Some(many);
        }
        true
    }
}

/// A node's state while it is evaluated.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent findings about one node"
)]
pub struct Work {
    /// Whose.
    pub node: NodeId,
    /// Where a shared node without a place will be.
    pub parent: Option<NodeId>,
    /// Conjuncts were scheduled.
    pub initialized: bool,

    // The scheduler's part.
    /// Whether the scheduler has run.
    pub started: bool,
    /// Conditions that are met.
    pub completed: Cond,
    /// Conditions somebody needs.
    pub needs: Cond,
    /// Conditions some task provides.
    pub provided: Cond,
    /// Conditions that may not change any more.
    pub frozen: Cond,
    /// How many tasks still contribute to each condition.
    pub counters: [i32; 10],
    /// Own tasks.
    pub tasks: SmallVec<[TaskId; 4]>,
    /// Tasks of ancestors that may add to this node.
    pub parent_tasks: Vec<TaskId>,
    /// Tasks that wait for this node.
    pub blocking: SmallVec<[TaskId; 4]>,
    /// Nodes without a place that still need to be finished.
    pub deferred: Vec<NodeId>,

    // What has been found.
    /// Types that are left.
    pub kind: Kind,
    /// What decided the types.
    pub kind_origin: Option<Origin>,
    /// The value, if it is a scalar.
    pub scalar: Option<Origin>,
    /// `>`, `>=`
    pub lower: Option<Origin>,
    /// `<`, `<=`
    pub upper: Option<Origin>,
    /// Everything else to be checked.
    pub checks: Vec<(Conjunct, Option<Pos>)>,
    /// What must still be so at the end.
    pub post_checks: Vec<PostCheck>,
    /// Errors.
    pub faults: Option<FaultId>,
    /// It has `_`.
    pub has_top: bool,
    /// It has a struct literal.
    pub has_struct: bool,
    /// It is a struct for sure.
    pub is_struct: bool,
    /// A definition was unified into it.
    pub is_def: bool,
    /// A closed list was unified into it.
    pub list_closed: bool,
    /// The longest list so far.
    pub list_len: usize,

    // Cycles.
    /// Some conjunct is cyclic.
    pub any_cyclic: bool,
    /// Some conjunct refers to an ancestor.
    pub ancestor_cycle: bool,
    /// Some content is not cyclic.
    pub has_non_cycle: bool,
    /// Some conjunct was not cyclic when it came.
    pub has_non_cyclic: bool,
    /// Some value came.
    pub has_value: bool,
    /// Conjuncts put off until something not cyclic comes.
    pub cyclic: Vec<(Conjunct, Option<NodeId>)>,
    /// How deep the node lies.
    pub depth: u32,
    /// At which depth it is being evaluated; 0 is not.
    pub eval_depth: u32,

    // Sharing.
    /// It shares now.
    pub is_shared: bool,
    /// It may not share.
    pub no_sharing: bool,
    /// The conjunct that led to sharing.
    pub shared: Option<Conjunct>,
    /// The cycle status of that.
    pub share_cycle: CycleKind,
    /// What stood in the node before.
    pub before_share: Base,
    /// The closings of the shared references.
    pub shared_ids: SmallVec<[Close; 1]>,
    /// They were counted.
    pub share_counted: bool,
    /// Nodes whose conjuncts were taken already.
    pub taken: Few,
    /// Nodes to be told about new conjuncts.
    pub notify: Vec<(NodeId, Close)>,
    /// The same nodes, once they are too many to be searched one by one.
    pub notified: Option<Box<FxHashSet<NodeId>>>,
    /// Completion was asked for when the running task ends.
    pub to_complete: bool,
    /// Completion is running.
    pub completing: bool,

    // Closedness.
    /// Definitions (and scopes) that have a say.
    pub requirements: Vec<Requirement>,
    /// `from` is also served by `to`.
    pub replacements: Vec<(u32, u32)>,
    /// These of all ancestors, `to` descending.
    pub flat_replacements: Option<Arc<[(u32, u32)]>>,
    /// The ids of its conjuncts.
    pub marks: Vec<ConjunctMark>,
    /// Worked out requirements.
    pub sets: Option<Arc<[RequirementSet]>>,
    /// How closed what was embedded by `x...` is; for `__reclose`.
    pub opened: Opened,
    /// It is the value of this attempt (`try`); 0 is none.
    pub attempt: u32,
    /// What the parent requires does not hold here.
    pub drop_parent_sets: bool,

    // Disjunctions.
    /// To be multiplied.
    pub holes: Vec<Hole>,
    /// What came of it, if more than one arm is left.
    pub disjuncts: SmallVec<[WorkId; 4]>,
    /// Every arm that was tried, to be given back.
    pub tried: SmallVec<[NodeId; 4]>,
    /// What the arms died of.
    pub disjunct_faults: Vec<FaultId>,
    /// These that the author worded.
    pub user_faults: Vec<FaultId>,
    /// There is one.
    pub has_disjunction: bool,
    /// How the arm is to be finished.
    pub run_mode: Option<Mode>,
    /// Its standing so far.
    pub default_mode: DefaultMode,
    /// Its standing in the latest disjunction.
    pub orig_default_mode: DefaultMode,
    /// Somebody asked for the default on the way.
    pub default_asked: Option<NodeId>,
    /// The nodes this arm copied.
    pub copies: Option<Arc<Copies>>,
    /// In which context its evaluation began.
    pub context: u32,
}

/// The evaluator.
pub struct Session<'s> {
    pub(crate) program: Arc<Program>,
    pub(crate) meter: Meter,
    /// Asked now and then whether to stop.
    pub(crate) stop: Option<&'s dyn Fn() -> bool>,
    pub(crate) poison: Option<Poison>,

    pub(crate) nodes: Vec<Node>,
    pub(crate) works: Vec<Work>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) spare: Spare,
    pub(crate) envs: Vec<Env>,
    pub(crate) refs: Vec<Ref>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) extra_names: Names,
    pub(crate) nums: Vec<Num>,
    pub(crate) bytes: Vec<Arc<[u8]>>,
    pub(crate) bounds: Vec<Bound>,
    pub(crate) validators: Vec<Validator>,
    pub(crate) conjunctions: Vec<Box<[Value]>>,
    pub(crate) disjunctions: Vec<Disjunction>,
    /// The parent of each closing id, and where it arose. Index 0 is no id.
    pub(crate) closings: Vec<(u32, Option<Pos>)>,
    /// Lets, by environment and arc; and whether it was made a second time.
    pub(crate) let_cache: FxHashMap<(EnvId, NodeId), (NodeId, bool)>,
    pub(crate) regexes: FxHashMap<Sym, Result<Arc<pequod_cue_regex::Regex>, String>>,
    /// The packages that were asked for.
    pub(crate) packages: FxHashMap<u32, NodeId>,
    /// The members of builtin packages that are used, each in a struct of its own; evaluated.
    pub(crate) builtin_packages: Vec<NodeId>,

    // The context of what runs.
    pub(crate) env: EnvId,
    pub(crate) close: Close,
    pub(crate) pos: Option<Pos>,
    pub(crate) errs: Option<FaultId>,
    pub(crate) node: Option<NodeId>,
    pub(crate) task_stack: Vec<TaskId>,
    pub(crate) blocking: Waiting,
    pub(crate) eval_depth: u32,
    /// The nodes that are being evaluated, outermost first.
    pub(crate) unifying: Vec<NodeId>,
    pub(crate) next_hole: u32,
    pub(crate) next_comp: u32,
    pub(crate) in_detached: u32,
    pub(crate) in_validator: u32,
    pub(crate) overlays: Vec<Overlay>,
    pub(crate) lookup_pending_parent: bool,
    /// Functions that look at a whole value have a context of their own: of what began in another, it is not asked
    /// there whether its fields are allowed.
    pub(crate) context: u32,
    pub(crate) next_context: u32,

    /// Whether the attempts (`try`) failed for want of a field. Index 0 is no attempt.
    pub(crate) attempts: Vec<bool>,
    /// Reads under external roots: who, and what.
    pub(crate) reads: Vec<(NodeId, NodeId, Option<Label>)>,
    /// References between nodes: who, and to what.
    pub(crate) uses: FxHashSet<(NodeId, NodeId)>,
    /// Whether reads are worth recording.
    pub(crate) records: bool,
    /// Signs that the outcome may not be right.
    pub(crate) doubts: Doubts,
}

/// The nodes an arm of a disjunction copied, while it is evaluated.
pub(crate) struct Overlay {
    pub(crate) copies: Arc<Copies>,
}

/// Why evaluation of an expression stopped without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The running task waits for a condition and will be run again.
    Yield,
    /// A construct is not supported, or a budget is spent: everything ends.
    Poison,
}

/// A step of evaluation.
pub type Run<T> = Result<T, Stop>;

/// The error of a reference or value that meets itself; its place is known later.
pub(crate) const CYCLE: FaultId = FaultId::new(0);
/// `_|_`
pub(crate) const LITERAL: FaultId = FaultId::new(1);
/// `__no_sharing`: no error, but a value that only says that the node is not to share.
pub(crate) const NO_SHARING: FaultId = FaultId::new(2);
/// The environment of nothing.
pub(crate) const NO_ENV: EnvId = EnvId::new(0);
/// The node of nothing: final and empty.
pub(crate) const EMPTY: NodeId = NodeId::new(0);

impl<'s> Session<'s> {
    /// An empty memory for a program.
    pub(crate) fn new(
        program: Arc<Program>,
        meter: Meter,
        stop: Option<&'s dyn Fn() -> bool>,
    ) -> Self {
        // A value has about as many nodes as its program has expressions, unless it has many more.
        let room = program.exprs.len().clamp(16, 1024);
        let mut session = Self {
            nums: program.nums.clone(),
            bytes: program.bytes.clone(),
            bounds: program.bounds.clone(),
            conjunctions: program.conjunctions.clone(),
            program,
            meter,
            stop,
            poison: None,
            nodes: Vec::with_capacity(room),
            // Large, so that moving them for want of room costs more than the room.
            works: Vec::with_capacity((room / 2).max(64)),
            tasks: Vec::with_capacity(room / 4),
            spare: Spare::default(),
            envs: Vec::with_capacity(room / 2),
            refs: Vec::with_capacity(room / 4),
            faults: Vec::with_capacity(4),
            problems: Vec::with_capacity(4),
            extra_names: Names::default(),
            validators: Vec::new(),
            disjunctions: Vec::new(),
            closings: vec![(0, None)],
            let_cache: FxHashMap::default(),
            regexes: FxHashMap::default(),
            packages: FxHashMap::default(),
            builtin_packages: Vec::new(),
            env: NO_ENV,
            close: Close::default(),
            pos: None,
            errs: None,
            node: None,
            task_stack: Vec::new(),
            blocking: Waiting::default(),
            eval_depth: 0,
            unifying: Vec::new(),
            next_hole: 0,
            next_comp: 0,
            in_detached: 0,
            in_validator: 0,
            overlays: Vec::new(),
            lookup_pending_parent: false,
            context: 0,
            next_context: 0,
            attempts: vec![false],
            reads: Vec::new(),
            uses: FxHashSet::default(),
            records: false,
            doubts: Doubts::default(),
        };
        session.nodes.push(Node {
            status: Status::Final,
            ..Node::default()
        });
        session.envs.push(Env {
            up: NO_ENV,
            node: EMPTY,
            label: Label::NONE,
            comp: 0,
        });
        session.refs.push(Ref {
            expr: ExprId(0),
            target: EMPTY,
            node: EMPTY,
            depth: 0,
            next: 0,
            first: ExprId(0),
        });
        session.add_fixed_faults();
        session
    }

    /// The memory without the caller's stop, to be kept.
    pub(crate) fn settled(self) -> Session<'static> {
        let Session {
            program,
            meter,
            poison,
            nodes,
            works,
            tasks,
            spare,
            envs,
            refs,
            faults,
            problems,
            extra_names,
            nums,
            bytes,
            bounds,
            validators,
            conjunctions,
            disjunctions,
            closings,
            let_cache,
            regexes,
            packages,
            builtin_packages,
            env,
            close,
            pos,
            errs,
            node,
            task_stack,
            blocking,
            eval_depth,
            unifying,
            next_hole,
            next_comp,
            in_detached,
            in_validator,
            overlays,
            lookup_pending_parent,
            context,
            next_context,
            attempts,
            reads,
            uses,
            records,
            doubts,
            stop: _,
        } = self;
        Session {
            program,
            meter,
            poison,
            nodes,
            works,
            tasks,
            spare,
            envs,
            refs,
            faults,
            problems,
            extra_names,
            nums,
            bytes,
            bounds,
            validators,
            conjunctions,
            disjunctions,
            closings,
            let_cache,
            regexes,
            packages,
            builtin_packages,
            env,
            close,
            pos,
            errs,
            node,
            task_stack,
            blocking,
            eval_depth,
            unifying,
            next_hole,
            next_comp,
            in_detached,
            in_validator,
            overlays,
            lookup_pending_parent,
            context,
            next_context,
            attempts,
            reads,
            uses,
            records,
            doubts,
            stop: None,
        }
    }

    /// The value of a package; not evaluated before somebody asks.
    pub(crate) fn package(&mut self, unit: u32) -> NodeId {
        if let Some(root) = self.packages.get(&unit) {
            return *root;
        }
        let program = self.program.clone();
        let files = program.packages.get(unit as usize);
        let root = self.package_of(files.map_or(&[], Vec::as_slice));
        self.packages.insert(unit, root);
        root
    }

    /// The struct with a member of a builtin package.
    pub(crate) fn builtin_package(&self, at: u32) -> NodeId {
        let root = self.builtin_packages.get(at as usize);
        root.copied().unwrap_or(EMPTY)
    }

    /// Evaluates members of builtin packages: in the reference, too, they are done before anything else.
    pub(crate) fn finish_builtin_packages(&mut self) -> Run<()> {
        let program = self.program.clone();
        for root in &program.builtin_packages {
            let root = self.package_of(&[*root]);
            self.builtin_packages.push(root);
            self.finalize(root)?;
        }
        Ok(())
    }

    fn package_of(&mut self, files: &[ExprId]) -> NodeId {
        let root = self.new_node(Node::default());
        let env = self.new_env(NO_ENV, EMPTY);
        for file in files {
            let c = Conjunct {
                env,
                elem: Elem::Expr(*file),
                close: Close::default(),
            };
            self[root].conjuncts.push(c);
        }
        root
    }

    pub(crate) fn new_node(&mut self, node: Node) -> NodeId {
        self.meter.charge_bytes(size_of::<Node>());
        let id = NodeId::next(self.nodes.len());
        self.nodes.push(node);
        id
    }

    pub(crate) fn new_env(&mut self, up: EnvId, node: NodeId) -> EnvId {
        self.push_env(Env {
            up,
            node,
            label: Label::NONE,
            comp: 0,
        })
    }

    pub(crate) fn push_env(&mut self, env: Env) -> EnvId {
        let id = EnvId::next(self.envs.len());
        self.envs.push(env);
        id
    }

    pub(crate) fn push_ref(&mut self, step: Ref) -> u32 {
        let id = u32::try_from(self.refs.len()).unwrap_or(u32::MAX);
        self.refs.push(step);
        id
    }

    /// The text of a name.
    pub(crate) fn text(&self, sym: Sym) -> &Arc<str> {
        let fixed = self.program.names.texts.len();
        match sym.at().checked_sub(fixed) {
            None => &self.program.names.texts[sym.at()],
            Some(extra) => &self.extra_names.texts[extra],
        }
    }

    pub(crate) fn intern(&mut self, text: &str) -> Sym {
        self.meter.note_text(text.len());
        if let Some(sym) = self.program.names.find(text) {
            return sym;
        }
        self.meter.charge_bytes(text.len());
        self.extra_names
            .intern(text, self.program.names.texts.len())
    }

    pub(crate) fn string(&mut self, text: &str) -> Value {
        Value::Str(self.intern(text))
    }

    pub(crate) fn bound(&self, id: BoundId) -> Bound {
        self.bounds[id.at()]
    }

    pub(crate) fn add_bound(&mut self, bound: Bound) -> Value {
        let id = BoundId(u32::try_from(self.bounds.len()).unwrap_or(u32::MAX));
        self.bounds.push(bound);
        Value::Bound(id)
    }
}

macro_rules! arena {
    ($id:ty, $item:ty, $field:ident) => {
        impl Index<$id> for Session<'_> {
            type Output = $item;
            fn index(&self, id: $id) -> &$item {
                &self.$field[id.at()]
            }
        }
        impl IndexMut<$id> for Session<'_> {
            fn index_mut(&mut self, id: $id) -> &mut $item {
                &mut self.$field[id.at()]
            }
        }
    };
}

arena!(NodeId, Node, nodes);
arena!(WorkId, Work, works);
arena!(TaskId, Task, tasks);
arena!(EnvId, Env, envs);
arena!(FaultId, Fault, faults);

impl Work {
    /// The state of a node before anything is known.
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            parent: None,
            initialized: false,
            started: false,
            completed: Cond::NONE,
            needs: Cond::NONE,
            provided: Cond::NONE,
            frozen: Cond::NONE,
            counters: [0; 10],
            tasks: SmallVec::new(),
            parent_tasks: Vec::new(),
            blocking: SmallVec::new(),
            deferred: Vec::new(),
            kind: Kind::TOP,
            kind_origin: None,
            scalar: None,
            lower: None,
            upper: None,
            checks: Vec::new(),
            post_checks: Vec::new(),
            faults: None,
            has_top: false,
            has_struct: false,
            is_struct: false,
            is_def: false,
            list_closed: false,
            list_len: 0,
            any_cyclic: false,
            ancestor_cycle: false,
            has_non_cycle: false,
            has_non_cyclic: false,
            has_value: false,
            cyclic: Vec::new(),
            depth: 0,
            eval_depth: 0,
            is_shared: false,
            no_sharing: false,
            shared: None,
            share_cycle: CycleKind::None,
            before_share: Base::None,
            shared_ids: SmallVec::new(),
            share_counted: false,
            taken: Few::default(),
            notify: Vec::new(),
            notified: None,
            to_complete: false,
            completing: false,
            requirements: Vec::new(),
            replacements: Vec::new(),
            flat_replacements: None,
            marks: Vec::new(),
            sets: None,
            opened: Opened::Nothing,
            attempt: 0,
            drop_parent_sets: false,
            holes: Vec::new(),
            disjuncts: SmallVec::new(),
            tried: SmallVec::new(),
            disjunct_faults: Vec::new(),
            user_faults: Vec::new(),
            has_disjunction: false,
            run_mode: None,
            default_mode: DefaultMode::Maybe,
            orig_default_mode: DefaultMode::Maybe,
            default_asked: None,
            copies: None,
            context: 0,
        }
    }
}
