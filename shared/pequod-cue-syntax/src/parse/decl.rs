//! Declarations: what structs and files are made of.

use super::{Parsed, Parser};
use crate::ast::{
    Constraint, Decl, Element, Embed, Expr, Field, Ident, Label, LabelKind, List, Pattern,
    PostfixAlias, Struct,
};
use crate::error::SyntaxError;
use crate::position::Span;
use crate::token::Kind;

/// What stood where a label may stand.
enum Start {
    Label(Label),
    Expr(Expr),
    /// `X=` before what is no label: the alias of a field's value.
    Alias(Ident, Expr),
}

impl Parser<'_> {
    /// `Struct = "{" { Decl "," } "}" .`
    pub(super) fn structure(&mut self) -> Parsed<Struct> {
        self.nested(|parser| {
            let start = parser.token.start;
            parser.expect(Kind::BraceOpen)?;
            let mut decls = Vec::new();
            parser.decls(&mut decls)?;
            parser.expect_closing(Kind::BraceClose, "struct literal")?;
            Ok(Struct {
                decls,
                braces: true,
                span: parser.since(start),
            })
        })
    }

    pub(super) fn decls(&mut self, decls: &mut Vec<Decl>) -> Parsed<()> {
        while !self.at(Kind::BraceClose) && !self.at(Kind::Eof) {
            decls.push(self.decl()?);
        }
        Ok(())
    }

    /// The comma behind a declaration.
    pub(super) fn decl_comma(&mut self) -> Parsed<()> {
        if self.at_comma("struct literal", &[Kind::BraceClose, Kind::Eof])? {
            self.advance()?;
        }
        Ok(())
    }

    /// `Decl = Field | Let | Embedding | Comprehension | "..." | attribute .`
    fn decl(&mut self) -> Parsed<Decl> {
        let start = self.token.start;
        match self.token.kind {
            Kind::Attribute => {
                let attribute = self.attribute()?;
                self.decl_comma()?;
                Ok(Decl::Attribute(Box::new(attribute)))
            }
            Kind::Ellipsis => {
                let span = self.span();
                self.advance()?;
                self.decl_comma()?;
                Ok(Decl::Ellipsis(span))
            }
            Kind::For | Kind::If | Kind::Try => {
                let doc = self.doc();
                match self.comprehension("struct literal")? {
                    Ok(comprehension) => {
                        self.decl_comma()?;
                        Ok(Decl::Comprehension(Box::new(comprehension)))
                    }
                    Err(ident) => {
                        let first = self.label_or_expr(Expr::Ident(ident))?;
                        self.field_or_embed(start, doc, first)
                    }
                }
            }
            Kind::Let => {
                let doc = self.doc();
                let word = self.word()?;
                if self.at(Kind::Ident) {
                    let clause = self.let_clause(start)?;
                    self.decl_comma()?;
                    return Ok(Decl::Let(Box::new(clause)));
                }
                let first = self.label_or_expr(Expr::Ident(word))?;
                self.field_or_embed(start, doc, first)
            }
            _ => {
                let doc = self.doc();
                let expr = self.expr()?;
                let first = self.label_or_expr(expr)?;
                self.field_or_embed(start, doc, first)
            }
        }
    }

    /// `Field = Label [ PostfixAlias ] [ "?" | "!" ] ":" { … ":" } [ identifier "=" ] Expression
    /// { attribute } .`
    /// `Embedding = Expression .`
    fn field_or_embed(
        &mut self,
        start: u32,
        doc: Option<std::sync::Arc<str>>,
        first: Start,
    ) -> Parsed<Decl> {
        let label = match first {
            Start::Label(label) if self.at_field() => label,
            Start::Label(Label { alias: Some(_), .. }) | Start::Alias(..) => {
                return Err(self.expected("label or ':'"));
            }
            Start::Label(label) => {
                let expr = label_as_expr(label);
                let ends = self.token.kind.is_comma()
                    || matches!(self.token.kind, Kind::BraceClose | Kind::Eof);
                if !ends {
                    return Err(self.expected("label or ':'"));
                }
                self.decl_comma()?;
                return Ok(Decl::Embed(Box::new(Embed { expr, doc })));
            }
            Start::Expr(expr) => {
                self.decl_comma()?;
                return Ok(Decl::Embed(Box::new(Embed { expr, doc })));
            }
        };
        let field = self.field(start, label, doc, true)?;
        self.decl_comma()?;
        Ok(Decl::Field(Box::new(field)))
    }

    /// Whether what was read is the label of a field.
    fn at_field(&self) -> bool {
        matches!(
            self.token.kind,
            Kind::Colon | Kind::Option | Kind::Not | Kind::Tilde
        )
    }

    /// Everything of a field behind its label.
    fn field(
        &mut self,
        start: u32,
        label: Label,
        doc: Option<std::sync::Arc<str>>,
        outermost: bool,
    ) -> Parsed<Field> {
        self.nested(|parser| {
            let alias = parser.postfix_alias()?;
            let constraint = match parser.token.kind {
                Kind::Option => Constraint::Optional,
                Kind::Not => Constraint::Required,
                _ => Constraint::Regular,
            };
            if constraint != Constraint::Regular {
                parser.advance()?;
            }
            if !parser.at(Kind::Colon) {
                return Err(parser.expected(if outermost { "label or ':'" } else { "':'" }));
            }
            if let LabelKind::Ident(ident) = &label.kind
                && outermost
            {
                parser.check_declared(ident);
            }
            parser.advance()?;
            let mut field = Field {
                label,
                alias,
                constraint,
                value_alias: None,
                value: Expr::Bottom(Span::default()),
                attributes: Vec::new(),
                span: Span::default(),
                doc,
            };
            parser.field_value(&mut field)?;
            field.span = parser.since(start);
            Ok(field)
        })
    }

    /// A value, or a further label and its value.
    fn field_value(&mut self, field: &mut Field) -> Parsed<()> {
        let start = self.token.start;
        let expr = match self.token.kind {
            // Here they can only be names.
            Kind::Let => Expr::Ident(self.word()?),
            _ => self.expr()?,
        };
        if !self.at_field() && !self.at(Kind::Bind) {
            field.value = expr;
            return self.field_attributes(field);
        }
        match self.label_or_expr(expr)? {
            Start::Label(label) if self.at_field() => {
                let inner = self.field(start, label, None, false)?;
                // Attributes of a chain `a: b: 1 @x()` belong to its last field.
                let span = inner.span;
                let decls = vec![Decl::Field(Box::new(inner))];
                field.value = Expr::Struct(Box::new(Struct {
                    decls,
                    braces: false,
                    span,
                }));
                return Ok(());
            }
            Start::Label(mut label) => {
                field.value_alias = label.alias.take();
                field.value = label_as_expr(label);
            }
            Start::Alias(alias, expr) => {
                field.value_alias = Some(Box::new(alias));
                field.value = expr;
            }
            Start::Expr(expr) => field.value = expr,
        }
        self.field_attributes(field)
    }

    fn field_attributes(&mut self, field: &mut Field) -> Parsed<()> {
        while self.at(Kind::Attribute) {
            field.attributes.push(self.attribute()?);
        }
        Ok(())
    }

    /// `Label = [ identifier "=" ] ( identifier | string | "(" Expression ")" | Pattern ) .`
    ///
    /// An expression that could be a label becomes one; whether it is one is decided by what
    /// follows.
    fn label_or_expr(&mut self, expr: Expr) -> Parsed<Start> {
        let start = expr.span();
        if !(self.at(Kind::Bind) && matches!(expr, Expr::Ident(_))) {
            return Ok(match self.label(expr)? {
                Ok(kind) => Start::Label(Label {
                    alias: None,
                    kind,
                    span: start,
                }),
                Err(expr) => Start::Expr(expr),
            });
        }
        let alias = self.alias_name(expr)?;
        let expr = self.expr()?;
        let span = start.to(expr.span());
        Ok(match self.label(expr)? {
            Ok(kind) => Start::Label(Label {
                alias: Some(Box::new(alias)),
                kind,
                span,
            }),
            Err(expr) => Start::Alias(alias, expr),
        })
    }

    /// The expression as a label, if its form is that of one.
    fn label(&self, expr: Expr) -> Parsed<Result<LabelKind, Expr>> {
        Ok(Ok(match expr {
            Expr::Ident(ident) => LabelKind::Ident(ident),
            Expr::Null(span) => LabelKind::Ident(Ident {
                name: "null".into(),
                span,
            }),
            Expr::Bool(value, span) => {
                let name = if value { "true" } else { "false" };
                LabelKind::Ident(Ident {
                    name: name.into(),
                    span,
                })
            }
            Expr::String(lit) => LabelKind::String(lit),
            Expr::Interpolation(lit) => LabelKind::Interpolation(lit),
            Expr::Paren(paren) => {
                if !self.at_field() {
                    return Ok(Err(Expr::Paren(paren)));
                }
                LabelKind::Dynamic(Box::new(paren.expr))
            }
            Expr::List(list) => {
                if !self.at_field() {
                    return Ok(Err(Expr::List(list)));
                }
                LabelKind::Pattern(Box::new(pattern(*list)?))
            }
            other => return Ok(Err(other)),
        }))
    }

    /// `PostfixAlias = "~" ( identifier | "(" identifier [ "," identifier ] ")" ) .`
    fn postfix_alias(&mut self) -> Parsed<Option<Box<PostfixAlias>>> {
        if !self.at(Kind::Tilde) {
            return Ok(None);
        }
        let start = self.token.start;
        if !self.experiments.alias_v2 {
            self.report(start, "postfix alias syntax requires @experiment(aliasv2)");
        }
        self.advance()?;
        let (label, field) = match self.token.kind {
            Kind::Ident => (None, self.word()?),
            Kind::ParenOpen => {
                self.advance()?;
                let first = self.ident()?;
                if self.at(Kind::ParenClose) {
                    self.advance()?;
                    (None, first)
                } else {
                    self.expect(Kind::Comma)?;
                    let second = self.ident()?;
                    self.expect(Kind::ParenClose)?;
                    (Some(first), second)
                }
            }
            _ => return Err(self.expected("identifier or '('")),
        };
        Ok(Some(Box::new(PostfixAlias {
            label,
            field,
            span: self.since(start),
        })))
    }
}

