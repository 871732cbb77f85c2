//! An expected value against a node.

use pequod_cue_syntax::ast::{
    BinaryOp, BytesLit, Constraint, Decl, Element, Expr, Field, LabelKind, List, Struct, UnaryOp,
};
use pequod_cue_syntax::literal::Number;
use pequod_cue_syntax::{FileId, parse_expr};
use serde_json::Value as Json;

use super::tree::{Tree, join, quoted};
use super::{ErrorSpec, label_name};
use crate::node::Node;

impl Tree<'_> {
    /// Whether a node is what is expected.
    pub(super) fn equal(&self, node: &Node, expected: &Expr) -> Result<(), String> {
        match expected.without_parens() {
            Expr::Struct(expected) => self.equal_struct(node, expected),
            Expr::List(expected) => {
                self.no_hidden(node)?;
                self.equal_list(node, expected)
            }
            Expr::Bottom(_) if !node.code.is_empty() => Ok(()),
            Expr::Bottom(_) => Err(format!("{}: no error", node.path)),
            expected => {
                self.no_hidden(node)?;
                equal_scalar(node, expected)
            }
        }
    }

    /// A value with definitions or hidden fields is only equal to a struct that names them.
    fn no_hidden(&self, node: &Node) -> Result<(), String> {
        match self
            .children(&node.path)
            .find(|(label, _)| label.starts_with(['#', '_']))
        {
            Some((label, _)) => Err(format!("{}: has a field {label}", node.path)),
            None => Ok(()),
        }
    }

    fn equal_list(&self, node: &Node, expected: &List) -> Result<(), String> {
        if !node.kind.contains("list") {
            return Err(format!("{}: is {}, not a list", node.path, node.kind));
        }
        let elements = self
            .children(&node.path)
            .filter(|(label, _)| label.parse::<usize>().is_ok());
        let elements: Vec<&Node> = elements.map(|(_, element)| element).collect();
        if elements.len() != expected.elements.len() {
            return Err(format!(
                "{}: has {} elements, not {}",
                node.path,
                elements.len(),
                expected.elements.len()
            ));
        }
        for (element, expected) in elements.into_iter().zip(&expected.elements) {
            let Element::Expr(expected) = expected else {
                return Err("the expected value has an element that is none".to_owned());
            };
            self.equal(element, expected)?;
        }
        Ok(())
    }

    fn equal_struct(&self, node: &Node, expected: &Struct) -> Result<(), String> {
        let mut fields: Vec<&Field> = Vec::new();
        let mut embedded = false;
        let mut own_error = None;
        let mut is_error = false;
        let mut all_final = false;
        for decl in &expected.decls {
            match decl {
                Decl::Field(field) => fields.push(field),
                Decl::Embed(embed) => {
                    embedded = true;
                    match &embed.expr {
                        Expr::Bottom(_) if node.code.is_empty() => {
                            return Err(format!("{}: no error", node.path));
                        }
                        Expr::Bottom(_) => is_error = true,
                        Expr::List(list) => self.equal_list(node, list)?,
                        scalar => equal_scalar(node, scalar.without_parens())?,
                    }
                }
                Decl::Attribute(attribute) if &*attribute.name == "test" => {
                    let arguments = attribute.arguments();
                    match arguments
                        .first()
                        .map(pequod_cue_syntax::Argument::value)
                        .as_deref()
                    {
                        Some("final") => all_final = true,
                        Some("err") => own_error = Some(ErrorSpec::new(&arguments[1..])),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if let Some(spec) = own_error {
            spec.holds(node)
                .map_err(|error| format!("{}: {error}", node.path))?;
        }
        if is_error {
            return Ok(());
        }
        if !embedded {
            if node.leaf.is_some() || !node.text.is_empty() {
                return Err(format!("{}: is a scalar, not a struct", node.path));
            }
            if !node.code.is_empty() && self.children(&node.path).next().is_none() {
                return Err(format!(
                    "{}: {} error: {}",
                    node.path, node.code, node.message
                ));
            }
        }
        self.equal_fields(node, &fields, all_final)?;
        self.no_more_fields(node, &fields, embedded)
    }

    fn equal_fields(&self, node: &Node, fields: &[&Field], all_final: bool) -> Result<(), String> {
        for field in fields {
            let Some(label) = label_name(field) else {
                continue;
            };
            let directives: Vec<_> = field
                .attributes
                .iter()
                .filter(|attribute| &*attribute.name == "test")
                .map(pequod_cue_syntax::ast::Attribute::arguments)
                .collect();
            let has = |name: &str| {
                directives
                    .iter()
                    .find(|arguments| arguments.first().is_some_and(|first| first.value() == name))
            };
            let path = join(&node.path, &label);
            let child = self.exactly(&path, arc(field));
            if has("ignore").is_some() {
                continue;
            }
            let child = child.ok_or_else(|| format!("{path}: is missing"))?;
            if let Some(arguments) = has("err") {
                let spec = ErrorSpec::new(&arguments[1..]);
                let found = if spec.any {
                    self.error(&path, &spec)
                } else {
                    spec.holds(child)
                };
                found.map_err(|error| format!("{path}: {error}"))?;
                continue;
            }
            if all_final || has("final").is_some() {
                equal_final(child, &field.value).or_else(|_| self.equal(child, &field.value))?;
                continue;
            }
            self.equal(child, &field.value)?;
        }
        Ok(())
    }

    fn no_more_fields(&self, node: &Node, fields: &[&Field], embedded: bool) -> Result<(), String> {
        for (label, child) in self.children(&node.path) {
            let expected = fields.iter().any(|field| {
                let name = label_name(field).map(|name| join("", &name));
                name.as_deref() == Some(label) && arc(field) == child.arc
            });
            let element = embedded && label.parse::<usize>().is_ok();
            // What may not be there is an optional error in a closed struct.
            let forbidden = node.closed == Some(true) && child.arc == "?" && !child.code.is_empty();
            if !expected && !element && !forbidden {
                return Err(format!("{}: has a field {label}{}", node.path, child.arc));
            }
        }
        Ok(())
    }
}

fn arc(field: &Field) -> &'static str {
    match field.constraint {
        Constraint::Regular => "",
        Constraint::Optional => "?",
        Constraint::Required => "!",
    }
}

/// The default, if there is one, is what is expected.
fn equal_final(node: &Node, expected: &Expr) -> Result<(), String> {
    match &node.default {
        Some(default) => equal_json(&node.path, default.get(), expected),
        None => equal_scalar(node, expected.without_parens()),
    }
}

/// Scalars by value, everything else by its text in a normal form.
fn equal_scalar(node: &Node, expected: &Expr) -> Result<(), String> {
    if !node.code.is_empty() {
        return Err(format!(
            "{}: {} error: {}",
            node.path, node.code, node.message
        ));
    }
    if let Some(leaf) = &node.leaf {
        return equal_json(&node.path, leaf.get(), expected);
    }
    let actual = parse_expr(FileId(0), "value", node.text.trim())
        .map_or_else(|_| node.text.clone(), |(_, actual)| normal(&actual));
    let wanted = normal(expected);
    if actual == wanted && !node.text.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{}: is {} {actual}, not {wanted}",
            node.path, node.kind
        ))
    }
}

