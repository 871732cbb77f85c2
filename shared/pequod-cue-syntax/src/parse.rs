//! Words to a tree.
//!
//! Recursive descent with one word of look-ahead (two where `?` may belong to a label), one function per
//! production; each opens with its rule. The first error ends the parse, except for errors of form
//! that leave no doubt about what was meant: those are collected.
//!
//! Nesting is counted: a text nested deeper than [`MAX_DEPTH`] is refused, and the machine's stack
//! grows as needed until then.

mod clause;
mod decl;
mod expr;

use std::sync::Arc;

use pequod_diag::Diagnostics;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::ast::{Attribute, Comment, Expr, File, Ident, Import, Name, Package, Quotes};
use crate::chars::is_graphic;
use crate::error::{SyntaxError, diagnostics};
use crate::literal::unquote;
use crate::position::{FileId, Source, Span};
use crate::scan::Scanner;
use crate::stack::{Recursive, Stack};
use crate::token::{Kind, Token};
use crate::{Experiments, MAX_DEPTH};

type Parsed<T> = Result<T, SyntaxError>;

/// The largest text that is read.
const MAX_BYTES: usize = 64 << 20;

/// Reads a CUE file.
///
/// ```
/// use pequod_cue_syntax::{FileId, parse_file};
///
/// assert_eq!(parse_file(FileId(0), "a.cue", "a: 1\nb: a").unwrap().decls.len(), 2);
/// let errors = parse_file(FileId(0), "a.cue", "a: 1\nb: ]").unwrap_err();
/// assert_eq!(errors.to_string(), "a.cue:2:4: expected operand, found ']'");
/// ```
pub fn parse_file(
    id: FileId,
    name: impl Into<Arc<str>>,
    text: impl Into<Arc<str>>,
) -> Result<File, Diagnostics> {
    parse(id, name.into(), text.into(), |parser, source| {
        parser.file(source)
    })
}

/// Reads a single expression, in a language without experiments.
pub fn parse_expr(
    id: FileId,
    name: impl Into<Arc<str>>,
    text: impl Into<Arc<str>>,
) -> Result<(Arc<Source>, Expr), Diagnostics> {
    parse_expr_with(id, name, text, Experiments::default())
}

/// Reads a single expression in a language with these experiments.
pub fn parse_expr_with(
    id: FileId,
    name: impl Into<Arc<str>>,
    text: impl Into<Arc<str>>,
    experiments: Experiments,
) -> Result<(Arc<Source>, Expr), Diagnostics> {
    parse(id, name.into(), text.into(), |parser, source| {
        parser.experiments = experiments;
        let expr = parser.expr()?;
        if parser.at(Kind::Newline) {
            parser.advance()?;
        }
        parser.expect(Kind::Eof)?;
        Ok((source, expr))
    })
}

fn parse<T>(
    id: FileId,
    name: Arc<str>,
    text: Arc<str>,
    production: impl FnOnce(&mut Parser<'_>, Arc<Source>) -> Parsed<T>,
) -> Result<T, Diagnostics> {
    let too_large = text.len() > MAX_BYTES;
    let source = Arc::new(Source::new(
        id,
        name,
        if too_large { "".into() } else { text },
    ));
    if too_large {
        let error = SyntaxError::new(0, format!("file is larger than {MAX_BYTES} bytes"));
        return Err(diagnostics(&source, vec![error]));
    }
    let mut parser = Parser::new(&source);
    parser.begin();
    let result = parser
        .advance()
        .and_then(|()| production(&mut parser, Arc::clone(&source)));
    let mut errors = parser.errors;
    match result {
        Ok(tree) if errors.is_empty() => Ok(tree),
        Ok(_) => Err(diagnostics(&source, errors)),
        Err(error) => {
            errors.push(error);
            Err(diagnostics(&source, errors))
        }
    }
}

/// About how many bytes of source have a name of their own; data has few for its size.
const BYTES_OF_A_NAME: usize = 64;
const MANY_NAMES: usize = 1024;

struct Parser<'a> {
    source: &'a Source,
    scanner: Scanner<'a>,
    token: Token,
    next: Option<Token>,
    /// Where the last word that was taken ends.
    last_end: u32,
    depth: u32,
    experiments: Experiments,
    names: FxHashMap<&'a str, Name>,
    errors: Vec<SyntaxError>,
    stack: Stack,
}

impl Recursive for Parser<'_> {
    fn stack(&mut self) -> &mut Stack {
        &mut self.stack
    }
}

impl<'a> Parser<'a> {
    fn new(source: &'a Source) -> Self {
        let token = Token {
            kind: Kind::Eof,
            start: 0,
            end: 0,
            quotes: Quotes::default(),
            doc: None,
        };
        let names = (source.text().len() / BYTES_OF_A_NAME).min(MANY_NAMES);
        Self {
            source,
            scanner: Scanner::new(source),
            token,
            next: None,
            last_end: 0,
            depth: 0,
            experiments: Experiments::default(),
            names: FxHashMap::with_capacity_and_hasher(names, FxBuildHasher),
            errors: Vec::new(),
            stack: Stack::default(),
        }
    }

