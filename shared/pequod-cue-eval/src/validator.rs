//! Validators that look at a value as a whole: `matchN`, `matchIf`, and what packages build on them.
//!
//! They count which schemas a value unifies with. The value is first stripped to its data: defaults
//! are taken, and validators, definitions, hidden and optional fields are gone; otherwise a
//! validator would meet itself.

use rustc_hash::FxHashMap;

use crate::builtin::Call;
use crate::close::DefKind;
use crate::export::Check;
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Run, Session, Status};
use crate::value::{
    Arg, Base, Bound, Disjunction, DisjunctionId, FaultCode, FaultId, NodeId, Op, Value,
};

/// The nodes that were stripped, by what they were.
type Stripped = FxHashMap<NodeId, NodeId>;

impl Session<'_> {
    /// A copy of a value with only its data, at all levels.
    pub(crate) fn data_of(&mut self, node: NodeId) -> Run<NodeId> {
        self.strip_node(node, &mut Stripped::default())
    }

    fn strip_node(&mut self, node: NodeId, known: &mut Stripped) -> Run<NodeId> {
        if let Some(copy) = known.get(&node) {
            return Ok(*copy);
        }
        self.finalize(node)?;
        self.deeper(|s| s.strip_finished(node, known))
    }

    fn strip_finished(&mut self, node: NodeId, known: &mut Stripped) -> Run<NodeId> {
        let mut arcs = Vec::new();
        for arc in self[node].arcs().to_vec() {
            if self[arc].label.is_regular() && self.is_there(arc)? {
                arcs.push(self.strip_node(arc, known)?);
            }
        }
        let base = match self[node].base {
            Base::Value(value) => Base::Value(self.strip_value(value, known)?),
            other => other,
        };
        let mut conjuncts = self[node].conjuncts.clone();
        for c in &mut conjuncts {
            if let Elem::Value(value) = c.elem {
                c.elem = Elem::Value(self.strip_value(value, known)?);
            }
            c.close = Close {
                id: 0,
                embed: 0,
                outer: 0,
                ..c.close
            };
        }
        let mut copy = Node {
            status: Status::Final,
            base,
            conjuncts,
            work: None,
            underlying: None,
            closed: false,
            closed_once: false,
            data: true,
            ..self[node].clone()
        };
        copy.clear_arcs();
        let copy = self.new_node(copy);
        for arc in arcs {
            self.push_arc(copy, arc);
        }
        known.insert(node, copy);
        Ok(copy)
    }

    fn strip_value(&mut self, value: Value, known: &mut Stripped) -> Run<Value> {
        Ok(match value {
            Value::Node(node) => Value::Node(self.strip_node(node, known)?),
            Value::Disjunction(id) => {
                let disjunction = self.disjunctions[id.at()].clone();
                let values = match disjunction.defaults {
                    0 => &disjunction.values[..],
                    1 => return self.strip_value(disjunction.values[0], known),
                    count => &disjunction.values[..count],
                };
                let mut stripped = Vec::with_capacity(values.len());
                for value in values {
                    stripped.push(match value {
                        Value::Node(node) => Value::Node(self.strip_node(*node, known)?),
                        other => *other,
                    });
                }
                let id = DisjunctionId(u32::try_from(self.disjunctions.len()).unwrap_or(u32::MAX));
                self.disjunctions.push(Disjunction {
                    values: stripped.into(),
                    ..disjunction
                });
                Value::Disjunction(id)
            }
            Value::Conjunction(id) => {
                let values = self.conjunctions[id.at()].clone();
                let mut stripped = Vec::with_capacity(values.len());
                for value in values {
                    stripped.push(self.strip_value(value, known)?);
                }
                self.conjunction(&stripped)
            }
            other => other,
        })
    }

    /// Runs what looks at a value as a whole.
    pub(crate) fn in_own_context<T>(&mut self, look: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.next_context += 1;
        let outer = std::mem::replace(&mut self.context, self.next_context);
        let result = look(self);
        self.context = outer;
        result
    }

    /// Two values as one, standing where the node at hand stands.
    pub(crate) fn unify_values(&mut self, a: Value, b: Value) -> Run<NodeId> {
        let mut node = Node::default();
        if let Some(here) = self.node {
            node.parent = self[here].parent;
            node.label = self[here].label;
        }
        let node = self.new_node(node);
        for value in [a, b] {
            let close = self.apart(node, value);
            self[node].conjuncts.push(Conjunct {
                env: NO_ENV,
                elem: Elem::Value(value),
                close,
            });
        }
        if let Some(work) = self.work(node)? {
            // What is required of the fields of the parent speaks of other conjuncts.
            self[work].drop_parent_sets = true;
            if let Some(here) = self.node.and_then(|here| self[here].work) {
                self[work].has_non_cyclic = self[here].has_non_cyclic;
            }
        }
        self.finalize(node)?;
        Ok(node)
    }

    /// The close of an operand: a scope of its own, closed by definitions embedded in it alone.
    fn apart(&mut self, node: NodeId, value: Value) -> Close {
        let mut close = self.close;
        close.from_def = false;
        let Value::Node(operand) = value else {
            return close;
        };
        if let Some(work) = self.bare_work(node)
            && close.outer == 0
            && !close.from_embed
        {
            close = self.new_scope(work, None, close, DefKind::Struct);
        }
        let mut next = Some(operand);
        while let Some(node) = next {
            if self[node].label.is_definition() {
                close.top_def = true;
                break;
            }
            next = self[node].parent;
        }
        close
    }
}

