//! Text to words.
//!
//! Three rules are peculiar to CUE:
//!
//! 1. *Commas.* The end of a line stands for a comma if the line's last word can end a declaration
//!    ([`Kind::ends_line`]) and the next line does not begin with `,` or `:`.
//! 2. *Interpolation.* `"a \(x) b"` comes as [`Kind::Interpolation`] up to and including `\(`, then
//!    as the words of the expression; at its closing parenthesis the parser asks for the rest of
//!    the string by [`Scanner::resume_interpolation`].
//! 3. *Attributes.* `@name(…)` is one word; brackets inside it balance.
//!
//! Comments are no words. They are put aside, grouped, and those that document what follows are
//! noted on the word they stand above.

mod number;
mod string;

use crate::ast::{Comment, Placement, Quotes};
use crate::chars::{is_digit, is_identifier_part, is_letter};
use crate::error::SyntaxError;
use crate::position::{FileId, Source, Span};
use crate::token::{Kind, Token};

pub(crate) use string::OpenString;

type Scanned<T> = Result<T, SyntaxError>;

/// Reads a text word by word.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    source: Option<&'a Source>,
    at: usize,
    /// Whether the end of the line would stand for a comma here.
    comma_due: bool,
    insert_commas: bool,
    /// Strings that wait for their interpolated expression to end.
    open: Vec<OpenString>,
    /// All comments so far.
    pub(crate) comments: Vec<Comment>,
    pending: Vec<(u32, u32)>,
    last_end: u32,
}

