//! Programs out of a grammar.
//!
//! Most are well-formed and their names resolve: a program that both sides refuse shows little.
//! They are small, so that many of their parts meet.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::random::Random;

const LABELS: &[&str] = &["a", "b", "c", "d", "e", "x", "y"];
const DEFINITIONS: &[&str] = &["#A", "#B", "#C"];
const HIDDEN: &[&str] = &["_p", "_q"];
const TYPES: &[&str] = &[
    "int",
    "string",
    "bool",
    "number",
    "float",
    "bytes",
    "_",
    "null",
    "uint8",
    "{...}",
    "[...]",
    "[...int]",
    "{[string]: int}",
];
pub(super) const INTS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "-1",
    "7",
    "10",
    "255",
    "256",
    "1e3",
    "100",
    "0x10",
    "1Ki",
    "9223372036854775807",
];
pub(super) const FLOATS: &[&str] = &["1.5", "2.0", "0.1", "1e2", "-0.5", "3.14", "1.50", "1e-7"];
pub(super) const STRINGS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"b\"",
    "\"foo\"",
    "\"x\"",
    "\"A b\"",
    "\"1\"",
    "\"héé\"",
    "\"a,b\"",
    "\"2006-01-02\"",
    "\"10.0.0.1\"",
    "\"a.b\"",
    "\"[1,2]\"",
    "\"a: 1\"",
];
const BOUNDS: &[&str] = &[
    ">0", ">=1", "<5", "<=3", "!=2", ">1.5", "!=\"a\"", "=~\"^a\"", "!~\"b\"", ">\"a\"", "<10",
    "!=null", ">=2", "<=2",
];
const BINARY: &[&str] = &[
    "+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "=~", "!~",
];

/// Calls of packages: `$s` a text, `$i` a whole number, `$n` a number, `$l` a list, `$e` anything, `$t`
/// a list of texts, `$m` a list of numbers.
pub(super) const CALLS: &[&str] = &[
    "strings.ToUpper($s)",
    "strings.Split($s, $s)",
    "strings.Join($t, $s)",
    "strings.Repeat($s, $i)",
    "strings.Replace($s, $s, $s, $i)",
    "strings.Contains($s, $s)",
    "strings.HasPrefix($s, $s)",
    "strings.Index($s, $s)",
    "strings.SliceRunes($s, $i, $i)",
    "strings.Fields($s)",
    "strings.TrimSpace($s)",
    "strings.ToTitle($s)",
    "strings.ToCamel($s)",
    "strings.MinRunes($i)",
    "strings.MaxRunes($i)",
    "strings.Runes($s)",
    "strings.ByteAt($s, $i)",
    "strings.SplitN($s, $s, $i)",
    "strings.Trim($s, $s)",
    "list.Sum($m)",
    "list.Max($m)",
    "list.Avg($m)",
    "list.Product($m)",
    "list.Range($i, $i, $i)",
    "list.Contains($l, $e)",
    "list.Concat([$l, $l])",
    "list.FlattenN($l, $i)",
    "list.Take($l, $i)",
    "list.Drop($l, $i)",
    "list.Slice($l, $i, $i)",
    "list.Reverse($l)",
    "list.Repeat($l, $i)",
    "list.Sort($m, list.Ascending)",
    "list.Sort($t, list.Descending)",
    "list.SortStrings($t)",
    "list.UniqueItems($l)",
    "list.MinItems($i)",
    "list.MaxItems($i)",
    "list.IsSorted($m, list.Ascending)",
    "struct.MinFields($i)",
    "struct.MaxFields($i)",
    "math.Floor($n)",
    "math.Ceil($n)",
    "math.Round($n)",
    "math.RoundToEven($n)",
    "math.Abs($n)",
    "math.MultipleOf($n, $n)",
    "math.Pow($n, $i)",
    "math.Sqrt($n)",
    "strconv.Atoi($s)",
    "strconv.FormatInt($i, 16)",
    "strconv.ParseFloat($s, 64)",
    "strconv.FormatFloat($n, \"g\", $i, 64)",
    "strconv.Quote($s)",
    "strconv.ParseInt($s, 0, 64)",
    "json.Marshal($e)",
    "json.Unmarshal($s)",
    "json.Validate($s, $e)",
    "json.Indent(json.Marshal($e), \"\", \"  \")",
    "yaml.Marshal($e)",
    "yaml.Unmarshal($s)",
    "yaml.MarshalStream($l)",
    "yaml.Validate($s, $e)",
    "base64.Encode(null, $s)",
    "base64.Decode(null, $s)",
    "hex.Encode($s)",
    "hex.Decode($s)",
    "sha256.Sum256($s)",
    "md5.Sum($s)",
    "csv.Decode($s)",
    "csv.Encode([$t, $l])",
    "regexp.Match($s, $s)",
    "regexp.Find($s, $s)",
    "regexp.FindAll(\"[a-z]\", $s, $i)",
    "regexp.ReplaceAll(\"(.)\", $s, \"<$1>\")",
    "net.IP($s)",
    "net.URL($s)",
    "net.FQDN($s)",
    "net.ParseCIDR($s)",
    "net.PathEscape($s)",
    "net.SplitHostPort($s)",
    "time.Time",
    "time.Parse($s, $s)",
    "time.ParseDuration($s)",
    "time.Format(\"2006-01-02\")",
    "path.Join($t)",
    "path.Base($s)",
    "path.Dir($s)",
    "path.Clean($s)",
    "path.Rel($s, $s)",
    "path.Ext($s)",
    "bits.Lsh($i, $i)",
    "bits.And($i, $i)",
    "bits.Xor($i, $i)",
    "html.Escape($s)",
    "uuid.Valid($s)",
];

