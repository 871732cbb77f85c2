//! The functions of the language itself.

use crate::builtin::{Builtin, Call};
use crate::kind::{Kind, Presence};
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Opened, Run, Session};
use crate::validator::{match_if, match_n};
use crate::value::{Base, FaultCode, NodeId, Value};

const COUNTABLE: Kind = Kind(Kind::STRUCT.0 | Kind::BYTES.0 | Kind::STRING.0 | Kind::LIST.0);

macro_rules! language_builtins {
    ($($name:literal ($($param:expr),*) -> $result:expr, $loose:literal, $run:expr;)*) => {
        /// The functions of the language itself.
        pub(crate) static LANGUAGE: &[Builtin] = &[$(Builtin {
            package: "",
            name: $name,
            params: &[$($param),*],
            result: $result,
            non_concrete: $loose,
            optional: 0,
            choice: None,
            unsigned: None,
            lists: &[],
            run: &$run,
        }),*];
    };
}

language_builtins! {
    "len" (COUNTABLE) -> Kind::INT, false, len;
    "close" (Kind::STRUCT) -> Kind::STRUCT, false, close;
    "and" (Kind::LIST) -> Kind::INT, false, and;
    "or" (Kind::LIST) -> Kind::INT, true, or;
    "div" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_div);
    "mod" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_mod);
    "quo" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_quo);
    "rem" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_rem);
    "error" (Kind::STRING) -> Kind::BOTTOM, false, refuse;
    "matchN" (Kind::TOP, Kind::INT, Kind::LIST) -> Kind::BOOL, true, match_n;
    "matchIf" (Kind::TOP, Kind::TOP, Kind::TOP, Kind::TOP) -> Kind::BOOL, true, match_if;
    "__closeAll" (Kind::TOP) -> Kind::TOP, false, close_all;
    "__reclose" (Kind::TOP) -> Kind::TOP, false, reclose;
    "__test_experiment" (Kind::TOP) -> Kind::TOP, true, test_experiment;
}

/// Whether a function gives its argument back closed.
pub(crate) fn closes(builtin: &Builtin) -> bool {
    builtin.package.is_empty() && matches!(builtin.name, "close" | "__closeAll" | "__reclose")
}

fn len(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let count = match call.arg(0) {
        Value::Str(sym) => call.session.text(sym).len(),
        Value::Bytes(id) => call.session.bytes[id.at()].len(),
        Value::Node(node) => {
            let node = call.session.deref(node);
            if matches!(call.session[node].base, Base::List { .. }) {
                call.session.elements(node).len()
            } else {
                let mut count = 0;
                for arc in call.session[node].arcs().to_vec() {
                    if call.session[arc].label.is_string() && call.session.is_there(arc)? {
                        count += 1;
                    }
                }
                count
            }
        }
        _ => 0,
    };
    Ok(Some(Value::Int(i64::try_from(count).unwrap_or(i64::MAX))))
}

/// `error` without a call is a validator that refuses whatever text there is. Calls of it are no function's.
fn refuse(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    call.raise(FaultCode::User, "refused by error()", []);
    Ok(None)
}

fn close(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Value::Node(node) = call.arg(0) else {
        return Ok(call.fail("struct argument must be concrete"));
    };
    let session = &mut *call.session;
    let node = session.deref(node);
    let conjuncts = session[node].conjuncts.clone();
    let wrapper = session.inline_node(&conjuncts);
    let close = session.close;
    if let Some(work) = session.work(wrapper)? {
        let c = Conjunct {
            env: NO_ENV,
            elem: Elem::Value(Value::Node(node)),
            close: Close::default(),
        };
        session.share(work, c, node, close)?;
    }
    session[wrapper].closed_once = true;
    Ok(Some(Value::Node(wrapper)))
}

