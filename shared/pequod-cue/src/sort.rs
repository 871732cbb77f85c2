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
        choice: None,
        unsigned: None,
        lists: &[0],
        run,
    };
    [
        sorting("Sort", Kind::LIST, &sort),
        sorting("SortStable", Kind::LIST, &sort),
        Builtin {
            lists: &[],
            ..sorting("IsSorted", Kind::BOOL, &is_sorted)
        },
    ]
}

fn sort(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(mut elements) = elements(call)? else {
        return Ok(None);
    };
    let comparator = call.arg(1);
    if !call.compares(comparator)? {
        call.no_less();
        return Ok(None);
    }
    let done = sort_stably(call, comparator, &mut elements)?;
    Ok(done.map(|()| call.new_list(&elements)))
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

/// So many elements are sorted by insertion, and merged with their neighbours then.
const FEW: usize = 20;

/// Keeps equal elements in their order. What comes of a comparator that makes no sense depends on the way of sorting:
/// this is the reference's, whatever it says, and it ends. None with an error raised.
fn sort_stably(
    call: &mut Call<'_, '_>,
    comparator: Value,
    elements: &mut [Value],
) -> Run<Option<()>> {
    for few in elements.chunks_mut(FEW) {
        if insert(call, comparator, few)?.is_none() {
            return Ok(None);
        }
    }
    let mut sorted = FEW;
    while sorted < elements.len() {
        for pair in elements.chunks_mut(2 * sorted) {
            if pair.len() > sorted && merge(call, comparator, pair, sorted)?.is_none() {
                return Ok(None);
            }
        }
        sorted *= 2;
    }
    Ok(Some(()))
}

fn insert(call: &mut Call<'_, '_>, comparator: Value, elements: &mut [Value]) -> Run<Option<()>> {
    for end in 1..elements.len() {
        for at in (1..=end).rev() {
            match call.less(comparator, elements[at], elements[at - 1])? {
                Some(true) => elements.swap(at, at - 1),
                Some(false) => break,
                None => return Ok(None),
            }
        }
    }
    Ok(Some(()))
}

/// Merges two sorted runs in place, the second from `middle` on: "Stable Minimum Storage Merging by Symmetric
/// Comparisons" (Kim and Kutzner, 2004).
fn merge(
    call: &mut Call<'_, '_>,
    comparator: Value,
    runs: &mut [Value],
    middle: usize,
) -> Run<Option<()>> {
    let end = runs.len();
    if middle == 1 {
        // Behind all that is less.
        let Some(at) = first(1, end, |at| {
            call.less(comparator, runs[at], runs[0]).map(not)
        })?
        else {
            return Ok(None);
        };
        runs[..at].rotate_left(1);
        return Ok(Some(()));
    }
    if end - middle == 1 {
        // In front of all that is greater.
        let Some(at) = first(0, middle, |at| {
            call.less(comparator, runs[middle], runs[at])
        })?
        else {
            return Ok(None);
        };
        runs[at..].rotate_right(1);
        return Ok(Some(()));
    }
    // What lies symmetrically around the middle of both is compared, to find what must change sides.
    let half = end / 2;
    let mirror = half + middle;
    let (low, high) = if middle > half {
        (mirror - end, half)
    } else {
        (0, middle)
    };
    let Some(from) = first(low, high, |at| {
        call.less(comparator, runs[mirror - 1 - at], runs[at])
    })?
    else {
        return Ok(None);
    };
    let to = mirror - from;
    if from < middle && middle < to {
        runs[from..to].rotate_left(middle - from);
    }
    let (left, right) = runs.split_at_mut(half);
    if 0 < from && from < half && merge(call, comparator, left, from)?.is_none() {
        return Ok(None);
    }
    if half < to && to < end {
        return merge(call, comparator, right, to - half);
    }
    Ok(Some(()))
}

/// The first place between two that has a property which all behind it have, too; none if that cannot be told.
fn first(
    mut low: usize,
    mut high: usize,
    mut has: impl FnMut(usize) -> Run<Option<bool>>,
) -> Run<Option<usize>> {
    while low < high {
        let at = usize::midpoint(low, high);
        match has(at)? {
            Some(true) => high = at,
            Some(false) => low = at + 1,
            None => return Ok(None),
        }
    }
    Ok(Some(low))
}

fn not(answer: Option<bool>) -> Option<bool> {
    answer.map(|yes| !yes)
}
