//! From the tree to a program.
//!
//! Names become (environments up, label); literals values; everything else keeps its shape. What
//! can be said without data is said here: unknown names, unused aliases, marks outside
//! disjunctions, and every construct that is not supported.

mod clash;
mod expr;
mod name;
mod structs;
mod unit;

use std::collections::BTreeMap;
use std::sync::Arc;

use pequod_cue_syntax::{Experiments, FileId, Source, Span, ast, parse_file};
use pequod_diag::{Code, Diagnostic, Diagnostics};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::builtin::Library;
use crate::kind::Label;
use crate::program::{Expr, ExprId, Program};
use crate::scope::{self, Binding, Entry, Scope};
use crate::session::LITERAL;
use crate::value::Value;

pub use unit::{Question, Unit, compile_units};

/// A text to compile.
#[derive(Debug, Clone)]
pub struct Text {
    /// The name errors carry.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
}

/// Names that are unknown, or used wrongly.
pub const REFERENCE: Code = Code("cue/reference");
/// A construct that is not supported.
pub const UNSUPPORTED: Code = Code("cue/unsupported");

/// Compiles the files of one package, which imports nothing but builtin packages.
pub fn compile(texts: &[Text], library: &'static dyn Library) -> Result<Program, Diagnostics> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let id = FileId(u32::try_from(at).unwrap_or(u32::MAX));
        match parse_file(id, text.name.as_str(), text.text.clone()) {
            Ok(file) => files.push(file),
            Err(errors) => problems.extend(errors.0),
        }
    }
    if !problems.is_empty() {
        return Err(Diagnostics(problems));
    }
    let sources = files.iter().map(|file| file.source.clone()).collect();
    let unit = Unit {
        path: String::new(),
        files,
        imports: BTreeMap::new(),
    };
    compile_units(&[unit], &[], sources, library)
}

/// How many declarations bind a name: those of data do not.
fn named(decls: &[ast::Decl]) -> usize {
    let binds = |decl: &&ast::Decl| match decl {
        ast::Decl::Field(field) => matches!(field.label.kind, ast::LabelKind::Ident(_)),
        ast::Decl::Let(_) => true,
        _ => false,
    };
    decls.iter().filter(binds).count()
}

struct Import {
    name: String,
    path: String,
    /// The package, unless it is a builtin one.
    unit: Option<usize>,
    span: Span,
    /// Whether the file gives it another name.
    renamed: bool,
    used: bool,
}

/// Whether a file belongs to no package: it says none, or `_`.
fn is_anonymous(file: &ast::File) -> bool {
    let package = file.package.as_ref();
    package.is_none_or(|package| &*package.name.name == "_")
}

pub(crate) struct Compiler {
    program: Program,
    /// What tells hidden fields of this package from those of others.
    path: String,
    /// The packages behind imports.
    units: BTreeMap<String, usize>,
    scopes: Vec<Scope>,
    /// Top-level fields of all files.
    package: Scope,
    problems: Vec<Diagnostic>,
    library: &'static dyn Library,
    imports: Vec<Import>,
    experiments: Experiments,
    /// Inside how many values of a `try`.
    trying: u32,
    /// The members of builtin packages that are referred to, by path and name.
    members: FxHashMap<(String, String), ExprId>,
    lets: Lets,
    /// Whether builtin packages are known without an import.
    infers: bool,
}

/// Which `let` stands in the value of which: they may not go in circles.
#[derive(Default)]
struct Lets {
    /// Those whose values are being compiled.
    open: Vec<Label>,
    /// Each use: in whose value, of whom, where.
    uses: Vec<(Label, Label, Span)>,
}

impl Lets {
    /// A use that closes a circle.
    fn circle(&self) -> Option<Span> {
        let mut next: FxHashMap<Label, Vec<Label>> = FxHashMap::default();
        for (from, to, _) in &self.uses {
            next.entry(*from).or_default().push(*to);
        }
        let leads_back = |from: Label, to: Label| {
            let mut seen = FxHashSet::default();
            let mut rest = vec![from];
            while let Some(label) = rest.pop() {
                if label == to {
                    return true;
                }
                if seen.insert(label) {
                    rest.extend(next.get(&label).into_iter().flatten());
                }
            }
            false
        };
        let mut uses = self.uses.iter();
        let closing = uses.find(|(from, to, _)| leads_back(*to, *from));
        closing.map(|(_, _, span)| *span)
    }
}

