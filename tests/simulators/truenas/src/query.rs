//! Filters and options of `*.query`.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::MethodError;

/// Applies filters and options to rows.
pub(crate) fn apply(
    mut rows: Vec<Value>,
    filters: &Value,
    options: &Value,
    count_ignores_filters: bool,
) -> Result<Value, MethodError> {
    let total = rows.len();
    let list = filters.as_array().map(Vec::as_slice).unwrap_or_default();
    for filter in list {
        valid(filter)?;
    }
    rows.retain(|row| list.iter().all(|filter| matches(row, filter)));
    let flag = |name: &str| {
        options
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    };
    let number = |name: &str| {
        options
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    if number("limit") > 10_000 {
        return Err(MethodError::invalid(
            "query-options.limit",
            "Input should be less than or equal to 10000",
        ));
    }
    if flag("count") {
        return Ok(json!(if count_ignores_filters {
            total
        } else {
            rows.len()
        }));
    }
    for order in options
        .get("order_by")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .rev()
    {
        let Some(field) = order.as_str() else {
            continue;
        };
        let (field, reverse) = field
            .strip_prefix('-')
            .map_or((field, false), |field| (field, true));
        rows.sort_by(|one, two| {
            let order = compare(&at(one, field), &at(two, field)).unwrap_or(Ordering::Equal);
            if reverse { order.reverse() } else { order }
        });
    }
    let offset = usize::try_from(number("offset")).unwrap_or(usize::MAX);
    let limit = usize::try_from(number("limit")).unwrap_or(usize::MAX);
    let mut rows: Vec<_> = rows
        .into_iter()
        .skip(offset)
        .take(if limit == 0 { usize::MAX } else { limit })
        .collect();
    if let Some(fields) = options
        .get("select")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
    {
        rows = rows.iter().map(|row| select(row, fields)).collect();
    }
    if flag("get") {
        return rows
            .into_iter()
            .next()
            .ok_or_else(|| MethodError::new(2, "ENOENT", "MatchNotFound()"));
    }
    Ok(Value::Array(rows))
}

fn select(row: &Value, fields: &[Value]) -> Value {
    let mut chosen = serde_json::Map::new();
    for field in fields {
        let (path, name) = match field {
            Value::Array(pair) => (
                pair.first().and_then(Value::as_str).unwrap_or_default(),
                pair.get(1).and_then(Value::as_str).unwrap_or_default(),
            ),
            field => (
                field.as_str().unwrap_or_default(),
                field.as_str().unwrap_or_default(),
            ),
        };
        chosen.insert(name.to_owned(), at(row, path).into_owned());
    }
    Value::Object(chosen)
}

fn valid(filter: &Value) -> Result<(), MethodError> {
    let list = filter.as_array().map(Vec::as_slice).unwrap_or_default();
    match list {
        [Value::String(or), Value::Array(several)] if or == "OR" => {
            several.iter().try_for_each(valid)
        }
        [Value::String(_), Value::String(op), _] => {
            let plain = op.strip_prefix('C').unwrap_or(op);
            [
                "=", "!=", ">", ">=", "<", "<=", "~", "in", "nin", "rin", "rnin", "^", "!^", "$",
                "!$",
            ]
            .contains(&plain)
            .then_some(())
            .ok_or_else(|| {
                MethodError::invalid("query-filters", format!("Invalid operation: {op}"))
            })
        }
        // A conjunction inside an OR.
        several if !several.is_empty() && several.iter().all(Value::is_array) => {
            several.iter().try_for_each(valid)
        }
        _ => Err(MethodError::invalid("query-filters", "Invalid filter")),
    }
}

fn matches(row: &Value, filter: &Value) -> bool {
    match filter.as_array().map(Vec::as_slice).unwrap_or_default() {
        [Value::String(or), Value::Array(several)] if or == "OR" => {
            several.iter().any(|filter| matches(row, filter))
        }
        [Value::String(field), Value::String(op), value] => one(&at(row, field), op, value),
        several => several.iter().all(|filter| matches(row, filter)),
    }
}

fn one(has: &Value, op: &str, wants: &Value) -> bool {
    let (op, fold) = op.strip_prefix('C').map_or((op, false), |op| (op, true));
    let text = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        if fold {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    };
    let order = compare(has, wants);
    match op {
        "=" if fold => text(has) == text(wants),
        "=" => has == wants,
        "!=" => has != wants,
        ">" => order == Some(Ordering::Greater),
        ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        "<" => order == Some(Ordering::Less),
        "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "~" => text(has).contains(text(wants).trim_matches(['^', '$', '.', '*'])),
        "in" => wants.as_array().is_some_and(|list| list.contains(has)),
        "nin" => wants.as_array().is_some_and(|list| !list.contains(has)),
        "rin" => has.as_array().is_some_and(|list| list.contains(wants)),
        "rnin" => has.as_array().is_some_and(|list| !list.contains(wants)),
        "^" => text(has).starts_with(&text(wants)),
        "!^" => !text(has).starts_with(&text(wants)),
        "$" => text(has).ends_with(&text(wants)),
        "!$" => !text(has).ends_with(&text(wants)),
        _ => false,
    }
}

fn compare(one: &Value, two: &Value) -> Option<Ordering> {
    match (one, two) {
        (Value::String(one), Value::String(two)) => Some(one.cmp(two)),
        _ => one.as_f64()?.partial_cmp(&two.as_f64()?),
    }
}

/// A value by dotted path.
fn at<'a>(row: &'a Value, path: &str) -> std::borrow::Cow<'a, Value> {
    use std::borrow::Cow;
    if let Some(value) = row.get(path) {
        return Cow::Borrowed(value);
    }
    let mut value = row;
    for part in path.split('.') {
        match value.get(part) {
            Some(next) => value = next,
            None => return Cow::Owned(Value::Null),
        }
    }
    Cow::Borrowed(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_orders_and_selects() {
        let rows = vec![
            json!({"id": "a", "n": {"x": 1}}),
            json!({"id": "b", "n": {"x": 2}}),
        ];
        let asked = |filters: Value, options: Value| apply(rows.clone(), &filters, &options, false);
        assert_eq!(
            asked(json!([["n.x", ">", 1]]), json!({"select": ["id"]})).unwrap(),
            json!([{"id": "b"}])
        );
        assert_eq!(
            asked(
                json!([["OR", [["id", "=", "a"], ["id", "=", "b"]]]]),
                json!({"count": true})
            )
            .unwrap(),
            json!(2)
        );
        assert_eq!(
            asked(
                json!([]),
                json!({"order_by": ["-id"], "limit": 1, "select": [["n.x", "x"]]})
            )
            .unwrap(),
            json!([{"x": 2}])
        );
        assert!(asked(json!([["id", "like", "a"]]), json!({})).is_err());
        assert!(asked(json!([]), json!({"limit": 10_001})).is_err());
    }
}
