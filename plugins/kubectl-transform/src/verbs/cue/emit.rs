//! Data as the text of a CUE file, laid out like the file it comes from.
//!
//! Structs of one field stand on the line of their label; what stood on one line of JSON, or between the braces and
//! brackets of YAML, stays on one line. Only line breaks are decided here: the layout itself is that of `cue fmt`.

use pequod_cue_load::Encoding;
use pequod_cue_syntax::ast::{Decl, Element, Expr, Field, File, LabelKind, UnaryOp};
use pequod_cue_syntax::literal::{quote, quote_bytes, quote_multiline};
use pequod_cue_syntax::{FileId, Source, Span, format_file, parse_file};
use std::fmt::Write as _;

use super::report::Problems;

/// The text of a file with these declarations of data.
pub(super) fn text(
    decls: &[Decl],
    package: Option<&str>,
    source: &Source,
    encoding: &Encoding,
) -> Result<String, Problems> {
    let mut emitter = Emitter {
        source,
        is_lines: *encoding == Encoding::JsonLines,
        is_yaml: *encoding == Encoding::Yaml,
        in_flow: false,
        out: String::new(),
    };
    if let Some(package) = package {
        let _ = write!(emitter.out, "package {package}\n\n");
    }
    emitter.decls(decls, "\n");
    emitter.out.push('\n');
    let file: File = parse_file(FileId(0), source.name().clone(), emitter.out)?;
    Ok(format_file(&file))
}

struct Emitter<'a> {
    source: &'a Source,
    is_yaml: bool,
    /// Whether it is several values of JSON.
    is_lines: bool,
    /// Whether all that is being written stands on one line.
    in_flow: bool,
    out: String,
}

impl Emitter<'_> {
    fn decls(&mut self, decls: &[Decl], between: &str) {
        for (at, decl) in decls.iter().enumerate() {
            if at > 0 {
                self.out.push_str(between);
            }
            match decl {
                Decl::Field(field) => {
                    self.comments_above(field.span);
                    match &field.label.kind {
                        LabelKind::Ident(ident) => self.out.push_str(&ident.name),
                        LabelKind::String(lit) => self.out.push_str(&quote(&lit.value)),
                        // Data has no other labels.
                        _ => {}
                    }
                    self.out.push_str(": ");
                    self.field_value(&field.value);
                    self.comment_behind(field);
                }
                Decl::Embed(embed) => self.value(&embed.expr),
                _ => {}
            }
        }
    }

    fn field_value(&mut self, value: &Expr) {
        match value {
            Expr::Struct(lit)
                if !lit.braces
                    || (lit.decls.len() == 1
                        && (self.in_flow || !(self.is_yaml && self.is_flow(lit.span)))) =>
            {
                self.decls(&lit.decls, "");
            }
            value => self.value(value),
        }
    }

    fn value(&mut self, value: &Expr) {
        match value {
            Expr::Struct(lit) if lit.decls.is_empty() => self.out.push_str("{}"),
            Expr::Struct(lit) => {
                let first = lit.decls.first().map_or(lit.span, Decl::span);
                let one_line = if self.is_yaml {
                    self.is_flow(lit.span)
                } else {
                    self.line(lit.span) == self.line(first)
                };
                self.out.push_str(if one_line { "{" } else { "{\n" });
                let in_flow = std::mem::replace(&mut self.in_flow, one_line);
                self.decls(&lit.decls, if one_line { ", " } else { "\n" });
                self.in_flow = in_flow;
                self.out.push_str(if one_line { "}" } else { "\n}" });
            }
            Expr::List(list) => self.list(&list.elements, list.span),
            Expr::String(lit) if (self.is_yaml || self.is_lines) && lit.value.contains('\n') => {
                self.out.push_str(&quote_multiline(&lit.value, "\t"));
            }
            Expr::String(lit) => self.out.push_str(&quote(&lit.value)),
            Expr::Bytes(lit) => self.out.push_str(&bytes(&lit.value)),
            Expr::Unary(unary) => {
                self.out.push_str(match unary.op {
                    UnaryOp::Minus => "-",
                    UnaryOp::Default => "*",
                    _ => "",
                });
                self.value(&unary.expr);
            }
            // `*null | _`, which an empty document is.
            other => self.out.push_str(&other.to_string()),
        }
    }

    fn list(&mut self, elements: &[Element], span: Span) {
        self.out.push('[');
        let mut line = self.line(span);
        let is_block = self.is_yaml && !self.is_flow(span);
        // A list of documents is none of the source's own.
        let is_gathered = span.start == span.end;
        let mut opened = false;
        for (at, element) in elements.iter().enumerate() {
            let Element::Expr(expr) = element else {
                continue;
            };
            let composite = matches!(expr, Expr::Struct(_) | Expr::List(_));
            let here = self.line(expr.span());
            let breaks = if is_gathered {
                false
            } else if is_block {
                !composite
            } else {
                here != line
            };
            if at > 0 {
                self.out.push_str(if breaks { "," } else { ", " });
            }
            if breaks {
                self.out.push('\n');
                opened |= at == 0;
            }
            self.value(expr);
            line = self.line(Span {
                start: expr.span().end,
                ..expr.span()
            });
        }
        self.out.push_str(if opened { ",\n]" } else { "]" });
    }

    /// The comment of YAML on the lines directly above a key. Lines of a text are indented deeper than the keys
    /// that may follow them, so none of them is taken for one.
    fn comments_above(&mut self, key: Span) {
        if !self.is_yaml || self.in_flow {
            return;
        }
        let (line, column) = self.source.line_column(key.start);
        let mut comments = Vec::new();
        for above in (1..line).rev() {
            let text = self.text_of(above);
            let comment = text.trim_start();
            let indent = text.len() - comment.len();
            if !comment.starts_with('#') || indent >= column as usize {
                break;
            }
            comments.push(slashes(comment));
        }
        if !comments.is_empty() && !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        for comment in comments.iter().rev() {
            self.out.push_str(comment);
            self.out.push('\n');
        }
    }

    /// The comment behind a value of YAML that stands on the line of its key.
    fn comment_behind(&mut self, field: &Field) {
        let value = field.value.span();
        let plain = match &field.value {
            Expr::String(lit) => !lit.value.contains('\n'),
            Expr::Number(_) | Expr::Bool(..) | Expr::Null(_) | Expr::Unary(_) => true,
            _ => false,
        };
        if !self.is_yaml || self.in_flow || !plain || self.line(value) != self.line(field.span) {
            return;
        }
        let line = self.text_of(self.line(value));
        let mut quote = None;
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            match (quote, c) {
                (None, '#') if before.is_whitespace() => {
                    self.out.push(' ');
                    self.out.push_str(&slashes(&line[at..]));
                    return;
                }
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (Some(open), c) if open == c && before != '\\' => quote = None,
                _ => {}
            }
            before = c;
        }
    }

    /// The text of a line.
    fn text_of(&self, line: u32) -> String {
        let start = self.source.line_start(line).unwrap_or_default() as usize;
        let rest = self.source.text().get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("").to_owned()
    }

    fn line(&self, span: Span) -> u32 {
        self.source.line_column(span.start).0
    }

    /// Whether a mapping or sequence of YAML stands between braces or brackets.
    fn is_flow(&self, span: Span) -> bool {
        let rest = self.source.text().get(span.start as usize..);
        rest.is_some_and(|rest| rest.starts_with(['{', '[']))
    }
}

