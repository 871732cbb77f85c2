//! `json.Validate`, `yaml.Validate`, `yaml.ValidatePartial` and `list.MatchN`: the functions of packages
//! that hold values against a schema, which only the evaluator can.

use pequod_cue_eval::{Builtin, Call, Kind, Run, Value, View};
use pequod_cue_std::{Datum, Fault, FaultKind};

const TEXT: Kind = Kind(Kind::BYTES.0 | Kind::STRING.0);

/// The functions, with the packages they belong to.
pub(crate) fn functions() -> [(&'static str, Builtin); 4] {
    let validating = |package, name, run| Builtin {
        package,
        name,
        params: &[TEXT, Kind::TOP],
        result: Kind::BOOL,
        non_concrete: true,
        optional: 0,
        choice: None,
        unsigned: None,
        lists: &[],
        run,
    };
    [
        ("encoding/json", validating("json", "Validate", &json)),
        ("encoding/yaml", validating("yaml", "Validate", &yaml)),
        (
            "encoding/yaml",
            validating("yaml", "ValidatePartial", &yaml_partial),
        ),
        (
            "list",
            Builtin {
                params: &[Kind::LIST, Kind::TOP, Kind::TOP],
                ..validating("list", "MatchN", &match_n)
            },
        ),
    ]
}

/// The text to look at, if it is known by now.
fn text(call: &mut Call<'_, '_>) -> Run<Option<Vec<u8>>> {
    Ok(match call.view(call.arg(0))? {
        Some(View::Text(text)) => Some(text.as_bytes().to_vec()),
        Some(View::Bytes(bytes)) => Some(bytes.to_vec()),
        Some(View::Other(kind)) if kind.meets(TEXT) => {
            call.incomplete("non-concrete argument 0");
            None
        }
        Some(_) => {
            call.fail("cannot use argument 0 as bytes");
            None
        }
        None => None,
    })
}

fn failed(call: &mut Call<'_, '_>, fault: Fault) -> Run<Option<Value>> {
    match fault.kind {
        FaultKind::Unsupported | FaultKind::Limit => {
            call.unsupported("this use of a builtin function")
        }
        FaultKind::Error | FaultKind::Invalid | FaultKind::Incomplete => Ok(call.fail(fault.text)),
    }
}

fn json(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(text) = text(call)? else {
        return Ok(None);
    };
    let data = match pequod_cue_std::json_data(&text) {
        Ok(data) => crate::library::back(call, &data, &[]),
        Err(fault) => return failed(call, fault),
    };
    let Some(schema) = call.schema_arg(1)? else {
        return Ok(None);
    };
    let yes = call.accepts_complete(schema, data)?;
    Ok(yes.then_some(Value::Bool(true)))
}

fn yaml(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    all_documents(call, true)
}

fn yaml_partial(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    all_documents(call, false)
}

/// Every document of a stream must fit.
fn all_documents(call: &mut Call<'_, '_>, concrete: bool) -> Run<Option<Value>> {
    let Some(text) = text(call)? else {
        return Ok(None);
    };
    let documents: Vec<Datum> = match pequod_cue_std::yaml_documents(&text) {
        Ok(documents) => documents,
        Err(fault) => return failed(call, fault),
    };
    let Some(schema) = call.schema_arg(1)? else {
        return Ok(None);
    };
    for document in documents {
        let data = crate::library::back(call, &document, &[]);
        let fits = if concrete {
            call.accepts_concrete(schema, data)?
        } else {
            call.accepts(schema, data)?
        };
        if !fits {
            return Ok(None);
        }
    }
    Ok(Some(Value::Bool(true)))
}

/// How many elements fit a schema: `list.MatchN(>1, {name: string})`.
fn match_n(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let elements = match call.view(call.arg(0))? {
        Some(View::List { elements, .. }) => elements,
        Some(View::Other(kind)) if kind.meets(Kind::LIST) => {
            return Ok(call.incomplete("non-concrete list for argument 0"));
        }
        Some(_) => return Ok(call.fail("cannot use argument 0 as list")),
        None => return Ok(None),
    };
    let (Some(bound), Some(schema)) = (call.schema_arg(1)?, call.schema_arg(2)?) else {
        return Ok(None);
    };
    let mut count = 0;
    for element in elements {
        count += usize::from(call.satisfies(schema, element)?);
    }
    if call.fits(count, bound)? {
        return Ok(Some(Value::Bool(true)));
    }
    if !call.validates() {
        return Ok(Some(Value::Bool(false)));
    }
    let (schema, bound) = (call.show(schema), call.show(bound));
    Ok(call.fail(format!("{schema} matches {count} list items, want {bound}")))
}