    // --- Words ---

    fn advance(&mut self) -> Parsed<()> {
        self.last_end = self.token.end;
        self.token = match self.next.take() {
            Some(token) => token,
            None => self.scanner.next_token()?,
        };
        Ok(())
    }

    fn at(&self, kind: Kind) -> bool {
        self.token.kind == kind
    }

    /// The word after the present one.
    fn peek(&mut self) -> Parsed<Kind> {
        if let Some(token) = self.next {
            return Ok(token.kind);
        }
        let token = self.scanner.next_token()?;
        self.next = Some(token);
        Ok(token.kind)
    }

    fn expect(&mut self, kind: Kind) -> Parsed<Span> {
        if !self.at(kind) {
            return Err(self.expected(&format!("'{}'", kind.name())));
        }
        let span = self.span();
        self.advance()?;
        Ok(span)
    }

    /// A closing bracket; says what is missing if a line ended before it.
    fn expect_closing(&mut self, kind: Kind, context: &str) -> Parsed<Span> {
        if !self.at(kind) && self.at(Kind::Newline) {
            return Err(self.error_here(format!("missing ',' before newline in {context}")));
        }
        self.expect(kind)
    }

    /// Whether a comma stands here; it must, unless one of these follows instead.
    fn at_comma(&self, context: &str, instead: &[Kind]) -> Parsed<bool> {
        if self.token.kind.is_comma() {
            Ok(true)
        } else if instead.contains(&self.token.kind) {
            Ok(false)
        } else {
            Err(self.error_here(format!("missing ',' in {context}")))
        }
    }

    /// The comma behind a package clause or an import.
    fn clause_comma(&mut self) -> Parsed<()> {
        if self.token.kind.is_comma() {
            return self.advance();
        }
        match self.token.kind {
            Kind::ParenClose | Kind::BraceClose | Kind::Eof => Ok(()),
            _ => Err(self.expected("','")),
        }
    }

    // --- Places and texts ---

    fn span(&self) -> Span {
        Span::new(self.scanner.file(), self.token.start, self.token.end)
    }

    /// From a place to the end of the last word taken.
    fn since(&self, start: u32) -> Span {
        Span::new(self.scanner.file(), start, self.last_end.max(start))
    }

