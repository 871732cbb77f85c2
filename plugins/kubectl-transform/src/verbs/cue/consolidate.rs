//! The files of a package as one file.
//!
//! What several files, or several places of one, say of a field is written together: structs of plain values as one
//! struct, everything else as operands of `&`. A struct in which names are looked up keeps its own braces, for names
//! mean what they mean in the braces they stand in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pequod_cue_load::codes;
use pequod_cue_syntax::ast::{
    Constraint, Decl, Element, Expr, Field, File, LabelKind, Placement, SelectorLabel, Struct,
};
use pequod_cue_syntax::literal::quote;
use pequod_cue_syntax::{FileId, for_each_name, format_file, parse_file};
use pequod_diag::Diagnostic;

use super::report::Problems;

/// Names that are the language's own wherever they stand.
const PREDECLARED: [&str; 8] = [
    "_", "bool", "bytes", "float", "int", "number", "string", "null",
];

/// One file that says what these say.
pub(super) fn consolidated(
    files: &[File],
    package: Option<&str>,
    attributes: bool,
) -> Result<String, Problems> {
    let mut writer = Writer {
        out: String::new(),
        attributes,
    };
    let own = files.iter().find_map(|file| file.package.as_ref());
    for file in files {
        // Comments above the package clause, in the order of the files.
        if let Some(clause) = &file.package {
            for comment in &file.comments {
                if comment.span.end <= clause.span.start {
                    let text = file.source.slice(comment.span);
                    let _ = writeln!(writer.out, "{text}");
                    if comment.placement != Placement::Doc {
                        writer.out.push('\n');
                    }
                }
            }
        }
    }
    if let Some(name) = package.or(own.map(|clause| &*clause.name.name)) {
        let _ = write!(writer.out, "package {name}");
        writer.below_package(files);
        writer.out.push_str("\n\n");
    }
    writer.imports(files)?;
    if let Some(name) = clash(files) {
        let message = format!(
            "`let {name}` of one file would mean something in another: they cannot be one file"
        );
        return Err(Diagnostic::error(codes::UNSUPPORTED, message).into());
    }
    let decls: Vec<&Decl> = files.iter().flat_map(|file| &file.decls).collect();
    writer.decls(&merged(&decls));
    let file = parse_file(FileId(0), "def", writer.out)?;
    Ok(format_file(&file))
}

/// The name of a `let` at the top of one file that another file uses, too.
fn clash(files: &[File]) -> Option<&str> {
    for (at, file) in files.iter().enumerate() {
        for decl in &file.decls {
            let Decl::Let(clause) = decl else { continue };
            let name = &clause.ident.name;
            let others = files.iter().enumerate().filter(|(other, _)| *other != at);
            for (_, other) in others {
                let mut used = other.decls.iter().any(|decl| match decl {
                    Decl::Let(clause) => clause.ident.name == *name,
                    Decl::Field(field) => plain_label(field).as_deref() == Some(&**name),
                    _ => false,
                });
                for_each_name(&other.decls, &mut |ident| used |= ident.name == *name);
                if used {
                    return Some(name);
                }
            }
        }
    }
    None
}

/// What is said of one field, or something that is no plain field.
enum Said<'a> {
    Field {
        label: String,
        docs: Vec<&'a str>,
        fields: Vec<&'a Field>,
    },
    Other(&'a Decl),
}

/// Declarations with what is said of one field at its first place.
fn merged<'a>(decls: &[&'a Decl]) -> Vec<Said<'a>> {
    let mut said: Vec<Said<'a>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for decl in decls {
        let Decl::Field(field) = decl else {
            said.push(Said::Other(decl));
            continue;
        };
        let Some(label) = plain_label(field) else {
            said.push(Said::Other(decl));
            continue;
        };
        let doc = field.doc.as_deref();
        if let Some(Said::Field { docs, fields, .. }) =
            places.get(&label).and_then(|at| said.get_mut(*at))
        {
            docs.extend(doc);
            fields.push(field);
        } else {
            places.insert(label.clone(), said.len());
            said.push(Said::Field {
                label,
                docs: doc.into_iter().collect(),
                fields: vec![field],
            });
        }
    }
    said
}