impl Call<'_, '_> {
    /// Whether a value satisfies a schema as far as it is known: with no contradiction and no field
    /// missing.
    pub fn satisfies(&mut self, value: Value, schema: Value) -> Run<bool> {
        let node = self.session.unify_values(value, schema)?;
        Ok(self.session.first_fault(node, Check::COMPLETE)?.is_none())
    }

    /// Why a value does not satisfy a schema, if it does not; a field that is missing counts.
    fn mismatch(&mut self, value: Value, schema: Value) -> Run<Option<FaultId>> {
        self.session.doubt_own_validator(self.expr, schema);
        let node = self.session.unify_values(schema, value)?;
        self.session.first_fault(node, Check::MATCH)
    }

    /// Whether a count fits a number or a constraint on numbers.
    pub fn fits(&mut self, count: usize, bound: Value) -> Run<bool> {
        Ok(self.misfit(bound, count_value(count), count)?.is_none())
    }

    fn misfit(&mut self, bound: Value, count: Value, most: usize) -> Run<Option<FaultCode>> {
        let session = &mut *self.session;
        if !session.contradicts(&[bound, count])? {
            return Ok(None);
        }
        Ok(Some(match bound {
            Value::Int(wanted) => {
                let more = count_of(count) < wanted && wanted <= count_of(count_value(most));
                if more {
                    FaultCode::Incomplete
                } else {
                    FaultCode::Eval
                }
            }
            Value::Num(_) => FaultCode::Eval,
            Value::Bound(_) => {
                let low = session.add_bound(Bound {
                    op: Op::GreaterEqual,
                    value: count,
                });
                let high = session.add_bound(Bound {
                    op: Op::LessEqual,
                    value: count_value(most),
                });
                if session.contradicts(&[bound, low, high])? {
                    FaultCode::Eval
                } else {
                    FaultCode::Incomplete
                }
            }
            _ => FaultCode::Incomplete,
        }))
    }

    /// The value being validated as data; none if it is in error anyway.
    fn own_data(&mut self) -> Run<Option<Value>> {
        let own = self.arg(0);
        let own = match own {
            Value::Node(node) => Value::Node(self.session.data_of(node)?),
            other => other,
        };
        Ok(self.session.as_fault(own).is_none().then_some(own))
    }

    /// The elements of an argument that lists schemas; one that is an error fits nothing, and spoils not
    /// the others.
    fn schemas(&mut self, at: usize) -> Run<Option<Vec<Value>>> {
        if let Value::Node(node) = self.arg(at) {
            self.session.finalize(node)?;
            let node = self.session.deref(node);
            let elements = self.session.elements(node);
            if self.session.fault_of(node).is_some() && !elements.is_empty() {
                return Ok(Some(elements.into_iter().map(Value::Node).collect()));
            }
        }
        // What is no list yet has no elements; an error is one.
        let arg = self.arg(at);
        let Some(list) = self.concrete(arg) else {
            let broken = self.session.as_fault(arg).is_some();
            return Ok((!broken && self.drop_error()).then(Vec::new));
        };
        Ok(Some(self.elements_of(list)?.unwrap_or_default()))
    }