/// `# text` as `// text`.
fn slashes(comment: &str) -> String {
    let text = comment.trim_start_matches('#').trim_end();
    let blank = if text.is_empty() || text.starts_with(' ') {
        ""
    } else {
        " "
    };
    format!("//{blank}{text}")
}

/// Bytes; those of several lines of text as such.
fn bytes(value: &[u8]) -> String {
    let text = std::str::from_utf8(value).ok();
    let plain = |text: &&str| {
        let control = |c: char| c.is_control() && c != '\n';
        text.contains('\n') && !text.contains(control) && !text.contains(['\\', '\''])
    };
    text.filter(plain).map_or_else(
        || quote_bytes(value),
        |text| {
            let lines: Vec<String> = text
                .split('\n')
                .map(|line| {
                    if line.is_empty() {
                        String::new()
                    } else {
                        format!("\t{line}")
                    }
                })
                .collect();
            format!("'''\n{}\n\t'''", lines.join("\n"))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::text;
    use pequod_cue_load::{Encoding, documents, file_of};
    use pequod_cue_syntax::FileId;

    fn emitted(encoding: &Encoding, data: &str) -> String {
        let (source, mut values) = documents(FileId(0), "data", data.as_bytes(), encoding).unwrap();
        let file = file_of(source.clone(), values.pop().unwrap());
        let made = text(&file.decls, None, &source, encoding);
        made.unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn lines_of_json_stay_together() {
        let data = r##"{"a": {"b": {"c": 1}}, "l": [1, {"x": 1}],
 "m": [
   1,
   2
 ], "#d": -3, "s": "a\nb"}"##;
        assert_eq!(
            emitted(&Encoding::Json, data),
            "a: b: c: 1\nl: [1, {x: 1}]\nm: [\n\t1,\n\t2,\n]\n\"#d\": -3\ns:    \"a\\nb\"\n"
        );
    }

    #[test]
    fn comments_of_yaml_stay_with_their_keys() {
        let data = "# top\n# more\na: 1 # one\nb:\n  # inner\n  c: \"# no\" # two\n  d: |\n    # text\ne: x#y\n";
        assert_eq!(
            emitted(&Encoding::Yaml, data),
            "// top\n// more\na: 1 // one\nb: {\n\t// inner\n\tc: \"# no\" // two\n\td: \"\"\"\n\t\t# text\n\n\t\t\"\"\"\n}\ne: \"x#y\"\n"
        );
    }

    #[test]
    fn blocks_of_yaml_become_lines() {
        let data =
            "a: {b: {c: 1}}\nm:\n- 1\n- x: 1\n- y: 2\n  z: 3\nt: |\n  one\n  two\none:\n  two: x\n";
        assert_eq!(
            emitted(&Encoding::Yaml, data),
            "a: {b: c: 1}\nm: [\n\t1, {\n\t\tx: 1\n\t}, {\n\t\ty: 2\n\t\tz: 3\n\t},\n]\nt: \"\"\"\n\tone\n\ttwo\n\n\t\"\"\"\none: two: \"x\"\n"
        );
    }
}