/// The label of a field that can stand together with others of its name.
fn plain_label(field: &Field) -> Option<String> {
    if field.label.alias.is_some() || field.alias.is_some() || field.value_alias.is_some() {
        return None;
    }
    let name = match &field.label.kind {
        LabelKind::Ident(ident) => ident.name.to_string(),
        LabelKind::String(lit) => quote(&lit.value),
        _ => return None,
    };
    let mark = match field.constraint {
        Constraint::Regular => "",
        Constraint::Optional => "?",
        Constraint::Required => "!",
    };
    Some(format!("{name}{mark}"))
}

/// Whether a label looks up no name and gives none to look up: that of a field, or a plain pattern.
fn has_plain_label(field: &Field) -> bool {
    match &field.label.kind {
        LabelKind::Pattern(pattern) => {
            let named = pattern.alias.is_some()
                || field.label.alias.is_some()
                || field.alias.is_some()
                || field.value_alias.is_some();
            !named && is_plain(&pattern.expr)
        }
        _ => plain_label(field).is_some(),
    }
}

/// What the files say of the value that a path such as `a.#b` leads to, if no name is looked up in it.
pub(super) fn written(files: &[File], path: &Expr, attributes: bool) -> Option<String> {
    let labels = labels(path)?;
    let mut decls: Vec<&Decl> = files.iter().flat_map(|file| &file.decls).collect();
    for (at, label) in labels.iter().enumerate() {
        let last = at + 1 == labels.len();
        let mut below = Vec::new();
        for decl in &decls {
            let Decl::Field(field) = decl else {
                return None;
            };
            if !has_plain_label(field) {
                return None;
            }
            if plain_label(field).as_deref() != Some(label) {
                continue;
            }
            match &field.value {
                Expr::Struct(lit) if !last || is_plain(&field.value) => below.extend(&lit.decls),
                _ => return None,
            }
        }
        decls = below;
    }
    let mut writer = Writer {
        out: String::new(),
        attributes,
    };
    writer.decls(&merged(&decls));
    (!decls.is_empty()).then_some(writer.out)
}

/// `a.#b` as labels.
fn labels(path: &Expr) -> Option<Vec<String>> {
    match path {
        Expr::Ident(ident) => Some(vec![ident.name.to_string()]),
        Expr::Selector(selector) => {
            let mut labels = labels(&selector.base)?;
            labels.push(match &selector.selector {
                SelectorLabel::Ident(ident) => ident.name.to_string(),
                SelectorLabel::String(lit) => quote(&lit.value),
            });
            Some(labels)
        }
        _ => None,
    }
}

/// Whether patterns, or that further fields are allowed, are said anywhere in some files: values do not show them.
pub(super) fn has_patterns(files: &[File]) -> bool {
    fn in_expr(expr: &Expr) -> bool {
        match expr {
            Expr::Struct(lit) => in_decls(&lit.decls),
            Expr::List(list) => {
                let elements = list.elements.iter().any(|element| match element {
                    Element::Expr(expr) | Element::Alias(_, expr) => in_expr(expr),
                    Element::Comprehension(comprehension) => in_decls(&comprehension.value.decls),
                });
                list.ellipsis.is_some() || elements
            }
            Expr::Paren(paren) => in_expr(&paren.expr),
            Expr::Unary(unary) => in_expr(&unary.expr),
            Expr::Postfix(_) => true,
            Expr::Binary(binary) => binary.chain().into_iter().any(in_expr),
            Expr::Call(call) => call.arguments.iter().any(in_expr),
            _ => false,
        }
    }
    fn in_decls(decls: &[Decl]) -> bool {
        decls.iter().any(|decl| match decl {
            Decl::Field(field) => {
                matches!(field.label.kind, LabelKind::Pattern(_)) || in_expr(&field.value)
            }
            Decl::Let(clause) => in_expr(&clause.value),
            Decl::Embed(embed) => in_expr(&embed.expr),
            Decl::Comprehension(comprehension) => in_decls(&comprehension.value.decls),
            Decl::Ellipsis(_) => true,
            Decl::Attribute(_) => false,
        })
    }
    files.iter().any(|file| in_decls(&file.decls))
}

