//! The same program, written otherwise.
//!
//! The order of the fields of a struct, of the operands of `&` and of the arms of `|` says nothing, nor does saying a
//! thing twice, or that it is also `_`: unification is commutative and idempotent and `_` is its identity, disjunction
//! is commutative (CUE language specification, "Unification", "Disjunction" and "Structs"). Where the reference gives
//! another answer to a program that is written otherwise, its answer is an accident. The same holds for what `list.Sort`
//! sorts: a list, or its elements one by one; and for how a number is spelled (`0x10`, `16`).

use pequod_cue_num::Decimal;
use pequod_cue_syntax::ast::{
    BinaryOp, Clause, Comprehension, Decl, Element, Expr, LabelKind, Part,
};
use pequod_cue_syntax::literal::Number;
use pequod_cue_syntax::{FileId, Span, parse_file};

use super::random::Random;
use crate::orders::{arranged, whole_lines};

/// In how many ways a program is written.
const WAYS: u64 = 60;

/// So many ways in turn have one change more.
const WAYS_OF_A_SIZE: u64 = 12;

/// The program in other ways: changed in one place first, then in several.
pub(super) fn ways(text: &str) -> impl Iterator<Item = String> {
    let others = (0..WAYS).filter_map(move |way| {
        let mut random = Random::new(text.len() as u64, way);
        let mut changed = text.to_owned();
        for _ in 0..=way / WAYS_OF_A_SIZE {
            changed = once(&changed, &mut random)?;
        }
        (changed != text).then_some(changed)
    });
    let sorted = Places::of(text).map(|places| places.sorted);
    let one_by_one = sorted.unwrap_or_default().into_iter().map(|list| {
        let elements = format!("[for v in ({}) {{v}}]", at(text, list));
        replaced(text, list, &elements)
    });
    plain(text).into_iter().chain(one_by_one).chain(others)
}

/// The text with its numbers spelled as they are printed.
fn plain(text: &str) -> Option<String> {
    let mut plain = text.to_owned();
    for number in Places::of(text)?.numbers.iter().rev() {
        let literal = Number::parse(at(text, *number)).ok()?;
        let value = Decimal::parse(&literal.decimal).ok()?;
        plain = replaced(&plain, *number, &value.to_string());
    }
    (plain != text).then_some(plain)
}

/// The text, changed in one place.
fn once(text: &str, random: &mut Random) -> Option<String> {
    let places = Places::of(text)?;
    let changed = match random.below(4) {
        0 => {
            let field = pick(&places.fields, random)?;
            let said = at(text, *field);
            replaced(text, *field, &format!("{said}\n{said}\n"))
        }
        1 => {
            let value = pick(&places.values, random)?;
            let said = at(text, *value);
            let other = if random.below(2) == 0 { said } else { "_" };
            replaced(text, *value, &format!("({said}) & ({other})"))
        }
        _ => {
            let group = pick(&places.groups, random)?;
            arranged(text, group, &random.order(group.len()))
        }
    };
    // A field may have stood where only a comma kept it from the next.
    Places::of(&changed).map(|_| changed)
}

fn pick<'p, T>(places: &'p [T], random: &mut Random) -> Option<&'p T> {
    (!places.is_empty()).then(|| &places[random.below(places.len())])
}

