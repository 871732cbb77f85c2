//! Data against a schema, inside a function: `json.Validate`, `yaml.Validate`.

use crate::builtin::Call;
use crate::kind::Presence;
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Run, Session};
use crate::value::{FaultCode, FaultId, NodeId, Value};

impl Call<'_, '_> {
    /// Whether data and a schema go together, or an error is raised. If nothing may be left open
    /// (`concrete`), that error is final: more input does not change what the data says.
    pub fn accepts(&mut self, schema: Value, data: Value, concrete: bool) -> Run<bool> {
        let Some(node) = self.joined(schema, data)? else {
            return Ok(false);
        };
        let Some(fault) = self.session.first_fault(node, concrete)? else {
            return Ok(true);
        };
        let open = matches!(
            self.session[fault].code,
            FaultCode::Incomplete | FaultCode::Cycle
        );
        if open {
            let problem = self.session[fault].problems[0] as usize;
            let text = self.session.sentence(&self.session.problems[problem]);
            self.fail(text);
        } else {
            self.session.add_err(fault);
        }
        Ok(false)
    }

    /// Whether data and a schema go together and nothing is missing that must be there, or an
    /// error is raised.
    pub fn accepts_final(&mut self, schema: Value, data: Value) -> Run<bool> {
        let Some(node) = self.joined(schema, data)? else {
            return Ok(false);
        };
        let fault = match self.session.first_fault(node, false)? {
            Some(fault) => Some(fault),
            None => self.session.missing_field(node)?,
        };
        if let Some(fault) = fault {
            self.session.add_err(fault);
        }
        Ok(fault.is_none())
    }

    fn joined(&mut self, schema: Value, data: Value) -> Run<Option<NodeId>> {
        let conjunct = |value| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(value),
            close: Close::default(),
        };
        if let Some(fault) = self.session.as_fault(schema) {
            self.session.add_err(fault);
            return Ok(None);
        }
        let node = self.session.new_node(Node {
            conjuncts: [conjunct(data), conjunct(schema)].into_iter().collect(),
            dynamic: true,
            ..Node::default()
        });
        self.session.finalize(node)?;
        Ok(Some(node))
    }
}

impl Session<'_> {
    /// The first required field that is not there.
    fn missing_field(&mut self, node: NodeId) -> Run<Option<FaultId>> {
        let node = self.with_default(node);
        for arc in self[node].arcs.clone() {
            if !self[arc].label.is_regular() {
                continue;
            }
            if self[arc].presence == Presence::Required {
                let pos = self.node_pos(arc);
                return Ok(Some(self.new_fault(
                    FaultCode::Incomplete,
                    "field is required but not present",
                    [],
                    pos,
                    Some(arc),
                )));
            }
            if self.is_there(arc)?
                && let Some(fault) = self.deeper(|s| s.missing_field(arc))?
            {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }
}
