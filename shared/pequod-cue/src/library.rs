//! The builtin packages, as the evaluator sees them.
//!
//! The functions of `pequod-cue-std` know data only. Here arguments become data by the rule of each
//! parameter, and results values again. What is no plain data travels through as a number.

use std::sync::OnceLock;

use pequod_cue_eval::{Builtin, Call, Choice, Kind, Library, Member, Run, Value, View};
use pequod_cue_std::{Args, Datum, FaultKind, Function, PACKAGES, Param, Shape};

/// What [`Function::result`] says of a list of lists that are values of their own.
const ROWS: &str = "rows";

/// The packages of `pequod-cue-std`.
pub(crate) struct Std;

/// The functions of a package, made when somebody first asks for one of them.
fn members(package: &str) -> &'static [Builtin] {
    static MADE: [OnceLock<Vec<Builtin>>; PACKAGES.len()] =
        [const { OnceLock::new() }; PACKAGES.len()];
    let Some(at) = PACKAGES.iter().position(|known| *known == package) else {
        return &[];
    };
    MADE[at].get_or_init(|| {
        let package = PACKAGES[at];
        // What needs the evaluator comes first: it stands before what the tables have of that name.
        let mut members: Vec<Builtin> = crate::validate::functions()
            .into_iter()
            .filter_map(|(of, function)| (of == package).then_some(function))
            .collect();
        if package == "list" {
            members.extend(crate::unique::functions());
            members.extend(crate::sort::functions());
        }
        if package == "encoding/openapi" {
            members.push(crate::openapi::function());
        }
        let plain = pequod_cue_std::functions(package).iter();
        members.extend(plain.map(|function| builtin(package, function)));
        members
    })
}

/// Built once a process and kept: the evaluator refers to functions by address.
fn builtin(package: &'static str, function: &'static Function) -> Builtin {
    let params: Vec<Kind> = function
        .params
        .iter()
        .map(|param| kind_of(*param))
        .collect();
    let optional = function
        .params
        .iter()
        .filter(|param| matches!(param, Param::Os | Param::OsWindows))
        .count();
    let system = function.params.iter().copied().position(is_system);
    let unsigned = |param: &Param| *param == Param::Unsigned;
    let feature: &'static str = format!("this use of {package}.{}", function.name).leak();
    Builtin {
        package: package.rsplit('/').next().unwrap_or(package),
        name: function.name,
        params: params.leak(),
        result: kind_named(function.result),
        non_concrete: false,
        optional,
        choice: system.map(|at| Choice {
            at,
            admits: pequod_cue_std::is_system,
            what: "the name of an operating system",
        }),
        unsigned: function.params.iter().position(unsigned),
        lists: strict_lists(function.params),
        run: Box::leak(Box::new(move |call: &mut Call<'_, '_>| {
            run(package, function, call, feature)
        })),
    }
}

/// The elements of a function's first argument, if it is a list.
///
/// # Errors
///
/// What ends the whole evaluation.
pub(crate) fn elements(call: &mut Call<'_, '_>) -> Run<Option<Vec<Value>>> {
    Ok(match call.view(call.arg(0))? {
        Some(View::List { elements, .. }) => Some(elements),
        Some(_) => {
            call.fail("the argument is no list");
            None
        }
        None => None,
    })
}

const fn kind_of(param: Param) -> Kind {
    match param {
        Param::Int | Param::Unsigned => Kind::INT,
        Param::Number => Kind::NUMBER,
        Param::Bool => Kind::BOOL,
        Param::String | Param::Pattern | Param::Os | Param::OsRequired | Param::OsWindows => {
            Kind::STRING
        }
        Param::Bytes => Kind(Kind::BYTES.0 | Kind::STRING.0),
        Param::Data
        | Param::Whole
        | Param::Flat
        | Param::Stream
        | Param::WholeStream
        | Param::Rows
        | Param::Address
        | Param::Host
        | Param::Value => Kind::TOP,
        Param::List
        | Param::Lists
        | Param::Strings
        | Param::Numbers
        | Param::Factors
        | Param::ListShape => Kind::LIST,
        Param::StructShape => Kind::STRUCT,
    }
}

fn kind_named(name: &str) -> Kind {
    match name {
        "bool" => Kind::BOOL,
        "int" => Kind::INT,
        "float" => Kind::FLOAT,
        "number" => Kind::NUMBER,
        "string" => Kind::STRING,
        "bytes" => Kind::BYTES,
        "list" | ROWS => Kind::LIST,
        "struct" => Kind::STRUCT,
        _ => Kind::TOP,
    }
}