fn equal_json(path: &str, actual: &str, expected: &Expr) -> Result<(), String> {
    let differs = || format!("{path}: is {actual}, not {expected}");
    let json: Json = serde_json::from_str(actual).map_err(|_| differs())?;
    let equal = match (expected, &json) {
        (Expr::Null(_), Json::Null) => true,
        (Expr::Bool(expected, _), Json::Bool(actual)) => expected == actual,
        (Expr::String(expected), Json::String(actual)) => *expected.value == **actual,
        (Expr::Bytes(expected), Json::String(actual)) => same_bytes(expected, actual),
        (Expr::Number(_) | Expr::Unary(_), Json::Number(_)) => {
            number(expected).is_some_and(|expected| Some(expected) == canonical(actual))
        }
        (Expr::Paren(inner), _) => return equal_json(path, actual, &inner.expr),
        _ => false,
    };
    if equal { Ok(()) } else { Err(differs()) }
}

/// Bytes are shown in base64.
fn same_bytes(expected: &BytesLit, actual: &str) -> bool {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encoded: String = expected
        .value
        .chunks(3)
        .flat_map(|chunk| {
            let bits = chunk
                .iter()
                .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - chunk.len()));
            (0..4).map(move |digit| {
                let index = bits >> (18 - 6 * digit) & 63;
                if digit > chunk.len() {
                    '='
                } else {
                    char::from(DIGITS[index as usize])
                }
            })
        })
        .collect();
    encoded == actual
}

/// A number as sign, digits and power of ten, without needless zeros.
fn canonical(text: &str) -> Option<(bool, String, i64)> {
    let number = Number::parse(text).ok()?.decimal;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.as_str()),
    };
    let (mantissa, exponent) = match number.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    let places = i64::try_from(fraction.len()).ok()?;
    let zeros = i64::try_from(digits.len() - trimmed.len()).ok()?;
    if trimmed.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, trimmed.to_owned(), exponent - places + zeros))
}

