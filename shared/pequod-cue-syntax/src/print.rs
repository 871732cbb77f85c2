//! A tree to text.
//!
//! What is printed parses to the same tree, spans and comments aside. The layout is that of `cue fmt`
//! in the plain cases: a declaration a line, tabs, short lists on one line; numbers and the
//! grouping by parentheses stay as they were written.

use std::fmt::{self, Write};

use crate::ast::{
    Attribute, Clause, Comprehension, Constraint, Decl, Element, Expr, Field, File, Interpolation,
    Label, LabelKind, List, Part, PostfixOp, SelectorLabel, Struct,
};
use crate::literal::{quote, quote_bytes, quote_multiline};

/// Writes a tree at an indentation.
struct Printer<'a, W> {
    out: &'a mut W,
    indent: usize,
}

/// The file as text.
pub fn print_file(file: &File) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = Printer {
        out: &mut text,
        indent: 0,
    }
    .file(file);
    text
}

/// The expression as text, beginning in the middle of an unindented line.
pub fn print_expr(expr: &Expr) -> String {
    let mut text = String::new();
    let _ = Printer {
        out: &mut text,
        indent: 0,
    }
    .expr(expr);
    text
}

/// The declaration as text, beginning in the middle of an unindented line.
pub fn print_decl(decl: &Decl) -> String {
    let mut text = String::new();
    let _ = Printer {
        out: &mut text,
        indent: 0,
    }
    .decl(decl);
    text
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer { out: f, indent: 0 }.expr(self)
    }
}

