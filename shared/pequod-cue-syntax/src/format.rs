//! A file in its usual layout: what `cue fmt` makes of it.
//!
//! The tree says what there is, the source where its lines were broken and how its literals were written. Line breaks
//! stay, at most one empty line in a row; blanks, tabs, indentation and columns are set anew; comments stay where they
//! stood. The rules were found by looking at what the reference's tool makes of texts:
//!
//! * values of fields that follow each other on single lines stand in one column, and so do the comments behind them;
//!   a value with a struct or a list in it, another number of labels, an empty line or a comment line ends the column;
//! * binary operators have blanks around them as in Go: `1 + 2*3`, `f(1+2, 3)`, `x[1+2]`;
//! * a brace that closes a struct of several lines begins a line of its own, unless it follows another one.
//!
//! [`columns`] lays out lines, `expr` has the expressions.

mod columns;
mod expr;

use crate::ast::{
    Attribute, Comment, Constraint, Decl, Expr, Field, File, Ident, Import, Label, LabelKind,
    Placement, Struct,
};
use crate::chars::is_identifier;
use columns::Lines;

/// The file's text in its usual layout.
///
/// ```
/// use pequod_cue_syntax::{FileId, format_file, parse_file};
///
/// let file = parse_file(FileId(0), "a.cue", "a:1 // one\nbcd  : 2+3*4").unwrap();
/// assert_eq!(format_file(&file), "a:   1 // one\nbcd: 2 + 3*4\n");
/// ```
pub fn format_file(file: &File) -> String {
    laid_out(file, false)
}

/// The same with labels without quotes where they need none: where nothing in the file could mean them by their name.
///
/// ```
/// use pequod_cue_syntax::{FileId, format_simplified, parse_file};
///
/// let file = parse_file(FileId(0), "a.cue", "\"a\": 1, \"b\": c: b").unwrap();
/// assert_eq!(format_simplified(&file), "a: 1, \"b\": c: b\n");
/// ```
pub fn format_simplified(file: &File) -> String {
    laid_out(file, true)
}

fn laid_out(file: &File, simplify: bool) -> String {
    let mut text: Vec<u8> = file.source.text().bytes().collect();
    for comment in &file.comments {
        for byte in &mut text[comment.span.start as usize..comment.span.end as usize] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    let source: &str = file.source.text();
    let mut formatter = Formatter {
        source,
        bare: text,
        comments: &file.comments,
        out: Lines::default(),
        gap: Gap::None,
        indent: 0,
        hanging: false,
        flush: false,
        flat: false,
        simplify,
        limit: u32::MAX,
        end: 0,
    };
    formatter.file(file);
    let text = formatter.out.into_text();
    // An empty line at the top stays before what is no field.
    let first = file
        .decls
        .first()
        .filter(|_| file.preamble.is_empty() && file.package.is_none() && file.imports.is_empty());
    let keeps_line = first.is_some_and(|decl| {
        let top = source.get(..decl.span().start as usize).unwrap_or("");
        !matches!(decl, Decl::Field(_)) && top.contains('\n') && top.trim().is_empty()
    });
    if keeps_line || text.is_empty() {
        format!("\n{text}")
    } else {
        text
    }
}

/// What goes between two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Blank,
    /// The end of a cell.
    Tab,
    /// The end of a line.
    Line {
        /// Whether columns end there.
        apart: bool,
        /// Whether an empty line of the source stays.
        empty: bool,
    },
    /// The end of a line, and an empty one.
    Empty,
}

/// The end of a line in a column.
const LINE: Gap = Gap::Line {
    apart: false,
    empty: true,
};

/// The end of a line and of columns.
const APART: Gap = Gap::Line {
    apart: true,
    empty: true,
};

#[expect(
    clippy::struct_excessive_bools,
    reason = "where in an expression it is, and a wish: independent of each other"
)]
struct Formatter<'a> {
    source: &'a str,
    /// The source with blanks for comments.
    bare: Vec<u8>,
    /// Those that are not written yet.
    comments: &'a [Comment],
    out: Lines,
    gap: Gap,
    indent: usize,
    /// Whether the lines of this expression are indented already.
    hanging: bool,
    /// Whether they are not, although nothing more is indented: an expression that stands by itself.
    flush: bool,
    /// Whether line breaks do not stay: inside a literal of one line.
    flat: bool,
    /// Whether labels lose quotes they do not need.
    simplify: bool,
    /// Where what is being written ends: the bracket that closes it.
    limit: u32,
    /// Where what was written last ends in the source.
    end: u32,
}

