//! `@embed(file=…)` and `@embed(glob=…)`: files of the module as values.

use pequod_cue_syntax::ast::{Attribute, Decl, Expr, Field, File, LabelKind};
use pequod_cue_syntax::{Source, Span};
use pequod_diag::Diagnostic;

use crate::argument::{Encoding, ending, of_scope};
use crate::codes;
use crate::data::{documents, field};
use crate::files::{clean, folder_of, join};
use crate::loader::Sources;
use crate::resolve::Module;
use crate::tag::{structure, unify};

/// Puts embedded files into the fields that ask for them, if the file says `@extern(embed)`.
pub(crate) fn embed(
    file: &mut File,
    folder: &str,
    module: &Module,
    sources: &mut Sources,
    problems: &mut Vec<Diagnostic>,
) {
    let wants = file.preamble.iter().find(|attribute| {
        &*attribute.name == "extern"
            && attribute
                .arguments()
                .first()
                .is_some_and(|argument| argument.value() == "embed")
    });
    let Some(wants) = wants else { return };
    let source = file.source.clone();
    if module.path.is_empty() {
        let message = "@extern(embed): cannot embed files when not in a module";
        problems.push(Diagnostic::error(codes::LOAD, message).at(source.place(wants.span.start)));
        return;
    }
    let mut embedder = Embedder {
        source: &source,
        folder,
        module,
        sources,
        problems,
    };
    embedder.decls(&mut file.decls);
}

struct Embedder<'a> {
    source: &'a Source,
    folder: &'a str,
    module: &'a Module,
    sources: &'a mut Sources,
    problems: &'a mut Vec<Diagnostic>,
}

/// What an attribute asks for.
struct Wish {
    pattern: String,
    is_glob: bool,
    kind: String,
    allow_empty: bool,
}