fn at(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

fn replaced(text: &str, span: Span, by: &str) -> String {
    let (before, after) = (&text[..span.start as usize], &text[span.end as usize..]);
    format!("{before}{by}{after}")
}

/// Stretches of a text that may be written otherwise.
#[derive(Debug, Default)]
struct Places {
    /// May take each other's places.
    groups: Vec<Vec<Span>>,
    /// Fields that may be there twice.
    fields: Vec<Span>,
    /// Values that may be unified with themselves and with `_`.
    values: Vec<Span>,
    /// Lists that are sorted.
    sorted: Vec<Span>,
    /// Numbers, in their order.
    numbers: Vec<Span>,
}

impl Places {
    fn of(text: &str) -> Option<Self> {
        let file = parse_file(FileId(0), "in.cue", text).ok()?;
        let mut places = Self::default();
        places.decls(text, &file.decls);
        Some(places)
    }

    fn group(&mut self, spans: Vec<Span>) {
        let apart = spans.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if spans.len() > 1 && apart {
            self.groups.push(spans);
        }
    }

    fn decls(&mut self, text: &str, decls: &[Decl]) {
        let moves = |decl: &&Decl| !matches!(decl, Decl::Attribute(_) | Decl::Ellipsis(_));
        let moving = decls.iter().filter(moves);
        self.group(moving.map(|decl| whole_lines(text, decl)).collect());
        for decl in decls {
            match decl {
                Decl::Field(field) => {
                    let named = field.alias.is_some()
                        || field.value_alias.is_some()
                        || field.label.alias.is_some();
                    if !named {
                        self.fields.push(whole_lines(text, decl));
                    }
                    self.values.push(field.value.span());
                    match &field.label.kind {
                        LabelKind::Dynamic(expr) => self.expr(text, expr),
                        LabelKind::Pattern(pattern) => self.expr(text, &pattern.expr),
                        LabelKind::Interpolation(parts) => self.parts(text, &parts.parts),
                        LabelKind::Ident(_) | LabelKind::String(_) => {}
                    }
                    self.expr(text, &field.value);
                }
                Decl::Let(clause) => self.expr(text, &clause.value),
                Decl::Embed(embed) => self.expr(text, &embed.expr),
                Decl::Comprehension(comprehension) => self.comprehension(text, comprehension),
                Decl::Ellipsis(_) | Decl::Attribute(_) => {}
            }
        }
    }

    fn comprehension(&mut self, text: &str, comprehension: &Comprehension) {
        for clause in &comprehension.clauses {
            match clause {
                Clause::For(clause) => self.expr(text, &clause.source),
                Clause::If(clause) => self.expr(text, &clause.condition),
                Clause::Let(clause) => self.expr(text, &clause.value),
                Clause::Try(clause) => {
                    if let Some((_, expr)) = &clause.binding {
                        self.expr(text, expr);
                    }
                }
            }
        }
        self.decls(text, &comprehension.value.decls);
        if let Some(fallback) = &comprehension.fallback {
            self.decls(text, &fallback.value.decls);
        }
    }

    fn parts(&mut self, text: &str, parts: &[Part]) {
        for part in parts {
            if let Part::Expr(expr) = part {
                self.expr(text, expr);
            }
        }
    }

    fn expr(&mut self, text: &str, expr: &Expr) {
        match expr {
            Expr::Struct(inner) => self.decls(text, &inner.decls),
            Expr::List(list) => {
                for element in &list.elements {
                    match element {
                        Element::Expr(expr) | Element::Alias(_, expr) => self.expr(text, expr),
                        Element::Comprehension(inner) => self.comprehension(text, inner),
                    }
                }
                if let Some(expr) = list.ellipsis.as_ref().and_then(|rest| rest.expr.as_ref()) {
                    self.expr(text, expr);
                }
            }
            Expr::Interpolation(inner) => self.parts(text, &inner.parts),
            Expr::Paren(inner) => self.expr(text, &inner.expr),
            Expr::Selector(inner) => self.expr(text, &inner.base),
            Expr::Index(inner) => {
                self.expr(text, &inner.base);
                self.expr(text, &inner.index);
            }
            Expr::Slice(inner) => {
                self.expr(text, &inner.base);
                for end in [&inner.low, &inner.high].into_iter().flatten() {
                    self.expr(text, end);
                }
            }
            Expr::Call(call) => {
                let sorts = matches!(
                    at(text, call.function.span()),
                    "list.Sort" | "list.SortStable"
                );
                if let Some(list) = call.arguments.first().filter(|_| sorts) {
                    self.sorted.push(list.span());
                }
                self.expr(text, &call.function);
                for argument in &call.arguments {
                    self.expr(text, argument);
                }
            }
            Expr::Unary(inner) => self.expr(text, &inner.expr),
            Expr::Binary(inner) => {
                if matches!(inner.op, BinaryOp::And | BinaryOp::Or) {
                    self.group(vec![inner.lhs.span(), inner.rhs.span()]);
                }
                self.expr(text, &inner.lhs);
                self.expr(text, &inner.rhs);
            }
            Expr::Postfix(inner) => self.expr(text, &inner.expr),
            Expr::Number(number) => self.numbers.push(number.span),
            Expr::Ident(_)
            | Expr::Null(_)
            | Expr::Bool(..)
            | Expr::String(_)
            | Expr::Bytes(_)
            | Expr::Bottom(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ways;

    #[test]
    fn what_says_the_same_is_written() {
        let written: Vec<String> = ways("a: 1\nb: {c: 2 | x}\n").collect();
        for part in [
            "b: {c: 2 | x}\na: 1\n",
            "c: x | 2",
            "a: 1\na: 1\n",
            "a: (1) & (_)\n",
            "c: (2 | x) & (2 | x)",
        ] {
            assert!(written.iter().any(|way| way.contains(part)), "{part}");
        }
    }

    #[test]
    fn what_says_something_else_is_not() {
        // Neither the elements of a list nor the operands of `+` commute, and a name is there once.
        let written: Vec<String> = ways("a: X={b: [2, 1+c], ...}\n").collect();
        assert!(!written.is_empty());
        for way in written {
            assert!(way.contains("[2, 1+c]"), "{way}");
            assert_eq!(way.matches("X=").count(), 1, "{way}");
        }
    }

    #[test]
    fn what_is_sorted_is_its_elements() {
        let way = ways("import \"list\"\na: list.Sort(b, {})\n").next();
        let one_by_one = "import \"list\"\na: list.Sort([for v in (b) {v}], {})\n";
        assert_eq!(way.as_deref(), Some(one_by_one));
    }

    #[test]
    fn numbers_are_spelled_plainly() {
        let mut ways = ways("a: 0x10 + [1e3, 2][-0]\n");
        assert_eq!(ways.next().as_deref(), Some("a: 16 + [1E+3, 2][-0]\n"));
    }

    #[test]
    fn what_is_no_program_is_left_alone() {
        assert_eq!(ways("a: [").count(), 0);
        assert_eq!(ways("").count(), 0);
    }
}
