//! Expressions, lists, structs and comprehensions in their usual layout.

use super::{APART, Formatter, Gap, LINE};
use crate::ast::{
    Binary, BinaryOp, Call, Clause, Comprehension, Decl, Element, Expr, Interpolation, LetClause,
    List, Part, PostfixOp, SelectorLabel, Struct, UnaryOp,
};
use crate::position::Span;

/// The operators that stand closer than sums: products.
const PRODUCT: u8 = 7;
/// Sums.
const SUM: u8 = 6;

impl Formatter<'_> {
    /// An expression; the depth decides how close its operators stand.
    pub(super) fn expr(&mut self, expr: &Expr, depth: u8) {
        match expr {
            Expr::Ident(ident) => self.word(ident.span.start, &ident.name, ident.span.end),
            Expr::Null(span) => self.word(span.start, "null", span.end),
            Expr::Bool(value, span) => {
                self.word(span.start, if *value { "true" } else { "false" }, span.end);
            }
            Expr::Bottom(span) => self.word(span.start, "_|_", span.end),
            Expr::Number(lit) => self.word(lit.span.start, &number(&lit.text), lit.span.end),
            Expr::String(lit) => self.literal(lit.span),
            Expr::Bytes(lit) => self.literal(lit.span),
            Expr::Interpolation(lit) => self.interpolation(lit),
            Expr::Struct(lit) => self.structure(lit),
            Expr::List(list) => self.list(list),
            Expr::Paren(paren) => {
                let mut inner = &paren.expr;
                // Two pairs say no more than one.
                while let Expr::Paren(next) = inner {
                    inner = &next.expr;
                }
                self.word(paren.span.start, "(", paren.span.start + 1);
                self.hang(inner.span().start, self.blank_before(inner.span().start));
                self.expr(inner, depth.saturating_sub(1).max(1));
                if self.blank_before(paren.span.end - 1) == Gap::Blank {
                    self.close_up(" ");
                }
                self.close_up(")");
                self.end = paren.span.end;
            }
            Expr::Selector(selector) => {
                self.expr(&selector.base, depth);
                self.close_up(".");
                let span = selector.selector.span();
                self.hang(span.start, Gap::None);
                match &selector.selector {
                    SelectorLabel::Ident(ident) => self.word(span.start, &ident.name, span.end),
                    SelectorLabel::String(lit) => self.literal(lit.span),
                }
            }
            Expr::Index(index) => {
                self.expr(&index.base, 1);
                self.close_up("[");
                let gap = self.blank_before(index.index.span().start);
                self.hang(index.index.span().start, gap);
                self.expr(&index.index, depth + 1);
                self.close(index.span.end - 1);
                if self.gap == Gap::None {
                    self.gap = self.blank_before(index.span.end - 1);
                }
                self.word(index.span.end - 1, "]", index.span.end);
            }
            Expr::Slice(slice) => {
                self.expr(&slice.base, 1);
                self.close_up("[");
                let sides = [&slice.low, &slice.high];
                let wide = sides.iter().all(|side| side.is_some())
                    && sides
                        .iter()
                        .any(|side| matches!(side, Some(Expr::Binary(_))));
                slice.low.iter().for_each(|low| self.expr(low, depth + 1));
                self.close_up(if wide { " : " } else { ":" });
                slice
                    .high
                    .iter()
                    .for_each(|high| self.expr(high, depth + 1));
                self.close_up("]");
                self.end = slice.span.end;
            }
            Expr::Call(call) => self.call(call, depth),
            Expr::Unary(unary) => {
                let op = unary.op.as_str();
                let size = u32::try_from(op.len()).unwrap_or(0);
                self.word(unary.span.start, op, unary.span.start + size);
                self.expr(&unary.expr, depth);
            }
            Expr::Binary(binary) => self.binary(binary, depth),
            Expr::Postfix(postfix) => {
                self.expr(&postfix.expr, depth);
                self.close_up(match postfix.op {
                    PostfixOp::Optional => "?",
                    PostfixOp::Open => "...",
                });
                self.end = postfix.span.end;
            }
        }
    }

    /// A blank that was written behind a bracket or before one.
    fn blank_before(&self, place: u32) -> Gap {
        let before = place
            .checked_sub(1)
            .and_then(|at| self.bare.get(at as usize));
        match before {
            Some(b' ' | b'\t') if !self.broken(self.end, place) => Gap::Blank,
            _ => Gap::None,
        }
    }

    /// A line break of the source before a place: what follows is indented, once in an expression.
    fn hang(&mut self, place: u32, otherwise: Gap) {
        if self.flat || !self.broken(self.end, place) {
            self.gap = otherwise;
            return;
        }
        if !self.hanging {
            self.hanging = true;
            self.indent += 1;
        }
        self.gap = Gap::Line {
            apart: true,
            empty: true,
        };
    }

    /// A bracket that closes on a line of its own, if it did.
    fn close(&mut self, place: u32) {
        self.comments_before(place);
        if self.broken(self.end, place) {
            self.gap = Gap::Line {
                apart: true,
                empty: false,
            };
        }
    }

    /// A literal as it was written; one of several lines is indented anew.
    pub(super) fn literal(&mut self, span: Span) {
        let text = self.text(span.start, span.end).replace('\r', "");
        let old = indentation(&text);
        self.comments_before(span.start);
        self.write_gap(span.start);
        self.piece(&text, old);
        self.end = span.end;
    }

    /// A literal with expressions in it: its texts as they were written, its expressions laid out.
    pub(super) fn interpolation(&mut self, lit: &Interpolation) {
        let span = lit.span;
        self.comments_before(span.start);
        self.write_gap(span.start);
        let mut at = span.start;
        let flat = self.flat;
        self.flat |= !lit.quotes.multiline;
        for part in &lit.parts {
            let Part::Expr(expr) = part else { continue };
            let inner = expr.span();
            let before = self.text(at, inner.start).replace('\r', "");
            self.raw(self.unbroken(&before));
            self.end = inner.start;
            self.gap = Gap::None;
            let hanging = std::mem::replace(&mut self.hanging, true);
            self.expr(expr, 2);
            self.hanging = hanging;
            at = inner.end;
        }
        let rest = self.text(at, span.end).replace('\r', "");
        self.raw(self.unbroken(&rest));
        self.flat = flat;
        self.end = span.end;
    }

    /// A text beside an expression without the line breaks of a literal of one line.
    fn unbroken<'t>(&self, text: &'t str) -> &'t str {
        if self.flat && text.contains('\n') {
            text.trim()
        } else {
            text
        }
    }

    /// A part of a literal as it was written.
    fn raw(&mut self, text: &str) {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.out.line(0, true);
            }
            self.out.push(line);
        }
    }

    /// A part of a literal; its lines are indented anew.
    fn piece(&mut self, text: &str, old: &str) {
        let indent = self.indent + usize::from(!self.hanging || self.flush);
        for (at, line) in text.split('\n').enumerate() {
            let rest = if at == 0 {
                line
            } else {
                let rest = line.strip_prefix(old).unwrap_or(line);
                self.out
                    .line(if rest.is_empty() { 0 } else { indent }, true);
                rest
            };
            self.out.push(rest);
        }
    }

    fn binary(&mut self, binary: &Binary, depth: u8) {
        // From the left end of the chain, so that a long one needs no deep stack.
        let mut links = vec![(binary, depth)];
        while let Some((
            Binary {
                lhs: Expr::Binary(inner),
                op,
                ..
            },
            depth,
        )) = links.last()
        {
            let same = inner.op.precedence() == op.precedence();
            let deeper = depth.saturating_add(u8::from(!same));
            links.push((inner, deeper));
        }
        let cutoffs: Vec<u8> = cutoffs(&links);
        for (at, (link, depth)) in links.iter().enumerate().rev() {
            if at + 1 == links.len() {
                self.expr(&link.lhs, depth.saturating_add(1));
            }
            let op = link.op.as_str();
            let spaced = link.op.precedence() < cutoffs[at];
            self.gap = if spaced { Gap::Blank } else { Gap::None };
            self.word(link.op_span.start, op, link.op_span.end);
            let gap = self.gap;
            let wanted = if spaced { Gap::Blank } else { Gap::None };
            if matches!(gap, Gap::Line { .. }) {
                self.gap = gap;
            } else {
                self.hang(link.rhs.span().start, wanted);
            }
            self.expr(&link.rhs, depth.saturating_add(1));
        }
    }

    fn call(&mut self, call: &Call, depth: u8) {
        self.expr(&call.function, depth);
        self.close_up("(");
        let depth = if call.arguments.len() > 1 {
            depth.saturating_add(1)
        } else {
            depth
        };
        self.end = match &call.arguments[..] {
            [] => call.span.end,
            _ => self
                .find(b'(', call.function.span().end, call.span.end)
                .map_or(self.end, |at| at + 1),
        };
        for (at, argument) in call.arguments.iter().enumerate() {
            if at > 0 {
                self.close_up(",");
            }
            let gap = if at > 0 {
                Gap::Blank
            } else {
                self.blank_before(argument.span().start)
            };
            self.hang(argument.span().start, gap);
            let hanging = self.hanging;
            self.expr(argument, depth);
            self.hanging = hanging || self.hanging;
        }
        let close = call.span.end.saturating_sub(1);
        if !call.arguments.is_empty() && self.broken(self.end, close) {
            self.close_up(",");
            self.close(close);
        }
        self.word(close, ")", call.span.end);
    }

    fn structure(&mut self, lit: &Struct) {
        if !lit.braces {
            return self.decls(&lit.decls);
        }
        let (open, close) = (lit.span.start, lit.span.end - 1);
        let (hanging, indent) = (self.hanging, self.indent);
        self.hanging = false;
        self.word(open, "{", open + 1);
        let commented = self
            .comments
            .first()
            .is_some_and(|comment| comment.span.start < close);
        if lit.decls.is_empty() && !commented {
            self.word(close, "}", close + 1);
            self.hanging = hanging;
            return;
        }
        let first = lit.decls.first().map_or(close, |decl| decl.span().start);
        let several = self.broken(open, close);
        if self.broken(open, first) {
            self.indent = indent + 1;
            self.gap = APART;
        } else if matches!(lit.decls.first(), Some(Decl::Let(_))) {
            self.gap = self.blank_before(first);
        } else {
            self.gap = Gap::None;
        }
        let limit = std::mem::replace(&mut self.limit, close);
        self.inner_decls(&lit.decls, indent + 1);
        self.limit = limit;
        let here = self.broken(self.end, close);
        self.indent = indent + 1;
        self.comments_before(close);
        self.indent = indent;
        let follows = matches!(self.out.last(), Some('}' | ']'));
        if here || self.gap != Gap::None || (several && !follows) {
            self.gap = Gap::Line {
                apart: true,
                empty: follows,
            };
        }
        self.word(close, "}", close + 1);
        self.hanging = hanging;
    }

    fn list(&mut self, list: &List) {
        let (open, close) = (list.span.start, list.span.end - 1);
        let (hanging, indent) = (self.hanging, self.indent);
        self.hanging = false;
        self.word(open, "[", open + 1);
        let spans: Vec<Span> = list.elements.iter().map(span_of).collect();
        let ellipsis = list.ellipsis.as_ref();
        let commented = self
            .comments
            .first()
            .is_some_and(|comment| comment.span.start < close);
        if spans.is_empty() && ellipsis.is_none() && !commented {
            self.word(close, "]", close + 1);
            self.hanging = hanging;
            return;
        }
        let next = |at: usize| {
            spans
                .get(at)
                .copied()
                .or(ellipsis.filter(|_| at == spans.len()).map(|e| e.span))
        };
        // Either all elements have commas behind them, or none that ends a line has.
        let has_comma = |at: usize| {
            let end = next(at + 1).map_or(close, |span| span.start);
            self.find(b',', spans[at].end, end).is_some()
        };
        let count = spans.len();
        let commas = match (count, ellipsis) {
            (0, _) => false,
            (1, None) => has_comma(0),
            (_, None) => (0..count - 1).all(has_comma),
            _ => (0..count).all(has_comma),
        };
        if next(0).is_none_or(|first| self.broken(open, first.start)) {
            self.gap = LINE;
            self.indent = indent + 1;
        }
        for (at, element) in list.elements.iter().enumerate() {
            let inner = self.indent;
            match element {
                Element::Expr(expr) => self.expr(expr, 1),
                Element::Comprehension(comprehension) => self.comprehension(comprehension),
                Element::Alias(alias, expr) => {
                    self.word(alias.span.start, &alias.name, alias.span.end);
                    self.close_up("=");
                    self.expr(expr, 1);
                }
            }
            self.hanging = false;
            self.indent = inner;
            let following = next(at + 1);
            let breaks = self.broken(spans[at].end, following.map_or(close, |span| span.start));
            if following.is_some() && !breaks {
                self.close_up(",");
                self.gap = Gap::Blank;
            } else if breaks {
                if commas {
                    self.close_up(",");
                }
                self.gap = LINE;
                // Lines of the list are indented from its first own line break on.
                self.indent = indent + 1;
            }
        }
        if let Some(ellipsis) = ellipsis {
            self.word(ellipsis.span.start, "...", ellipsis.span.start + 3);
            if let Some(expr) = &ellipsis.expr {
                self.gap = self.blank_before(expr.span().start);
                self.expr(expr, 1);
            }
            if self.broken(ellipsis.span.end, close) {
                if self.find(b',', ellipsis.span.end, close).is_some() {
                    self.close_up(",");
                }
                self.gap = LINE;
            }
        }
        let here = self.broken(self.end, close);
        self.indent = indent + 1;
        self.comments_before(close);
        self.indent = indent;
        if here || self.gap != Gap::None {
            self.gap = Gap::Line {
                apart: true,
                empty: false,
            };
        }
        self.word(close, "]", close + 1);
        self.hanging = hanging;
    }

    pub(super) fn let_clause(&mut self, clause: &LetClause) {
        self.word(clause.span.start, "let ", clause.span.start + 3);
        self.word(
            clause.ident.span.start,
            &clause.ident.name,
            clause.ident.span.end,
        );
        self.close_up(" = ");
        self.statement(&clause.value, false);
    }

    pub(super) fn comprehension(&mut self, comprehension: &Comprehension) {
        for (at, clause) in comprehension.clauses.iter().enumerate() {
            let span = clause.span();
            if at > 0 {
                self.gap = if self.broken(self.end, span.start) {
                    LINE
                } else {
                    Gap::Blank
                };
            }
            match clause {
                Clause::For(clause) => {
                    self.word(span.start, "for ", span.start + 3);
                    if let Some(key) = &clause.key {
                        self.word(key.span.start, &key.name, key.span.end);
                        self.close_up(", ");
                    }
                    self.word(
                        clause.value.span.start,
                        &clause.value.name,
                        clause.value.span.end,
                    );
                    self.close_up(" in ");
                    self.statement(&clause.source, false);
                }
                Clause::If(clause) => {
                    self.word(span.start, "if ", span.start + 2);
                    self.statement(&clause.condition, false);
                }
                Clause::Let(clause) => self.let_clause(clause),
                Clause::Try(clause) => {
                    self.word(span.start, "try", span.start + 3);
                    if let Some((name, value)) = &clause.binding {
                        self.gap = Gap::Blank;
                        self.word(name.span.start, &name.name, name.span.end);
                        self.close_up(" = ");
                        self.statement(value, false);
                    }
                }
            }
        }
        self.gap = Gap::Blank;
        self.structure(&comprehension.value);
        if let Some(fallback) = &comprehension.fallback {
            let single = matches!(comprehension.clauses[..], [Clause::If(_) | Clause::Try(_)]);
            let keyword = if single { "else" } else { "otherwise" };
            self.gap = Gap::Blank;
            self.word(fallback.span.start, keyword, fallback.span.start);
            self.gap = Gap::Blank;
            self.structure(&fallback.value);
        }
    }
}