impl Embedder<'_> {
    fn decls(&mut self, decls: &mut Vec<Decl>) {
        let mut added = Vec::new();
        for decl in decls.iter_mut() {
            match decl {
                Decl::Field(field) => self.field(field),
                Decl::Embed(embed) => self.expr(&mut embed.expr),
                Decl::Let(clause) => self.expr(&mut clause.value),
                Decl::Comprehension(comp) => self.decls(&mut comp.value.decls),
                Decl::Attribute(attribute) if &*attribute.name == "embed" => {
                    if let Some(value) = self.value(attribute) {
                        added.push(Decl::Embed(Box::new(pequod_cue_syntax::ast::Embed {
                            expr: value,
                            doc: None,
                        })));
                    }
                }
                Decl::Attribute(_) | Decl::Ellipsis(_) => {}
            }
        }
        decls.append(&mut added);
    }

    fn field(&mut self, field: &mut Field) {
        self.expr(&mut field.value);
        if matches!(field.label.kind, LabelKind::Pattern(_)) && field.attributes.is_empty() {
            return;
        }
        for attribute in field.attributes.clone() {
            if &*attribute.name == "embed"
                && let Some(value) = self.value(&attribute)
            {
                unify(field, value);
            }
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Struct(lit) => self.decls(&mut lit.decls),
            Expr::Paren(inner) => self.expr(&mut inner.expr),
            Expr::Binary(binary) => {
                self.expr(&mut binary.lhs);
                self.expr(&mut binary.rhs);
            }
            Expr::Unary(unary) => self.expr(&mut unary.expr),
            Expr::Selector(selector) => self.expr(&mut selector.base),
            Expr::Call(call) => call.arguments.iter_mut().for_each(|arg| self.expr(arg)),
            Expr::List(list) => {
                for element in &mut list.elements {
                    if let pequod_cue_syntax::ast::Element::Expr(expr) = element {
                        self.expr(expr);
                    }
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, attribute: &Attribute) -> Option<Expr> {
        match wish(attribute).and_then(|wish| self.load(&wish, attribute.span)) {
            Ok(value) => Some(value),
            Err(message) => {
                let place = self.source.place(attribute.span.start);
                let problem = Diagnostic::error(codes::LOAD, format!("@embed: {message}"));
                self.problems.push(problem.at(place));
                None
            }
        }
    }

    fn load(&mut self, wish: &Wish, span: Span) -> Result<Expr, String> {
        if !wish.is_glob {
            self.in_module(&wish.pattern)?;
            return self.decode(&wish.pattern, &wish.kind, span);
        }
        let parts: Vec<&str> = wish.pattern.split('/').collect();
        let mut matches = Vec::new();
        self.glob("", &parts, &mut matches)?;
        if matches.is_empty() && !wish.allow_empty {
            return Err(format!("no matches for glob pattern {:?}", wish.pattern));
        }
        let matches: Vec<String> = matches
            .into_iter()
            .filter_map(|(path, is_folder)| (!is_folder).then_some(path))
            .collect();
        let mut decls = Vec::new();
        for path in &matches {
            let value = self.decode(path, &wish.kind, span)?;
            decls.push(field(path, span, value));
        }
        for path in &matches {
            self.in_module(path)?;
        }
        Ok(structure(decls, span))
    }

    /// A file below another module's root is that module's.
    fn in_module(&self, path: &str) -> Result<(), String> {
        let mut folder = folder_of(path);
        while !folder.is_empty() {
            let inner = join(self.folder, &join(&folder, "cue.mod"));
            if matches!(self.module.files.list(&inner), Ok(Some(_))) {
                return Err(format!("cannot embed file {path:?}: in different module"));
            }
            folder = folder_of(&folder);
        }
        Ok(())
    }

    fn glob(
        &self,
        folder: &str,
        parts: &[&str],
        found: &mut Vec<(String, bool)>,
    ) -> Result<(), String> {
        let Some((part, rest)) = parts.split_first() else {
            return Ok(());
        };
        let entries = self
            .module
            .files
            .list(&join(self.folder, folder))?
            .unwrap_or_default();
        for entry in entries {
            let hidden = entry.name.starts_with('.') && !part.starts_with('.');
            if hidden || !matches(part, &entry.name) {
                continue;
            }
            let path = join(folder, &entry.name);
            if rest.is_empty() {
                found.push((path, entry.is_folder));
            } else if entry.is_folder {
                self.glob(&path, rest, found)?;
            }
        }
        Ok(())
    }

    fn decode(&mut self, path: &str, kind: &str, span: Span) -> Result<Expr, String> {
        let encoding = if kind.is_empty() {
            let ending = ending(path);
            Encoding::of_ending(ending).ok_or_else(|| {
                if ending.is_empty() {
                    format!("no encoding specified for file {path:?}")
                } else {
                    format!("unknown file extension {ending}")
                }
            })?
        } else {
            of_scope(kind)?.0
        };
        let full = join(self.folder, path);
        let Some(bytes) = self.module.files.read(&full)? else {
            if matches!(self.module.files.list(&full), Ok(Some(_))) {
                return Err("cannot embed directories".to_owned());
            }
            return Err(format!("open {path}: no such file or directory"));
        };
        if encoding == Encoding::JsonLines {
            let text = String::from_utf8_lossy(&bytes);
            if crate::json::check(&text).is_ok_and(|values| values.len() == 1) {
                return Err(
                    "encoding \"jsonl\" not (yet) supported: requires support for streaming"
                        .to_owned(),
                );
            }
        }
        if encoding.name() == "textproto" {
            return Err("encoding \"textproto\" not (yet) supported: requires support for schema-guided decoding".to_owned());
        }
        let name = self.module.files.display(&full);
        let (source, mut values) = documents(self.sources.next_id(), &name, &bytes, &encoding)
            .map_err(|problem| problem.message)?;
        self.sources.push(source);
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => Ok(value),
            (None, _) => Ok(Expr::Null(span)),
            (Some(_), false) => {
                Err("streaming not implemented: found more than one value in file".to_owned())
            }
        }
    }
}

fn wish(attribute: &Attribute) -> Result<Wish, String> {
    let (mut file, mut glob, mut kind, mut allow_empty) =
        (String::new(), String::new(), String::new(), false);
    for argument in attribute.arguments() {
        match argument.key {
            "file" => file = argument.value(),
            "glob" => glob = argument.value(),
            "type" => kind = argument.value(),
            "" if argument.raw_value == "allowEmptyGlob" => allow_empty = true,
            _ => {}
        }
    }
    let (pattern, is_glob) = match (file.is_empty(), glob.is_empty()) {
        (true, true) => return Err("attribute must have file or glob field".to_owned()),
        (false, false) => return Err("attribute cannot have both file and glob field".to_owned()),
        (false, true) if allow_empty => {
            return Err("allowEmptyGlob must be specified with a glob field".to_owned());
        }
        (false, true) => (file, false),
        (true, false) => (glob, true),
    };
    let normal = clean(&pattern);
    if normal != pattern {
        return Err(format!("path not normalized, use {normal:?} instead"));
    }
    if pattern.starts_with('/') {
        return Err("only relative files are allowed".to_owned());
    }
    if pattern == ".." || pattern.starts_with("../") {
        return Err("cannot refer to parent directory".to_owned());
    }
    if is_glob {
        if let Some(error) = pattern_error(&pattern) {
            return Err(format!("invalid glob pattern {pattern:?}: {error}"));
        }
        let ending = ending(&pattern);
        if kind.is_empty() && (ending.is_empty() || ending.contains(['*', '?', '[', '\\'])) {
            return Err("extension not fully specified; type argument required".to_owned());
        }
    }
    Ok(Wish {
        pattern,
        is_glob,
        kind,
        allow_empty,
    })
}

fn pattern_error(pattern: &str) -> Option<&'static str> {
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                return Some("'**' is not supported in patterns as of yet");
            }
            '\\' if chars.next().is_none() => return Some("syntax error in pattern"),
            '[' if !chars.by_ref().any(|c| c == ']') => return Some("syntax error in pattern"),
            _ => {}
        }
    }
    None
}

