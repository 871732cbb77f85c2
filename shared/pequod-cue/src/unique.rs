//! `list.UniqueItems` and `list.Contains`: they compare values as the evaluator does, finished or not.

use pequod_cue_eval::{Builtin, Call, Kind, Run, Value, View};

use crate::library::elements;

/// The functions, by name, of the package `list`.
pub(crate) fn functions() -> [Builtin; 2] {
    let comparing = |name, params, run| Builtin {
        package: "list",
        name,
        params,
        result: Kind::BOOL,
        non_concrete: false,
        optional: 0,
        choice: None,
        unsigned: None,
        lists: &[],
        run,
    };
    [
        comparing("UniqueItems", &[Kind::LIST], &unique_items),
        comparing("Contains", &[Kind::LIST, Kind::TOP], &contains),
    ]
}

/// Says no for good at the first pair that nothing can tell apart any more; a pair that is only equal so
/// far is told if there is no such, the last one found.
fn unique_items(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(elements) = elements(call)? else {
        return Ok(None);
    };
    let mut found = None;
    'all: for (first, a) in elements.iter().enumerate() {
        for (second, b) in elements.iter().enumerate().skip(first + 1) {
            if call.equal(*a, *b, true)? {
                let settled = call.is_final(*b);
                found = Some((first, second, settled));
                if settled {
                    break 'all;
                }
            }
        }
    }
    let Some((first, second, settled)) = found else {
        return Ok(Some(Value::Bool(true)));
    };
    if !call.validates() {
        return Ok(Some(Value::Bool(false)));
    }
    let shape = call.view(elements[first])?;
    // An error that an element holds is not the answer.
    call.drop_error();
    let text = match shape {
        Some(View::List { .. } | View::Struct { .. } | View::Other(_)) | None => {
            format!("equal values at position {first} and {second}")
        }
        Some(_) => {
            let shown = call.show(elements[first]);
            format!("equal value ({shown}) at position {first} and {second}")
        }
    };
    Ok(if settled {
        call.fail(text)
    } else {
        call.incomplete(text)
    })
}

fn contains(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(elements) = elements(call)? else {
        return Ok(None);
    };
    let wanted = call.arg(1);
    if call.view(wanted)?.is_none() {
        // It was none when it became an argument: the error is in a part, and is compared like one.
        call.drop_error();
    }
    for element in elements {
        if call.equal(element, wanted, false)? {
            return Ok(Some(Value::Bool(true)));
        }
    }
    Ok(Some(Value::Bool(false)))
}
