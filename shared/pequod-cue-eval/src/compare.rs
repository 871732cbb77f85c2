//! Comparators: structs with `x`, `y` and `less`, as `list.Sort` takes them.

use crate::builtin::Call;
use crate::kind::{Label, LabelKind};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Run};
use crate::value::{FaultCode, Value};

impl Call<'_, '_> {
    /// What a comparator says about two values; none with an error raised.
    ///
    /// The comparator is unified anew with every pair: its fields may be anything that leads from `x`
    /// and `y` to `less`.
    pub fn less(&mut self, comparator: Value, x: Value, y: Value) -> Run<Option<bool>> {
        let retired = self.session.retired();
        let pair = self.new_struct(&[("x".into(), x), ("y".into(), y)]);
        let conjunct = |value| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(value),
            close: Close::default(),
        };
        let node = self.session.new_node(Node {
            conjuncts: [conjunct(comparator), conjunct(pair)].into_iter().collect(),
            dynamic: true,
            ..Node::default()
        });
        self.session.finalize(node)?;
        let label = Label::new(LabelKind::Regular, self.session.intern("less").0);
        let target = self.session.deref(node);
        let Some(less) = self.session.arc(target, label) else {
            return Ok(self.no_less());
        };
        self.session.finalize(less)?;
        if let Some(fault) = self.session.fault_of(less) {
            // More input would not be looked at again: an error for good.
            let problems = self.session[fault].problems.clone();
            let (pos, node) = (self.session.pos, self.session.node);
            let lasting = self.session.new_fault(FaultCode::Eval, "", [], pos, node);
            self.session[lasting].problems = problems;
            self.session.add_err(lasting);
            return Ok(None);
        }
        // What is no bool, and no error either, says no.
        let answer = self.session.unwrap(Value::Node(less));
        // Pairs are many, and nobody asks for this one again.
        self.session.forget(node, retired);
        Ok(Some(answer == Some(Value::Bool(true))))
    }

    /// Drops the error that was raised, if one was.
    pub fn drop_error(&mut self) -> bool {
        self.session.errs.take().is_some()
    }

    fn no_less(&mut self) -> Option<bool> {
        self.fail("field not found: less");
        None
    }
}