/// How a declaration stands in columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A field on one line with this many labels.
    Field(usize),
    /// Alone.
    Alone,
}

impl Formatter<'_> {
    fn newlines(&self, from: u32, to: u32) -> usize {
        let between = self.bare.get(from as usize..to as usize);
        between.map_or(0, |text| text.split(|byte| *byte == b'\n').count() - 1)
    }

    fn text(&self, from: u32, to: u32) -> &str {
        self.source.get(from as usize..to as usize).unwrap_or("")
    }

    /// Whether a label may be an identifier: nothing but labels is called so anywhere.
    fn is_free(&self, name: &str) -> bool {
        let plain = is_identifier(name) && !name.starts_with(['_', '#', '$']);
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'$');
        plain
            && self
                .bare
                .windows(name.len())
                .enumerate()
                .filter(|(_, window)| *window == name.as_bytes())
                .all(|(at, _)| {
                    let before = at.checked_sub(1).and_then(|at| self.bare.get(at));
                    let after = &self.bare[at + name.len()..];
                    let part = before.is_some_and(is_word) || after.first().is_some_and(is_word);
                    let behind = after
                        .iter()
                        .find(|byte| !matches!(byte, b'"' | b' ' | b'?' | b'!'));
                    part || behind == Some(&b':')
                })
    }

    /// Whether the source has an end of line between two places.
    fn broken(&self, from: u32, to: u32) -> bool {
        self.newlines(from, to) > 0
    }

    /// The place of a byte between two places, comments aside.
    fn find(&self, byte: u8, from: u32, to: u32) -> Option<u32> {
        let between = self.bare.get(from as usize..to as usize)?;
        let at = between.iter().position(|other| *other == byte)?;
        Some(from + u32::try_from(at).ok()?)
    }

    /// Writes comments that stand before a place of the source.
    fn comments_before(&mut self, place: u32) {
        while let Some((comment, rest)) = self.comments.split_first()
            && comment.span.start < place
        {
            self.comments = rest;
            let text = &self.source[comment.span.start as usize..comment.span.end as usize];
            let behind = !self.out.at_start()
                && !self.broken(self.end, comment.span.start)
                && comment.placement == Placement::Line;
            let mut lines = text.lines().map(str::trim_end);
            if behind {
                if !matches!(self.out.last(), Some('{' | '[' | '(')) {
                    self.out.tab();
                }
                self.out.push(lines.next().unwrap_or_default());
            } else if !self.out.is_empty() {
                if self.gap != Gap::Empty {
                    self.gap = APART;
                }
                self.write_gap(comment.span.start);
                self.out.push(lines.next().unwrap_or_default().trim_start());
            } else {
                self.out.push(lines.next().unwrap_or_default().trim_start());
            }
            for line in lines {
                self.out.line(self.indent, false);
                self.out.push(line.trim_start());
            }
            self.end = comment.span.end;
            self.gap = match self.gap {
                line @ Gap::Line { .. } if behind => line,
                Gap::Empty => Gap::Empty,
                _ if behind => LINE,
                _ => Gap::Line {
                    apart: false,
                    empty: true,
                },
            };
        }
    }

    /// Writes what goes before the word at a place.
    fn write_gap(&mut self, place: u32) {
        match std::mem::replace(&mut self.gap, Gap::None) {
            Gap::None => {}
            Gap::Blank => self.out.push(" "),
            Gap::Tab => self.out.tab(),
            Gap::Line { apart, empty } => {
                if self.out.is_empty() {
                    return;
                }
                if empty && self.newlines(self.end, place) > 1 {
                    self.out.line(0, true);
                }
                self.out.line(self.indent, apart);
            }
            Gap::Empty => {
                self.out.line(0, true);
                self.out.line(self.indent, true);
            }
        }
    }

    /// Writes a word of the source.
    fn word(&mut self, place: u32, text: &str, end: u32) {
        self.comments_before(place);
        self.write_gap(place);
        self.out.push(text);
        self.end = self.end.max(end);
    }

    /// Writes a word that follows the one before at once, comments or not.
    fn close_up(&mut self, text: &str) {
        self.out.push(text);
    }

    fn file(&mut self, file: &File) {
        for attribute in &file.preamble {
            self.attribute(attribute);
            self.gap = APART;
        }
        if let Some(package) = &file.package {
            self.word(package.span.start, "package ", package.span.start + 7);
            let name = &package.name;
            self.word(name.span.start, &name.name, name.span.end);
            self.gap = Gap::Empty;
        }
        let before_imports = file.imports.first().map_or(0, |first| {
            file.decls
                .iter()
                .take_while(|decl| {
                    matches!(decl, Decl::Attribute(_)) && decl.span().start < first.span.start
                })
                .count()
        });
        let (first, rest) = file.decls.split_at(before_imports);
        for decl in first {
            self.decl(decl);
            self.gap = APART;
        }
        if !first.is_empty() {
            self.gap = Gap::Empty;
        }
        self.imports(&file.imports);
        if !file.imports.is_empty() {
            self.gap = Gap::Empty;
        }
        self.decls(rest);
        let end = u32::try_from(self.source.len()).unwrap_or(u32::MAX);
        if !matches!(self.gap, Gap::Empty) {
            self.gap = APART;
        }
        self.comments_before(end);
    }

    fn imports(&mut self, imports: &[Import]) {
        let mut open = false;
        for (at, import) in imports.iter().enumerate() {
            let from = self.end.max(match at {
                0 => 0,
                at => imports[at - 1].span.end,
            });
            let begins = self.keyword(from, import.span.start);
            if let Some(keyword) = begins {
                if open {
                    let close = self.find(b')', from, keyword).unwrap_or(keyword);
                    self.close_imports(close);
                }
                if at > 0 {
                    self.gap = Gap::Empty;
                }
                self.word(keyword, "import", keyword + 6);
                self.gap = Gap::Blank;
                open = false;
                if let Some(paren) = self.find(b'(', keyword, import.span.start) {
                    open = true;
                    self.word(paren, "(", paren + 1);
                    self.indent += 1;
                    if self.breaks_before(import.span.start) {
                        self.gap = LINE;
                    }
                }
            } else if self.breaks_before(import.span.start) {
                self.gap = LINE;
            } else {
                self.close_up(",");
                self.gap = Gap::Blank;
            }
            if let Some(name) = &import.name {
                self.word(name.span.start, &name.name, name.span.end);
                self.gap = Gap::Blank;
            }
            let path = import.path_span;
            self.literal(path);
        }
        if open && let Some(last) = imports.last() {
            let size = u32::try_from(self.source.len()).unwrap_or(u32::MAX);
            let close = self.find(b')', last.span.end, size).unwrap_or(size);
            self.close_imports(close);
        }
    }

    fn close_imports(&mut self, close: u32) {
        let breaks = self.breaks_before(close);
        self.comments_before(close);
        self.indent -= 1;
        if breaks {
            self.gap = Gap::Line {
                apart: true,
                empty: false,
            };
        }
        self.word(close, ")", close + 1);
    }

    /// Where the word `import` stands between two places.
    fn keyword(&self, from: u32, to: u32) -> Option<u32> {
        let between = self.bare.get(from as usize..to as usize)?;
        let at = between.windows(6).position(|word| word == b"import")?;
        Some(from + u32::try_from(at).ok()?)
    }

    /// Whether what follows at a place begins a line, or a comment stands before it.
    fn breaks_before(&self, place: u32) -> bool {
        self.broken(self.end, place)
    }

    fn attribute(&mut self, attribute: &Attribute) {
        let span = attribute.span;
        let text = self.text(span.start, span.end).to_owned();
        self.word(span.start, &text, span.end);
    }

    fn decls(&mut self, decls: &[Decl]) {
        self.inner_decls(decls, self.indent);
    }

    /// Declarations whose lines, from the second on, have an indentation.
    fn inner_decls(&mut self, decls: &[Decl], indent: usize) {
        for (at, decl) in decls.iter().enumerate() {
            if at > 0 {
                let before = &decls[at - 1];
                if self.broken(before.span().end, decl.span().start) {
                    self.indent = indent;
                    let (one, two) = (shape(before), shape(decl));
                    let apart = one != two || one == Shape::Alone;
                    let following = decls.get(at + 1).map(|decl| decl.span().start);
                    self.gap = if stands_back(before) && self.is_commented(before, decl, following)
                    {
                        Gap::Empty
                    } else {
                        Gap::Line { apart, empty: true }
                    };
                } else {
                    self.close_up(",");
                    self.gap = Gap::Blank;
                }
            }
            self.decl(decl);
        }
    }

    /// Whether a comment belongs to a declaration: above it, behind it, or below it by itself.
    fn is_commented(&self, before: &Decl, decl: &Decl, following: Option<u32>) -> bool {
        let (from, span) = (before.span().end, decl.span());
        let mut comments = self
            .comments
            .iter()
            .map(|comment| (comment.span, comment.placement));
        comments.any(|(comment, placement)| {
            let above = comment.end <= span.start && self.broken(from, comment.start);
            let behind = comment.start >= span.end && !self.broken(span.end, comment.start);
            let below = comment.start >= span.end
                && placement == Placement::Free
                && comment.start < following.unwrap_or(self.limit);
            (above && comment.start >= from) || behind || below
        })
    }

    fn decl(&mut self, decl: &Decl) {
        match decl {
            Decl::Field(field) => self.field(field),
            Decl::Let(clause) => self.let_clause(clause),
            Decl::Embed(embed) => self.statement(&embed.expr, true),
            Decl::Comprehension(comprehension) => self.comprehension(comprehension),
            Decl::Ellipsis(span) => self.word(span.start, "...", span.end),
            Decl::Attribute(attribute) => self.attribute(attribute),
        }
    }

    /// An expression with line breaks of its own; its further lines are indented, or `flush`.
    fn statement(&mut self, expr: &Expr, flush: bool) {
        let (hanging, indent) = (self.hanging, self.indent);
        self.hanging = flush;
        self.flush = flush;
        self.expr(expr, 1);
        self.hanging = hanging;
        self.indent = indent;
    }

    fn field(&mut self, field: &Field) {
        let indent = self.indent;
        let begins = match self.gap {
            Gap::Line { .. } | Gap::Empty => true,
            _ => self.out.is_empty() || self.out.at_start(),
        };
        let mut field = field;
        loop {
            self.label(&field.label);
            if let Some(alias) = &field.alias {
                let text = self.text(alias.span.start, alias.span.end).to_owned();
                self.word(alias.span.start, &text, alias.span.end);
            }
            self.close_up(match field.constraint {
                Constraint::Regular => ":",
                Constraint::Optional => "?:",
                Constraint::Required => "!:",
            });
            let Expr::Struct(inner) = &field.value else {
                break;
            };
            let [Decl::Field(next)] = &inner.decls[..] else {
                break;
            };
            if inner.braces || !next.attributes.is_empty() {
                break;
            }
            if self.broken(self.end, next.span.start) {
                self.indent += 1;
                self.gap = LINE;
            } else {
                self.gap = Gap::Blank;
            }
            field = next;
        }
        self.value(field, begins);
        for (at, attribute) in field.attributes.iter().enumerate() {
            let plain = at == 0 && begins && !has_composite(&field.value);
            self.gap = if plain { Gap::Tab } else { Gap::Blank };
            self.attribute(attribute);
        }
        self.indent = indent;
    }

    fn value(&mut self, field: &Field, begins: bool) {
        let start = match &field.value_alias {
            Some(alias) => alias.span.start,
            None => field.value.span().start,
        };
        let composite = matches!(field.value, Expr::Struct(_) | Expr::List(_));
        let hanging = self.hanging;
        self.hanging = false;
        self.flush = false;
        if self.broken(self.end, start) {
            if !composite {
                self.indent += 1;
                self.hanging = true;
            }
            self.gap = LINE;
        } else if !begins
            || (field.value_alias.is_none() && has_composite(&field.value))
            || self.is_long(&field.value)
        {
            self.gap = Gap::Blank;
        } else {
            self.gap = Gap::Tab;
        }
        if let Some(alias) = &field.value_alias {
            self.alias(alias, field.value.span().start);
        }
        let indent = self.indent;
        match &field.value {
            // A field with attributes keeps to itself.
            Expr::Struct(inner) if !inner.braces => self.braced(inner),
            value => self.expr(value, 1),
        }
        self.indent = indent;
        self.hanging = hanging;
    }

    /// Whether a value is a literal of several lines.
    fn is_long(&self, value: &Expr) -> bool {
        let span = value.span();
        matches!(value, Expr::String(_) | Expr::Bytes(_)) && self.broken(span.start, span.end)
    }

    /// `{…}` around what had no braces.
    fn braced(&mut self, inner: &Struct) {
        self.word(inner.span.start, "{", self.end);
        self.indent += 1;
        self.gap = APART;
        self.decls(&inner.decls);
        self.indent -= 1;
        self.gap = Gap::Line {
            apart: true,
            empty: false,
        };
        self.write_gap(self.end);
        self.out.push("}");
    }

    /// `X=` with the blanks that were written: `X==~"a"` would be something else than `X= =~"a"`.
    fn alias(&mut self, alias: &Ident, named: u32) {
        self.word(alias.span.start, &alias.name, alias.span.end);
        let between = self.bare.get(alias.span.end as usize..named as usize);
        let sides = |text: &str| {
            let (before, after) = text.split_once('=')?;
            let blank = |side: &str| if side.is_empty() { "" } else { " " };
            Some(format!("{}={}", blank(before), blank(after)))
        };
        let text = between.and_then(|text| sides(std::str::from_utf8(text).ok()?));
        self.close_up(text.as_deref().unwrap_or("="));
        self.end = named;
    }

    fn label(&mut self, label: &Label) {
        if let Some(alias) = &label.alias {
            let named = match &label.kind {
                LabelKind::Ident(ident) => ident.span.start,
                LabelKind::String(lit) => lit.span.start,
                LabelKind::Interpolation(lit) => lit.span.start,
                LabelKind::Dynamic(expr) => self
                    .find(b'(', alias.span.end, expr.span().start)
                    .unwrap_or(alias.span.end),
                LabelKind::Pattern(pattern) => pattern.span.start,
            };
            self.alias(alias, named);
        }
        match &label.kind {
            LabelKind::Ident(ident) => self.word(ident.span.start, &ident.name, ident.span.end),
            LabelKind::String(lit) if self.simplify && self.is_free(&lit.value) => {
                self.word(lit.span.start, &lit.value, lit.span.end);
            }
            LabelKind::String(lit) => self.literal(lit.span),
            LabelKind::Interpolation(lit) => self.interpolation(lit),
            LabelKind::Dynamic(expr) => {
                let from = label
                    .alias
                    .as_ref()
                    .map_or(label.span.start, |a| a.span.end);
                self.word(from, "(", expr.span().start);
                self.expr(expr, 1);
                self.close_up(")");
                self.end = label.span.end;
            }
            LabelKind::Pattern(pattern) => {
                self.word(pattern.span.start, "[", pattern.span.start + 1);
                if let Some(alias) = &pattern.alias {
                    self.alias(alias, pattern.expr.span().start);
                }
                self.expr(&pattern.expr, 1);
                self.close_up("]");
                self.end = pattern.span.end;
            }
        }
    }
}

