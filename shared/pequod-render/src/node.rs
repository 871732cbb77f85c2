//! One entry of `graph.nodes`, read.

use pequod_api::node::{ConditionMatch, NodeId, ReadyPredicate};
use pequod_api::{ApplyPolicy, Dependency, DependencyWhen, ReadyCheck};
use pequod_cue::{Value as Cue, ValueKind};
use pequod_diag::{Diagnostic, Diagnostics, Place};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::codes;

/// The fields of a node; a list form also has `id`.
const FIELDS: &[&str] = &[
    "object",
    "apply",
    "dependsOn",
    "readyWhen",
    "ignore",
    "optional",
];

/// A node as the module wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) place: Place,
    pub(crate) depends_on: Vec<Dependency>,
    pub(crate) ready_when: Vec<ReadyCheck>,
    pub(crate) apply: ApplyPolicy,
    pub(crate) ignore: Vec<String>,
    pub(crate) object: Object,
}

/// What is known of a node's object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Object {
    Known(Value),
    /// It read these paths of `observed`, which are not there.
    Waits(Vec<String>),
}

/// Reads a node. `id` is its label, or nothing in the list form.
pub(crate) fn read(id: Option<&str>, value: Cue<'_>) -> Result<Node, Diagnostics> {
    let list_form = id.is_none();
    let id = match id {
        Some(id) => id.to_owned(),
        None => list_id(value)?,
    };
    let reader = Reader { id: &id, value };
    reader.refuse_unknown_fields(list_form)?;

    let optional: Vec<String> = reader.field("optional")?.unwrap_or_default();
    let Some(object) = value.lookup("object") else {
        return Err(reader.problem(codes::NODE, "has no `object`", "").into());
    };
    let waits: Vec<String> = object
        .reads()
        .into_iter()
        .filter(|read| read.root() == "observed" && !read.present)
        .map(|read| read.path.join("."))
        .filter(|path| !optional.contains(path))
        .collect();
    let object = if waits.is_empty() {
        object.validate(true)?;
        Object::Known(object.to_json()?)
    } else {
        // What is wrong is wrong now; what is missing may come.
        object.validate(false)?;
        Object::Waits(waits)
    };
    Ok(Node {
        place: reader.place(""),
        depends_on: reader.dependencies()?,
        ready_when: reader.checks()?,
        apply: reader.field("apply")?.unwrap_or_default(),
        ignore: reader.pointers()?,
        object,
        id: NodeId(id),
    })
}

fn list_id(value: Cue<'_>) -> Result<String, Diagnostic> {
    match value
        .lookup("id")
        .and_then(|id| id.as_str().map(ToOwned::to_owned))
    {
        Some(id) if !id.is_empty() => Ok(id),
        _ => Err(
            Diagnostic::error(codes::NODE, "a node of the list has no `id`")
                .at(value.position().unwrap_or_else(|| at_path(&value.path()))),
        ),
    }
}

fn at_path(path: &str) -> Place {
    Place::Path {
        document: String::new(),
        path: path.to_owned(),
    }
}

struct Reader<'n, 'a> {
    id: &'n str,
    value: Cue<'a>,
}

impl Reader<'_, '_> {
    /// Where a field of the node was written; the node itself for `""`.
    fn place(&self, field: &str) -> Place {
        let value = if field.is_empty() {
            Some(self.value)
        } else {
            self.value.lookup(field)
        };
        value
            .and_then(|value| value.position())
            .or_else(|| self.value.position())
            .unwrap_or_else(|| at_path(&self.value.path()))
    }

    fn problem(&self, code: pequod_diag::Code, what: &str, field: &str) -> Diagnostic {
        Diagnostic::error(code, format!("node `{}` {what}", self.id)).at(self.place(field))
    }

    fn refuse_unknown_fields(&self, list_form: bool) -> Result<(), Diagnostics> {
        if self.value.kind() != ValueKind::Struct {
            self.value.validate(false)?;
            return Err(self.problem(codes::NODE, "is not a struct", "").into());
        }
        for (name, value) in self.value.fields() {
            if FIELDS.contains(&name.as_str()) || list_form && name == "id" {
                continue;
            }
            let place = value.position().unwrap_or_else(|| at_path(&value.path()));
            return Err(Diagnostic::error(
                codes::NODE,
                format!("node `{}` has the unknown field `{name}`", self.id),
            )
            .at(place)
            .hint(format!("a node has the fields {}", FIELDS.join(", ")))
            .into());
        }
        Ok(())
    }

