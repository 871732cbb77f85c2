//! What stands in an attribute's parentheses.
//!
//! The body is a list of arguments between commas, each a value or `key=value`; brackets and
//! strings protect commas inside them.

use crate::ast::Attribute;
use crate::literal::unquote;
use crate::scan::Scanner;
use crate::token::Kind;

/// An argument of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// What stands before `=`, without white space around it; empty if there is no `=`.
    pub key: &'a str,
    /// What stands behind it, or everything, without white space around it.
    pub raw_value: &'a str,
    /// The whole argument, as written.
    pub text: &'a str,
    /// Offset of the argument in the body.
    pub offset: usize,
}

impl Argument<'_> {
    /// The value; a string literal is decoded.
    pub fn value(&self) -> String {
        let quoted = self.raw_value.starts_with(['"', '\'', '#']) && self.raw_value.len() >= 2;
        quoted
            .then(|| unquote(self.raw_value).ok())
            .flatten()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_else(|| self.raw_value.to_owned())
    }
}

impl Attribute {
    /// The arguments. There is always one, perhaps empty.
    ///
    /// ```
    /// use pequod_cue_syntax::{FileId, parse_file};
    ///
    /// let file = parse_file(FileId(0), "a.cue", r#"@tag(env, short=dev|prod, type="a,b")"#).unwrap();
    /// let arguments = file.preamble[0].arguments();
    /// assert_eq!(arguments[0].value(), "env");
    /// assert_eq!((arguments[1].key, arguments[1].raw_value), ("short", "dev|prod"));
    /// assert_eq!(arguments[2].value(), "a,b");
    /// ```
    pub fn arguments(&self) -> Vec<Argument<'_>> {
        let body: &str = &self.body;
        let mut arguments = Vec::new();
        let mut scanner = Scanner::of_text(body, false);
        let (mut start, mut equals, mut depth) = (0, None, 0usize);
        let add = |start: usize, equals: Option<usize>, end: usize| {
            let text = &body[start..end];
            let (key, value) = match equals {
                Some(at) => (&body[start..at], &body[at + 1..end]),
                None => ("", text),
            };
            Argument {
                key: key.trim(),
                raw_value: value.trim(),
                text,
                offset: start,
            }
        };
        // The body has been read before, as part of the attribute: it cannot be malformed.
        while let Ok(token) = scanner.next_token() {
            let at = token.start as usize;
            match token.kind {
                Kind::Eof => break,
                Kind::ParenOpen | Kind::BraceOpen | Kind::BracketOpen => depth += 1,
                Kind::ParenClose | Kind::BraceClose | Kind::BracketClose => {
                    depth = depth.saturating_sub(1);
                }
                Kind::Comma if depth == 0 => {
                    arguments.push(add(start, equals, at));
                    start = scanner.at();
                    equals = None;
                }
                Kind::Bind if depth == 0 && equals.is_none() => equals = Some(at),
                _ => {}
            }
        }
        arguments.push(add(start, equals, body.len()));
        arguments
    }
}
