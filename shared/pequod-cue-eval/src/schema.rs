//! Values taken apart by what they admit, for functions that write schemas: `openapi.MarshalSchema`.
//!
//! A schema names what the source names, so it is not enough to know what a value is: a field whose whole value is a
//! reference is told as one ([`Call::reference`]), and how far a value is written in terms that a schema language has is
//! told before it is taken apart ([`Call::is_schematic`]).

use std::sync::Arc;

use pequod_diag::Step;

use crate::builtin::{Call, View};
use crate::kind::{Kind, LabelKind, Presence};
use crate::program::{Decl, Expr, ExprId, ListElem};
use crate::sched::{Cond, Mode};
use crate::session::{Elem, Run, Session};
use crate::value::{Base, NodeId, Op, Value};

/// What a value admits, one level deep.
#[derive(Debug, Clone)]
pub enum Admitted {
    /// Everything.
    Anything,
    /// One scalar.
    Scalar(View),
    /// Everything of these types.
    Type(Kind),
    /// What compares so: `<`, `<=`, `>`, `>=`, `!=`, `=~`, `!~`.
    Bound(&'static str, View),
    /// What a function of a package says yes to, by name, with its other arguments.
    Check(String, Vec<Value>),
    /// What all of these admit.
    All(Vec<Value>),
    /// What any of these admits; so many at the beginning are defaults.
    Any(Vec<Value>, usize),
    /// A list.
    List {
        /// Its first elements.
        elements: Vec<Value>,
        /// What further elements must be; none if there are none.
        rest: Option<Value>,
    },
    /// A struct.
    Struct(Vec<Field>),
}

/// What a struct says of some of its fields.
#[derive(Debug, Clone)]
pub struct Field {
    /// Which.
    pub which: Which,
    /// What their value must be.
    pub value: Value,
}

/// Which fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One that is there, or has to be.
    Required(Arc<str>),
    /// One that may be there.
    Optional(Arc<str>),
    /// A definition, by its name without the mark.
    Definition(Arc<str>),
    /// Every other.
    Every,
    /// Those that match something.
    Some,
}

impl Call<'_, '_> {
    /// What a field's value refers to, if it is nothing but a reference to a field or definition: the names on the way to
    /// it, without the marks of definitions.
    ///
    /// # Errors
    ///
    /// What ends the whole evaluation.
    pub fn reference(&mut self, value: Value) -> Run<Option<(Vec<String>, Value)>> {
        let Value::Node(node) = value else {
            return Ok(None);
        };
        let Some(target) = self.session.referred(node)? else {
            return Ok(None);
        };
        if !self.session.overlays.is_empty() {
            // The reference finds the name from the root, which is evaluated for it while its arms are tried: the other
            // arm is empty then.
            return self
                .session
                .unsupported("a reference in a schema that a disjunction is asked for");
        }
        self.session.finalize(target)?;
        let path = self.session.path_of(target);
        let mut names = Vec::with_capacity(path.0.len());
        for step in path.0 {
            names.push(match step {
                Step::Field(name) => name,
                Step::Hidden(name) if name.starts_with('#') => name[1..].to_owned(),
                // The reference's encoder breaks off at names that only their own package knows.
                _ => return self.session.unsupported("a hidden name in a schema"),
            });
        }
        Ok((!names.is_empty()).then_some((names, Value::Node(target))))
    }

    /// Whether a value is written in terms that [`Call::admitted`] tells all of: literals, types, bounds, choices, structs
    /// and lists of a single literal, and no references but such as are a field's whole value.
    ///
    /// # Errors
    ///
    /// What ends the whole evaluation.
    pub fn is_schematic(&mut self, value: Value) -> Run<bool> {
        let Value::Node(node) = value else {
            return Ok(true);
        };
        self.session.finalize(node)?;
        let session = &*self.session;
        let node = session.deref(node);
        let conjuncts = &session[node].conjuncts;
        let whole = matches!(session[node].base, Base::Struct | Base::List { .. });
        if whole && conjuncts.len() != 1 {
            return Ok(false);
        }
        Ok(conjuncts.iter().all(|conjunct| match conjunct.elem {
            Elem::Value(value) => !matches!(value, Value::Node(_)),
            elem => session.written(elem).is_some_and(|expr| {
                let literal = matches!(session.program.expr(expr), Expr::Struct(_) | Expr::List(_));
                (!whole || literal) && session.is_plain(expr)
            }),
        }))
    }

    /// The comments above a field.
    pub fn comments(&self, value: Value) -> Vec<Arc<str>> {
        let Value::Node(node) = value else {
            return Vec::new();
        };
        let session = &*self.session;
        let declared = session[node].conjuncts.iter().filter_map(|conjunct| {
            let Elem::Decl(decl) = conjunct.elem else {
                return None;
            };
            match session.program.decl(decl) {
                Decl::Field { doc, .. } => doc.clone(),
                _ => None,
            }
        });
        declared.collect()
    }

    /// The types that a value may have.
    pub fn types(&self, value: Value) -> Kind {
        match value {
            Value::Node(node) => self.session.kind(Value::Node(self.session.deref(node))),
            other => self.session.kind(other),
        }
    }