/// Whether no name is looked up anywhere in it.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(ident) => PREDECLARED.contains(&&*ident.name),
        Expr::Null(_) | Expr::Bool(..) | Expr::Number(_) | Expr::String(_) | Expr::Bytes(_) => true,
        Expr::Struct(lit) => lit.decls.iter().all(|decl| match decl {
            Decl::Field(field) => has_plain_label(field) && is_plain(&field.value),
            Decl::Ellipsis(_) => true,
            _ => false,
        }),
        Expr::List(list) => {
            list.ellipsis.is_none()
                && list
                    .elements
                    .iter()
                    .all(|element| matches!(element, Element::Expr(expr) if is_plain(expr)))
        }
        Expr::Paren(paren) => is_plain(&paren.expr),
        Expr::Unary(unary) => is_plain(&unary.expr),
        Expr::Binary(binary) => binary.chain().into_iter().all(is_plain),
        _ => false,
    }
}

struct Writer {
    out: String,
    attributes: bool,
}

impl Writer {
    /// Comments behind and below the package clauses, as far as they document nothing else.
    fn below_package(&mut self, files: &[File]) {
        for file in files {
            let Some(clause) = &file.package else {
                continue;
            };
            let first = file
                .imports
                .first()
                .map(|import| import.span.start)
                .or_else(|| file.decls.first().map(|decl| decl.span().start));
            let below = file.comments.iter().filter(|comment| {
                comment.span.start >= clause.span.end
                    && first.is_some_and(|first| comment.span.start < first)
                    && comment.placement != Placement::Doc
            });
            for comment in below {
                let behind = comment.placement == Placement::Line;
                self.out.push_str(if behind { " " } else { "\n\n" });
                self.out.push_str(file.source.slice(comment.span));
            }
        }
    }

    fn imports(&mut self, files: &[File]) -> Result<(), Problems> {
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let mut specs = Vec::new();
        for import in files.iter().flat_map(|file| &file.imports) {
            let name = import.local_name();
            match names.insert(name, &import.path) {
                None => specs.push(match &import.name {
                    Some(name) => format!("{} {}", name.name, quote(&import.path)),
                    None => quote(&import.path),
                }),
                Some(path) if *path == *import.path => {}
                Some(_) => {
                    let message = format!(
                        "{name} is the name of different imports in the files of the package: they cannot be one file"
                    );
                    return Err(Diagnostic::error(codes::UNSUPPORTED, message).into());
                }
            }
        }
        match &specs[..] {
            [] => {}
            [one] => {
                let _ = write!(self.out, "import {one}\n\n");
            }
            several => {
                let lines = several.join("\n");
                let _ = write!(self.out, "import (\n{lines}\n)\n\n");
            }
        }
        Ok(())
    }