fn number(expr: &Expr) -> Option<(bool, String, i64)> {
    match expr.without_parens() {
        Expr::Number(lit) => canonical(&lit.text),
        Expr::Unary(unary) if unary.op == UnaryOp::Plus => number(&unary.expr),
        Expr::Unary(unary) if unary.op == UnaryOp::Minus => {
            let (negative, digits, exponent) = number(&unary.expr)?;
            Some((!negative && !digits.is_empty(), digits, exponent))
        }
        _ => None,
    }
}

/// The text of an expression in which order, parentheses and spelling do not matter.
fn normal(expr: &Expr) -> String {
    let expr = expr.without_parens();
    if let Some((negative, digits, exponent)) = number(expr) {
        let sign = if negative { "-" } else { "" };
        return format!("{sign}{digits}e{exponent}");
    }
    match expr {
        Expr::Binary(binary) if binary.op == BinaryOp::Or => {
            let mut arms = Vec::new();
            disjuncts(expr, false, &mut arms);
            arms.sort();
            arms.join(" | ")
        }
        Expr::Ident(ident) if range(&ident.name).is_some() => {
            let mut parts = Vec::new();
            conjuncts(expr, &mut parts);
            parts.sort();
            parts.join(" & ")
        }
        Expr::Binary(binary) if binary.op == BinaryOp::And => {
            let mut parts = Vec::new();
            conjuncts(expr, &mut parts);
            parts.sort();
            parts.join(" & ")
        }
        Expr::Unary(unary) if unary.op == UnaryOp::Default => {
            let mut arms = Vec::new();
            disjuncts(expr, false, &mut arms);
            arms.join(" | ")
        }
        Expr::Unary(unary) => format!("{}{}", unary.op.as_str(), normal(&unary.expr)),
        Expr::Struct(lit) => {
            let mut decls: Vec<String> = lit.decls.iter().filter_map(normal_decl).collect();
            decls.sort();
            format!("{{{}}}", decls.join(", "))
        }
        Expr::List(list) => {
            let mut elements: Vec<String> = list
                .elements
                .iter()
                .map(|element| match element {
                    Element::Expr(expr) => normal(expr),
                    _ => "?".to_owned(),
                })
                .collect();
            if let Some(ellipsis) = &list.ellipsis {
                elements.push(format!(
                    "...{}",
                    ellipsis.expr.as_ref().map(normal).unwrap_or_default()
                ));
            }
            format!("[{}]", elements.join(", "))
        }
        Expr::Call(call) => {
            let arguments: Vec<String> = call.arguments.iter().map(normal).collect();
            format!("{}({})", normal(&call.function), arguments.join(", "))
        }
        other => other.to_string(),
    }
}

fn normal_decl(decl: &Decl) -> Option<String> {
    match decl {
        Decl::Field(field) => {
            let label = match &field.label.kind {
                LabelKind::Ident(ident) => join("", &ident.name),
                LabelKind::String(lit) => quoted(&lit.value),
                LabelKind::Pattern(pattern) => format!("[{}]", normal(&pattern.expr)),
                _ => "?".to_owned(),
            };
            Some(format!("{label}{}: {}", arc(field), normal(&field.value)))
        }
        Decl::Embed(embed) => Some(normal(&embed.expr)),
        Decl::Ellipsis(_) => Some("...".to_owned()),
        _ => None,
    }
}

fn disjuncts(expr: &Expr, marked: bool, arms: &mut Vec<String>) {
    match expr.without_parens() {
        Expr::Binary(binary) if binary.op == BinaryOp::Or => {
            disjuncts(&binary.lhs, marked, arms);
            disjuncts(&binary.rhs, marked, arms);
        }
        Expr::Unary(unary) if unary.op == UnaryOp::Default => disjuncts(&unary.expr, true, arms),
        other => arms.push(format!(
            "{}{}",
            if marked { "*" } else { "" },
            normal(other)
        )),
    }
}

fn conjuncts(expr: &Expr, parts: &mut Vec<String>) {
    match expr.without_parens() {
        Expr::Binary(binary) if binary.op == BinaryOp::And => {
            conjuncts(&binary.lhs, parts);
            conjuncts(&binary.rhs, parts);
        }
        Expr::Ident(ident) if range(&ident.name).is_some() => {
            let (low, high) = range(&ident.name).unwrap_or_default();
            parts.push("int".to_owned());
            for (op, bound) in [(">=", low), ("<=", high)] {
                let bound = canonical(&bound);
                parts.extend(bound.map(|(negative, digits, exponent)| {
                    format!("{op}{}{digits}e{exponent}", if negative { "-" } else { "" })
                }));
            }
        }
        other => parts.push(normal(other)),
    }
}