    /// A validator that refers to itself would go on for ever.
    fn in_cycle(&mut self) -> bool {
        if !self.session.close.is_cyclic() {
            return false;
        }
        self.raise(FaultCode::Structural, "structural cycle", []);
        true
    }

    /// An argument that is a schema, evaluated once more: by which references it came is then known
    /// to what is unified with it, so that a schema within itself is noticed as a cycle.
    pub fn schema_arg(&mut self, at: usize) -> Run<Option<Value>> {
        let Some(arg) = self.written(at) else {
            return Ok(Some(self.arg(at)));
        };
        let (value, close) = self
            .session
            .eval_close(arg, Cond::SCALAR, Mode::Finalize, false)?;
        self.session.close = close;
        if let Some(schema) = value {
            self.session.met_schema(schema);
        }
        Ok(value)
    }

    /// An argument as written.
    fn written(&self, at: usize) -> Option<ExprId> {
        let at = if self.validates {
            at.checked_sub(1)?
        } else {
            at
        };
        match self.session.program.expr(self.expr?) {
            Expr::Call(_, args) => args.get(at).copied(),
            _ => None,
        }
    }

    /// An argument as an expression, so that cycles through it are noticed.
    fn schema(&mut self, at: usize) -> Option<Value> {
        let arg = self.written(at)?;
        let session = &mut *self.session;
        let c = Conjunct {
            env: session.env,
            elem: Elem::Expr(arg),
            close: session.close,
        };
        Some(Value::Node(session.new_node(Node {
            conjuncts: smallvec::smallvec![c],
            ..Node::default()
        })))
    }
}

impl Session<'_> {
    /// Whether scalars and bounds cannot all hold.
    fn contradicts(&mut self, values: &[Value]) -> Run<bool> {
        let close = self.close;
        let conjuncts = values.iter().map(|value| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(*value),
            close,
        });
        let conjuncts = conjuncts.collect();
        let node = self.new_node(Node {
            conjuncts,
            ..Node::default()
        });
        self.finalize(node)?;
        Ok(self.fault_of(node).is_some())
    }
}

fn count_value(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

const fn count_of(value: Value) -> i64 {
    match value {
        Value::Int(count) => count,
        _ => 0,
    }
}

/// `matchN(>1, [a, b])`: how many of the schemas fit.
pub(crate) fn match_n(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    if !call.validates() {
        return Ok(call.fail("matchN is a validator and should not be used as a function"));
    }
    let Some(own) = call.own_data()? else {
        return Ok(Some(Value::Bool(false)));
    };
    if call.in_cycle() {
        return Ok(None);
    }
    let Some(schemas) = call.schemas(2)? else {
        return Ok(None);
    };
    let (mut count, mut open) = (0, 0);
    let mut faults = Vec::new();
    for schema in schemas {
        match call.mismatch(own, schema)? {
            None => count += 1,
            Some(fault) => {
                open += usize::from(call.session.is_incomplete(fault));
                faults.push(fault);
            }
        }
    }
    let bound = call.arg(1);
    let Some(code) = call.misfit(bound, count_value(count), count + open)? else {
        return Ok(Some(Value::Bool(true)));
    };
    let incomplete = code == FaultCode::Incomplete;
    let args = [Arg::Count(count as u64), Arg::Value(bound)];
    call.raise(code, "{} matched, expected {}", args);
    // As long as more may match, only what keeps the rest from matching is of interest.
    for fault in faults {
        if !incomplete || call.session.is_incomplete(fault) {
            call.session.add_err(fault);
        }
    }
    Ok(None)
}

/// `matchIf(a, b, c)`: if it is an `a` it must be a `b`, else a `c`.
pub(crate) fn match_if(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    if !call.validates() {
        return Ok(call.fail("matchIf is a validator and should not be used as a function"));
    }
    let Some(own) = call.own_data()? else {
        return Ok(Some(Value::Bool(false)));
    };
    if call.in_cycle() {
        return Ok(None);
    }
    let (Some(condition), Some(then), Some(otherwise)) =
        (call.schema(1), call.schema(2), call.schema(3))
    else {
        return Ok(None);
    };
    let chosen = match call.mismatch(own, condition)? {
        None => then,
        Some(_) => otherwise,
    };
    Ok(match call.mismatch(own, chosen)? {
        None => Some(Value::Bool(true)),
        Some(fault) => {
            call.session.add_err(fault);
            None
        }
    })
}