impl Library for Std {
    fn member(&self, path: &str, name: &str) -> Option<Member> {
        if let Some(builtin) = members(path).iter().find(|member| member.name == name) {
            return Some(Member::Function(builtin));
        }
        if (path, name) == ("encoding/openapi", "#Config") {
            return Some(Member::Constant(crate::openapi::CONFIG));
        }
        if let Some(constant) = pequod_cue_std::constants(path)
            .iter()
            .find(|constant| constant.name == name)
        {
            return Some(Member::Constant(constant.value));
        }
        // What the language has beyond that cannot be told from a slip of the pen: both are refused.
        PACKAGES
            .contains(&path)
            .then_some(Member::Unsupported("this member"))
    }

    fn package(&self, path: &str) -> Option<bool> {
        PACKAGES.contains(&path).then(|| {
            path == "encoding/openapi"
                || !pequod_cue_std::functions(path).is_empty()
                || !pequod_cue_std::constants(path).is_empty()
        })
    }
}

fn run(
    package: &str,
    function: &'static Function,
    call: &mut Call<'_, '_>,
    feature: &'static str,
) -> Run<Option<Value>> {
    let mut opaque = Vec::new();
    let mut data = Vec::with_capacity(function.params.len());
    for (at, param) in function.params.iter().enumerate() {
        if at >= call.count() {
            data.push(Datum::text(if *param == Param::OsWindows {
                "windows"
            } else {
                "unix"
            }));
            continue;
        }
        let value = call.arg(at);
        let datum = match param {
            Param::List => loose(call, value, Depth::moved(1), &mut opaque)?,
            Param::Lists => lists(call, value, &mut opaque)?,
            Param::Value => loose(call, value, Depth::flattened(call), &mut opaque)?,
            Param::ListShape | Param::StructShape => shape(call, value)?,
            Param::Strings => items(call, value, at, ("string", Kind::STRING))?,
            Param::Numbers | Param::Factors => items(call, value, at, ("number", Kind::NUMBER))?,
            Param::Flat => flat(call, value)?,
            Param::Stream => stream(call, value, Reach::Regular)?,
            Param::WholeStream => stream(call, value, Reach::Everything)?,
            Param::Rows => table(call, value)?,
            Param::Address => address(call, value, at)?,
            Param::Host => host(call, value, at)?,
            Param::Whole => complete(call, value, Reach::Everything)?,
            _ => complete(call, value, Reach::Regular)?,
        };
        match datum {
            Some(datum) => data.push(datum),
            None => return Ok(None),
        }
    }
    compile_patterns(function, call, &mut data)?;
    call.charge(work(package, function, &data))?;
    match (function.run)(&Args(&data)) {
        Ok(result) => {
            if let (Some(Datum::List(list)), Datum::Int(number) | Datum::Float(number)) =
                (data.first(), &result)
                && function.params.contains(&Param::Factors)
            {
                let factors = list.iter().filter_map(|factor| match factor {
                    Datum::Int(number) | Datum::Float(number) => Some(number),
                    _ => None,
                });
                call.note_product(factors, number);
            }
            Ok(Some(match &result {
                Datum::List(list) if function.result == ROWS => rows(call, list),
                result => back(call, result, &opaque),
            }))
        }
        Err(fault) => match fault.kind {
            FaultKind::Invalid | FaultKind::Incomplete if !call.validates() => {
                Ok(Some(Value::Bool(false)))
            }
            FaultKind::Error | FaultKind::Invalid => Ok(call.fail(fault.text)),
            FaultKind::Incomplete => Ok(call.incomplete(fault.text)),
            FaultKind::Unsupported => call.unsupported(feature),
            FaultKind::Limit => call.unsupported("a result of this size"),
        },
    }
}

/// Regular expressions are compiled once an evaluation.
fn compile_patterns(function: &Function, call: &mut Call<'_, '_>, data: &mut [Datum]) -> Run<()> {
    for (param, datum) in function.params.iter().zip(data) {
        if let (Param::Pattern, Datum::String(text)) = (param, &*datum)
            && let Some(regex) = call.pattern(text)?
        {
            *datum = Datum::Pattern((*regex).clone());
        }
    }
    Ok(())
}