/// Whether a name matches a pattern with `*`, `?`, `[a-z]` and `\x`.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Where the last star was, and what it has swallowed: one star needs to be tried again at a time.
    let (mut p, mut n, mut star) = (0, 0, None);
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if let Some(c) = name.get(n)
            && let Some(next) = matches_one(&pattern, p, *c)
        {
            p = next;
            n += 1;
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return true;
        }
        match star {
            Some((at, from)) if from < name.len() => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            _ => return false,
        }
    }
}

/// The place behind the part of a pattern that matches a character.
fn matches_one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '\\' => (*pattern.get(at + 1)? == c).then_some(at + 2),
        '[' => {
            let end = at + 1 + pattern[at + 1..].iter().position(|c| *c == ']')?;
            let mut class = &pattern[at + 1..end];
            let negated = class.first() == Some(&'^');
            class = if negated { &class[1..] } else { class };
            let mut found = false;
            let mut i = 0;
            while i < class.len() {
                if class.get(i + 1) == Some(&'-')
                    && let Some(high) = class.get(i + 2)
                {
                    found |= (class[i]..=*high).contains(&c);
                    i += 3;
                } else {
                    found |= class[i] == c;
                    i += 1;
                }
            }
            (found != negated).then_some(end + 1)
        }
        other => (*other == c).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_within_one_name() {
        for (pattern, name) in [
            ("*.json", "a.json"),
            ("a*b*c", "aXbYbZc"),
            ("[a-c]?", "bz"),
            ("[^a]", "b"),
            (r"\*", "*"),
            ("*", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.json", "a.jso"), ("[a-c]", "d"), ("?", ""), ("a", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