    fn decls(&mut self, said: &[Said<'_>]) {
        for (at, one) in said.iter().enumerate() {
            if at > 0 {
                self.out.push('\n');
            }
            match one {
                Said::Field {
                    label,
                    docs,
                    fields,
                } => {
                    self.docs(docs, at > 0);
                    self.out.push_str(label);
                    self.out.push_str(": ");
                    self.values(fields);
                }
                Said::Other(decl) => self.other(decl),
            }
        }
    }

    fn docs(&mut self, docs: &[&str], apart: bool) {
        for (at, doc) in docs.iter().enumerate() {
            if apart || at > 0 {
                self.out.push('\n');
            }
            for line in doc.trim_end().lines() {
                let blank = if line.is_empty() || line.starts_with(' ') {
                    ""
                } else {
                    " "
                };
                let _ = writeln!(self.out, "//{blank}{line}");
            }
        }
    }

    /// What is said of one field.
    fn values(&mut self, fields: &[&Field]) {
        let mut structs: Vec<&Struct> = Vec::new();
        let mut operands: Vec<String> = Vec::new();
        for field in fields {
            match &field.value {
                Expr::Struct(lit) if fields.len() == 1 || is_plain(&field.value) => {
                    structs.push(lit);
                }
                value => {
                    let mut inner = Self {
                        out: String::new(),
                        attributes: self.attributes,
                    };
                    inner.expr(value);
                    let text = if fields.len() > 1 && matches!(value, Expr::Binary(_)) {
                        format!("({})", inner.out)
                    } else {
                        inner.out
                    };
                    if !operands.contains(&text) {
                        operands.push(text);
                    }
                }
            }
        }
        self.out.push_str(&operands.join(" & "));
        if !structs.is_empty() {
            let decls: Vec<&Decl> = structs.iter().flat_map(|lit| &lit.decls).collect();
            if operands.is_empty() {
                self.structure(&decls);
            } else {
                self.out.push_str(" & ");
                self.braced(&merged(&decls));
            }
        }
        if self.attributes {
            for attribute in fields.iter().flat_map(|field| &field.attributes) {
                let _ = write!(self.out, " @{}({})", attribute.name, attribute.body);
            }
        }
    }

    fn structure(&mut self, decls: &[&Decl]) {
        let said = merged(decls);
        match &said[..] {
            [] => self.out.push_str("{}"),
            [Said::Field { docs, .. }] if docs.is_empty() => self.decls(&said),
            _ => self.braced(&said),
        }
    }

    fn braced(&mut self, said: &[Said<'_>]) {
        self.out.push_str("{\n");
        self.decls(said);
        self.out.push_str("\n}");
    }

    fn other(&mut self, decl: &Decl) {
        match decl {
            Decl::Field(field) => {
                let doc: Vec<&str> = field.doc.as_deref().into_iter().collect();
                self.docs(&doc, false);
                let mut bare = (**field).clone();
                if !self.attributes {
                    bare.attributes.clear();
                }
                let text = pequod_cue_syntax::print_decl(&Decl::Field(Box::new(bare)));
                self.out.push_str(&text);
            }
            decl => self.out.push_str(&pequod_cue_syntax::print_decl(decl)),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Struct(lit) => {
                let decls: Vec<&Decl> = lit.decls.iter().collect();
                let said = merged(&decls);
                if said.is_empty() {
                    self.out.push_str("{}");
                } else {
                    self.braced(&said);
                }
            }
            other => self.out.push_str(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::consolidated;
    use pequod_cue_syntax::{FileId, parse_file};

    fn one(texts: &[&str]) -> String {
        let files: Vec<_> = texts
            .iter()
            .map(|text| parse_file(FileId(0), "a.cue", *text).unwrap())
            .collect();
        match consolidated(&files, None, false) {
            Ok(text) => text,
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn what_is_said_of_a_field_stands_together() {
        assert_eq!(
            one(&["package p\na: x: 1\nb: int", "package p\na: y: 2\nb: >3"]),
            "package p\n\na: {\n\tx: 1\n\ty: 2\n}\nb: int & >3\n"
        );
    }

    #[test]
    fn a_struct_in_which_names_are_looked_up_keeps_its_braces() {
        assert_eq!(
            one(&["a: x: 1\na: {y: z: 1, w: y}"]),
            "a: {\n\ty: z: 1\n\tw: y\n} & {\n\tx: 1\n}\n"
        );
    }

    #[test]
    fn files_whose_names_would_clash_are_refused() {
        assert_eq!(one(&["let a = 1\nb: a", "c: a"]), "refused");
        assert_eq!(
            one(&["import a \"strings\"", "import a \"list\""]),
            "refused"
        );
    }
}