impl<W: Write> Printer<'_, W> {
    fn file(&mut self, file: &File) -> fmt::Result {
        for attribute in &file.preamble {
            self.attribute(attribute)?;
            self.out.write_char('\n')?;
        }
        if let Some(package) = &file.package {
            writeln!(self.out, "package {}", package.name.name)?;
        }
        let attributes = file
            .decls
            .iter()
            .take_while(|decl| matches!(decl, Decl::Attribute(_)));
        let behind_package = if file.imports.is_empty() {
            0
        } else {
            attributes.count()
        };
        let (first, rest) = file.decls.split_at(behind_package);
        self.decls(first)?;
        for import in &file.imports {
            self.out.write_str("import ")?;
            if let Some(name) = &import.name {
                write!(self.out, "{} ", name.name)?;
            }
            writeln!(self.out, "{}", quote(&import.path))?;
        }
        self.decls(rest)
    }

    fn line_start(&mut self) -> fmt::Result {
        (0..self.indent).try_for_each(|_| self.out.write_char('\t'))
    }

    fn decls(&mut self, decls: &[Decl]) -> fmt::Result {
        for decl in decls {
            self.line_start()?;
            self.decl(decl)?;
            self.out.write_char('\n')?;
        }
        Ok(())
    }

    fn decl(&mut self, decl: &Decl) -> fmt::Result {
        match decl {
            Decl::Field(field) => self.field(field),
            Decl::Let(clause) => {
                write!(self.out, "let {} = ", clause.ident.name)?;
                self.expr(&clause.value)
            }
            Decl::Embed(embed) => self.expr(&embed.expr),
            Decl::Comprehension(comprehension) => self.comprehension(comprehension),
            Decl::Ellipsis(_) => self.out.write_str("..."),
            Decl::Attribute(attribute) => self.attribute(attribute),
        }
    }

    fn attribute(&mut self, attribute: &Attribute) -> fmt::Result {
        write!(self.out, "@{}({})", attribute.name, attribute.body)
    }

    fn field(&mut self, field: &Field) -> fmt::Result {
        self.label(&field.label)?;
        if let Some(alias) = &field.alias {
            match &alias.label {
                Some(label) => write!(self.out, "~({},{})", label.name, alias.field.name)?,
                None => write!(self.out, "~{}", alias.field.name)?,
            }
        }
        self.out.write_str(match field.constraint {
            Constraint::Regular => ": ",
            Constraint::Optional => "?: ",
            Constraint::Required => "!: ",
        })?;
        if let Some(alias) = &field.value_alias {
            write!(self.out, "{}=", alias.name)?;
        }
        self.expr(&field.value)?;
        for attribute in &field.attributes {
            self.out.write_char(' ')?;
            self.attribute(attribute)?;
        }
        Ok(())
    }

    fn label(&mut self, label: &Label) -> fmt::Result {
        if let Some(alias) = &label.alias {
            write!(self.out, "{}=", alias.name)?;
        }
        match &label.kind {
            LabelKind::Ident(ident) => self.out.write_str(&ident.name),
            LabelKind::String(lit) => self.out.write_str(&quote(&lit.value)),
            LabelKind::Interpolation(lit) => self.interpolation(lit),
            LabelKind::Dynamic(expr) => self.bracketed('(', expr, ')'),
            LabelKind::Pattern(pattern) => {
                self.out.write_char('[')?;
                if let Some(alias) = &pattern.alias {
                    write!(self.out, "{}=", alias.name)?;
                }
                self.expr(&pattern.expr)?;
                self.out.write_char(']')
            }
        }
    }

    fn bracketed(&mut self, open: char, expr: &Expr, close: char) -> fmt::Result {
        self.out.write_char(open)?;
        self.expr(expr)?;
        self.out.write_char(close)
    }

    fn expr(&mut self, expr: &Expr) -> fmt::Result {
        match expr {
            Expr::Ident(ident) => self.out.write_str(&ident.name),
            Expr::Null(_) => self.out.write_str("null"),
            Expr::Bool(value, _) => write!(self.out, "{value}"),
            Expr::Number(lit) => self.out.write_str(&lit.text),
            Expr::String(lit) if lit.quotes.multiline && lit.value.contains('\n') => {
                let indent = "\t".repeat(self.indent + 1);
                self.out.write_str(&quote_multiline(&lit.value, &indent))
            }
            Expr::String(lit) => self.out.write_str(&quote(&lit.value)),
            Expr::Bytes(lit) => self.out.write_str(&quote_bytes(&lit.value)),
            Expr::Interpolation(lit) => self.interpolation(lit),
            Expr::Bottom(_) => self.out.write_str("_|_"),
            Expr::Struct(lit) => self.structure(lit),
            Expr::List(list) => self.list(list),
            Expr::Paren(paren) => self.bracketed('(', &paren.expr, ')'),
            Expr::Selector(selector) => {
                self.expr(&selector.base)?;
                match &selector.selector {
                    SelectorLabel::Ident(ident) => write!(self.out, ".{}", ident.name),
                    SelectorLabel::String(lit) => write!(self.out, ".{}", quote(&lit.value)),
                }
            }
            Expr::Index(index) => {
                self.expr(&index.base)?;
                self.bracketed('[', &index.index, ']')
            }
            Expr::Slice(slice) => {
                self.expr(&slice.base)?;
                self.out.write_char('[')?;
                slice.low.iter().try_for_each(|low| self.expr(low))?;
                self.out.write_char(':')?;
                slice.high.iter().try_for_each(|high| self.expr(high))?;
                self.out.write_char(']')
            }
            Expr::Call(call) => {
                self.expr(&call.function)?;
                self.out.write_char('(')?;
                for (index, argument) in call.arguments.iter().enumerate() {
                    self.out.write_str(if index == 0 { "" } else { ", " })?;
                    self.expr(argument)?;
                }
                self.out.write_char(')')
            }
            Expr::Unary(unary) => {
                self.out.write_str(unary.op.as_str())?;
                self.expr(&unary.expr)
            }
            Expr::Binary(binary) => {
                // From the left end of the chain, so that a long one needs no deep stack.
                let mut chain = vec![&**binary];
                while let Some(Expr::Binary(inner)) = chain.last().map(|last| &last.lhs) {
                    chain.push(inner);
                }
                for (index, link) in chain.iter().rev().enumerate() {
                    if index == 0 {
                        self.expr(&link.lhs)?;
                    }
                    write!(self.out, " {} ", link.op.as_str())?;
                    self.expr(&link.rhs)?;
                }
                Ok(())
            }
            Expr::Postfix(postfix) => {
                self.expr(&postfix.expr)?;
                self.out.write_str(match postfix.op {
                    PostfixOp::Optional => "?",
                    PostfixOp::Open => "...",
                })
            }
        }
    }

    fn interpolation(&mut self, lit: &Interpolation) -> fmt::Result {
        let delimiter = if lit.bytes { '\'' } else { '"' };
        self.out.write_char(delimiter)?;
        for part in &lit.parts {
            match part {
                Part::Text(text) => {
                    let quoted = if lit.bytes {
                        quote_bytes(text)
                    } else {
                        quote(&String::from_utf8_lossy(text))
                    };
                    self.out.write_str(&quoted[1..quoted.len() - 1])?;
                }
                Part::Expr(expr) => {
                    self.out.write_str("\\")?;
                    self.bracketed('(', expr, ')')?;
                }
            }
        }
        self.out.write_char(delimiter)
    }

    fn structure(&mut self, lit: &Struct) -> fmt::Result {
        match &lit.decls[..] {
            [decl] if !lit.braces => self.decl(decl),
            [] => self.out.write_str("{}"),
            decls => {
                self.out.write_str("{\n")?;
                self.indent += 1;
                self.decls(decls)?;
                self.indent -= 1;
                self.line_start()?;
                self.out.write_char('}')
            }
        }
    }

    fn list(&mut self, list: &List) -> fmt::Result {
        self.out.write_char('[')?;
        for (index, element) in list.elements.iter().enumerate() {
            self.out.write_str(if index == 0 { "" } else { ", " })?;
            match element {
                Element::Expr(expr) => self.expr(expr)?,
                Element::Comprehension(comprehension) => self.comprehension(comprehension)?,
                Element::Alias(alias, expr) => {
                    write!(self.out, "{}=", alias.name)?;
                    self.expr(expr)?;
                }
            }
        }
        if let Some(ellipsis) = &list.ellipsis {
            self.out.write_str(if list.elements.is_empty() {
                "..."
            } else {
                ", ..."
            })?;
            ellipsis.expr.iter().try_for_each(|expr| self.expr(expr))?;
        }
        self.out.write_char(']')
    }

    fn comprehension(&mut self, comprehension: &Comprehension) -> fmt::Result {
        for clause in &comprehension.clauses {
            match clause {
                Clause::For(clause) => {
                    self.out.write_str("for ")?;
                    if let Some(key) = &clause.key {
                        write!(self.out, "{}, ", key.name)?;
                    }
                    write!(self.out, "{} in ", clause.value.name)?;
                    self.expr(&clause.source)?;
                }
                Clause::If(clause) => {
                    self.out.write_str("if ")?;
                    self.expr(&clause.condition)?;
                }
                Clause::Let(clause) => {
                    write!(self.out, "let {} = ", clause.ident.name)?;
                    self.expr(&clause.value)?;
                }
                Clause::Try(clause) => {
                    self.out.write_str("try")?;
                    if let Some((name, value)) = &clause.binding {
                        write!(self.out, " {} = ", name.name)?;
                        self.expr(value)?;
                    }
                }
            }
            self.out.write_char(' ')?;
        }
        self.structure(&comprehension.value)?;
        if let Some(fallback) = &comprehension.fallback {
            let single = matches!(comprehension.clauses[..], [Clause::If(_) | Clause::Try(_)]);
            self.out
                .write_str(if single { " else " } else { " otherwise " })?;
            self.structure(&fallback.value)?;
        }
        Ok(())
    }
}