/// Whether the only argument of a call is a literal (or, where `or_close`, a call of `close`) in a file
/// in which opening is explicit; an error is raised if not.
fn takes_literal(call: &mut Call<'_, '_>, or_close: bool) -> bool {
    let program = call.session.program.clone();
    let arg = call.expr.and_then(|expr| match program.expr(expr) {
        Expr::Call(_, args) => args.first().copied(),
        _ => None,
    });
    let is_close = |function: ExprId| match program.expr(function) {
        Expr::Value(Value::Builtin(at)) => program.builtins[*at as usize].full_name() == "close",
        _ => false,
    };
    let fits = arg.is_some_and(|arg| match program.expr(arg) {
        Expr::Struct(_) | Expr::List(_) => true,
        Expr::Call(function, _) => or_close && is_close(*function),
        _ => false,
    });
    let name = call.builtin.name;
    if !fits {
        let what = if or_close {
            "argument must be a struct or list literal, or a close() call"
        } else {
            "argument must be a struct or list literal"
        };
        call.fail(what);
        return false;
    }
    if !arg.is_some_and(|arg| program.experiments(arg).explicit_open) {
        call.fail(format!(
            "{name} may only be used when explicitopen is enabled"
        ));
        return false;
    }
    true
}

/// `__closeAll({…})`: closes all levels.
fn close_all(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    if !takes_literal(call, false) {
        return Ok(None);
    }
    let Value::Node(node) = call.arg(0) else {
        return Ok(call.fail("struct argument must be concrete"));
    };
    call.session[node].closed = true;
    Ok(Some(call.arg(0)))
}

/// `__reclose({#A...})`: closes again as far as what was opened in it is closed.
fn reclose(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    if !takes_literal(call, true) {
        return Ok(None);
    }
    if let Value::Node(node) = call.arg(0)
        && let Some(work) = call.session[node].work
    {
        match call.session[work].opened {
            Opened::Nothing => {}
            Opened::ClosedOnce => call.session[node].closed_once = true,
            Opened::Closed => call.session[node].closed = true,
        }
    }
    Ok(Some(call.arg(0)))
}

fn test_experiment(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let on = call
        .expr
        .is_some_and(|expr| call.session.program.experiments(expr).testing);
    Ok(if on {
        Some(call.arg(0))
    } else {
        call.fail("testing experiment disabled")
    })
}

fn and(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Value::Node(node) = call.arg(0) else {
        return Ok(None);
    };
    let node = call.session.deref(node);
    let values: Vec<_> = call
        .session
        .elements(node)
        .into_iter()
        .map(Value::Node)
        .collect();
    if values.is_empty() {
        return Ok(Some(Value::Top));
    }
    Ok(Some(call.session.conjunction(&values)))
}

fn or(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(value) = call.concrete(call.arg(0)) else {
        return Ok(None);
    };
    let list = match value {
        Value::Node(node) if matches!(call.session[node].base, Base::List { .. }) => node,
        other => {
            let kind = call.session.kind(other);
            return Ok(if kind.meets(Kind::LIST) {
                call.incomplete("incomplete list in call to or")
            } else {
                call.fail(format!("cannot use value (type {kind}) as type list"))
            });
        }
    };
    let elements = call.session.elements(list);
    if elements.is_empty() {
        return Ok(call.incomplete("empty list in call to or"));
    }
    let session = &mut *call.session;
    let values: Vec<_> = elements.into_iter().map(Value::Node).collect();
    let disjunction = session.add_written_disjunction(values);
    let c = Conjunct {
        env: NO_ENV,
        elem: Elem::Value(disjunction),
        close: session.close,
    };
    let node = session.new_node(Node {
        conjuncts: smallvec::smallvec![c],
        ..Node::default()
    });
    session.alternatives_begin();
    let result = session.unify(node, Cond::ALL, Mode::Finalize, true);
    session.alternatives_end();
    result?;
    Ok(Some(Value::Node(node)))
}

fn whole(
    call: &mut Call<'_, '_>,
    op: fn(
        &pequod_cue_num::Decimal,
        &pequod_cue_num::Decimal,
    ) -> Result<pequod_cue_num::Decimal, pequod_cue_num::NumError>,
) -> Run<Option<Value>> {
    let (a, b) = (call.number(0), call.number(1));
    call.charge(crate::ops::work_of_numbers(&a, &b))?;
    Ok(match op(&a, &b) {
        Ok(result) => Some(call.decimal(result, Kind::INT)),
        Err(error) => call.fail(error.to_string()),
    })
}

impl Session<'_> {
    /// Whether a field is there, found out if need be.
    pub(crate) fn is_there(&mut self, arc: NodeId) -> Run<bool> {
        if self[arc].presence == Presence::Member {
            return Ok(true);
        }
        let done = self[arc]
            .parent
            .is_some_and(|parent| self[parent].status == crate::session::Status::Final);
        if !done {
            self.finalize(arc)?;
        }
        Ok(self[arc].presence == Presence::Member)
    }
}
