//! Packages and what they import from each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use pequod_cue_syntax::{Experiments, Source, ast};
use pequod_diag::Diagnostics;
use rustc_hash::FxHashMap;

use super::{Compiler, Import, Lets, REFERENCE};
use crate::builtin::Library;
use crate::program::{Names, Program};
use crate::scope::Scope;

/// A package, parsed. Every file has its place among the sources as its number.
#[derive(Debug, Clone)]
pub struct Unit {
    /// What tells its hidden fields from those of other packages; empty for the one that is evaluated.
    pub path: String,
    /// Its files.
    pub files: Vec<ast::File>,
    /// The packages behind its imports, by the path as written: their places among the units.
    pub imports: BTreeMap<String, usize>,
}

/// An expression to be evaluated in the scope of a package. Builtin packages need no import.
#[derive(Debug, Clone)]
pub struct Question {
    /// The package, by its place among the units.
    pub unit: usize,
    /// What is asked.
    pub expr: ast::Expr,
}

/// About how many bytes of source are an expression, and a declaration; room for them is made at once.
const BYTES_OF_AN_EXPR: usize = 16;
const BYTES_OF_A_DECL: usize = 32;
const BYTES_OF_A_NAME: usize = 64;
/// Data has few names for its size.
const MANY_NAMES: usize = 1024;

/// Compiles packages that import each other. The first is the one that is evaluated.
pub fn compile_units(
    units: &[Unit],
    questions: &[Question],
    sources: Vec<Arc<Source>>,
    library: &'static dyn Library,
) -> Result<Program, Diagnostics> {
    let bytes: usize = sources.iter().map(|source| source.text().len()).sum();
    let mut program = Program {
        experiments: vec![Experiments::default(); sources.len()],
        exprs: Vec::with_capacity(bytes / BYTES_OF_AN_EXPR),
        spans: Vec::with_capacity(bytes / BYTES_OF_AN_EXPR),
        decls: Vec::with_capacity(bytes / BYTES_OF_A_DECL),
        names: Names::with_room((bytes / BYTES_OF_A_NAME).min(MANY_NAMES)),
        files: sources,
        ..Program::default()
    };
    let mut problems = Vec::new();
    let mut answers = vec![None; questions.len()];
    for (at, unit) in units.iter().enumerate() {
        let mut compiler = Compiler {
            program,
            path: unit.path.clone(),
            units: unit.imports.clone(),
            scopes: Vec::new(),
            package: Scope::default(),
            problems: Vec::new(),
            library,
            imports: Vec::new(),
            experiments: Experiments::default(),
            trying: 0,
            members: FxHashMap::default(),
            lets: Lets::default(),
            infers: false,
        };
        compiler.files(&unit.files);
        if let Some(span) = compiler.lets.circle() {
            let text = "cyclic references in let clause or alias";
            compiler.error(REFERENCE, span, text.to_owned());
        }
        compiler.infers = true;
        for (question, answer) in questions.iter().zip(&mut answers) {
            if question.unit == at {
                *answer = Some(compiler.expr(&question.expr));
            }
        }
        problems.append(&mut compiler.problems);
        program = compiler.program;
    }
    program.questions = answers.into_iter().flatten().collect();
    if problems.is_empty() {
        Ok(program)
    } else {
        Err(Diagnostics(problems))
    }
}

/// Whether a path is a builtin package's: its first part has no dot.
fn is_builtin(path: &str) -> bool {
    path.split('/')
        .next()
        .is_some_and(|first| !first.contains('.'))
}

impl Compiler {
    pub(super) fn imports(&mut self, file: &ast::File) {
        for import in &file.imports {
            let path = import.package_path().to_owned();
            let name = import.local_name().to_owned();
            let known = if self.units.contains_key(&*import.path) {
                Some(true)
            } else {
                self.library.package(&path)
            };
            match known {
                Some(true) => {}
                Some(false) => self.unsupported(import.span, format!("package {path:?}")),
                None if is_builtin(&path) => self.error(
                    REFERENCE,
                    import.span,
                    format!("builtin package {path:?} undefined"),
                ),
                None => self.error(
                    REFERENCE,
                    import.span,
                    format!("cannot find package {path:?}"),
                ),
            }
            self.imports.push(Import {
                name,
                path,
                unit: self.units.get(&*import.path).copied(),
                span: import.span,
                renamed: import.name.is_some(),
                used: false,
            });
        }
    }

    /// Every import must be used, and its name may mean nothing else in the file.
    pub(super) fn finish_imports(&mut self, file: &ast::File) {
        let imports = std::mem::take(&mut self.imports);
        let declared = |name: &str| {
            file.decls.iter().find_map(|decl| match decl {
                ast::Decl::Field(field) => match &field.label.kind {
                    ast::LabelKind::Ident(ident) if &*ident.name == name => Some(ident.span),
                    _ => None,
                },
                _ => None,
            })
        };
        for import in &imports {
            if !import.used && declared(&import.name).is_none() {
                let renamed = if import.renamed {
                    format!(" as {}", import.name)
                } else {
                    String::new()
                };
                let message = format!("imported and not used: {:?}{renamed}", import.path);
                self.error(REFERENCE, import.span, message);
            }
        }
        for import in &imports {
            if let Some(span) = declared(&import.name) {
                let place = file.source.place(span.start);
                let message = format!(
                    "{} redeclared as imported package name\n\tprevious declaration at {place}",
                    import.name
                );
                self.error(REFERENCE, import.span, message);
            }
        }
    }

    /// Imports the builtin package of a name that means nothing else.
    pub(super) fn infer_import(&mut self, ident: &ast::Ident) {
        let name = &*ident.name;
        if self.is_bound(name)
            || self.package.names.contains_key(name)
            || self.imports.iter().any(|import| import.name == name)
        {
            return;
        }
        let found = ["", "encoding/", "math/", "crypto/", "text/"]
            .into_iter()
            .map(|folder| format!("{folder}{name}"))
            .find(|path| self.library.package(path).is_some());
        if let Some(path) = found {
            self.imports.push(Import {
                name: name.to_owned(),
                path,
                unit: None,
                span: ident.span,
                renamed: false,
                used: true,
            });
        }
    }
}