/// The bounds behind the name of a type; an absent one is empty.
fn range(name: &str) -> Option<(String, String)> {
    if name == "uint" {
        return Some(("0".to_owned(), String::new()));
    }
    let bits = |prefix: &str| {
        name.strip_prefix(prefix)?
            .parse()
            .ok()
            .filter(|bits| matches!(bits, 8 | 16 | 32 | 64))
    };
    if let Some(bits) = bits("uint") {
        return Some(("0".to_owned(), ((1u128 << bits) - 1).to_string()));
    }
    let bits: u32 = bits("int")?;
    let size = 1i128 << (bits - 1);
    Some(((-size).to_string(), (size - 1).to_string()))
}

#[cfg(test)]
mod tests {
    use super::{canonical, normal};
    use crate::assertion::check;
    use crate::node::Node;
    use crate::txtar::Archive;
    use pequod_cue_syntax::{FileId, parse_expr};

    fn normalised(text: &str) -> String {
        normal(&parse_expr(FileId(0), "t", text).unwrap().1)
    }

    #[test]
    fn order_and_spelling_do_not_matter() {
        assert_eq!(normalised("int & >0"), normalised("(>0) & int"));
        assert_eq!(normalised("*1 | (2 | 3)"), normalised("3 | *1.0e0 | 2"));
        assert_ne!(normalised("*1 | 2"), normalised("1 | *2"));
        assert_eq!(normalised("{a: 1, \"b\": 2}"), normalised("{b: 2, a: 1}"));
        assert_eq!(canonical("1.50"), canonical("15e-1"));
        assert_ne!(canonical("1"), canonical("-1"));
    }

    fn leaf(path: &str, kind: &str, json: &str) -> Node {
        let leaf = serde_json::value::RawValue::from_string(json.into()).ok();
        Node {
            path: path.into(),
            kind: kind.into(),
            leaf,
            ..Node::default()
        }
    }

    fn structure(path: &str) -> Node {
        Node {
            path: path.into(),
            kind: "struct".into(),
            closed: Some(false),
            ..Node::default()
        }
    }

    fn failures(source: &str, nodes: &[Node]) -> usize {
        let archive = Archive::parse(&format!("-- in.cue --\n{source}\n"));
        let assertions = check(&archive, nodes);
        assert!(!assertions.is_empty(), "{source}");
        assertions
            .iter()
            .filter(|assertion| !assertion.failure.is_empty())
            .count()
    }

    #[test]
    fn wrong_answers_fail() {
        let error = Node {
            path: "e".into(),
            kind: "_|_".into(),
            code: "eval".into(),
            message: "conflicting values".into(),
            ..Node::default()
        };
        let nodes = [
            structure(""),
            leaf("a", "int", "1"),
            structure("s"),
            leaf("s.b", "string", "\"x\""),
            error,
        ];
        for right in [
            "a: 1 @test(eq, 1)",
            "s: {b: \"x\"} @test(eq, {b: \"x\"})",
            "e: 1 & 2 @test(err, code=eval, contains=\"conflicting\")",
            "e: 1 & 2 @test(eq, _|_)",
            "a: 1 @test(kind=int)",
            "s: {} @test(closed=false)",
            "s: b: \"x\" @test(eq, \"x\")",
        ] {
            assert_eq!(failures(right, &nodes), 0, "{right}");
        }
        for wrong in [
            "a: 1 @test(eq, 2)",
            "a: 1 @test(eq, \"1\")",
            "a: 1 @test(eq, {})",
            "a: 1 @test(eq, int)",
            "a: 1 @test(err)",
            "s: {} @test(eq, {})",
            "s: {} @test(eq, {b: \"x\", c: 1})",
            "s: {} @test(eq, {b?: \"x\"})",
            "s: {} @test(closed)",
            "e: 1 @test(err, code=incomplete)",
            "e: 1 @test(err, contains=\"cycle\")",
            "e: 1 @test(eq, 1)",
            "none: 1 @test(eq, 1)",
            "a: 1 @test(kind=string)",
        ] {
            assert_eq!(failures(wrong, &nodes), 1, "{wrong}");
        }
    }
}