    fn text(&self, token: Token) -> &'a str {
        self.source
            .text()
            .get(token.start as usize..token.end as usize)
            .unwrap_or_default()
    }

    fn name(&mut self, text: &'a str) -> Name {
        Arc::clone(self.names.entry(text).or_insert_with(|| text.into()))
    }

    /// The text of the comment above the present word.
    fn doc(&self) -> Option<Arc<str>> {
        let comment = self.scanner.comments.get(self.token.doc? as usize)?;
        Some(comment_text(self.source.slice(comment.span)).into())
    }

    // --- Errors ---

    fn error_here(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.token.start, message)
    }

    fn expected(&self, what: &str) -> SyntaxError {
        let found = match self.token.kind {
            Kind::Newline => "newline".to_owned(),
            kind if kind.is_literal() => format!("'{}' {}", kind.name(), self.text(self.token)),
            kind => format!("'{}'", kind.name()),
        };
        self.error_here(format!("expected {what}, found {found}"))
    }

    fn report(&mut self, offset: u32, message: impl Into<String>) {
        self.errors.push(SyntaxError::new(offset, message));
    }

    /// Whether something may stand one level deeper.
    fn check_depth(&self) -> Parsed<()> {
        if self.depth >= MAX_DEPTH {
            let message = format!("expression exceeds maximum nesting depth of {MAX_DEPTH}");
            return Err(self.error_here(message));
        }
        Ok(())
    }

    /// Runs a production one level deeper.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.check_depth()?;
        self.depth += 1;
        let result = self.with_stack(production);
        self.depth -= 1;
        result
    }

    // --- Files ---

    /// `File = { attribute "," } [ "package" identifier "," ] { attribute "," } { Import } { Decl } .`
    fn file(&mut self, source: Arc<Source>) -> Parsed<File> {
        let mut preamble = Vec::new();
        while self.at(Kind::Attribute) {
            let attribute = self.attribute()?;
            self.decl_comma()?;
            if &*attribute.name == "experiment"
                && let Err(error) = self.experiments.enable(&attribute.body)
            {
                self.report(attribute.span.start, error.to_string());
            }
            preamble.push(attribute);
        }
        let package = if self.at_word("package") {
            Some(self.package()?)
        } else {
            None
        };
        let mut decls = Vec::new();
        while self.at(Kind::Attribute) {
            decls.push(crate::ast::Decl::Attribute(Box::new(self.attribute()?)));
            self.decl_comma()?;
        }
        let mut imports = Vec::new();
        while self.at_word("import") {
            self.imports(&mut imports)?;
        }
        self.decls(&mut decls)?;
        self.expect(Kind::Eof)?;
        Ok(File {
            source,
            preamble,
            package,
            imports,
            decls,
            experiments: self.experiments,
            comments: self.take_comments(),
        })
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        std::mem::take(&mut self.scanner.comments)
    }

    fn at_word(&self, word: &str) -> bool {
        self.at(Kind::Ident) && self.text(self.token) == word
    }

    fn package(&mut self) -> Parsed<Package> {
        let (start, doc) = (self.token.start, self.doc());
        self.advance()?;
        let name = self.ident()?;
        if is_definition(&name.name) {
            self.report(
                name.span.start,
                format!("invalid package name {}", name.name),
            );
        }
        let span = self.since(start);
        self.clause_comma()?;
        Ok(Package { name, span, doc })
    }

    /// `Imports = "import" ( ImportSpec | "(" { ImportSpec "," } ")" ) "," .`
    fn imports(&mut self, imports: &mut Vec<Import>) -> Parsed<()> {
        let doc = self.doc();
        self.advance()?;
        if !self.at(Kind::ParenOpen) {
            let mut import = self.import()?;
            import.doc = doc;
            imports.push(import);
            return Ok(());
        }
        self.advance()?;
        while !self.at(Kind::ParenClose) && !self.at(Kind::Eof) {
            imports.push(self.import()?);
        }
        self.expect(Kind::ParenClose)?;
        self.clause_comma()
    }

    /// `ImportSpec = [ identifier ] string .`
    fn import(&mut self) -> Parsed<Import> {
        let (start, doc) = (self.token.start, self.doc());
        let name = if self.at(Kind::Ident) {
            Some(self.ident_decl()?)
        } else {
            None
        };
        if let Some(name) = name.as_ref().filter(|name| is_definition(&name.name)) {
            let message = "cannot import package as definition identifier";
            self.report(name.span.start, message);
        }
        let token = self.token;
        let path_span = self.expect(Kind::String)?;
        let text = self.text(token);
        let path = unquote(text)
            .ok()
            .and_then(|path| String::from_utf8(path).ok());
        let Some(path) = path.filter(|path| is_import_path(path)) else {
            return Err(SyntaxError::new(
                token.start,
                format!("invalid import path: {text}"),
            ));
        };
        let span = self.since(start);
        self.clause_comma()?;
        Ok(Import {
            name,
            path: path.into(),
            span,
            path_span,
            doc,
        })
    }

    // --- Names and attributes ---

    fn ident(&mut self) -> Parsed<Ident> {
        if !self.at(Kind::Ident) {
            return Err(self.expected("'IDENT'"));
        }
        self.word()
    }

    /// An identifier that is given a meaning here.
    fn ident_decl(&mut self) -> Parsed<Ident> {
        let ident = self.ident()?;
        self.check_declared(&ident);
        Ok(ident)
    }

    fn check_declared(&mut self, ident: &Ident) {
        if ident.name.starts_with("__") {
            let message = "identifiers starting with '__' are reserved";
            self.report(ident.span.start, message);
        }
    }

    /// The present word, be it a keyword, as a name.
    fn word(&mut self) -> Parsed<Ident> {
        let span = self.span();
        let name = self.name(self.text(self.token));
        self.advance()?;
        Ok(Ident { name, span })
    }

    fn attribute(&mut self) -> Parsed<Attribute> {
        let span = self.span();
        let text = self.text(self.token);
        self.advance()?;
        let inner = text
            .strip_prefix('@')
            .and_then(|text| text.strip_suffix(')'));
        let (name, body) = inner
            .and_then(|text| text.split_once('('))
            .unwrap_or_default();
        Ok(Attribute {
            name: self.name(name),
            body: body.into(),
            span,
        })
    }
}

fn is_definition(name: &str) -> bool {
    name.starts_with('#') || name.starts_with("_#")
}

/// Whether a text may be imported: visible characters, and none of those that have a meaning in
/// shells, addresses and file systems.
fn is_import_path(path: &str) -> bool {
    let path = path.rsplit_once(':').map_or(path, |(path, _)| path);
    !path.is_empty()
        && path.chars().all(|c| {
            let visible = if c.is_ascii() {
                c.is_ascii_graphic()
            } else {
                is_graphic(c)
            };
            visible && !"!\"#$%&'()*,:;<=>?[\\]^{|}`\u{fffd}".contains(c)
        })
}

/// A comment's text: without slashes, white space at line ends, and repeated empty lines.
fn comment_text(comment: &str) -> String {
    let mut text = String::new();
    let mut blank = true;
    for line in comment.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("//").unwrap_or(line);
        let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        text.push_str(line);
        text.push('\n');
    }
    if blank {
        text.pop();
    }
    text
}