impl Compiler {
    fn files(&mut self, files: &[ast::File]) {
        let mut roots = Vec::with_capacity(files.len());
        for file in files {
            if let Some(experiments) = self
                .program
                .experiments
                .get_mut(file.source.id().0 as usize)
            {
                *experiments = file.experiments;
            }
        }
        // Other files do not see the names of one without a package; what is asked of the whole does.
        let is_apart = |file: &ast::File| files.len() > 1 && is_anonymous(file);
        for file in files.iter().filter(|file| !is_apart(file)) {
            self.declare(file);
        }
        for file in files {
            for (span, text) in clash::clashes(file) {
                self.error(REFERENCE, span, text);
            }
            let shared = is_apart(file).then(|| self.package.names.clone());
            if shared.is_some() {
                self.declare(file);
            }
            self.experiments = file.experiments;
            self.imports(file);
            let length = u32::try_from(file.source.text().len()).unwrap_or(u32::MAX);
            let span = Span::new(file.source.id(), 0, length);
            let lit = self.struct_lit(&file.decls, span, true, 0);
            let root = self.program.add_expr(Expr::Struct(lit), span);
            roots.push(root);
            self.finish_imports(file);
            if let Some(shared) = shared {
                self.package.names = shared;
            }
        }
        for file in files.iter().filter(|file| is_apart(file)) {
            self.declare(file);
        }
        self.program.packages.push(roots);
    }

    /// Makes the top-level fields of a file known by name.
    fn declare(&mut self, file: &ast::File) {
        self.package.names.reserve(named(&file.decls));
        for decl in &file.decls {
            if let ast::Decl::Field(field) = decl
                && let ast::LabelKind::Ident(ident) = &field.label.kind
            {
                let label = self.label_of(&ident.name);
                self.package.names.insert(
                    ident.name.clone(),
                    Entry {
                        binding: Binding::Field(label),
                        declared: None,
                        used: true,
                    },
                );
            }
        }
    }

    /// The label of a name in this package.
    fn label_of(&mut self, name: &ast::Name) -> Label {
        self.program.label_of(name, &self.path)
    }

    fn error(&mut self, code: Code, span: Span, message: String) {
        let place = self
            .program
            .files
            .get(span.file.0 as usize)
            .map(|s: &Arc<Source>| s.place(span.start));
        let mut problem = Diagnostic::error(code, message);
        let path = scope::path(&self.scopes);
        if !path.0.is_empty() {
            problem = problem.about(path);
        }
        problem.place = place;
        self.problems.push(problem);
    }

    fn unsupported(&mut self, span: Span, what: impl std::fmt::Display) {
        self.error(UNSUPPORTED, span, format!("{what} is not supported"));
    }

    fn bottom(&mut self, span: Span) -> ExprId {
        self.program
            .add_expr(Expr::Value(Value::Fault(LITERAL)), span)
    }

    fn bad(&mut self, span: Span, message: impl Into<String>) -> ExprId {
        self.error(REFERENCE, span, message.into());
        self.bottom(span)
    }

    fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.program.add_expr(expr, span)
    }

    fn push(&mut self, up: u32) {
        self.scopes.push(Scope {
            up,
            ..Scope::default()
        });
    }

    fn pop(&mut self) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        let mut unused: Vec<_> = scope
            .names
            .into_iter()
            .filter_map(|(name, entry)| {
                entry
                    .declared
                    .filter(|_| !entry.used)
                    .map(|span| (span, name))
            })
            .collect();
        unused.sort_unstable();
        for (span, name) in unused {
            self.error(
                REFERENCE,
                span,
                format!("unreferenced alias or let clause {name}"),
            );
        }
    }

    fn bind(&mut self, name: &ast::Ident, binding: Binding, must_use: bool) {
        if must_use && &*name.name == "_" {
            self.error(
                REFERENCE,
                name.span,
                "cannot use _ as alias or let clause".to_owned(),
            );
            return;
        }
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        let declared = must_use.then_some(name.span);
        scope.names.insert(
            name.name.clone(),
            Entry {
                binding,
                declared,
                used: false,
            },
        );
    }
}
