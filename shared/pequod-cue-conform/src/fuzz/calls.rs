//! Programs around one call of a function: its arguments may be of any kind, finished or not, right or wrong, and it
//! stands wherever an expression may.
//!
//! The grammar of [`super::generate`] gives most functions what they ask for. Where both sides part is what they are
//! given besides: which argument is told to be wrong, whether for good, and what a value is told to be meanwhile.

use std::collections::BTreeSet;

use super::generate::{CALLS, FLOATS, INTS, STRINGS, file, filled, import};
use super::random::Random;

/// What arguments and neighbours refer to.
const AROUND: &[&str] = &[
    "s: string",
    "i: int",
    "n: number",
    "b: bool",
    "l: [...]",
    "e: {}",
    "r: {a: r.a, c: 1}",
    "q!: int",
    "#D: {a: int}",
];

/// Expressions of every kind over [`AROUND`], and `t`, the field the call is in.
const ANY: &[&str] = &[
    "s",
    "i",
    "n",
    "b",
    "l",
    "q",
    "r",
    "r.a",
    "t",
    "t.a",
    "[t]",
    "e.x",
    "[e.x]",
    "#D",
    "#D.a",
    "_",
    "string",
    "uint8",
    "[...]",
    "[...int]",
    "{...}",
    "{}",
    "[]",
    "{a: 1}",
    "{a: s}",
    "{a!: 1}",
    "[1, s]",
    "[s, 1]",
    "[i, \"x\"]",
    "null",
    "true",
    "1 | 2",
    "*1 | int",
    "\"a\" | \"b\"",
    "*\"a\" | string",
    "[1] | [2]",
    "*[1] | [2]",
    ">0",
    "!=null",
    "=~\"^a\"",
    "3 & i",
    "s & s",
    "i + 1",
    "len(s)",
    "\"\\(s)\"",
    "[for x in l {x}]",
    "{if i > 0 {a: 1}}",
    "{let z = s, a: z}",
    "1 & 2",
    "[1 & 2]",
    "{a: 1 & 2}",
    "error(\"no\")",
    "and([s, \"a\"])",
    "and([7, int])",
    "and([\"a\", \"b\"])",
    "or([1, \"a\"])",
    "close({a: 1})",
    "matchN(1, [int, string])",
];

/// Where a call stands: `@` is the call, `%` anything.
const PLACES: &[&str] = &[
    "@",
    "@",
    "@",
    "(@) & %",
    "% & (@)",
    "*(@) | 1",
    "(@) | \"z\"",
    "*(%) | (@)",
    "[@]",
    "[@, ...]",
    "{a: @}",
    "{a?: @} & {a: %}",
    "{[string]: @, a: _}",
    "{#x: @, y: #x}",
    "[for x in @ {x}]",
    "{if @ {a: 1}}",
    "{(@): 1}",
    "{\"\\(@)\": 1}",
    "(@).a",
    "(@)[0]",
    "len(@)",
    "!=(@)",
    ">(@)",
    "(@) == %",
    "(@) + %",
    "% & matchN(1, [@, %])",
    "% & matchIf(@, %, _)",
];

/// Fields that look at the one with the call.
const AFTER: &[&str] = &[
    "u: t",
    "u: t & _",
    "u: t.a",
    "u: *t | 1",
    "u: \"\\(t)\"",
    "u: [t, t]",
    "t: _",
];

/// A program.
pub(super) fn program(random: Random) -> String {
    let mut generator = Generator {
        random,
        imports: BTreeSet::new(),
    };
    let place = generator.random.pick(PLACES);
    let call = generator.call(0);
    let mut filled = String::new();
    for c in place.chars() {
        match c {
            '@' => filled.push_str(&call),
            '%' => filled.push_str(&generator.anything(1)),
            c => filled.push(c),
        }
    }
    let mut lines = vec![format!("t: {filled}")];
    if generator.random.once_in(3) {
        lines.push(generator.random.pick(AFTER).to_owned());
    }
    lines.extend(AROUND.iter().map(|&line| line.to_owned()));
    let mut order: Vec<usize> = (0..lines.len()).collect();
    if generator.random.once_in(3) {
        order = generator.random.order(lines.len());
    }
    let lines = order.into_iter().map(|at| lines[at].as_str());
    file(&generator.imports, lines)
}

struct Generator {
    random: Random,
    imports: BTreeSet<String>,
}

impl Generator {
    fn call(&mut self, depth: usize) -> String {
        let template = self.random.pick(CALLS);
        self.imports.insert(import(template));
        filled(template, |hole| self.argument(hole, depth))
    }

    fn argument(&mut self, hole: &str, depth: usize) -> String {
        // A group of a regular expression.
        if !matches!(hole, "s" | "i" | "n" | "l" | "e" | "t" | "m") {
            return format!("${hole}");
        }
        if !self.random.once_in(2) {
            return self.anything(depth);
        }
        match hole {
            "s" => self.random.pick(STRINGS).to_owned(),
            "i" => self.random.pick(INTS).to_owned(),
            "n" => self.random.pick(FLOATS).to_owned(),
            "l" | "e" => self.list(&[INTS, STRINGS]),
            "t" => self.list(&[STRINGS]),
            _ => self.list(&[INTS, FLOATS]),
        }
    }

    fn list(&mut self, of: &[&[&str]]) -> String {
        let count = self.random.below(4);
        let elements: Vec<&str> = (0..count)
            .map(|_| {
                let kind = of[self.random.below(of.len())];
                self.random.pick(kind)
            })
            .collect();
        format!("[{}]", elements.join(", "))
    }

    fn anything(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0 if depth < 2 => self.call(depth + 1),
            1 => {
                let (a, b) = (self.random.pick(ANY), self.random.pick(STRINGS));
                format!("[{a}, {b}]")
            }
            2 => self.random.pick(INTS).to_owned(),
            3 => self.random.pick(STRINGS).to_owned(),
            _ => self.random.pick(ANY).to_owned(),
        }
    }
}
