//! Errors as values.
//!
//! The *code* of an error steers evaluation: an incomplete one may be repaired by more input, so
//! that comprehensions wait and disjunctions keep the arm; the others are final. Texts are put
//! together only when somebody reads them.

use pequod_cue_syntax::Pos;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use crate::kind::Kind;
use crate::program::ExprId;
use crate::session::{CYCLE, Origin, Session};
use crate::value::{
    Arg, Base, Fault, FaultCode, FaultId, NodeId, Problem, Problems, Value, WorkId,
};

impl Session<'_> {
    pub(crate) fn add_fixed_faults(&mut self) {
        self.new_fault(FaultCode::Cycle, "cycle error", [], None, None);
        self.new_fault(
            FaultCode::Literal,
            "explicit error (_|_ literal) in source",
            [],
            None,
            None,
        );
        self.new_fault(FaultCode::Eval, "no sharing", [], None, None);
    }

    pub(crate) fn new_fault<const N: usize>(
        &mut self,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
        node: Option<NodeId>,
    ) -> FaultId {
        // Most of a text is put together when somebody reads it; what is already there counts.
        let texts = args.iter().map(|arg| match arg {
            Arg::Text(text) => text.len(),
            _ => 0,
        });
        let texts: usize = texts.sum();
        self.meter.note_text(texts);
        self.meter.charge_bytes(200 + texts);
        let problem = u32::try_from(self.problems.len()).unwrap_or(u32::MAX);
        self.problems.push(Problem {
            template,
            args: SmallVec::from_iter(args),
            pos,
            others: SmallVec::new(),
            node,
            cause: None,
            children: Vec::new(),
        });
        self.push_fault(Fault {
            code,
            problems: Problems::One(problem),
            node,
            child: false,
            recursive: false,
            close_check: false,
        })
    }

    fn push_fault(&mut self, fault: Fault) -> FaultId {
        self.meter.charge_bytes(size_of::<Fault>());
        let id = FaultId::next(self.faults.len());
        self.faults.push(fault);
        id
    }

    /// What an error is about, each problem once, in the order in which they were met.
    pub(crate) fn problems_of(&self, fault: FaultId) -> Vec<u32> {
        let mut problems = Vec::new();
        let (mut known, mut gone_through) = (FxHashSet::default(), FxHashSet::default());
        let mut ahead = vec![fault];
        while let Some(fault) = ahead.pop() {
            match self[fault].problems {
                Problems::One(problem) => {
                    if known.insert(problem) {
                        problems.push(problem);
                    }
                }
                Problems::Both(first, second) => {
                    if gone_through.insert(fault) {
                        ahead.extend([second, first]);
                    }
                }
            }
        }
        problems
    }

    /// The first thing that an error is about.
    pub(crate) fn first_problem(&self, mut fault: FaultId) -> &Problem {
        loop {
            match self[fault].problems {
                Problems::One(problem) => return &self.problems[problem as usize],
                Problems::Both(first, _) => fault = first,
            }
        }
    }

    /// The latest thing that an error is about: of a new error the only one.
    pub(crate) fn latest_problem(&mut self, mut fault: FaultId) -> &mut Problem {
        loop {
            match self[fault].problems {
                Problems::One(problem) => return &mut self.problems[problem as usize],
                Problems::Both(_, second) => fault = second,
            }
        }
    }

    /// An error of the class that no input repairs, in the context.
    pub(crate) fn add_err_problem<const N: usize>(
        &mut self,
        template: &'static str,
        args: [Arg; N],
    ) {
        self.add_err_coded(FaultCode::Eval, template, args, self.pos, self.node);
    }

    pub(crate) fn add_err_coded<const N: usize>(
        &mut self,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
        node: Option<NodeId>,
    ) {
        let fault = self.new_fault(code, template, args, pos, node);
        self.add_err(fault);
    }

    /// An error that names a node, but is of none: it stays with whoever met it.
    pub(crate) fn new_loose_fault<const N: usize>(
        &mut self,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
        node: Option<NodeId>,
    ) -> FaultId {
        let fault = self.new_fault(code, template, args, pos, node);
        self[fault].node = None;
        fault
    }

    /// Adds an error to the context.
    pub(crate) fn add_err(&mut self, fault: FaultId) {
        self.errs = self.combine(self.errs, Some(fault));
    }

    /// Adds an error to a node.
    pub(crate) fn add_fault(&mut self, work: WorkId, fault: FaultId) {
        self[work].faults = self.combine(self[work].faults, Some(fault));
    }

    pub(crate) fn add_problem<const N: usize>(
        &mut self,
        work: WorkId,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
    ) {
        self.add_work_fault(work, FaultCode::Eval, template, args, pos);
    }

    pub(crate) fn add_work_fault<const N: usize>(
        &mut self,
        work: WorkId,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
    ) {
        let node = self[work].node;
        let fault = self.new_fault(code, template, args, pos, Some(node));
        self.add_fault(work, fault);
    }

    pub(crate) fn report_conflict(&mut self, work: WorkId, a: Origin, b: Origin) {
        let (x, y) = (self.kind(a.value), self.kind(b.value));
        if x == y {
            self.add_problem(
                work,
                "conflicting values {} and {}",
                [Arg::Value(b.value), Arg::Value(a.value)],
                None,
            );
        } else {
            let args = [
                Arg::Value(b.value),
                Arg::Value(a.value),
                Arg::Kind(y),
                Arg::Kind(x),
            ];
            self.add_problem(
                work,
                "conflicting values {} and {} (mismatched types {} and {})",
                args,
                None,
            );
        }
        self.at_both(work, b.pos, a.pos);
    }

    pub(crate) fn report_type_conflict(
        &mut self,
        work: WorkId,
        a: Origin,
        a_kind: Kind,
        b: Origin,
        b_kind: Kind,
    ) {
        let args = [
            Arg::Value(a.value),
            Arg::Value(b.value),
            Arg::Kind(a_kind),
            Arg::Kind(b_kind),
        ];
        self.add_problem(
            work,
            "conflicting values {} and {} (mismatched types {} and {})",
            args,
            None,
        );
        self.at_both(work, a.pos, b.pos);
    }

    /// Gives the latest problem of a node its two places.
    fn at_both(&mut self, work: WorkId, a: Option<Pos>, b: Option<Pos>) {
        let Some(fault) = self[work].faults else {
            return;
        };
        self.also_at(fault, [a, b]);
    }

    /// Gives the latest problem of an error further places.
    pub(crate) fn also_at(
        &mut self,
        fault: FaultId,
        places: impl IntoIterator<Item = Option<Pos>>,
    ) {
        let places = places.into_iter().flatten();
        self.latest_problem(fault).others.extend(places);
    }

    /// The same with all places where a node was written.
    pub(crate) fn also_about(&mut self, fault: FaultId, node: Option<NodeId>) {
        let nodes = node.into_iter();
        let places: Vec<_> = nodes.flat_map(|node| self.written_at(node)).collect();
        self.also_at(fault, places.into_iter().map(Some));
    }

    /// Errors of the node, with those of the context.
    pub(crate) fn take_faults(&mut self, work: WorkId) -> Option<FaultId> {
        let errs = self.errs.take();
        let faults = self[work].faults.take();
        self.combine(faults, errs)
    }

    /// Two errors as one. A final one hides those that more input could repair.
    pub(crate) fn combine(&mut self, a: Option<FaultId>, b: Option<FaultId>) -> Option<FaultId> {
        let (Some(a), Some(b)) = (a, b) else {
            return a.or(b);
        };
        if a == b {
            if a == CYCLE {
                return Some(a);
            }
            // Met twice it is of no node any more, as in the reference: that decides who hears of it.
            let again = Fault {
                node: None,
                child: false,
                recursive: false,
                close_check: false,
                ..self[a].clone()
            };
            return Some(self.push_fault(again));
        }
        let (mut first, mut second) = (a, b);
        if self[a].code != self[b].code {
            if self[a].code > self[b].code {
                std::mem::swap(&mut first, &mut second);
            }
            if self[second].code >= FaultCode::Incomplete {
                return Some(first);
            }
        }
        let (x, y) = (&self[first], &self[second]);
        let fault = Fault {
            code: x.code,
            problems: Problems::Both(first, second),
            node: None,
            child: false,
            recursive: false,
            close_check: x.close_check || y.close_check,
        };
        Some(self.push_fault(fault))
    }

    /// An error in a field is an error of the struct, unless more input could repair it.
    pub(crate) fn add_child_fault(&mut self, node: NodeId, fault: FaultId) {
        self[node].child_faults = self.combine(self[node].child_faults, Some(fault));
        if self.is_incomplete(fault) {
            return;
        }
        let own = self.base_fault(node);
        let below = self[fault].clone();
        match own {
            Some(own) if !self[own].close_check => {
                // Whoever met the error before sees what became of it.
                let own = &mut self[own];
                own.recursive = true;
                own.code = own.code.min(below.code);
            }
            _ => {
                let id = self.push_fault(Fault {
                    node: Some(node),
                    child: true,
                    recursive: true,
                    ..below
                });
                self[node].base = Base::Value(Value::Fault(id));
            }
        }
    }

    /// Marks a field as not allowed.
    pub(crate) fn not_allowed(&mut self, arc: NodeId) -> Option<FaultId> {
        if self[arc].presence == crate::kind::Presence::Pending || self.errs.is_some() {
            return None;
        }
        let pos = self.node_pos(arc);
        let fault = self.new_fault(FaultCode::Eval, "field not allowed", [], pos, Some(arc));
        self[fault].close_check = true;
        let mut others: Vec<Pos> = Vec::new();
        for c in self[arc].conjuncts.clone() {
            others.extend(self.elem_pos(c.elem));
            others.extend(self.closing_positions(c.close.id));
        }
        others.dedup();
        self.latest_problem(fault).others.extend(others);
        self[arc].base = Base::Value(Value::Fault(fault));
        self[arc].status = crate::session::Status::Final;
        if let Some(work) = self[arc].work {
            self[work].kind = Kind::BOTTOM;
        }
        Some(fault)
    }

    pub(crate) fn is_incomplete(&self, fault: FaultId) -> bool {
        self[fault].code >= FaultCode::Incomplete
    }

    /// The error a node itself holds.
    pub(crate) fn base_fault(&self, node: NodeId) -> Option<FaultId> {
        match self[node].base {
            Base::Value(Value::Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    /// The error of what a node stands for.
    pub(crate) fn fault_of(&self, node: NodeId) -> Option<FaultId> {
        self.base_fault(self.deref(node))
    }

    pub(crate) fn as_fault(&self, value: Value) -> Option<FaultId> {
        match value {
            Value::Fault(fault) => Some(fault),
            Value::Node(node) => self.fault_of(node),
            _ => None,
        }
    }

    pub(crate) fn is_cycle_base(&self, base: Base) -> bool {
        match base {
            Base::Value(Value::Fault(fault)) => fault == CYCLE,
            Base::Value(Value::Node(node)) => self.fault_of(node) == Some(CYCLE),
            _ => false,
        }
    }

    /// A cycle gets the place where it was met.
    pub(crate) fn place_cycle(&mut self, fault: FaultId) -> FaultId {
        if fault != CYCLE || self.pos.is_none() {
            return fault;
        }
        self.new_fault(FaultCode::Cycle, "cycle error", [], self.pos, self.node)
    }

    /// A value of the wrong type.
    pub(crate) fn type_error(&mut self, value: Value, kind: Kind, expr: ExprId) {
        if matches!(value, Value::Fault(_)) {
            return;
        }
        let pos = Some(self.program.span(expr).pos());
        let own = self.kind(value);
        // What is made of an ancestor alone only looks finished.
        let hollow = matches!(value, Value::Node(node)
            if self[node].work.is_some_and(|work| self.only_cyclic(work)));
        if hollow || (!self.is_concrete(value) && own.meets(kind)) {
            self.add_err_coded(
                FaultCode::Incomplete,
                "incomplete {}: {}",
                [Arg::Kind(kind), Arg::Value(value)],
                pos,
                self.node,
            );
        } else {
            self.add_err_coded(
                FaultCode::Eval,
                "cannot use {} (type {}) as type {}",
                [Arg::Value(value), Arg::Kind(own), Arg::Kind(kind)],
                pos,
                self.node,
            );
        }
    }
}
