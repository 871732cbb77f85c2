//! Programs of a handful of short declarations that are about one another: what refers to what, in which order, through
//! which of the language's constructs.
//!
//! The grammar of [`super::generate`] makes long programs in which most parts have nothing to do with each other. Where
//! two constructs meet is what the sides part over; here little else is.

use std::collections::BTreeSet;

use super::generate::{CALLS, file, filled, import};
use super::random::Random;

/// What packages have besides functions that are called.
const MEMBERS: &[&str] = &[
    "time.Time",
    "time.Duration",
    "net.IPv4",
    "net.FQDN",
    "math.Pi",
    "list.Ascending",
    "list.Comparer",
    "time.Second",
    "struct.MinFields(1)",
    "list.MaxItems(1)",
    "list.UniqueItems",
    "strings.MinRunes(2)",
];

/// Names of fields. Few, so that they meet.
const NAMES: &[&str] = &["a", "b", "c", "x", "y", "#A", "#B", "_h"];

const SCALARS: &[&str] = &[
    "1", "2", "0", "\"a\"", "\"x\"", "true", "null", "int", "string", "_", "bool", "_|_",
];

const BOUNDS: &[&str] = &[">0", "<=1", "!=1", "!=null", "=~\"a\"", ">\"a\"", "!=\"x\""];

/// A program.
pub(super) fn program(mut random: Random) -> String {
    let count = 2 + random.below(3);
    let order = random.order(NAMES.len());
    let names = order.into_iter().take(count).map(|at| NAMES[at]).collect();
    let mut generator = Generator {
        random,
        names,
        imports: BTreeSet::new(),
    };
    let mut lines: Vec<String> = (0..count)
        .map(|at| generator.field(generator.names[at], 0))
        .collect();
    for _ in 0..generator.random.below(4) {
        lines.push(generator.declaration(0));
    }
    let order = generator.random.order(lines.len());
    let lines = order.into_iter().map(|at| lines[at].as_str());
    file(&generator.imports, lines)
}

struct Generator {
    random: Random,
    /// What the file declares; all that is referred to.
    names: Vec<&'static str>,
    imports: BTreeSet<String>,
}

impl Generator {
    fn field(&mut self, name: &str, depth: usize) -> String {
        let mark = self.random.pick(&["", "", "", "", "", "?", "!"]);
        format!("{name}{mark}: {}", self.value(depth + 1))
    }