/// What a call takes beyond looking at its arguments, in units of about 50 ns.
fn work(package: &str, function: &Function, data: &[Datum]) -> u64 {
    match (package, function.name) {
        ("math", "Pow" | "Cbrt" | "Exp" | "Exp2" | "Log" | "Log10" | "Log2")
        | ("crypto/ed25519", _) => 2_000,
        ("regexp", name) => match data {
            [Datum::Pattern(regex), Datum::String(text), ..] => {
                let groups = name.contains("Submatch") || name.contains("Replace");
                if name.contains("All") {
                    regex.work_of_all(text.len(), groups)
                } else {
                    regex.work(text.len(), groups)
                }
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// Which parameters the reference takes as lists of its own, and not as values that come to be lists.
fn strict_lists(params: &[Param]) -> &'static [usize] {
    let strict = |param: &Param| {
        matches!(
            param,
            Param::Strings | Param::Numbers | Param::Factors | Param::ListShape
        )
    };
    let which = (0..).zip(params).filter(|(_, param)| strict(param));
    which.map(|(at, _)| at).collect::<Vec<usize>>().leak()
}

const fn is_system(param: Param) -> bool {
    matches!(param, Param::Os | Param::OsRequired | Param::OsWindows)
}

/// Which fields must be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that are output.
    Regular,
    /// Definitions and hidden fields, too.
    Everything,
}

/// A value that must be data to its leaves.
pub(crate) fn complete(call: &mut Call<'_, '_>, value: Value, reach: Reach) -> Run<Option<Datum>> {
    let Some(view) = call.view(value)? else {
        return Ok(None);
    };
    Ok(Some(match view {
        View::List { elements, .. } => {
            let mut list = Vec::with_capacity(elements.len());
            for element in elements {
                match complete(call, element, reach)? {
                    Some(datum) => list.push(datum),
                    None => return Ok(None),
                }
            }
            Datum::List(list)
        }
        View::Struct { fields, .. } => {
            if call.lacks(value, reach == Reach::Everything) {
                call.incomplete("a field is required but not present");
                return Ok(None);
            }
            let mut data = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                match complete(call, value, reach)? {
                    Some(datum) => data.push((name, datum)),
                    None => return Ok(None),
                }
            }
            Datum::Struct(data)
        }
        // A function is what it is for good, and no data.
        View::Other(Kind::FUNC) => {
            let shown = call.show(value);
            call.fail(format!("a function ({shown}) is no data"));
            return Ok(None);
        }
        View::Other(kind) => {
            call.incomplete(format!("non-concrete value (type {kind})"));
            return Ok(None);
        }
        scalar => {
            if let View::Int(number) | View::Float(number) = &scalar {
                call.note_text(number);
            }
            return Ok(Some(scalar_datum(scalar)));
        }
    }))
}

/// A list of data of one type. An element that can never be of it is an error, whatever is in it; one that is not known
/// yet may become it.
fn items(
    call: &mut Call<'_, '_>,
    value: Value,
    argument: usize,
    (name, wanted): (&str, Kind),
) -> Run<Option<Datum>> {
    let Some(View::List { elements, .. }) = call.view(value)? else {
        return complete(call, value, Reach::Regular);
    };
    let mut list = Vec::with_capacity(elements.len());
    for (at, element) in elements.into_iter().enumerate() {
        // Of what is undecided it matters what it may be.
        let view = if call.is_undecided(element)? {
            None
        } else {
            match call.view(element)? {
                None => return Ok(None),
                known => known,
            }
        };
        let kind = call.kind_of(element);
        if !kind.meets(wanted) {
            let shown = call.show(element);
            call.fail(format!(
                "invalid list element {at} in argument {argument} to call: \
                 cannot use value {shown} ({kind}) as {name}"
            ));
            return Ok(None);
        }
        let view = view.filter(|view| match view {
            View::Text(_) => Kind::STRING.meets(wanted),
            View::Int(_) | View::Float(_) => Kind::NUMBER.meets(wanted),
            _ => false,
        });
        // Its default is of another type, or it has none, but it may become one.
        let Some(view) = view else {
            let shown = call.show(element);
            call.incomplete(format!(
                "non-concrete value {shown} for element {at} of {name} list argument {argument}"
            ));
            return Ok(None);
        };
        list.push(scalar_datum(view));
    }
    Ok(Some(Datum::List(list)))
}

/// A scalar: a struct or a list is none, whatever is in it.
fn flat(call: &mut Call<'_, '_>, value: Value) -> Run<Option<Datum>> {
    match call.view(value)? {
        Some(View::List { .. }) => Ok(Some(Datum::List(Vec::new()))),
        Some(_) => stream(call, value, Reach::Regular),
        None => Ok(None),
    }
}

/// Data that is no struct: if it is one, it does not matter what is in it.
fn stream(call: &mut Call<'_, '_>, value: Value, reach: Reach) -> Run<Option<Datum>> {
    match call.view(value)? {
        Some(View::Struct { .. }) => Ok(Some(Datum::Struct(Vec::new()))),
        Some(_) => complete(call, value, reach),
        None => Ok(None),
    }
}

/// Data in rows: what can never be a list is no row, whatever is in it.
fn table(call: &mut Call<'_, '_>, value: Value) -> Run<Option<Datum>> {
    let Some(View::List { elements, .. }) = call.view(value)? else {
        return stream(call, value, Reach::Regular);
    };
    let mut rows = Vec::with_capacity(elements.len());
    for element in elements {
        if !call.is_undecided(element)? && call.view(element)?.is_none() {
            return Ok(None);
        }
        let kind = call.kind_of(element);
        if !kind.meets(Kind::LIST) {
            let shown = call.default_value(element);
            let shown = call.show(shown);
            call.fail(format!("cannot use value {shown} (type {kind}) as list"));
            return Ok(None);
        }
        match complete(call, element, Reach::Regular)? {
            Some(row) => rows.push(row),
            None => return Ok(None),
        }
    }
    Ok(Some(Datum::List(rows)))
}

/// What may be an address: text or a list of ints.
fn address(call: &mut Call<'_, '_>, value: Value, argument: usize) -> Run<Option<Datum>> {
    match call.view(value)? {
        Some(View::List { elements, .. }) => {
            // The first element that is no byte ends it, whatever comes then.
            for element in elements {
                let taken = call.default_value(element);
                let kind = call.kind_of(taken);
                if !kind.is_bottom() && !kind.meets(Kind::INT) {
                    let shown = call.show(taken);
                    return Ok(call
                        .fail(format!("cannot use value {shown} (type {kind}) as int"))
                        .map(|_| Datum::Null));
                }
                let Some(number) = call.number_of(taken) else {
                    break;
                };
                if number
                    .to_i64()
                    .is_some_and(|byte| !(0..=255).contains(&byte))
                {
                    return Ok(call
                        .fail(format!("invalid IP byte value {number}"))
                        .map(|_| Datum::Null));
                }
            }
            items(call, value, argument, ("int", Kind::INT))
        }
        Some(_) => stream(call, value, Reach::Regular),
        None => Ok(None),
    }
}

/// What may be a host: an address, but a list that is none yet is none.
fn host(call: &mut Call<'_, '_>, value: Value, argument: usize) -> Run<Option<Datum>> {
    let Some(View::List { elements, .. }) = call.view(value)? else {
        return address(call, value, argument);
    };
    let is_known = |element| {
        let taken = call.default_value(element);
        call.number_of(taken).is_some()
    };
    if elements.into_iter().all(is_known) {
        address(call, value, argument)
    } else {
        Ok(Some(Datum::List(Vec::new())))
    }
}

pub(crate) fn scalar_datum(view: View) -> Datum {
    match view {
        View::Bool(value) => Datum::Bool(value),
        View::Int(value) => Datum::Int(value),
        View::Float(value) => Datum::Float(value),
        View::Text(text) => Datum::String(text),
        View::Bytes(bytes) => Datum::Bytes(bytes),
        View::Null | View::List { .. } | View::Struct { .. } | View::Other(_) => Datum::Null,
    }
}

/// How far down a list is taken apart.
#[derive(Debug, Clone, Copy)]
struct Depth {
    /// Levels of lists; none for all.
    levels: Option<u32>,
    /// Whether elements are taken by their defaults.
    defaults: bool,
}

impl Depth {
    /// Elements are moved as they are.
    const fn moved(levels: u32) -> Self {
        Self {
            levels: Some(levels),
            defaults: false,
        }
    }

    /// As deep as the second argument says, and the list itself.
    fn flattened(call: &Call<'_, '_>) -> Self {
        let depth = call
            .number_of(call.arg(1))
            .and_then(|depth| depth.to_bigint());
        Self {
            levels: depth
                .and_then(|depth| u32::try_from(depth).ok())
                .map(|depth| depth.saturating_add(1)),
            defaults: true,
        }
    }

    fn below(self) -> Self {
        Self {
            levels: self.levels.map(|levels| levels.saturating_sub(1)),
            ..self
        }
    }
}

/// Scalars and lists of them as data; everything else stays what it is. So do elements that only have a
/// default, and lists below so many levels.
fn loose(
    call: &mut Call<'_, '_>,
    value: Value,
    depth: Depth,
    opaque: &mut Vec<Value>,
) -> Run<Option<Datum>> {
    let shown = if depth.defaults {
        call.default_value(value)
    } else {
        value
    };
    let bottom = depth.levels == Some(0);
    let keep = |opaque: &mut Vec<Value>| {
        opaque.push(shown);
        Datum::Opaque(opaque.len() as u64 - 1)
    };
    // What must be a list is asked for; whoever only moves elements does not ask.
    let asks = !depth.defaults && !bottom;
    if !asks && !call.is_settled(value) {
        return Ok(Some(keep(opaque)));
    }
    let Some(view) = call.view(value)? else {
        return Ok(None);
    };
    Ok(Some(match view {
        View::List { .. } if bottom => keep(opaque),
        View::List { elements, .. } => {
            let mut list = Vec::with_capacity(elements.len());
            for element in elements {
                match loose(call, element, depth.below(), opaque)? {
                    Some(datum) => list.push(datum),
                    None => return Ok(None),
                }
            }
            Datum::List(list)
        }
        View::Struct { .. } | View::Other(_) => keep(opaque),
        // Elements that are only moved stay what they are: as long as nobody asks, what they say is not calculated.
        _ if depth.defaults || bottom || call.is_choice(value) => keep(opaque),
        scalar => scalar_datum(scalar),
    }))
}

/// A list of lists, the elements of which are only moved. The first element that is no list ends it.
fn lists(call: &mut Call<'_, '_>, value: Value, opaque: &mut Vec<Value>) -> Run<Option<Datum>> {
    let Some(View::List { elements, .. }) = call.view(value)? else {
        return Ok(None);
    };
    let mut lists = Vec::with_capacity(elements.len());
    for element in elements {
        let view = call.view(element)?;
        let element = call.default_value(element);
        let kind = call.types(element);
        if !kind.is_bottom() && !kind.meets(Kind::LIST) {
            call.drop_error();
            let shown = call.show(element);
            return Ok(call
                .fail(format!("cannot use value {shown} (type {kind}) as list"))
                .map(|_| Datum::Null));
        }
        match view {
            Some(View::List { .. }) => {}
            Some(_) => {
                call.incomplete("non-concrete list");
                return Ok(None);
            }
            None => return Ok(None),
        }
        match loose(call, element, Depth::moved(1), opaque)? {
            Some(list) => lists.push(list),
            None => return Ok(None),
        }
    }
    Ok(Some(Datum::List(lists)))
}

fn shape(call: &mut Call<'_, '_>, value: Value) -> Run<Option<Datum>> {
    Ok(match call.view(value)? {
        Some(View::List { elements, open }) => Some(Datum::Shape(Shape {
            count: elements.len(),
            open,
            constraints: 0,
        })),
        Some(View::Struct {
            fields,
            open,
            constraints,
        }) => Some(Datum::Shape(Shape {
            count: fields.len(),
            open,
            constraints,
        })),
        Some(_) => call
            .incomplete("non-concrete argument")
            .map(|_| Datum::Null),
        None => None,
    })
}

fn rows(call: &mut Call<'_, '_>, list: &[Datum]) -> Value {
    let mut rows = Vec::with_capacity(list.len());
    for datum in list {
        rows.push(match datum {
            Datum::List(row) => {
                let row: Vec<_> = row.iter().map(|cell| back(call, cell, &[])).collect();
                call.new_row(&row)
            }
            other => back(call, other, &[]),
        });
    }
    call.new_list(&rows)
}

pub(crate) fn back(call: &mut Call<'_, '_>, datum: &Datum, opaque: &[Value]) -> Value {
    match datum {
        Datum::Null | Datum::Shape(_) | Datum::Pattern(_) => Value::Null,
        Datum::Bool(value) => Value::Bool(*value),
        Datum::Int(value) => call.decimal(value.clone(), Kind::INT),
        Datum::Float(value) => call.decimal(value.clone(), Kind::FLOAT),
        Datum::String(text) => call.string(text),
        Datum::Bytes(bytes) => call.new_bytes(bytes),
        Datum::List(list) => {
            let values: Vec<_> = list.iter().map(|datum| back(call, datum, opaque)).collect();
            call.new_list(&values)
        }
        Datum::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, datum)| (name.clone(), back(call, datum, opaque)))
                .collect();
            call.new_struct(&fields)
        }
        Datum::Opaque(Datum::NULL_BY_DEFAULT) => call.null_by_default(),
        Datum::Opaque(at) => usize::try_from(*at)
            .ok()
            .and_then(|at| opaque.get(at).copied())
            .unwrap_or(Value::Null),
    }
}
