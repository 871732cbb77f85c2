//! Where documents of data go: labels before them, or lists of them.

use pequod_cue::{Budget, Inputs, Program, Question, Unit};
use pequod_cue_load::Loaded;
use pequod_cue_syntax::ast::{
    BinaryOp, Constraint, Decl, Element, Embed, Expr, Field, Ident, Label, LabelKind, List,
    NumberKind, NumberLit, Quotes, StringLit, Struct,
};
use pequod_cue_syntax::{FileId, Span, is_identifier, parse_expr, parse_file};

use super::report::Problems;
use crate::cli::cue::InputArgs;

/// A part of the way to where a document goes.
enum Step {
    /// A label as it stands.
    Fixed(String),
    /// An expression over the document.
    Asked(Box<Expr>, String),
}

/// The way that `--path` describes, and what is done at its end.
pub(super) struct Placement {
    steps: Vec<Step>,
    list: bool,
    context: bool,
}

/// A document and where it comes from.
pub(super) struct Document {
    pub(super) value: Expr,
    /// The file's name.
    pub(super) file: String,
    /// Which one of the file.
    pub(super) index: usize,
    /// Of how many.
    pub(super) count: usize,
}

impl Placement {
    /// Reads `--path`, `--list` and `--with-context`; nothing if none of them is given.
    pub(super) fn new(args: &InputArgs, loaded: &mut Loaded) -> Result<Option<Self>, Problems> {
        let used = args.list || !args.path.is_empty();
        if !used {
            if args.with_context {
                return Err(Problems::sentence(
                    "flag \"with-context\" must be used with at least one of flag \"path\", \"list\", or \"files\"",
                ));
            }
            return Ok(None);
        }
        if args.schema.is_some() {
            return Err(Problems::sentence(
                "cannot combine --schema flag with flag \"path\", \"list\", or \"files\"",
            ));
        }
        let mut steps = Vec::new();
        for text in &args.path {
            let id = loaded.next_id();
            match parse_expr(id, "--path", text.as_str()) {
                Ok((_, expr)) if is_choice(&expr) => {
                    return Err(Problems::sentence(format!(
                        "expression is not a valid label: {text}"
                    )));
                }
                Ok((source, expr)) => {
                    loaded.sources.push(source);
                    steps.push(Step::Asked(Box::new(expr), text.clone()));
                }
                Err(_) => steps.extend(labels(text, loaded)?),
            }
        }
        Ok(Some(Self {
            steps,
            list: args.list,
            context: args.with_context,
        }))
    }

    /// The labels of the way, where they are all known without a document.
    pub(super) fn fixed(&self) -> Option<Vec<&str>> {
        let labels = self.steps.iter().map(|step| match step {
            Step::Fixed(label) => Some(label.as_str()),
            Step::Asked(..) => None,
        });
        labels.collect()
    }

    /// The declarations that put documents of one file in their places.
    pub(super) fn place(
        &self,
        documents: Vec<Document>,
        loaded: &Loaded,
    ) -> Result<Vec<Decl>, Problems> {
        let mut decls = Vec::new();
        let mut lists: Vec<(Vec<String>, Vec<Expr>)> = Vec::new();
        for document in documents {
            let Some(labels) = self.labels(&document, loaded)? else {
                continue;
            };
            if self.list {
                match lists.iter_mut().find(|(known, _)| *known == labels) {
                    Some((_, values)) => values.push(document.value),
                    None => lists.push((labels, vec![document.value])),
                }
            } else if labels.is_empty() {
                match document.value {
                    Expr::Struct(mut lit) => decls.append(&mut lit.decls),
                    Expr::List(_) => {
                        return Err(Problems::sentence(
                            "expected struct as object root, did you mean to use the --list flag?",
                        ));
                    }
                    _ => return Err(Problems::sentence("cannot map non-struct to object root")),
                }
            } else {
                decls.push(wrapped(&labels, document.value));
            }
        }
        for (labels, values) in lists {
            // It stands nowhere in the file.
            let file = values.first().map(Expr::span).unwrap_or_default().file;
            let span = Span::new(file, 0, 0);
            let list = Expr::List(Box::new(List {
                elements: values.into_iter().map(Element::Expr).collect(),
                ellipsis: None,
                span,
            }));
            decls.push(wrapped(&labels, list));
        }
        Ok(decls)
    }