/// Whether what follows with a comment keeps away from it: everything but plain fields.
fn stands_back(decl: &Decl) -> bool {
    match decl {
        Decl::Field(field) => {
            matches!(&field.label.kind, LabelKind::Ident(ident) if ident.name.starts_with('#'))
        }
        _ => true,
    }
}

/// How many labels a field has on its line, or that it stands alone.
fn shape(decl: &Decl) -> Shape {
    let Decl::Field(field) = decl else {
        return Shape::Alone;
    };
    let (mut field, mut count) = (field, 1);
    while let Expr::Struct(inner) = &field.value {
        match &inner.decls[..] {
            [Decl::Field(next)] if !inner.braces => {
                field = next;
                count += 1;
            }
            _ if field.value_alias.is_some() => break,
            _ => return Shape::Alone,
        }
    }
    Shape::Field(count)
}

/// Whether a struct or list is a part of it.
fn has_composite(expr: &Expr) -> bool {
    match expr {
        Expr::Struct(_) | Expr::List(_) => true,
        Expr::Paren(paren) => has_composite(&paren.expr),
        Expr::Selector(selector) => has_composite(&selector.base),
        Expr::Index(index) => has_composite(&index.base),
        Expr::Call(call) => {
            has_composite(&call.function) || call.arguments.iter().any(has_composite)
        }
        Expr::Unary(unary) => has_composite(&unary.expr),
        Expr::Postfix(postfix) => has_composite(&postfix.expr),
        Expr::Binary(binary) => {
            let mut link = binary;
            loop {
                if has_composite(&link.rhs) {
                    return true;
                }
                match &link.lhs {
                    Expr::Binary(next) => link = next,
                    other => return has_composite(other),
                }
            }
        }
        _ => false,
    }
}
