//! `list.Sort` and `list.IsSorted`: the functions of packages that need the evaluator, since their
//! comparators are CUE.

use pequod_cue_eval::{Builtin, Call, Kind, Run, Value};

use crate::library::elements;

/// The functions, by name, of the package `list`.
pub(crate) fn functions() -> [Builtin; 3] {
    let sorting = |name, result, run| Builtin {
        package: "list",
        name,
        params: &[Kind::LIST, Kind::TOP],
        result,
        non_concrete: false,
        optional: 0,
        settles: false,
        run,
    };
    [
        sorting("Sort", Kind::LIST, &sort),
        sorting("SortStable", Kind::LIST, &sort),
        sorting("IsSorted", Kind::BOOL, &is_sorted),
    ]
}

fn sort(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(elements) = elements(call)? else {
        return Ok(None);
    };
    let comparator = call.arg(1);
    if !call.compares(comparator)? {
        call.no_less();
        return Ok(None);
    }
    let sorted = if elements.len() <= FEW {
        insertion_sorted(call, comparator, elements)?
    } else {
        merge_sorted(call, comparator, elements)?
    };
    match sorted {
        Some(sorted) => Ok(Some(call.new_list(&sorted))),
        None => Ok(None),
    }
}

fn is_sorted(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(elements) = elements(call)? else {
        return Ok(None);
    };
    let comparator = call.arg(1);
    if !call.compares(comparator)? {
        // The reference compares nothing then.
        return Ok(Some(Value::Bool(true)));
    }
    for pair in elements.windows(2).rev() {
        match call.less(comparator, pair[1], pair[0])? {
            Some(true) => return Ok(Some(Value::Bool(false))),
            Some(false) => {}
            // What cannot be compared is not sorted.
            None => return Ok(call.drop_error().then_some(Value::Bool(false))),
        }
    }
    Ok(Some(Value::Bool(true)))
}

/// So many elements are sorted by insertion. What comes of a comparator that makes no sense depends on
/// the way of sorting; this is the reference's.
const FEW: usize = 20;

fn insertion_sorted(
    call: &mut Call<'_, '_>,
    comparator: Value,
    mut elements: Vec<Value>,
) -> Run<Option<Vec<Value>>> {
    for end in 1..elements.len() {
        let mut at = end;
        while at > 0 {
            match call.less(comparator, elements[at], elements[at - 1])? {
                Some(true) => elements.swap(at, at - 1),
                Some(false) => break,
                None => return Ok(None),
            }
            at -= 1;
        }
    }
    Ok(Some(elements))
}

/// A merge sort that keeps equal elements in their order. Comparators need not make sense: whatever
/// they say, this ends.
fn merge_sorted(
    call: &mut Call<'_, '_>,
    comparator: Value,
    mut elements: Vec<Value>,
) -> Run<Option<Vec<Value>>> {
    if elements.len() < 2 {
        return Ok(Some(elements));
    }
    let right = elements.split_off(elements.len() / 2);
    let Some(left) = merge_sorted(call, comparator, elements)? else {
        return Ok(None);
    };
    let Some(right) = merge_sorted(call, comparator, right)? else {
        return Ok(None);
    };
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match call.less(comparator, *b, *a)? {
            Some(true) => merged.extend(right.next()),
            Some(false) => merged.extend(left.next()),
            None => return Ok(None),
        }
    }
    merged.extend(left);
    merged.extend(right);
    Ok(Some(merged))
}