/// `Pattern = "[" [ identifier "=" ] Expression "]" .`
fn pattern(list: List) -> Parsed<Pattern> {
    let span = list.span;
    let one = || SyntaxError::new(span.start, "square bracket must have exactly one element");
    if list.ellipsis.is_some() || list.elements.len() != 1 {
        return Err(one());
    }
    match list.elements.into_iter().next() {
        Some(Element::Expr(expr)) => Ok(Pattern {
            alias: None,
            expr,
            span,
        }),
        Some(Element::Alias(alias, expr)) => Ok(Pattern {
            alias: Some(alias),
            expr,
            span,
        }),
        _ => Err(one()),
    }
}

/// A label that turned out to be a value.
fn label_as_expr(label: Label) -> Expr {
    match label.kind {
        LabelKind::Ident(ident) => match &*ident.name {
            "null" => Expr::Null(ident.span),
            "true" => Expr::Bool(true, ident.span),
            "false" => Expr::Bool(false, ident.span),
            _ => Expr::Ident(ident),
        },
        LabelKind::String(lit) => Expr::String(lit),
        LabelKind::Interpolation(lit) => Expr::Interpolation(lit),
        // These two are only made where a field follows.
        LabelKind::Dynamic(expr) => *expr,
        LabelKind::Pattern(pattern) => pattern.expr,
    }
}