fn span_of(element: &Element) -> Span {
    match element {
        Element::Expr(expr) => expr.span(),
        Element::Comprehension(comprehension) => comprehension.span,
        Element::Alias(alias, expr) => alias.span.to(expr.span()),
    }
}

/// What the last line of a literal begins with.
fn indentation(text: &str) -> &str {
    text.rsplit_once('\n').map_or("", |(_, last)| {
        &last[..last.len() - last.trim_start_matches([' ', '\t']).len()]
    })
}

/// A number with a digit on both sides of its point and a small `e`.
fn number(text: &str) -> String {
    if text.starts_with("0x") || text.starts_with("0X") {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    // `1Ei` is a multiplier.
    if let Some(at) = text.find('E')
        && !text[at..].starts_with("Ei")
        && at + 1 < text.len()
    {
        text.replace_range(at..=at, "e");
    }
    let text = if text.starts_with('.') {
        format!("0{text}")
    } else {
        text
    };
    match text.find('.') {
        Some(at) if !text[at + 1..].starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{}.0{}", &text[..at], &text[at + 1..])
        }
        _ => text,
    }
}

/// What decides how close the operators of an expression stand.
#[derive(Clone, Copy, Default)]
struct Mix {
    sums: bool,
    products: bool,
    /// The tightest operator that must not touch the sign behind it.
    problem: u8,
}