    /// A field as data; nothing if it is absent.
    fn json(&self, name: &str) -> Result<Option<Value>, Diagnostics> {
        match self.value.lookup(name) {
            None => Ok(None),
            Some(value) => {
                value.validate(true)?;
                value.to_json().map(Some)
            }
        }
    }

    /// A field as a type.
    fn field<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Diagnostics> {
        self.json(name)?
            .map(|value| self.parse(name, value))
            .transpose()
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T, Diagnostics> {
        serde_json::from_value(value).map_err(|error| {
            self.problem(codes::NODE, &format!("has a wrong `{name}`: {error}"), name)
                .into()
        })
    }

    fn elements(&self, name: &str) -> Result<Vec<Value>, Diagnostics> {
        match self.json(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(self
                .problem(
                    codes::NODE,
                    &format!("has a `{name}` that is no list"),
                    name,
                )
                .into()),
        }
    }

    fn dependencies(&self) -> Result<Vec<Dependency>, Diagnostics> {
        let mut dependencies: Vec<Dependency> = Vec::new();
        for (index, element) in self.elements("dependsOn")?.into_iter().enumerate() {
            let dependency = match element {
                Value::String(id) => Dependency {
                    id: NodeId(id),
                    when: DependencyWhen::Ready,
                },
                other => self.parse(&format!("dependsOn[{index}]"), other)?,
            };
            dependencies.push(dependency);
        }
        Ok(dependencies)
    }

    fn checks(&self) -> Result<Vec<ReadyCheck>, Diagnostics> {
        self.elements("readyWhen")?
            .into_iter()
            .enumerate()
            .map(|(index, element)| self.check(&format!("readyWhen[{index}]"), element))
            .collect()
    }

    /// Read by hand: a check is one predicate and perhaps a timeout, and a second predicate is refused.
    fn check(&self, name: &str, element: Value) -> Result<ReadyCheck, Diagnostics> {
        let wrong = |what: &str| -> Diagnostics {
            self.problem(codes::NODE, &format!("has a wrong `{name}`: {what}"), name)
                .hint("a check is one of exists, condition, deploymentAvailable, and optionally timeoutSeconds")
                .into()
        };
        let Value::Object(mut fields) = element else {
            return Err(wrong("it is no struct"));
        };
        let timeout_seconds = fields
            .remove("timeoutSeconds")
            .map(|value| self.parse(&format!("{name}.timeoutSeconds"), value))
            .transpose()?;
        let mut fields = fields.into_iter();
        let (Some((predicate, value)), None) = (fields.next(), fields.next()) else {
            return Err(wrong("it must hold exactly one predicate"));
        };
        let predicate = match (predicate.as_str(), value) {
            ("exists", Value::Bool(true)) => ReadyPredicate::Exists(true),
            ("deploymentAvailable", Value::Bool(true)) => ReadyPredicate::DeploymentAvailable(true),
            ("exists" | "deploymentAvailable", _) => {
                return Err(wrong(&format!("`{predicate}` can only be true")));
            }
            ("condition", value) => {
                let condition: ConditionMatch = self.parse(&format!("{name}.condition"), value)?;
                ReadyPredicate::Condition(condition)
            }
            ("cue", _) => {
                return Err(self
                    .problem(
                        codes::UNSUPPORTED,
                        "uses `cue` in readyWhen, which is not supported yet",
                        name,
                    )
                    .hint("use exists, condition or deploymentAvailable")
                    .into());
            }
            (other, _) => return Err(wrong(&format!("there is no predicate `{other}`"))),
        };
        Ok(ReadyCheck {
            predicate,
            timeout_seconds,
        })
    }

    fn pointers(&self) -> Result<Vec<String>, Diagnostics> {
        let pointers: Vec<String> = self.field("ignore")?.unwrap_or_default();
        for pointer in &pointers {
            let what = if !pointer.starts_with('/') {
                "no JSON pointer: it must begin with `/`"
            } else if [
                "/apiVersion",
                "/kind",
                "/metadata/name",
                "/metadata/namespace",
                "/metadata",
            ]
            .contains(&pointer.as_str())
            {
                "part of what the object is called"
            } else {
                continue;
            };
            let what = format!("cannot ignore `{pointer}`: it is {what}");
            return Err(self.problem(codes::NODE, &what, "ignore").into());
        }
        Ok(pointers)
    }
}