    /// What a value admits; none with an error raised.
    ///
    /// # Errors
    ///
    /// What ends the whole evaluation.
    pub fn admitted(&mut self, value: Value) -> Run<Option<Admitted>> {
        if let Value::Node(node) = value {
            self.session.finalize(node)?;
        }
        if let Some(fault) = self.session.as_fault(value) {
            self.session.add_err(fault);
            return Ok(None);
        }
        let content = match value {
            Value::Node(node) => {
                let node = self.session.deref(node);
                match self.session[node].base {
                    Base::Struct => return Ok(Some(Admitted::Struct(self.session.said_of(node)))),
                    Base::List { open } => return Ok(Some(self.session.list_admits(node, open))),
                    Base::Value(content) => content,
                    Base::None => return Ok(Some(Admitted::Anything)),
                }
            }
            other => other,
        };
        Ok(Some(match content {
            Value::Top => Admitted::Anything,
            Value::Type(kind) => Admitted::Type(kind),
            Value::Bound(id) => {
                let bound = self.session.bound(id);
                let Some(limit) = self.view(bound.value)? else {
                    return Ok(None);
                };
                Admitted::Bound(bound.op.as_str(), limit)
            }
            Value::Validator(id) => {
                let validator = &self.session.validators[id.at()];
                let builtin = self.session.program.builtins[validator.builtin as usize];
                Admitted::Check(builtin.full_name(), validator.args.to_vec())
            }
            Value::Conjunction(id) => Admitted::All(self.session.conjunctions[id.at()].to_vec()),
            Value::Disjunction(id) => {
                let disjunction = &self.session.disjunctions[id.at()];
                Admitted::Any(disjunction.values.to_vec(), disjunction.defaults)
            }
            Value::Builtin(_) => return self.unsupported("a function in a schema").map(|_| None),
            scalar => match self.view(scalar)? {
                Some(view) => Admitted::Scalar(view),
                None => return Ok(None),
            },
        }))
    }
}

impl Session<'_> {
    /// The value as it was written.
    fn written(&self, elem: Elem) -> Option<ExprId> {
        match elem {
            Elem::Expr(expr) => Some(expr),
            Elem::Decl(decl) => match self.program.decl(decl) {
                Decl::Field { value, .. } | Decl::Pattern { value, .. } => Some(*value),
                _ => None,
            },
            Elem::Comp(_) | Elem::Value(_) => None,
        }
    }

    /// The node that a node's only conjunct names.
    fn referred(&mut self, node: NodeId) -> Run<Option<NodeId>> {
        let [conjunct] = self[node].conjuncts.as_slice() else {
            return Ok(None);
        };
        let env = conjunct.env;
        let Some(expr) = self.written(conjunct.elem) else {
            return Ok(None);
        };
        if !matches!(
            self.program.expr(expr),
            Expr::Field { .. } | Expr::Select { .. }
        ) {
            return Ok(None);
        }
        let (outer, errs) = (self.env, self.errs.take());
        self.env = env;
        let target = self.resolve(expr, Cond::SCALAR, Mode::Finalize);
        self.env = outer;
        self.errs = errs;
        target
    }

    /// Whether nothing in an expression is told only by its parts: references, functions that make structs or lists,
    /// embedding, and what is computed.
    fn is_plain(&self, expr: ExprId) -> bool {
        match self.program.expr(expr) {
            Expr::Value(_) | Expr::Bound(..) | Expr::Unary(..) | Expr::Interpolation { .. } => true,
            Expr::Call(function, _) => {
                matches!(self.program.expr(*function), Expr::Value(Value::Builtin(_)))
            }
            Expr::Binary(op, ..) => !matches!(op, Op::BoolAnd | Op::BoolOr),
            Expr::Struct(literal) => {
                let literal = &self.program.structs[literal.at()];
                !literal.embeds
                    && literal.decls.iter().all(|decl| {
                        matches!(
                            self.program.decl(*decl),
                            Decl::Field { .. }
                                | Decl::Pattern { .. }
                                | Decl::Let { .. }
                                | Decl::Ellipsis
                        )
                    })
            }
            Expr::List(literal) => {
                let literal = &self.program.lists[literal.at()];
                let is_expr = |elem: &ListElem| matches!(elem, ListElem::Expr(_));
                literal.elems.iter().all(is_expr)
            }
            Expr::Disjunction { arms, .. } => arms.iter().all(|(arm, _)| self.is_plain(*arm)),
            Expr::And(a, b) => [*a, *b].into_iter().all(|side| {
                let whole = matches!(self.program.expr(side), Expr::Struct(_) | Expr::List(_));
                !whole && self.is_plain(side)
            }),
            _ => false,
        }
    }

    fn said_of(&self, node: NodeId) -> Vec<Field> {
        let mut said = Vec::new();
        for arc in self[node].arcs() {
            let n = &self[*arc];
            let name: Arc<str> = match n.label.kind() {
                LabelKind::Regular => self.label_text(n.label).into(),
                LabelKind::Definition => self.label_text(n.label)[1..].into(),
                _ => continue,
            };
            let which = match n.presence {
                _ if n.label.kind() == LabelKind::Definition => Which::Definition(name),
                Presence::Member | Presence::Required => Which::Required(name),
                Presence::Optional => Which::Optional(name),
                Presence::Pending | Presence::Absent => continue,
            };
            let value = Value::Node(*arc);
            said.push(Field { which, value });
        }
        for pattern in self[node].patterns() {
            let every = match pattern.filter {
                Value::Top => true,
                Value::Type(kind) => kind == Kind::STRING,
                _ => false,
            };
            said.push(Field {
                which: if every { Which::Every } else { Which::Some },
                value: Value::Node(pattern.constraint),
            });
        }
        said
    }

    fn list_admits(&self, node: NodeId, open: bool) -> Admitted {
        let elements = self.elements(node).into_iter().map(Value::Node).collect();
        let rest = self[node]
            .patterns()
            .last()
            .map(|pattern| Value::Node(pattern.constraint));
        Admitted::List {
            elements,
            rest: rest.filter(|_| open),
        }
    }
}