impl Mix {
    fn with(self, other: Self) -> Self {
        Self {
            sums: self.sums || other.sums,
            products: self.products || other.products,
            problem: self.problem.max(other.problem),
        }
    }

    /// Of a link without what is on its left.
    fn of(link: &Binary) -> Self {
        let own = Self {
            sums: link.op.precedence() == SUM,
            products: link.op.precedence() == PRODUCT,
            problem: 0,
        };
        match &link.rhs {
            Expr::Binary(right) if right.op.precedence() > link.op.precedence() => {
                own.with(Self::of_all(right))
            }
            Expr::Unary(sign) => {
                let touch = matches!(
                    (link.op, sign.op),
                    (BinaryOp::Add, UnaryOp::Plus) | (BinaryOp::Subtract, UnaryOp::Minus)
                );
                own.with(Self {
                    problem: if touch { SUM } else { 0 },
                    ..Self::default()
                })
            }
            _ => own,
        }
    }

    fn of_all(binary: &Binary) -> Self {
        let mut mix = Self::of(binary);
        let mut link = binary;
        while let Expr::Binary(left) = &link.lhs
            && left.op.precedence() >= link.op.precedence()
        {
            mix = mix.with(Self::of(left));
            link = left;
        }
        mix
    }

    /// Operators that bind less tightly than this have blanks around them.
    const fn cutoff(self, depth: u8) -> u8 {
        if self.problem > 0 {
            self.problem + 1
        } else if self.sums && self.products {
            if depth <= 1 { PRODUCT } else { SUM }
        } else if depth <= 1 {
            PRODUCT + 1
        } else {
            SUM
        }
    }
}

/// The cutoffs of the links of a chain, the outermost first.
fn cutoffs(links: &[(&Binary, u8)]) -> Vec<u8> {
    let mut cutoffs = Vec::with_capacity(links.len());
    let mut below = Mix::default();
    for (at, (link, depth)) in links.iter().enumerate().rev() {
        let joined = links
            .get(at + 1)
            .is_some_and(|(left, _)| left.op.precedence() >= link.op.precedence());
        let mix = Mix::of(link).with(if joined { below } else { Mix::default() });
        below = mix;
        cutoffs.push(mix.cutoff(*depth));
    }
    cutoffs.reverse();
    cutoffs
}
