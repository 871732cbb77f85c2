//! What each kind of task does.

use crate::conjunct::Content;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::{Clause, Comp, CompId, Decl, Expr, ExprId, ListElem};
use crate::sched::{Cond, Kind as TaskKind, Mode};
use crate::session::{
    Close, Conjunct, EMPTY, Elem, Env, NO_ENV, Node, Origin, Run, Session, Status,
};
use crate::value::{
    Arg, Base, Bound, EnvId, FaultCode, FaultId, NodeId, Op, TaskId, Value, WorkId,
};

impl Session<'_> {
    pub(crate) fn perform(&mut self, id: TaskId, mode: Mode) -> Run<()> {
        let task = &self[id];
        let (work, env, elem, close) =
            (task.work, task.env.unwrap_or(NO_ENV), task.elem, task.close);
        match (task.kind, elem) {
            (TaskKind::Expr, Elem::Expr(expr)) => self.perform_expr(work, env, expr, mode),
            (TaskKind::Resolve, Elem::Expr(expr)) => {
                self.perform_resolve(id, work, env, expr, mode)
            }
            (TaskKind::Dynamic, _) => self.perform_dynamic(work, env, elem, close, mode),
            (TaskKind::Pattern, _) => self.perform_pattern(work, env, elem, close),
            (TaskKind::Comprehension, Elem::Comp(comp)) => {
                self.perform_comprehension(id, work, env, comp, close)
            }
            (TaskKind::List, Elem::Expr(expr)) => self.perform_list(work, env, expr, close, mode),
            (TaskKind::ListNode, Elem::Value(Value::Node(list))) => {
                self.perform_list_node(work, list, close)
            }
            (TaskKind::Disjunctions, _) => {
                let fault = self.perform_disjunctions(work)?;
                self.task_fault(id, fault);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn task_fault(&mut self, id: TaskId, fault: Option<FaultId>) {
        self[id].fault = self.combine(self[id].fault, fault);
    }

    fn perform_expr(&mut self, work: WorkId, env: EnvId, expr: ExprId, mode: Mode) -> Run<()> {
        let (value, close) = self.eval_close(expr, Cond::SCALAR, mode, false)?;
        if close.is_cyclic() && self[self[work].node].is_pattern {
            return Ok(());
        }
        match value {
            Some(value) => {
                let pos = Some(self.program.span(expr).pos());
                self.insert_value(work, env, value, close, pos)
            }
            None => Ok(()),
        }
    }

    fn perform_resolve(
        &mut self,
        id: TaskId,
        work: WorkId,
        env: EnvId,
        expr: ExprId,
        mode: Mode,
    ) -> Run<()> {
        let saved = std::mem::replace(&mut self.lookup_pending_parent, false);
        let arc = self.resolve(expr, Cond::FIELD_SET, mode);
        let pending_parent = std::mem::replace(&mut self.lookup_pending_parent, saved);
        let arc = match arc? {
            Some(arc) if arc != EMPTY => arc,
            other => {
                // A comprehension may still produce the field.
                if other.is_none() && mode == Mode::Attempt && self.errs.is_none() && pending_parent
                {
                    self[id].retry = true;
                }
                return Ok(());
            }
        };
        self.record_use(arc);
        let mut close = self.close;
        close.opened |= self[id].close.opened;
        close.conjunct_opened |= self[id].close.conjunct_opened;
        let arc = self.deref_non_disjunct(arc);
        let arm = self.deref_disjunct(arc);
        self.doubt_reference(arm);
        let (close, skip) = self.detect_cycle(work, arm, Some(env), expr, close)?;
        if skip {
            return self.unshare(work);
        }
        if self[id].defunct {
            return Ok(());
        }
        if let Base::Value(Value::Fault(fault)) = self[arm].base
            && self[fault].code == FaultCode::Structural
        {
            self.add_err(fault);
            return Ok(());
        }
        let c = Conjunct {
            env,
            elem: Elem::Expr(expr),
            close,
        };
        self.schedule_node_conjuncts(work, c, arc, close, Some(expr))
    }

    fn perform_dynamic(
        &mut self,
        work: WorkId,
        env: EnvId,
        elem: Elem,
        close: Close,
        mode: Mode,
    ) -> Run<()> {
        let Elem::Decl(decl) = elem else {
            return Ok(());
        };
        let program = self.program.clone();
        let Decl::Dynamic {
            key,
            presence,
            named,
            ..
        } = program.decl(decl)
        else {
            return Ok(());
        };
        self.at(*key);
        let (value, node) = self.value_and_node(*key, Cond::SCALAR_VALUE, mode)?;
        let Some(value) = value else {
            return Ok(());
        };
        let pos = Some(program.span(*key).pos());
        if let Value::Node(node) = value
            && self.deref_status(node) == Status::Evaluating
        {
            self.add_work_fault(
                work,
                FaultCode::Incomplete,
                "key value of dynamic field not yet known",
                [],
                pos,
            );
            return Ok(());
        }
        if !self.is_concrete(value) {
            let fault = self.new_fault(
                FaultCode::Incomplete,
                "key value of dynamic field must be concrete, found {}",
                [Arg::Value(value)],
                pos,
                Some(self[work].node),
            );
            self.also_about(fault, node);
            self.add_fault(work, fault);
            return Ok(());
        }
        let label = match value {
            Value::Str(_) => self.as_label(*key, (Some(value), node)),
            Value::Int(_) | Value::Num(_) => {
                self.add_problem(work, "integer fields not supported", [], pos);
                return Ok(());
            }
            other => {
                let kind = self.kind(other);
                self.add_problem(
                    work,
                    "invalid index {} (invalid type {})",
                    [Arg::Expr(*key), Arg::Kind(kind)],
                    pos,
                );
                return Ok(());
            }
        };
        let Some(label) = label else { return Ok(()) };
        let env = if *named {
            let e = self[env];
            self.push_env(Env { label, ..e })
        } else {
            env
        };
        let c = Conjunct { env, elem, close };
        self.insert_arc(work, label, *presence, c, close)?;
        Ok(())
    }

    fn perform_pattern(&mut self, work: WorkId, env: EnvId, elem: Elem, close: Close) -> Run<()> {
        let Elem::Decl(decl) = elem else {
            return Ok(());
        };
        let program = self.program.clone();
        let Decl::Pattern { filter, .. } = program.decl(decl) else {
            return Ok(());
        };
        // A disjunction keeps all its arms here: the default is not taken.
        let Some(filter) = self.eval(*filter, Cond::SCALAR_VALUE, Mode::Yield)? else {
            return Ok(());
        };
        if matches!(filter, Value::Fault(_)) {
            return Ok(());
        }
        self.insert_pattern(work, filter, Conjunct { env, elem, close })
    }

    fn perform_list(
        &mut self,
        work: WorkId,
        env: EnvId,
        expr: ExprId,
        close: Close,
        mode: Mode,
    ) -> Run<()> {
        self.found_content(work, close)?;
        let program = self.program.clone();
        let Expr::List(list) = program.expr(expr) else {
            return Ok(());
        };
        let list = &program.lists[list.at()];
        let pos = Some(program.span(expr).pos());
        let mut id = close;
        id.from_embed = false;
        let mut index = 0usize;
        let mut computed = false;
        for elem in &list.elems {
            match elem {
                ListElem::Expr(value) => {
                    let c = Conjunct {
                        env,
                        elem: Elem::Expr(*value),
                        close: id,
                    };
                    let label = self.element_label(index)?;
                    self.insert_arc(work, label, Presence::Member, c, id)?;
                    index += 1;
                }
                ListElem::Comprehension(comp) => {
                    computed = true;
                    let before = index;
                    let comp = &program.comps[comp.at()];
                    let (envs, fault) = self.run_clauses(None, env, comp)?;
                    for env in envs {
                        let c = Conjunct {
                            env,
                            elem: Elem::Expr(comp.value),
                            close: id,
                        };
                        let label = self.element_label(index)?;
                        self.insert_arc(work, label, Presence::Member, c, id)?;
                        index += 1;
                    }
                    if let Some(fault) = fault {
                        self.add_fault(work, fault);
                        return Ok(());
                    }
                    if index == before
                        && let Some(fallback) = comp.fallback
                    {
                        let c = Conjunct {
                            env,
                            elem: Elem::Expr(fallback),
                            close: id,
                        };
                        let label = self.element_label(index)?;
                        self.insert_arc(work, label, Presence::Member, c, id)?;
                        index += 1;
                    }
                }
            }
        }
        let _ = mode;
        if list.open {
            let mut id = id;
            id.set_optional();
            let elem = list.rest.map_or(Elem::Value(Value::Top), Elem::Expr);
            let from = i64::try_from(index).unwrap_or(i64::MAX);
            let filter = self.add_bound(Bound {
                op: Op::GreaterEqual,
                value: Value::Int(from),
            });
            self.insert_pattern(
                work,
                filter,
                Conjunct {
                    env,
                    elem,
                    close: id,
                },
            )?;
        }
        let closed = !list.open;
        let known = self[work].list_len;
        if index < known {
            if closed {
                self.list_lengths_differ(work, index, known, pos);
                return Ok(());
            }
        } else if index > known {
            if self[work].list_closed {
                self.list_lengths_differ(work, known, index, pos);
                return Ok(());
            }
            self[work].list_len = index;
            self[work].list_closed = closed;
        } else if (closed && !self[work].list_closed)
            || (closed == self[work].list_closed && !computed)
        {
            self[work].list_len = index;
            self[work].list_closed = closed;
        }
        self.update_list(work, id, closed, pos);
        Ok(())
    }

    fn element_label(&mut self, index: usize) -> Run<Label> {
        match u32::try_from(index) {
            Ok(index) if index < 1 << 28 => Ok(Label::new(LabelKind::Index, index)),
            _ => self.limit("list length"),
        }
    }

    fn list_lengths_differ(
        &mut self,
        work: WorkId,
        a: usize,
        b: usize,
        pos: Option<pequod_cue_syntax::Pos>,
    ) {
        let args = [Arg::Count(a as u64), Arg::Count(b as u64)];
        self.add_problem(work, "incompatible list lengths ({} and {})", args, pos);
    }

    fn perform_list_node(&mut self, work: WorkId, list: NodeId, close: Close) -> Run<()> {
        let elements = self.elements(list);
        let closed = self[list].base == Base::List { open: false };
        let pos = self.node_pos(list);
        let known = self[work].list_len;
        if elements.len() < known {
            if closed {
                self.list_lengths_differ(work, elements.len(), known, pos);
                return Ok(());
            }
        } else if elements.len() > known {
            if self[work].list_closed {
                self.list_lengths_differ(work, known, elements.len(), pos);
                return Ok(());
            }
            self[work].list_closed = closed;
            self[work].list_len = elements.len();
        } else if closed {
            self[work].list_closed = true;
        }
        for element in elements {
            let label = self[element].label;
            // What is closed stays so: it is taken as a whole.
            let closed = self[element].closed || self[element].closed_once;
            if closed && !self[element].conjuncts.is_empty() {
                let c = Conjunct {
                    env: NO_ENV,
                    elem: Elem::Value(Value::Node(element)),
                    close,
                };
                self.insert_arc(work, label, Presence::Member, c, close)?;
                continue;
            }
            if self[element].conjuncts.is_empty() {
                let elem = Elem::Value(Value::Node(element));
                let c = Conjunct {
                    env: NO_ENV,
                    elem,
                    close: Close::default(),
                };
                self.insert_arc(work, label, Presence::Member, c, Close::default())?;
                continue;
            }
            for at in 0..self[element].conjuncts.len() {
                let c = Conjunct {
                    close,
                    ..self[element].conjuncts[at]
                };
                self.insert_arc(work, label, Presence::Member, c, close)?;
            }
        }
        self.update_list(work, close, closed, pos);
        Ok(())
    }

    fn update_list(
        &mut self,
        work: WorkId,
        id: Close,
        closed: bool,
        pos: Option<pequod_cue_syntax::Pos>,
    ) {
        if self[work].kind.is_bottom() {
            return;
        }
        let node = self[work].node;
        let open = match self[node].base {
            Base::List { open } => open,
            _ => true,
        };
        self[node].base = Base::List {
            open: open && !closed,
        };
        if self[work].kind != Kind::LIST {
            self.restrict_kind(
                work,
                Kind::LIST,
                Origin {
                    value: Value::Type(Kind::LIST),
                    pos,
                },
                id,
            );
        }
    }

    // Comprehensions.

    fn perform_comprehension(
        &mut self,
        id: TaskId,
        work: WorkId,
        env: EnvId,
        comp: CompId,
        close: Close,
    ) -> Run<()> {
        let program = self.program.clone();
        let comp = &program.comps[comp.at()];
        let node = self[work].node;
        let (envs, fault) = self.run_clauses(Some(node), env, comp)?;
        if let Some(fault) = fault {
            if self.is_incomplete(fault) {
                self.task_fault(id, Some(fault));
            } else {
                self.add_fault(work, fault);
            }
            return Ok(());
        }
        self[id].inserting = true;
        let result = self.insert_yielded(work, env, comp, close, &envs);
        self[id].inserting = false;
        result
    }

    fn insert_yielded(
        &mut self,
        work: WorkId,
        env: EnvId,
        comp: &Comp,
        close: Close,
        envs: &[EnvId],
    ) -> Run<()> {
        if envs.is_empty()
            && let Some(fallback) = comp.fallback
        {
            return self.schedule_conjunct(
                work,
                Conjunct {
                    env,
                    elem: Elem::Expr(fallback),
                    close,
                },
                close,
            );
        }
        for env in envs {
            let c = Conjunct {
                env: *env,
                elem: Elem::Expr(comp.value),
                close,
            };
            self.schedule_conjunct(work, c, close)?;
        }
        Ok(())
    }

    /// Runs the clauses of a comprehension; gives an environment for each struct to yield.
    fn run_clauses(
        &mut self,
        node: Option<NodeId>,
        env: EnvId,
        comp: &Comp,
    ) -> Run<(Vec<EnvId>, Option<FaultId>)> {
        self.next_comp += 1;
        let run = self.next_comp;
        let (saved_env, saved_errs, saved_pos, saved_node) =
            (self.env, self.errs.take(), self.pos, self.node);
        let saved_close = self.close;
        self.env = env;
        if node.is_some() {
            self.node = node;
        }
        let mut envs = Vec::new();
        self.run_clause(comp, 0, run, &mut envs)?;
        let fault = self.errs.take();
        self.env = saved_env;
        self.errs = saved_errs;
        self.pos = saved_pos;
        self.node = saved_node;
        self.close = saved_close;
        Ok((envs, fault))
    }

    /// Runs a clause and those behind it. False ends the loop around it.
    fn run_clause(&mut self, comp: &Comp, at: usize, run: u32, out: &mut Vec<EnvId>) -> Run<bool> {
        self.step()?;
        let Some(clause) = comp.clauses.get(at) else {
            out.push(self.env);
            return Ok(true);
        };
        match clause {
            Clause::If(condition) => {
                let value = self.value(*condition, Cond::SCALAR, Mode::Yield)?;
                let value = value.and_then(|value| self.unwrap(value));
                match value {
                    Some(Value::Bool(true)) => {
                        self.next_clause(comp, at, run, self.env, out)?;
                    }
                    Some(Value::Bool(false) | Value::Fault(_)) | None => {}
                    Some(other) => self.type_error(other, Kind::BOOL, *condition),
                }
                Ok(self.errs.is_none())
            }
            Clause::Let { label, value } => {
                let env = self.variable_env(*label, *value, run);
                self.next_clause(comp, at, run, env, out)?;
                Ok(self.errs.is_none())
            }
            Clause::Try(binding) => {
                self.run_try(comp, at, run, *binding, out)?;
                Ok(self.errs.is_none())
            }
            Clause::For { key, value, source } => {
                self.run_for(comp, at, run, (*key, *value, *source), out)?;
                Ok(self.errs.is_none())
            }
        }
    }

    /// An environment with one variable.
    fn variable_env(&mut self, label: Label, value: ExprId, run: u32) -> EnvId {
        let c = Conjunct {
            env: self.env,
            elem: Elem::Expr(value),
            close: self.close,
        };
        let scope = self.new_node(Node::default());
        let arc = self.new_node(Node {
            label,
            dynamic: true,
            anonymous: true,
            conjuncts: smallvec::smallvec![c],
            ..Node::default()
        });
        self.push_arc(scope, arc);
        let up = self.env;
        self.push_env(Env {
            up,
            node: scope,
            label: Label::NONE,
            comp: run,
        })
    }

    /// Evaluates what is tried; goes on unless a reference marked `?` led nowhere. It is evaluated again
    /// where it ends up, so other errors are found there.
    fn run_try(
        &mut self,
        comp: &Comp,
        at: usize,
        run: u32,
        binding: Option<(Label, ExprId)>,
        out: &mut Vec<EnvId>,
    ) -> Run<()> {
        let value = binding.map_or(comp.value, |(_, value)| value);
        let c = Conjunct {
            env: self.env,
            elem: Elem::Expr(value),
            close: self.close,
        };
        let node = self.inline_node(&[c]);
        let parent = self.env_node(self.env);
        self[node].parent = (parent != EMPTY).then_some(parent);
        let attempt = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        self.attempts.push(false);
        if let Some(work) = self.bare_work(node) {
            self[work].attempt = attempt;
        }
        self.finalize(node)?;
        if self.attempts[attempt as usize] {
            return Ok(());
        }
        let env = match binding {
            Some((label, value)) => self.variable_env(label, value, run),
            None => self.env,
        };
        self.next_clause(comp, at, run, env, out)?;
        Ok(())
    }

    fn next_clause(
        &mut self,
        comp: &Comp,
        at: usize,
        run: u32,
        env: EnvId,
        out: &mut Vec<EnvId>,
    ) -> Run<bool> {
        let (saved_env, saved_errs) = (self.env, self.errs.take());
        self.env = env;
        let go_on = self.run_clause(comp, at + 1, run, out)?;
        self.env = saved_env;
        let raised = self.errs.take();
        self.errs = self.combine(saved_errs, raised);
        // A clause behind this one does not run a second time once there is an error, be it of a field that is missing.
        let last = at + 1 >= comp.clauses.len();
        Ok(go_on && (last || self.errs.is_none()))
    }

    fn run_for(
        &mut self,
        comp: &Comp,
        at: usize,
        run: u32,
        names: (Label, Label, ExprId),
        out: &mut Vec<EnvId>,
    ) -> Run<()> {
        let (key, value, source) = names;
        let node = self.for_source(source)?;
        self.doubt_loop(node);
        if let Some(work) = self.work(node)? {
            self.freeze(work, Cond::FIELD_SET);
        }
        self.record_use(node);
        let up = self.env;
        let parent = self.env_node(up);
        let arcs = self[node].arcs().to_vec();
        for arc in arcs {
            if !self[arc].label.is_regular() {
                continue;
            }
            if let Some(work) = self.work(arc)? {
                self.process(work, Cond::PRESENCE, Mode::Attempt)?;
            }
            match self[arc].presence {
                Presence::Member => {}
                Presence::Required => {
                    self.gone_over(node);
                    let label = self[arc].label;
                    let fault = self.new_loose_fault(
                        FaultCode::Incomplete,
                        "missing required field in for comprehension: {}",
                        [Arg::Label(label)],
                        Some(self.program.span(source).pos()),
                        self.node,
                    );
                    self.add_err(fault);
                    continue;
                }
                _ => continue,
            }
            let scope = self.new_node(Node {
                parent: (parent != EMPTY).then_some(parent),
                status: Status::Final,
                dynamic: true,
                anonymous: true,
                ..Node::default()
            });
            if value != Label::NONE {
                let variable = self.new_node(Node {
                    label: value,
                    base: Base::Value(Value::Node(arc)),
                    dynamic: true,
                    anonymous: true,
                    presence: Presence::Pending,
                    ..Node::default()
                });
                self.push_arc(scope, variable);
            }
            if key != Label::NONE {
                let name = Self::label_value(self[arc].label);
                let c = Conjunct {
                    env: up,
                    elem: Elem::Value(name),
                    close: Close::default(),
                };
                let variable = self.new_node(Node {
                    label: key,
                    base: Base::Value(name),
                    status: Status::Final,
                    dynamic: true,
                    anonymous: true,
                    conjuncts: smallvec::smallvec![c],
                    ..Node::default()
                });
                self.push_arc(scope, variable);
            }
            let env = self.push_env(Env {
                up,
                node: scope,
                label: Label::NONE,
                comp: run,
            });
            if !self.next_clause(comp, at, run, env, out)? {
                break;
            }
        }
        Ok(())
    }

    /// What a `for` goes over; [`EMPTY`] with an error.
    fn for_source(&mut self, source: ExprId) -> Run<NodeId> {
        self.in_detached += 1;
        let value = self.unify_base(source, Cond::NEED_FIELD_SET, Mode::Attempt);
        self.in_detached = self.in_detached.saturating_sub(1);
        let value = value?;
        if let Some(Value::Node(node)) = value {
            self.unify(node, Cond::NEED_FIELD_SET, Mode::Finalize, true)?;
        }
        let mut value = match value {
            Some(value) => match self.default_of(Some(value)) {
                Some(value) => Some(value),
                None => return Ok(EMPTY),
            },
            None => None,
        };
        if let Some(v) = value {
            let content = self.unwrap(v);
            if content != Some(Value::Fault(crate::session::CYCLE)) {
                value = content;
            }
        }
        let mut node = None;
        if let Some(Value::Node(n)) = value {
            node = Some(n);
            if !self.is_cycle_base(self[n].base) {
                value = self.node_value(n);
            }
        }
        let pos = Some(self.program.span(source).pos());
        let incomplete = |s: &mut Self, kind: Kind| {
            s.add_err_coded(
                FaultCode::Incomplete,
                "cannot range over {} (incomplete type {})",
                [Arg::Expr(source), Arg::Kind(kind)],
                pos,
                s.node,
            );
            Ok(EMPTY)
        };
        match value {
            None => {
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "cannot range over {} (incomplete)",
                    [Arg::Expr(source)],
                    pos,
                    self.node,
                );
                return Ok(EMPTY);
            }
            Some(Value::Fault(fault)) => {
                self.add_err(fault);
                return Ok(EMPTY);
            }
            Some(Value::Node(n)) => {
                let kind = self.kind(Value::Node(n));
                if kind.meets(Kind::COMPOSITE) && kind != Kind::STRUCT && kind != Kind::LIST {
                    return incomplete(self, kind);
                }
                return Ok(node.unwrap_or(n));
            }
            Some(other) => {
                let kind = self.kind(other);
                if kind.meets(Kind::COMPOSITE) {
                    return incomplete(self, kind);
                }
                self.add_err_coded(
                    FaultCode::Eval,
                    "cannot range over {} (found {}, want list or struct)",
                    [Arg::Expr(source), Arg::Kind(kind)],
                    pos,
                    self.node,
                );
            }
        }
        Ok(EMPTY)
    }

    /// Hands the dependency on a comprehension down to the fields that it will bring.
    ///
    /// `if a != _|_ {b: 2}` completes nothing of the struct but its list of tasks: who waits for
    /// the struct's fields need not wait for the condition; only `b` must. The fields are made as
    /// pending, and know the task that may bring them.
    pub(crate) fn push_down(&mut self, work: WorkId, task: TaskId, value: ExprId) -> Run<Cond> {
        let program = self.program.clone();
        let mut completes = Cond::TASKS;
        match program.expr(value) {
            Expr::Struct(lit) => {
                for decl in &program.structs[lit.at()].decls {
                    match program.decl(*decl) {
                        Decl::Field { label, value, .. } => {
                            let (arc, _) = self.get_arc(work, *label, Presence::Pending)?;
                            if let Some(arc_work) = self.bare_work(arc) {
                                self[arc_work].parent_tasks.push(task);
                                self.push_down(arc_work, task, *value)?;
                            }
                        }
                        Decl::Pattern { .. } | Decl::Ellipsis | Decl::Dynamic { .. } => {
                            completes = completes.or(Cond::FIELD_CONJUNCTS);
                        }
                        Decl::Let { .. } => {
                            completes = completes.or(Cond::FIELD_CONJUNCTS);
                            let node = self[work].node;
                            self[node].multi_let = true;
                        }
                        Decl::Comprehension(comp) => {
                            let inner = program.comps[comp.at()].value;
                            completes = completes.or(self.push_down(work, task, inner)?);
                        }
                        Decl::Embed(inner) => match self.content(Elem::Expr(*inner)) {
                            Content::Value(..) => completes = completes.or(Cond::VALUE),
                            _ => completes = completes.or(self.push_down(work, task, *inner)?),
                        },
                    }
                }
            }
            _ => completes = completes.or(Cond::VALUE).or(Cond::FIELD_CONJUNCTS),
        }
        Ok(completes)
    }
}