    fn labels(
        &self,
        document: &Document,
        loaded: &Loaded,
    ) -> Result<Option<Vec<String>>, Problems> {
        if self.steps.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let span = document.value.span();
        let value = document.value.clone();
        let decls = if self.context {
            vec![
                field("data", value, span),
                field("filename", text(&document.file, span), span),
                field("index", number(document.index, span), span),
                field("recordCount", number(document.count, span), span),
            ]
        } else {
            match value {
                Expr::Struct(lit) => lit.decls,
                expr => vec![Decl::Embed(Box::new(Embed { expr, doc: None }))],
            }
        };
        let Some(source) = loaded.sources.get(span.file.0 as usize) else {
            return Ok(None);
        };
        let file = pequod_cue_syntax::ast::File {
            source: source.clone(),
            preamble: Vec::new(),
            package: None,
            imports: Vec::new(),
            decls,
            experiments: pequod_cue_syntax::Experiments::default(),
            comments: Vec::new(),
        };
        let unit = Unit {
            path: String::new(),
            files: vec![file],
            imports: std::collections::BTreeMap::new(),
        };
        let questions: Vec<Question> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Asked(expr, _) => Some(Question {
                    unit: 0,
                    expr: (**expr).clone(),
                }),
                Step::Fixed(_) => None,
            })
            .collect();
        let is_null = matches!(document.value, Expr::Null(_));
        let program = match Program::compile_units(&[unit], &questions, loaded.sources.clone()) {
            Ok(program) => program,
            // Nothing has no fields for a label to name.
            Err(_) if is_null => return Ok(None),
            Err(problems) => {
                let first = problems.0.first().map(|problem| problem.message.clone());
                let asked = self.steps.iter().find_map(|step| match step {
                    Step::Asked(_, text) => Some(text.as_str()),
                    Step::Fixed(_) => None,
                });
                return Err(Problems::sentence(format!(
                    "error evaluating label {}: {}",
                    asked.unwrap_or_default(),
                    first.unwrap_or_default()
                )));
            }
        };
        let mut evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
        let root = evaluation.root().node();
        let mut labels = Vec::new();
        let mut asked = 0;
        for step in &self.steps {
            match step {
                Step::Fixed(name) => labels.push(name.clone()),
                Step::Asked(_, text) => {
                    let answer = evaluation.answer(asked, root)?;
                    asked += 1;
                    let value = answer.map(|node| evaluation.value(node));
                    match value.and_then(|value| value.as_str().map(ToOwned::to_owned)) {
                        Some(label) => labels.push(label),
                        None if is_null => return Ok(None),
                        None => {
                            let why = value.map_or_else(String::new, |value| {
                                value
                                    .issues(true)
                                    .first()
                                    .map_or_else(|| value.show(), |issue| issue.sentence.clone())
                            });
                            return Err(Problems::sentence(format!(
                                "error evaluating label {text}: {why}"
                            )));
                        }
                    }
                }
            }
        }
        Ok(Some(labels))
    }
}

/// A choice between labels is none.
fn is_choice(expr: &Expr) -> bool {
    matches!(expr.without_parens(), Expr::Binary(binary) if binary.op == BinaryOp::Or)
}

/// `a: "b": "\(c)":` as steps.
fn labels(text: &str, loaded: &mut Loaded) -> Result<Vec<Step>, Problems> {
    let wrong = |why: &str| {
        Problems::sentence(format!(
            "labels must be expressions (-l foo -l 'strings.ToLower(bar)') or full paths (-l '\"foo\": \"\\(strings.ToLower(bar))\":) : {why}"
        ))
    };
    let id: FileId = loaded.next_id();
    let file = parse_file(id, "--path", format!("{text}_"))
        .map_err(|_| wrong(&format!("parser error in path {text:?}")))?;
    loaded.sources.push(file.source.clone());
    let [Decl::Field(first)] = &file.decls[..] else {
        return Err(wrong(
            "path flag must be a space-separated sequence of labels",
        ));
    };
    let mut steps = Vec::new();
    let mut field: &Field = first;
    loop {
        steps.push(match &field.label.kind {
            LabelKind::Ident(ident) => Step::Fixed(ident.name.to_string()),
            LabelKind::String(lit) => Step::Fixed(lit.value.to_string()),
            LabelKind::Interpolation(lit) => {
                Step::Asked(Box::new(Expr::Interpolation(lit.clone())), text.to_owned())
            }
            LabelKind::Dynamic(expr) => Step::Asked(expr.clone(), text.to_owned()),
            LabelKind::Pattern(_) => return Err(wrong("unsupported label type")),
        });
        match &field.value {
            Expr::Struct(lit) if !lit.braces => match &lit.decls[..] {
                [Decl::Field(inner)] => field = inner,
                _ => return Ok(steps),
            },
            _ => return Ok(steps),
        }
    }
}

fn text(value: &str, span: Span) -> Expr {
    Expr::String(StringLit {
        value: value.into(),
        quotes: Quotes::default(),
        span,
    })
}

fn number(value: usize, span: Span) -> Expr {
    Expr::Number(NumberLit {
        text: value.to_string().into(),
        kind: NumberKind::Int,
        span,
    })
}

fn field(name: &str, value: Expr, span: Span) -> Decl {
    let kind = if is_identifier(name) {
        LabelKind::Ident(Ident {
            name: name.into(),
            span,
        })
    } else {
        LabelKind::String(StringLit {
            value: name.into(),
            quotes: Quotes::default(),
            span,
        })
    };
    Decl::Field(Box::new(Field {
        label: Label {
            alias: None,
            kind,
            span,
        },
        alias: None,
        constraint: Constraint::Regular,
        value_alias: None,
        value,
        attributes: Vec::new(),
        span,
        doc: None,
    }))
}

/// A value under labels, the first outermost.
fn wrapped(labels: &[String], value: Expr) -> Decl {
    let span = value.span();
    let mut decl = None;
    let mut value = Some(value);
    for label in labels.iter().rev() {
        let inner = match decl.take() {
            None => value.take().unwrap_or(Expr::Null(span)),
            Some(decl) => Expr::Struct(Box::new(Struct {
                decls: vec![decl],
                braces: false,
                span,
            })),
        };
        decl = Some(field(label, inner, span));
    }
    decl.unwrap_or_else(|| {
        Decl::Embed(Box::new(Embed {
            expr: value.take().unwrap_or(Expr::Null(span)),
            doc: None,
        }))
    })
}