/// The import paths whose last element is not the whole path.
const PATHS: &[(&str, &str)] = &[
    ("json", "encoding/json"),
    ("yaml", "encoding/yaml"),
    ("base64", "encoding/base64"),
    ("hex", "encoding/hex"),
    ("csv", "encoding/csv"),
    ("sha256", "crypto/sha256"),
    ("md5", "crypto/md5"),
    ("bits", "math/bits"),
];

/// What a call of [`CALLS`] imports.
pub(super) fn import(template: &str) -> String {
    let package = template.split('.').next().unwrap_or_default();
    let path = PATHS.iter().find(|(name, _)| *name == package);
    path.map_or(package, |(_, path)| path).to_owned()
}

/// A call of [`CALLS`] with something in each of its holes.
pub(super) fn filled(template: &str, mut fill: impl FnMut(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let (hole, after) = after.split_at(1);
        text.push_str(&fill(hole));
        rest = after;
    }
    text + rest
}

/// A program.
pub(super) fn program(random: Random) -> String {
    let mut generator = Generator {
        random,
        scopes: Vec::new(),
        imports: BTreeSet::new(),
        left: 40,
    };
    let body = generator.declarations(3, 6);
    file(&generator.imports, body.lines())
}

/// A file that imports packages and declares what the lines say.
pub(super) fn file<'l>(
    imports: &BTreeSet<String>,
    lines: impl IntoIterator<Item = &'l str>,
) -> String {
    let mut text = String::new();
    for path in imports {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "import {path:?}");
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

struct Generator {
    random: Random,
    /// Names that may be referred to, from the outside in.
    scopes: Vec<Vec<String>>,
    imports: BTreeSet<String>,
    /// How many more expressions are made of others.
    left: usize,
}

impl Generator {
    fn declarations(&mut self, least: usize, more: usize) -> String {
        let count = least + self.random.below(more);
        let labels: Vec<String> = (0..count)
            .map(|_| match self.random.below(10) {
                0..6 => self.random.pick(LABELS),
                6..9 => self.random.pick(DEFINITIONS),
                _ => self.random.pick(HIDDEN),
            })
            .map(str::to_owned)
            .collect();
        self.scopes.push(labels.clone());
        let mut text = String::new();
        for label in labels {
            let line = match self.random.below(24) {
                0 => self.embedding(),
                1 => format!("[{}]: {}", self.pattern(), self.expr(2)),
                2 => format!("if {} {{{}}}", self.condition(), self.inline(&label)),
                3 => self.comprehension(&label),
                4 => format!("\"\\({})\": {}", self.reference(), self.expr(2)),
                5 => format!("{label}?: {}", self.expr(2)),
                6 if !label.starts_with('_') => format!("{label}!: {}", self.expr(2)),
                7 => format!("let L = {}\n{label}: L", self.expr(2)),
                8 => format!("{label}: {}: {}", self.random.pick(LABELS), self.expr(2)),
                9 if !label.starts_with(['#', '_']) => "...".to_owned(),
                10 => format!("({}): {}", self.text(), self.expr(2)),
                11 if label.starts_with(char::is_alphabetic) => {
                    format!("V={label}: {}", Self::with_alias())
                }
                _ => format!("{label}: {}", self.expr(3)),
            };
            text.push_str(&line);
            text.push('\n');
        }
        self.scopes.pop();
        text
    }

    fn with_alias() -> String {
        format!("{{{}: 1, {}: V.{}}}", LABELS[0], LABELS[1], LABELS[0])
    }

    fn inline(&mut self, label: &str) -> String {
        format!("{label}: {}", self.expr(1))
    }

    fn embedding(&mut self) -> String {
        match self.random.below(4) {
            0 => self.random.pick(DEFINITIONS).to_owned(),
            1 => format!("{{{}}}", self.inline("a")),
            2 => self.reference(),
            _ => format!("close({})", self.structure(1)),
        }
    }

    fn comprehension(&mut self, label: &str) -> String {
        let source = match self.random.below(3) {
            0 => self.list(1),
            1 => self.structure(1),
            _ => self.reference(),
        };
        let body = match self.random.below(3) {
            0 => format!("{label}: v"),
            1 => "\"\\(k)\": v".to_owned(),
            _ => format!("\"k\\(k)\": {}", self.expr(1)),
        };
        let guard = if self.random.once_in(3) {
            format!("if {} ", self.condition())
        } else {
            String::new()
        };
        format!("for k, v in {source} {guard}{{{body}}}")
    }

    fn pattern(&mut self) -> String {
        match self.random.below(4) {
            0 => "string".to_owned(),
            1 => "=~\"^[a-c]\"".to_owned(),
            2 => "!=\"a\"".to_owned(),
            _ => format!(
                "\"{}\" | \"{}\"",
                self.random.pick(LABELS),
                self.random.pick(LABELS)
            ),
        }
    }

    fn condition(&mut self) -> String {
        match self.random.below(5) {
            0 => "true".to_owned(),
            1 => format!("{} != _|_", self.reference()),
            2 => format!("{} == _|_", self.reference()),
            3 => format!("{} > {}", self.reference(), self.random.pick(INTS)),
            _ => format!("{} == {}", self.reference(), self.atom()),
        }
    }

    fn reference(&mut self) -> String {
        if self.scopes.is_empty() {
            return "1".to_owned();
        }
        let depth = self.random.below(self.scopes.len());
        let scope = &self.scopes[depth];
        if scope.is_empty() {
            return "1".to_owned();
        }
        let name = scope[self.random.below(scope.len())].clone();
        match self.random.below(6) {
            0 => format!("{name}.{}", self.random.pick(LABELS)),
            1 if self.random.once_in(2) => format!("{name}[{}]", self.random.below(3)),
            _ => name,
        }
    }

    fn text(&mut self) -> String {
        if self.random.once_in(6) {
            return self.reference();
        }
        self.random.pick(STRINGS).to_owned()
    }

    fn atom(&mut self) -> String {
        match self.random.below(8) {
            0..3 => self.random.pick(INTS).to_owned(),
            3 => self.random.pick(FLOATS).to_owned(),
            4..6 => self.random.pick(STRINGS).to_owned(),
            6 => self
                .random
                .pick(&["true", "false", "null", "'b'", "{}", "[]"])
                .to_owned(),
            _ => self.random.pick(TYPES).to_owned(),
        }
    }

    fn structure(&mut self, depth: usize) -> String {
        if depth == 0 {
            return format!("{{{}: {}}}", self.random.pick(LABELS), self.atom());
        }
        format!("{{\n{}}}", self.declarations(1, 3))
    }

    fn list(&mut self, depth: usize) -> String {
        let count = self.random.below(4);
        let mut elements: Vec<String> = (0..count).map(|_| self.expr(depth.min(1))).collect();
        match self.random.below(8) {
            0 => elements.push("...".to_owned()),
            1 => elements.push(format!("...{}", self.random.pick(TYPES))),
            2 => {
                let source = self.reference();
                elements.push(format!("for v in {source} {{v}}"));
            }
            _ => {}
        }
        format!("[{}]", elements.join(", "))
    }

    fn expr(&mut self, depth: usize) -> String {
        if depth == 0 || self.left == 0 {
            return if self.random.once_in(3) {
                self.reference()
            } else {
                self.atom()
            };
        }
        self.left -= 1;
        let depth = depth - 1;
        match self.random.below(20) {
            0..3 => self.atom(),
            3..6 => self.reference(),
            6..9 => self.structure(depth),
            9 => self.list(depth),
            10 => self.random.pick(BOUNDS).to_owned(),
            11..13 => format!("{} & {}", self.operand(depth), self.operand(depth)),
            13..15 => self.disjunction(depth),
            15 => {
                let op = self.random.pick(BINARY);
                format!("{} {op} {}", self.operand(depth), self.operand(depth))
            }
            16 => format!("\"\\({}) x\"", self.expr(0)),
            17 => self.language_call(depth),
            18 => self.package_call(),
            _ => format!("{} & {}", self.random.pick(BOUNDS), self.operand(depth)),
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        let text = self.expr(depth);
        let simple = text
            .chars()
            .all(|c| c.is_alphanumeric() || "_#.\"".contains(c))
            || text.starts_with(['{', '[']);
        if simple { text } else { format!("({text})") }
    }

    fn disjunction(&mut self, depth: usize) -> String {
        let count = 2 + self.random.below(2);
        let arms: Vec<String> = (0..count)
            .map(|_| {
                let mark = if self.random.once_in(3) { "*" } else { "" };
                format!("{mark}{}", self.operand(depth))
            })
            .collect();
        arms.join(" | ")
    }

    fn language_call(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("len({})", self.expr(depth)),
            1 => format!("close({})", self.structure(depth)),
            2 => format!("or([{}, {}])", self.expr(0), self.expr(0)),
            3 => format!("and([{}, {}])", self.expr(0), self.expr(0)),
            4 => format!("div({}, {})", self.expr(0), self.expr(0)),
            5 => format!("mod({}, {})", self.expr(0), self.expr(0)),
            6 => format!(
                "matchN({}, [{}, {}])",
                self.random.pick(&["1", ">0", "<2", "0"]),
                self.expr(1),
                self.expr(1)
            ),
            _ => format!(
                "matchIf({}, {}, {})",
                self.expr(0),
                self.expr(0),
                self.expr(0)
            ),
        }
    }

    fn package_call(&mut self) -> String {
        let template = self.random.pick(CALLS);
        self.imports.insert(import(template));
        // `list.Ascending` and the like are of the same package.
        filled(template, |hole| match hole {
            "s" => self.text(),
            "i" => self
                .random
                .pick(&["0", "1", "2", "3", "-1", "5"])
                .to_owned(),
            "n" if self.random.once_in(2) => self.random.pick(FLOATS).to_owned(),
            "n" => self.random.pick(INTS).to_owned(),
            "l" => self.list(1),
            "t" => format!("[{}, {}]", self.random.pick(STRINGS), self.text()),
            "m" => format!(
                "[{}, {}, {}]",
                self.random.pick(INTS),
                self.random.pick(FLOATS),
                self.random.pick(INTS)
            ),
            "e" => self.expr(1),
            // A group of a regular expression.
            other => format!("${other}"),
        })
    }
}
