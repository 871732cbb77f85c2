//! Data against a schema, inside a function: `json.Validate`, `yaml.Validate`.

use crate::builtin::Call;
use crate::export::Check;
use crate::session::Run;
use crate::value::{FaultCode, NodeId, Value};

impl Call<'_, '_> {
    /// Whether data and a schema contradict each other in nothing; or an error is raised.
    pub fn accepts(&mut self, schema: Value, data: Value) -> Run<bool> {
        self.accepts_as(schema, data, Check::SOUND)
    }

    /// Also whether no required field is missing.
    pub fn accepts_complete(&mut self, schema: Value, data: Value) -> Run<bool> {
        self.accepts_as(schema, data, Check::COMPLETE)
    }

    /// Also whether all is data. What is open then is an error for good: more input does not
    /// change what the data says.
    pub fn accepts_concrete(&mut self, schema: Value, data: Value) -> Run<bool> {
        self.accepts_as(schema, data, Check::CONCRETE)
    }

    fn accepts_as(&mut self, schema: Value, data: Value, check: Check) -> Run<bool> {
        let Some(node) = self.joined(schema, data)? else {
            return Ok(false);
        };
        let Some(fault) = self.session.first_fault(node, check)? else {
            self.refuse_broken_parts(schema)?;
            return Ok(true);
        };
        let open = matches!(
            self.session[fault].code,
            FaultCode::Incomplete | FaultCode::Cycle | FaultCode::Structural
        );
        if open && check.concrete {
            let text = self.session.sentence(self.session.first_problem(fault));
            self.fail(text);
        } else {
            self.session.add_err(fault);
        }
        Ok(false)
    }

    /// What `and` makes of a list may be in error alone, and be a value where a choice is left beside it: the error of the
    /// part is dropped, which the reference does, too, but not for every choice.
    fn refuse_broken_parts(&mut self, schema: Value) -> Run<()> {
        if !matches!(schema, Value::Conjunction(_)) {
            return Ok(());
        }
        let alone = self.session.unify_values(schema, Value::Top)?;
        if self.session.fault_of(alone).is_some() {
            return self
                .session
                .unsupported("a schema made by `and` of parts that are in error");
        }
        Ok(())
    }

    fn joined(&mut self, schema: Value, data: Value) -> Run<Option<NodeId>> {
        // What is wrong with the schema for good comes first; one that is being evaluated is within itself.
        if let Value::Node(node) = schema {
            let node = self.session.deref(node);
            self.session.finish_beside(Value::Node(node))?;
        }
        if let Some(fault) = self.session.as_fault(schema)
            && !self.session.is_incomplete(fault)
        {
            self.session.add_err(fault);
            return Ok(None);
        }
        self.session.unify_values(data, schema).map(Some)
    }
}
