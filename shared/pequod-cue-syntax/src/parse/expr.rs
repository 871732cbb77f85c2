//! Expressions.

use super::{Parsed, Parser};
use crate::ast::{
    Binary, BytesLit, Call, Element, Ellipsis, Expr, Index, Interpolation, List, NumberKind,
    NumberLit, Paren, Part, Postfix, PostfixOp, Selector, SelectorLabel, Slice, StringLit, Unary,
};
use crate::error::SyntaxError;
use crate::literal::{Number, Quoting, unquote};
use crate::position::Span;
use crate::token::{Kind, Token};
use crate::{MAX_CHAIN, MAX_DEPTH};

impl Parser<'_> {
    /// `Expression = UnaryExpr | Expression binary_op Expression .`
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.binary(1)
    }

    fn binary(&mut self, lowest: u8) -> Parsed<Expr> {
        let lhs = self.unary()?;
        self.binary_rest(lowest, lhs)
    }

    /// The operators and right sides behind an operand, as long as they bind as tightly as
    /// `lowest`. Operators of one precedence group to the left.
    pub(super) fn binary_rest(&mut self, lowest: u8, mut lhs: Expr) -> Parsed<Expr> {
        let mut length = 0;
        while let Some(op) = self
            .token
            .kind
            .binary()
            .filter(|op| op.precedence() >= lowest)
        {
            length += 1;
            if length > MAX_CHAIN {
                let message = format!("more than {MAX_CHAIN} operands in one expression");
                return Err(self.error_here(message));
            }
            let op_span = self.span();
            self.advance()?;
            let rhs = self.binary(op.precedence() + 1)?;
            let span = lhs.span().to(rhs.span());
            lhs = Expr::Binary(Box::new(Binary {
                op,
                op_span,
                lhs,
                rhs,
                span,
            }));
        }
        Ok(lhs)
    }

    /// `UnaryExpr = PrimaryExpr | unary_op UnaryExpr .`
    pub(super) fn unary(&mut self) -> Parsed<Expr> {
        if self.at_single() {
            // Most operands are a single word: nothing lies deeper in those.
            self.check_depth()?;
            let word = self.operand()?;
            return if self.at_suffix() {
                self.nested(|parser| parser.suffixes(word))
            } else {
                Ok(word)
            };
        }
        self.nested(|parser| {
            let Some(op) = parser.token.kind.unary() else {
                return parser.primary();
            };
            let start = parser.token.start;
            parser.advance()?;
            let expr = parser.unary()?;
            let span = parser.since(start);
            Ok(Expr::Unary(Box::new(Unary { op, expr, span })))
        })
    }

    /// `PrimaryExpr = Operand { "." Label | "[" … "]" | "(" … ")" | "?" | "..." } .`
    fn primary(&mut self) -> Parsed<Expr> {
        let operand = self.operand()?;
        self.suffixes(operand)
    }

    /// Whether an operand stands here that is one word.
    const fn at_single(&self) -> bool {
        matches!(
            self.token.kind,
            Kind::Ident
                | Kind::Int
                | Kind::Float
                | Kind::String
                | Kind::Null
                | Kind::True
                | Kind::False
        )
    }

    /// Whether something stands here that goes on with the operand before it.
    const fn at_suffix(&self) -> bool {
        matches!(
            self.token.kind,
            Kind::Period | Kind::BracketOpen | Kind::ParenOpen | Kind::Ellipsis
        )
    }

    /// What stands behind an operand.
    fn suffixes(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let mut length = 0;
        loop {
            let start = expr.span().start;
            expr = match self.token.kind {
                Kind::Period => {
                    self.advance()?;
                    let selector = self.selector()?;
                    let span = self.since(start);
                    let selected = Expr::Selector(Box::new(Selector {
                        base: expr,
                        selector,
                        span,
                    }));
                    self.optional(selected)?
                }
                Kind::BracketOpen => self.index_or_slice(expr)?,
                Kind::ParenOpen => self.call(expr)?,
                Kind::Ellipsis if self.experiments.explicit_open => {
                    self.advance()?;
                    let span = self.since(start);
                    Expr::Postfix(Box::new(Postfix {
                        expr,
                        op: PostfixOp::Open,
                        span,
                    }))
                }
                Kind::Ellipsis => {
                    return Err(
                        self.error_here("postfix ... operator requires @experiment(explicitopen)")
                    );
                }
                _ => return Ok(expr),
            };
            length += 1;
            if length > MAX_DEPTH {
                let message = format!("expression exceeds maximum nesting depth of {MAX_DEPTH}");
                return Err(self.error_here(message));
            }
        }
    }

    /// `Operand = Literal | identifier [ "?" ] | keyword | "(" Expression ")" .`
    fn operand(&mut self) -> Parsed<Expr> {
        let token = self.token;
        let span = self.span();
        match token.kind {
            Kind::Ident => {
                let ident = Expr::Ident(self.word()?);
                // In `a?: 1` the question mark belongs to the field.
                if self.at(Kind::Option) && self.peek()? != Kind::Colon {
                    return self.optional(ident);
                }
                Ok(ident)
            }
            Kind::BraceOpen => Ok(Expr::Struct(Box::new(self.structure()?))),
            Kind::BracketOpen => self.list(),
            Kind::Bottom => self.advance().map(|()| Expr::Bottom(span)),
            Kind::Null => self.advance().map(|()| Expr::Null(span)),
            Kind::True => self.advance().map(|()| Expr::Bool(true, span)),
            Kind::False => self.advance().map(|()| Expr::Bool(false, span)),
            Kind::Int | Kind::Float => self.number(),
            Kind::String => self.string(),
            Kind::Interpolation => Ok(Expr::Interpolation(Box::new(self.interpolation()?))),
            Kind::ParenOpen => {
                self.advance()?;
                let expr = self.expr()?;
                self.expect(Kind::ParenClose)?;
                let span = self.since(token.start);
                Ok(Expr::Paren(Box::new(Paren { expr, span })))
            }
            kind if kind.is_keyword() => Ok(Expr::Ident(self.word()?)),
            _ => Err(self.expected("operand")),
        }
    }

    fn number(&mut self) -> Parsed<Expr> {
        let (token, span) = (self.token, self.span());
        let text = self.text(token);
        let kind = if is_plain_int(text) {
            NumberKind::Int
        } else {
            Number::parse(text)
                .map_err(|error| SyntaxError::new(token.start, error.to_string()))?
                .kind
        };
        debug_assert!(
            token.kind == Kind::Float || kind == NumberKind::Int,
            "scanner and literal agree on the type of {text}"
        );
        let text = self.name(text);
        self.advance()?;
        Ok(Expr::Number(NumberLit { text, kind, span }))
    }

    fn string(&mut self) -> Parsed<Expr> {
        let (token, span) = (self.token, self.span());
        let text = self.text(token);
        if let Some(plain) = plain_text(text) {
            self.advance()?;
            // Labels come again and again; values rarely do.
            let value = if self.at(Kind::Colon) {
                self.name(plain)
            } else {
                plain.into()
            };
            return Ok(Expr::String(StringLit {
                value,
                quotes: token.quotes,
                span,
            }));
        }
        let value = unquote(text).map_err(|error| invalid_string(token, &error.to_string()))?;
        self.advance()?;
        if text.trim_start_matches('#').starts_with('\'') {
            let quotes = token.quotes;
            return Ok(Expr::Bytes(BytesLit {
                value: value.into(),
                quotes,
                span,
            }));
        }
        let value = String::from_utf8(value)
            .map_err(|_| invalid_string(token, "invalid UTF-8 encoding"))?;
        Ok(Expr::String(StringLit {
            value: value.into(),
            quotes: token.quotes,
            span,
        }))
    }

    /// `` Interpolation = `"` text { `\(` Expression `)` text } `"` . ``
    fn interpolation(&mut self) -> Parsed<Interpolation> {
        let first = self.token;
        let mut pieces = Vec::new();
        let mut exprs = Vec::new();
        // A piece includes the parentheses around it.
        let mut piece = Token {
            end: first.end + 1,
            ..first
        };
        self.advance()?;
        while piece.kind == Kind::Interpolation {
            pieces.push(piece);
            self.expect(Kind::ParenOpen)?;
            exprs.push(self.expr()?);
            if self.at(Kind::Newline) {
                self.advance()?;
            }
            if !self.at(Kind::ParenClose) {
                return Err(self.expected("')' for string interpolation"));
            }
            piece = self.scanner.resume_interpolation()?;
            self.advance()?;
        }
        pieces.push(piece);
        self.last_end = piece.end;

        let (head, tail) = (self.text(first_piece(&pieces, first)), self.text(piece));
        let invalid = |error: crate::literal::LiteralError| {
            SyntaxError::new(first.start, format!("invalid interpolation: {error}"))
        };
        let (quoting, mut skip) = Quoting::of(head, tail).map_err(invalid)?;
        let mut parts = Vec::with_capacity(pieces.len() + exprs.len());
        let mut exprs = exprs.into_iter();
        for piece in &pieces {
            let text = self.text(*piece).get(skip..).unwrap_or_default();
            let text = quoting
                .decode(text)
                .map_err(|error| invalid_string(*piece, &error.to_string()))?;
            parts.push(Part::Text(text.into()));
            parts.extend(exprs.next().map(Part::Expr));
            skip = 1;
        }
        let span = Span::new(self.scanner.file(), first.start, piece.end);
        let bytes = head.trim_start_matches('#').starts_with('\'');
        Ok(Interpolation {
            bytes,
            parts,
            quotes: first.quotes,
            span,
        })
    }

    /// What stands behind a dot: any word, or a string in plain quotes.
    fn selector(&mut self) -> Parsed<SelectorLabel> {
        let token = self.token;
        match token.kind {
            Kind::Ident => Ok(SelectorLabel::Ident(self.word()?)),
            Kind::String if is_plain_string(self.text(token)) => match self.string()? {
                Expr::String(lit) => Ok(SelectorLabel::String(lit)),
                _ => Err(SyntaxError::new(token.start, "expected selector")),
            },
            kind if kind.is_keyword() => Ok(SelectorLabel::Ident(self.word()?)),
            _ => Err(self.expected("selector")),
        }
    }

    /// `?` behind a reference.
    fn optional(&mut self, expr: Expr) -> Parsed<Expr> {
        if !self.at(Kind::Option) {
            return Ok(expr);
        }
        let (start, mark) = (expr.span().start, self.token.start);
        self.advance()?;
        if !self.experiments.try_clause {
            self.report(
                mark,
                "optional reference marker ? requires @experiment(try)",
            );
        }
        let span = self.since(start);
        Ok(Expr::Postfix(Box::new(Postfix {
            expr,
            op: PostfixOp::Optional,
            span,
        })))
    }

    /// `Index = "[" Expression [ "," ] "]" .`
    /// `Slice = "[" [ Expression ] ":" [ Expression ] "]" .`
    fn index_or_slice(&mut self, base: Expr) -> Parsed<Expr> {
        let start = base.span().start;
        self.expect(Kind::BracketOpen)?;
        let low = if self.at(Kind::Colon) {
            None
        } else {
            Some(self.expr()?)
        };
        if self.at(Kind::Colon) {
            self.advance()?;
            let high = if self.at(Kind::BracketClose) {
                None
            } else {
                Some(self.expr()?)
            };
            self.expect(Kind::BracketClose)?;
            let span = self.since(start);
            return Ok(Expr::Slice(Box::new(Slice {
                base,
                low,
                high,
                span,
            })));
        }
        if self.token.kind.is_comma() {
            self.advance()?;
        }
        self.expect(Kind::BracketClose)?;
        let Some(index) = low else {
            return Err(self.expected("operand"));
        };
        let span = self.since(start);
        self.optional(Expr::Index(Box::new(Index { base, index, span })))
    }

    /// `Call = "(" [ Expression { "," Expression } [ "," ] ] ")" .`
    fn call(&mut self, function: Expr) -> Parsed<Expr> {
        let start = function.span().start;
        self.expect(Kind::ParenOpen)?;
        let mut arguments = Vec::new();
        while !self.at(Kind::ParenClose) && !self.at(Kind::Eof) {
            arguments.push(self.expr()?);
            if !self.at_comma("argument list", &[Kind::ParenClose])? {
                break;
            }
            self.advance()?;
        }
        self.expect_closing(Kind::ParenClose, "argument list")?;
        let span = self.since(start);
        Ok(Expr::Call(Box::new(Call {
            function,
            arguments,
            span,
        })))
    }

    /// `List = "[" { Element "," } [ "..." [ Expression ] [ "," ] ] "]" .`
    fn list(&mut self) -> Parsed<Expr> {
        let start = self.token.start;
        self.expect(Kind::BracketOpen)?;
        let mut elements = Vec::new();
        while !matches!(
            self.token.kind,
            Kind::BracketClose | Kind::Ellipsis | Kind::Eof
        ) {
            elements.push(self.element()?);
            if !self.at_comma("list literal", &[Kind::BracketClose])? {
                break;
            }
            self.advance()?;
        }
        let mut ellipsis = None;
        if self.at(Kind::Ellipsis) {
            let dots = self.token.start;
            self.advance()?;
            let none = self.token.kind.is_comma() || self.at(Kind::BracketClose);
            let expr = if none { None } else { Some(self.expr()?) };
            ellipsis = Some(Ellipsis {
                expr,
                span: self.since(dots),
            });
            if self.at_comma("list literal", &[Kind::BracketClose])? {
                self.advance()?;
            }
        }
        self.expect_closing(Kind::BracketClose, "list literal")?;
        let span = self.since(start);
        Ok(Expr::List(Box::new(List {
            elements,
            ellipsis,
            span,
        })))
    }

    /// `Element = Comprehension | [ identifier "=" ] Expression .`
    fn element(&mut self) -> Parsed<Element> {
        let first = match self.token.kind {
            Kind::For | Kind::If | Kind::Try => match self.comprehension("list literal")? {
                Ok(comprehension) => return Ok(Element::Comprehension(Box::new(comprehension))),
                Err(ident) => Expr::Ident(ident),
            },
            _ => self.unary()?,
        };
        let expr = self.binary_rest(1, first)?;
        if !self.at(Kind::Bind) {
            return Ok(Element::Expr(expr));
        }
        let ident = self.alias_name(expr)?;
        Ok(Element::Alias(ident, self.expr()?))
    }

    /// Takes the `=` behind what must be an alias's name.
    pub(super) fn alias_name(&mut self, name: Expr) -> Parsed<crate::ast::Ident> {
        if self.experiments.alias_v2 {
            return Err(self.error_here(
                "old-style alias syntax (=) is not allowed with @experiment(aliasv2); use \
                 postfix syntax (~X or ~(K,V))",
            ));
        }
        let Expr::Ident(ident) = name else {
            return Err(self.expected("identifier for alias"));
        };
        self.check_declared(&ident);
        self.advance()?;
        Ok(ident)
    }
}

fn first_piece(pieces: &[Token], first: Token) -> Token {
    pieces.first().copied().unwrap_or(first)
}

/// Whether a number is nothing but digits, of which none is in vain.
fn is_plain_int(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'))
}

fn is_plain_string(text: &str) -> bool {
    text.starts_with('"') && !text.starts_with("\"\"")
}

/// What a string literal stands for, if that is just what is written between two quotes.
fn plain_text(literal: &str) -> Option<&str> {
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\0');
    (!text.as_bytes().iter().any(special)).then_some(text)
}

fn invalid_string(token: Token, error: &str) -> SyntaxError {
    SyntaxError::new(token.start, format!("invalid string: {error}"))
}