    fn name(&mut self) -> &'static str {
        self.names[self.random.below(self.names.len())]
    }

    /// A field that may be new.
    fn label(&mut self) -> &'static str {
        if self.random.once_in(3) {
            self.random.pick(NAMES)
        } else {
            self.name()
        }
    }

    fn declaration(&mut self, depth: usize) -> String {
        match self.random.below(24) {
            0 => self.expression(depth + 1, Self::embedded),
            1 => format!(
                "if {} {{{}}}",
                self.condition(),
                self.declaration(depth + 1)
            ),
            2 => {
                let source = self.reference();
                let clause = match self.random.below(5) {
                    0 => format!(" if {}", self.condition()),
                    1 => format!(" let v = {}", self.value(depth + 2)),
                    _ => String::new(),
                };
                let body = self.loop_body(depth + 1);
                format!("for k, v in {source}{clause} {{{body}}}")
            }
            3 => {
                let pattern = match self.random.below(6) {
                    0 => self.name(),
                    at => ["string", "=~\"a\"", "!=\"b\"", "\"x\"", "\"a\" | \"b\""][at - 1],
                };
                if self.random.once_in(4) {
                    format!("[X=({pattern})]: {} & {{y: X}}", self.value(depth + 1))
                } else {
                    format!("[{pattern}]: {}", self.value(depth + 1))
                }
            }
            4 if depth > 0 => "...".to_owned(),
            5 => {
                let name = self.label();
                format!("let z = {}\n{name}: z", self.value(depth + 1))
            }
            6 => {
                let label = match self.random.below(3) {
                    0 => format!("({})", self.reference()),
                    1 => format!("\"\\({})\"", self.reference()),
                    _ => "(\"a\")".to_owned(),
                };
                format!("{label}: {}", self.value(depth + 1))
            }
            7 => {
                let name = self.label();
                format!("V={name}: {}", self.with_alias(depth + 1))
            }
            8 => {
                let (name, below) = (self.label(), self.label());
                format!("{name}: {below}: {}", self.value(depth + 1))
            }
            _ => {
                let name = self.label();
                self.field(name, depth)
            }
        }
    }

    fn with_alias(&mut self, depth: usize) -> String {
        let value = self.structure(depth);
        let tail = self.random.pick(&["y: V", "y: V.a", "x: V.y", ""]);
        match value.strip_suffix('}') {
            Some("{") => format!("{{{tail}}}"),
            Some(body) if !body.ends_with("...") => format!("{body}, {tail}}}"),
            _ => value,
        }
    }

    fn loop_body(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 => "\"\\(k)\": v".to_owned(),
            1 => "(k): v".to_owned(),
            2 => format!("\"\\(k)x\": {}", self.value(depth)),
            _ => self.declaration(depth),
        }
    }

    fn value(&mut self, depth: usize) -> String {
        self.expression(depth, Self::simple)
    }

    fn embedded(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 => self.structure(depth),
            _ => self.reference(),
        }
    }

    /// What `leaf` makes, or several of them.
    fn expression(&mut self, depth: usize, leaf: fn(&mut Self, usize) -> String) -> String {
        let first = leaf(self, depth);
        if depth > 3 {
            return first;
        }
        match self.random.below(10) {
            0 | 1 => format!("{first} & {}", leaf(self, depth + 1)),
            2 => format!("{first} | {}", leaf(self, depth + 1)),
            3 => format!("*{first} | {}", leaf(self, depth + 1)),
            4 if self.random.once_in(2) => {
                format!(
                    "({first} | {}) & {}",
                    leaf(self, depth + 1),
                    leaf(self, depth + 1)
                )
            }
            _ => first,
        }
    }

    fn simple(&mut self, depth: usize) -> String {
        match self.random.below(20) {
            0..=5 => self.reference(),
            6..=9 => self.random.pick(SCALARS).to_owned(),
            10..=13 if depth < 4 => self.structure(depth),
            14 => self.random.pick(BOUNDS).to_owned(),
            15 if depth < 4 => self.list(depth),
            16 if depth < 4 => self.computed(depth),
            17 if depth < 4 => match self.random.below(4) {
                0 | 1 => format!("close({})", self.structure(depth)),
                _ => self.library(depth),
            },
            _ => self.name().to_owned(),
        }
    }

    fn reference(&mut self) -> String {
        let name = self.name();
        match self.random.below(4) {
            0 => format!("{name}.{}", self.label()),
            1 if self.random.once_in(3) => {
                format!("{name}[{}]", self.random.pick(&["0", "\"a\"", "\"x\""]))
            }
            _ => name.to_owned(),
        }
    }

    fn structure(&mut self, depth: usize) -> String {
        let count = self.random.below(4);
        let parts: Vec<String> = (0..count).map(|_| self.declaration(depth + 1)).collect();
        // The dots come last.
        let (dots, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part == "...");
        let mut text = parts.join(", ").replace('\n', ", ");
        if !dots.is_empty() {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str("...");
        }
        format!("{{{text}}}")
    }

    fn list(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 => format!("[...{}]", self.value(depth + 1)),
            1 => format!(
                "[for v in {} {{{}}}]",
                self.reference(),
                self.random.pick(&["v", "a: v", "v.a"])
            ),
            2 => format!("[{}, {}]", self.value(depth + 1), self.value(depth + 1)),
            _ => format!("[{}]", self.value(depth + 1)),
        }
    }

    fn computed(&mut self, depth: usize) -> String {
        match self.random.below(11) {
            6 => format!(
                "{}[{}:]",
                self.reference(),
                self.random.pick(&["0", "1", "a"]).replace('a', self.name())
            ),
            7 => {
                let operator = self.random.pick(&["*", "-", "/", "<", "&&", "=~"]);
                format!("{} {operator} {}", self.reference(), self.reference())
            }
            8 => format!("{}{}", self.random.pick(&["-", "!", "+"]), self.reference()),
            9 => format!(
                "matchIf({}, {}, {})",
                self.value(depth + 1),
                self.value(depth + 1),
                self.value(depth + 1)
            ),
            0 => format!("{} + 1", self.reference()),
            1 => format!("\"\\({})\"", self.reference()),
            2 => format!("len({})", self.reference()),
            3 => format!(
                "and([{}, {}])",
                self.value(depth + 1),
                self.value(depth + 1)
            ),
            4 => format!("or([{}, {}])", self.value(depth + 1), self.value(depth + 1)),
            5 => format!(
                "matchN({}, [{}, {}])",
                self.random.pick(&["1", ">0", "0"]),
                self.value(depth + 1),
                self.value(depth + 1)
            ),
            _ => self.condition(),
        }
    }

    /// Something out of a package.
    fn library(&mut self, depth: usize) -> String {
        let template = if self.random.once_in(3) {
            self.random.pick(MEMBERS)
        } else {
            self.random.pick(CALLS)
        };
        self.imports.insert(import(template));
        if self.random.once_in(6) {
            return template.split('(').next().unwrap_or_default().to_owned();
        }
        filled(template, |hole| match hole {
            "s" | "i" | "n" | "l" | "e" | "t" | "m" => self.value(depth + 2),
            // A group of a regular expression.
            hole => format!("${hole}"),
        })
    }

    fn condition(&mut self) -> String {
        let left = self.reference();
        match self.random.below(6) {
            0 => format!("{left} != _|_"),
            1 => format!("{left} == _|_"),
            2 => format!("{left} == {}", self.random.pick(SCALARS)),
            3 => format!("{left} > 0"),
            4 => format!("len({left}) > 0"),
            _ => left,
        }
    }
}
