//! Asserted places and sub-errors, against those of a node.
//!
//! A place is `LINES:COLUMN`, in lines from where the assertion stands, or `FILE:LINE:COLUMN`. For a field the lines count
//! from the one with its label, for what stands in a struct from the one with its brace, at the top of a file from their
//! own. Order does not matter, but there may be neither more nor fewer.

use pequod_cue_syntax::ast::Attribute;
use pequod_cue_syntax::{Argument, Span};

use super::contains;
use crate::node::{Node, Told};

/// The directives whose outcome is not about the value, but about what is told of it.
pub const DETAILS: [&str; 5] = [
    "allows",
    "pos",
    "pos, first",
    "suberr",
    "suberr, with places",
];

/// Where an assertion stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a> {
    pub file: &'a str,
    pub line: u32,
}

/// One of the errors that an error must consist of.
struct SubError {
    contains: String,
    places: Option<Vec<String>>,
}

/// What comes of the places and sub-errors that an `err` asserts, by directive.
pub(super) fn check(
    arguments: &[Argument<'_>],
    base: Base<'_>,
    node: Option<&Node>,
) -> Vec<(&'static str, Result<(), String>)> {
    let errors = node.map_or(&[][..], |node| &node.errors);
    let mut outcomes = Vec::new();
    if let Some(wanted) = places(arguments, base) {
        let found = errors.first().map(|error| &error.places[..]);
        outcomes.push(("pos", same(&wanted, found)));
        outcomes.push(("pos, first", first_among(&wanted, found)));
    }
    let wanted = sub_errors(arguments, base);
    if !wanted.is_empty() {
        outcomes.push(("suberr", consists_of(&wanted, errors, false)));
        outcomes.push(("suberr, with places", consists_of(&wanted, errors, true)));
    }
    outcomes
}

/// The places that an assertion names, if it says anything about them.
fn places(arguments: &[Argument<'_>], base: Base<'_>) -> Option<Vec<String>> {
    let argument = arguments.iter().find(|argument| argument.key == "pos")?;
    let list = argument.raw_value.trim_matches(['[', ']']).split(',');
    let list = list.map(str::trim).filter(|place| !place.is_empty());
    Some(list.map(|place| absolute(place, base)).collect())
}

fn absolute(place: &str, base: Base<'_>) -> String {
    let relative = place.split_once(':').and_then(|(lines, column)| {
        let line = base.line.checked_add_signed(lines.parse().ok()?)?;
        let column: u32 = column.parse().ok()?;
        Some(format!("{}:{line}:{column}", base.file))
    });
    relative.unwrap_or_else(|| place.to_owned())
}

fn same(wanted: &[String], found: Option<&[String]>) -> Result<(), String> {
    let found = found.ok_or("there is no error")?;
    let sorted = |places: &[String]| {
        let mut places = places.to_vec();
        places.sort();
        places
    };
    if sorted(wanted) == sorted(found) {
        Ok(())
    } else {
        Err(format!(
            "is at [{}], not at [{}]",
            found.join(", "),
            wanted.join(", ")
        ))
    }
}

fn first_among(wanted: &[String], found: Option<&[String]>) -> Result<(), String> {
    match found.ok_or("there is no error")?.first() {
        Some(first) if wanted.contains(first) => Ok(()),
        None if wanted.is_empty() => Ok(()),
        first => Err(format!("is first at {first:?}")),
    }
}

fn sub_errors(arguments: &[Argument<'_>], base: Base<'_>) -> Vec<SubError> {
    let described = arguments.iter().filter(|argument| argument.key == "suberr");
    described
        .filter_map(|argument| {
            let inner = argument.raw_value.strip_prefix('(')?.strip_suffix(')')?;
            let inner = Attribute {
                name: "test".into(),
                body: inner.into(),
                span: Span::default(),
            };
            let arguments = inner.arguments();
            let contains = arguments.iter().find(|argument| argument.key == "contains");
            Some(SubError {
                contains: contains.map(Argument::value).unwrap_or_default(),
                places: places(&arguments, base),
            })
        })
        .collect()
}

/// Whether each error is one of those that are wanted, and none is left on either side.
fn consists_of(wanted: &[SubError], found: &[Told], with_places: bool) -> Result<(), String> {
    // A heading above a list is no error itself.
    let listed: Vec<&Told> = found
        .iter()
        .filter(|error| found.len() == 1 || !error.message.contains("errors in empty disjunction"))
        .collect();
    if listed.len() != wanted.len() {
        return Err(format!("{} errors, not {}", listed.len(), wanted.len()));
    }
    let meets = |wanted: &SubError, error: &Told| {
        contains(&error.message, &wanted.contains)
            && (!with_places
                || wanted
                    .places
                    .as_ref()
                    .is_none_or(|places| same(places, Some(&error.places)).is_ok()))
    };
    let mut taken: Vec<Option<usize>> = vec![None; listed.len()];
    for at in 0..wanted.len() {
        let mut tried = vec![false; listed.len()];
        let fits = |at: usize, error: usize| meets(&wanted[at], listed[error]);
        if !place(at, &fits, &mut tried, &mut taken) {
            return Err(format!("no error is {:?}", wanted[at].contains));
        }
    }
    Ok(())
}

/// Finds an error for a description, if need be by finding another one for the description that has it.
fn place(
    at: usize,
    fits: &impl Fn(usize, usize) -> bool,
    tried: &mut [bool],
    taken: &mut [Option<usize>],
) -> bool {
    for error in 0..taken.len() {
        if tried[error] || !fits(at, error) {
            continue;
        }
        tried[error] = true;
        let free = match taken[error] {
            Some(other) => place(other, fits, tried, taken),
            None => true,
        };
        if free {
            taken[error] = Some(at);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::assertion::{check, fields};
    use crate::node::{Node, Told};
    use crate::txtar::Archive;

    fn told(message: &str, places: &[&str]) -> Told {
        Told {
            message: message.to_owned(),
            places: places.iter().map(|place| (*place).to_owned()).collect(),
        }
    }

    /// `e` and `s.e` are errors of two parts, `s` allows `x` and any string.
    fn nodes() -> Vec<Node> {
        let error = |path: &str| Node {
            path: path.to_owned(),
            kind: "_|_".to_owned(),
            code: "eval".to_owned(),
            errors: vec![
                told(
                    "e: conflicting values 1 and 2",
                    &["in.cue:2:4", "b.cue:7:1"],
                ),
                told("e: conflicting values 1 and 3", &["in.cue:2:8"]),
            ],
            ..Node::default()
        };
        let node = Node {
            path: "s".to_owned(),
            kind: "struct".to_owned(),
            closed: Some(true),
            accepts: vec!["x".to_owned(), "string".to_owned()],
            ..Node::default()
        };
        vec![error("e"), node, error("s.e")]
    }

    /// The directives that fail, of an archive whose second line is the assertion's.
    fn failing(line: &str) -> Vec<String> {
        let archive = Archive::parse(&format!("-- in.cue --\n\n{line}\n"));
        let assertions = check(&archive, &nodes()).into_iter();
        let failing = assertions.filter(|it| !it.of_value() && !it.failure.is_empty());
        failing.map(|assertion| assertion.directive).collect()
    }

    #[test]
    fn right_places_and_fields_hold() {
        for right in [
            "e: 1 & 2 @test(err, pos=[0:4, b.cue:7:1])",
            "e: 1 & 2 @test(err, pos=[b.cue:7:1, 0:4])",
            "s: {\n@test(err, at=e, pos=[0:4, b.cue:7:1])\n}",
            "s: {\n\te: 1 & 2 @test(err, pos=[-1:4, b.cue:7:1])\n}",
            "@test(err, at=e, pos=[0:4, b.cue:7:1])",
            "s: _ @test(allows, x)",
            "s: _ @test(allows, string)",
            "s: _ @test(allows=false, y)",
            "e: _ @test(err, suberr=(contains=\"values %s and 3\", pos=[0:8]), suberr=(contains=\"conflicting\"))",
            "e: _ @test(err, suberr=(contains=\"conflicting\"), suberr=(contains=\"1 and 2\", pos=[0:4, b.cue:7:1]))",
        ] {
            assert_eq!(failing(right), [""; 0], "{right}");
        }
    }

    #[test]
    fn wrong_places_and_fields_fail() {
        let cases: [(&str, &[&str]); 12] = [
            ("e: 1 & 2 @test(err, pos=[])", &["pos", "pos, first"]),
            ("e: 1 & 2 @test(err, pos=[0:4])", &["pos"]),
            ("e: 1 & 2 @test(err, pos=[0:4, 0:7])", &["pos"]),
            (
                "e: _ @test(err, pos=[1:4, b.cue:7:1])",
                &["pos", "pos, first"],
            ),
            (
                "e: _ @test(err, pos=[0:5, b.cue:7:1])",
                &["pos", "pos, first"],
            ),
            ("none: _ @test(err, pos=[])", &["pos", "pos, first"]),
            ("s: _ @test(allows=false, x)", &["allows"]),
            ("s: _ @test(allows, y)", &["allows"]),
            ("e: _ @test(allows=false, y)", &["allows"]),
            (
                "e: _ @test(err, suberr=(contains=\"1 and 2\"))",
                &["suberr", "suberr, with places"],
            ),
            (
                "e: _ @test(err, suberr=(contains=\"1 and 2\"), suberr=(contains=\"1 and 2\"))",
                &["suberr", "suberr, with places"],
            ),
            (
                "e: _ @test(err, suberr=(contains=\"and 2\", pos=[0:9]), suberr=(contains=\"and 3\"))",
                &["suberr, with places"],
            ),
        ];
        for (wrong, directives) in cases {
            assert_eq!(failing(wrong), directives, "{wrong}");
        }
    }

    #[test]
    fn the_fields_asked_about_are_found_wherever_they_are() {
        let archive = Archive::parse(
            "-- in.cue --\na: b: _ @test(allows, string)\nc: {} @test(allows:todo=false, \"x\")\n",
        );
        assert_eq!(fields(&archive), ["string", "\"x\""]);
    }
}