const BOM: char = '\u{feff}';
/// Its first byte in UTF-8, and that of some other characters.
const BOM_BEGIN: u8 = 0xef;

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> Scanner<'a> {
    /// Begins a file. A byte order mark may only be its very first character.
    pub(crate) fn new(source: &'a Source) -> Self {
        let text: &str = source.text();
        let mut scanner = Self::of_text(text, true);
        scanner.source = Some(source);
        scanner
    }

    /// Reads a mere piece of text, such as an attribute's body.
    pub(crate) fn of_text(text: &'a str, insert_commas: bool) -> Self {
        let at = if text.starts_with(BOM) {
            BOM.len_utf8()
        } else {
            0
        };
        Self {
            text,
            source: None,
            at,
            comma_due: false,
            insert_commas,
            open: Vec::new(),
            comments: Vec::new(),
            pending: Vec::new(),
            last_end: 0,
        }
    }

    /// Where the next word is looked for.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn peek_byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Takes the next character; some must not occur anywhere.
    fn bump(&mut self) -> Scanned<Option<char>> {
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        match c {
            '\0' => return Err(self.error(self.at, "illegal character NUL")),
            BOM if self.at > 0 => return Err(self.error(self.at, "illegal byte order mark")),
            _ => {}
        }
        self.at += c.len_utf8();
        Ok(Some(c))
    }

    /// Goes to the next of some bytes, or to the end. They must be first bytes of characters.
    fn skip_to(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        let found = rest.iter().position(|&byte| wanted(byte));
        self.at += found.unwrap_or(rest.len());
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek_byte(0) == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[expect(clippy::unused_self, reason = "reads as the scanner's own complaint")]
    fn error(&self, at: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(offset(at), message)
    }

    /// The next word.
    pub(crate) fn next_token(&mut self) -> Scanned<Token> {
        let mut token = self.word()?;
        token.doc = self.group_comments(token.start, token.kind);
        self.last_end = token.end;
        Ok(token)
    }

    fn word(&mut self) -> Scanned<Token> {
        loop {
            if let Some(newline) = self.skip_space() {
                return Ok(newline);
            }
            let start = self.at;
            if let Some(kind) = self.peek_byte(0).and_then(whole_word) {
                self.at += 1;
                self.comma_due = self.insert_commas && kind.ends_line();
                return Ok(token(kind, start, self.at));
            }
            let Some(c) = self.peek() else {
                if std::mem::take(&mut self.comma_due) {
                    return Ok(token(Kind::Newline, start, start));
                }
                return Ok(token(Kind::Eof, start, start));
            };
            if c == '/' && self.peek_byte(1) == Some(b'/') {
                if std::mem::take(&mut self.comma_due) {
                    return Ok(token(Kind::Newline, start, start));
                }
                self.comment()?;
                continue;
            }
            let mut word = match c {
                '0'..='9' => self.number(false)?,
                '#' if self.begins_raw_string() => self.string()?,
                '"' | '\'' => self.string()?,
                '_' if self.text[start..].starts_with("_|_") => {
                    self.at += 3;
                    token(Kind::Bottom, start, self.at)
                }
                '_' => self.hidden_identifier()?,
                '#' | '$' => self.identifier(),
                '@' => self.attribute()?,
                '.' if self.peek_byte(1).is_some_and(|b| b.is_ascii_digit()) => {
                    self.at += 1;
                    self.number(true)?
                }
                _ if is_letter(c) => self.identifier(),
                _ => self.punctuation(c)?,
            };
            word.end = offset(self.at);
            self.comma_due = self.insert_commas && word.kind.ends_line();
            return Ok(word);
        }
    }

    /// Skips white space; where a line's end counts, it is the next word.
    fn skip_space(&mut self) -> Option<Token> {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek_byte(0) {
            let start = self.at;
            self.at += 1;
            if byte == b'\n' && self.comma_due {
                self.comma_due = false;
                while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek_byte(0) {
                    self.at += 1;
                }
                if !matches!(self.peek_byte(0), Some(b',' | b':')) {
                    return Some(token(Kind::Newline, start, start));
                }
            }
        }
        None
    }

    fn comment(&mut self) -> Scanned<()> {
        let start = self.at;
        loop {
            self.skip_to(|byte| matches!(byte, b'\n' | b'\0' | BOM_BEGIN));
            if matches!(self.peek_byte(0), None | Some(b'\n')) {
                break;
            }
            self.bump()?;
        }
        self.pending.push((offset(start), offset(self.at)));
        Ok(())
    }

    /// Makes groups of the comments read since the last word; returns the one that documents the
    /// word at `start`.
    fn group_comments(&mut self, start: u32, kind: Kind) -> Option<u32> {
        if self.pending.is_empty() {
            return None;
        }
        let pending = std::mem::take(&mut self.pending);
        let source = self.source?;
        let line = |at: u32| source.line_column(at).0;
        let first = self.comments.len();
        let mut last_line = 0;
        let previous = line(self.last_end);
        for (from, to) in pending {
            let here = line(from);
            let span = Span::new(source.id(), from, to);
            let fresh = self.comments.len() == first;
            if fresh && here == previous && self.last_end > 0 {
                self.comments.push(Comment {
                    span,
                    placement: Placement::Line,
                });
                // What follows on the next line is a group of its own.
                last_line = 0;
                continue;
            }
            match self.comments.last_mut() {
                Some(group) if last_line > 0 && here == last_line + 1 => group.span.end = to,
                _ => self.comments.push(Comment {
                    span,
                    placement: Placement::Free,
                }),
            }
            last_line = here;
        }
        let last = self.comments.last_mut()?;
        let documents = kind != Kind::Eof && last_line > 0 && line(start) == last_line + 1;
        if !documents {
            return None;
        }
        last.placement = Placement::Doc;
        u32::try_from(self.comments.len() - 1).ok()
    }

    /// Letters, digits, `_` and `$` behind an optional `#`.
    fn identifier(&mut self) -> Token {
        let start = self.at;
        self.identifier_text();
        let text = &self.text[start..self.at];
        token(Kind::keyword(text).unwrap_or(Kind::Ident), start, self.at)
    }

    fn identifier_text(&mut self) {
        // `#0` is no name: the hash stands by itself, and the parser will complain.
        if self.eat(b'#') && self.peek().is_some_and(is_digit) {
            return;
        }
        self.identifier_parts();
    }

    fn identifier_parts(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
        self.at += rest.iter().take_while(|byte| plain(byte)).count();
        while let Some(c) = self.peek().filter(|&c| is_identifier_part(c)) {
            self.at += c.len_utf8();
        }
    }

    fn hidden_identifier(&mut self) -> Scanned<Token> {
        let start = self.at;
        self.at += 1;
        self.identifier_text();
        if &self.text[start..self.at] == "__" && self.eat(b'#') {
            self.identifier_parts();
            let text = &self.text[start..self.at];
            return Err(self.error(start, format!("illegal token {text:?}")));
        }
        Ok(token(Kind::Ident, start, self.at))
    }

    /// `@name(…)`
    fn attribute(&mut self) -> Scanned<Token> {
        let start = self.at;
        self.at += 1;
        self.identifier_parts();
        // The words of the body are only counted, so what they would leave behind is undone.
        let comments = (self.comments.len(), self.last_end);
        let pending = std::mem::take(&mut self.pending);
        if self.next_token()?.kind != Kind::ParenOpen {
            return Err(self.error(self.at, "invalid attribute: expected '('"));
        }
        let mut closers = vec![Kind::ParenClose];
        while let Some(&closer) = closers.last() {
            let word = self.next_token()?;
            match word.kind {
                kind if kind == closer => {
                    closers.pop();
                }
                Kind::Eof => {
                    let message = format!("attribute missing '{}'", closer.name());
                    return Err(self.error(self.at, message));
                }
                Kind::Interpolation => {
                    return Err(self.error(self.at, "interpolation not allowed in attribute"));
                }
                Kind::ParenOpen => closers.push(Kind::ParenClose),
                Kind::BraceOpen => closers.push(Kind::BraceClose),
                Kind::BracketOpen => closers.push(Kind::BracketClose),
                Kind::ParenClose | Kind::BraceClose | Kind::BracketClose => {
                    let message = format!("unexpected '{}'", word.kind.name());
                    return Err(self.error(self.at, message));
                }
                _ => {}
            }
        }
        self.comments.truncate(comments.0);
        self.last_end = comments.1;
        self.pending = pending;
        Ok(token(Kind::Attribute, start, self.at))
    }

    fn punctuation(&mut self, c: char) -> Scanned<Token> {
        let start = self.at;
        self.bump()?;
        let kind = match c {
            '/' => Kind::Divide,
            '.' if self.eat(b'.') => {
                if !self.eat(b'.') {
                    return Err(self.error(start, "illegal token '..'; expected '.'"));
                }
                Kind::Ellipsis
            }
            '.' => Kind::Period,
            '<' if self.eat(b'-') => Kind::Arrow,
            '<' if self.eat(b'=') => Kind::LessEqual,
            '<' => Kind::Less,
            '>' if self.eat(b'=') => Kind::GreaterEqual,
            '>' => Kind::Greater,
            '=' if self.eat(b'~') => Kind::Match,
            '=' if self.eat(b'=') => Kind::Equal,
            '=' => Kind::Bind,
            '!' if self.eat(b'~') => Kind::NotMatch,
            '!' if self.eat(b'=') => Kind::NotEqual,
            '!' => Kind::Not,
            '&' if self.eat(b'&') => Kind::BoolAnd,
            '&' => Kind::And,
            '|' if self.eat(b'|') => Kind::BoolOr,
            '|' => Kind::Or,
            _ => {
                let code = u32::from(c);
                let shown = if c.is_control() {
                    String::new()
                } else {
                    format!(" '{c}'")
                };
                let message = format!("illegal character U+{code:04X}{shown}");
                return Err(self.error(start, message));
            }
        };
        Ok(token(kind, start, self.at))
    }

    /// The file whose words these are.
    pub(crate) fn file(&self) -> FileId {
        self.source.map(Source::id).unwrap_or_default()
    }
}

/// What a character is that is a word whatever stands behind it.
const fn whole_word(byte: u8) -> Option<Kind> {
    Some(match byte {
        b':' => Kind::Colon,
        b';' => Kind::Semicolon,
        b'?' => Kind::Option,
        b'~' => Kind::Tilde,
        b',' => Kind::Comma,
        b'(' => Kind::ParenOpen,
        b')' => Kind::ParenClose,
        b'[' => Kind::BracketOpen,
        b']' => Kind::BracketClose,
        b'{' => Kind::BraceOpen,
        b'}' => Kind::BraceClose,
        b'+' => Kind::Add,
        b'-' => Kind::Subtract,
        b'*' => Kind::Multiply,
        _ => return None,
    })
}

fn token(kind: Kind, start: usize, end: usize) -> Token {
    Token {
        kind,
        start: offset(start),
        end: offset(end),
        quotes: Quotes::default(),
        doc: None,
    }
}
