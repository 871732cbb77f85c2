//! Reads the exact form of a query.

use pequod_diag::{Code, Diagnostic, Place};

use super::{Field, Query, Side, Term, Test};
use crate::health::Health;

/// The code of every problem with a query.
pub const QUERY: Code = Code("fleet/query");

/// Reads a query. `origin` names where the text is from, for the errors.
pub fn parse(text: &str) -> Result<Query, Diagnostic> {
    let mut query = Query::default();
    for piece in pieces(text)? {
        match piece {
            Piece::Word(word) => query.text.push(word),
            Piece::Term {
                negated,
                name,
                side: None,
                values,
                at,
            } => {
                if name == "by" {
                    let [value] = values.as_slice() else {
                        return Err(problem(text, at, "`by:` takes one field"));
                    };
                    query.by = Some(field(text, value, at)?);
                    continue;
                }
                let field = field(text, &name, at)?;
                let values = values
                    .into_iter()
                    .map(|value| canonical(field, value))
                    .collect();
                query.terms.push(Term {
                    negated,
                    test: Test::Is(field, values),
                });
            }
            Piece::Term {
                negated,
                name,
                side: Some(side),
                values,
                at,
            } => {
                let seconds = match values.as_slice() {
                    [value] => seconds(value).ok_or_else(|| {
                        problem(
                            text,
                            at,
                            &format!("`{value}` is no length of time such as 30m, 1h or 2d"),
                        )
                    })?,
                    _ => {
                        return Err(problem(
                            text,
                            at,
                            &format!("`{name}` takes one length of time"),
                        ));
                    }
                };
                let test = match name.as_str() {
                    "age" => Test::Age(side, seconds),
                    "changed" => Test::Changed(side, seconds),
                    other => {
                        return Err(problem(text, at, &format!("`{other}` cannot be compared"))
                            .hint("only `age` and `changed` take < and >"));
                    }
                };
                query.terms.push(Term { negated, test });
            }
        }
    }
    Ok(query)
}

enum Piece {
    Word(String),
    Term {
        negated: bool,
        name: String,
        side: Option<Side>,
        values: Vec<String>,
        at: usize,
    },
}

/// The value as it is stored: states may be written in any case.
fn canonical(field: Field, value: String) -> String {
    match field {
        Field::Health => Health::ALL
            .iter()
            .find(|health| health.as_str().eq_ignore_ascii_case(&value))
            .map_or(value, |health| health.as_str().to_owned()),
        Field::Ready | Field::About => value.to_lowercase(),
        _ => value,
    }
}

fn field(text: &str, name: &str, at: usize) -> Result<Field, Diagnostic> {
    Field::named(name).ok_or_else(|| {
        let known: Vec<&str> = Field::ALL.iter().map(|(_, word, _)| *word).collect();
        problem(text, at, &format!("`{name}` is no field"))
            .hint(format!("fields are {}", known.join(", ")))
    })
}

fn problem(text: &str, at: usize, message: &str) -> Diagnostic {
    let column = text.get(..at).map_or(1, |before| before.len() + 1);
    Diagnostic::error(QUERY, message).at(Place::Text {
        file: "<query>".to_owned(),
        line: 1,
        column: u32::try_from(column).unwrap_or(u32::MAX),
    })
}

/// `30m`, `1h`, `2d`, `1h30m`; a bare number is seconds.
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit: i64 = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            'y' => 365 * 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    if number.is_empty() {
        return (!text.is_empty()).then_some(total);
    }
    (total == 0).then(|| number.parse().ok())?
}

/// Cuts the text into words and terms; quotes hold a piece together.
fn pieces(text: &str) -> Result<Vec<Piece>, Diagnostic> {
    let mut pieces = Vec::new();
    let mut scanner = Scanner { text, at: 0 };
    while scanner.skip_space() {
        let start = scanner.at;
        if scanner.peek() == Some('"') {
            pieces.push(Piece::Word(scanner.quoted()?));
            continue;
        }
        let mut head = scanner.until(|c| c.is_whitespace() || matches!(c, ':' | '<' | '>' | '"'));
        let side = match scanner.peek() {
            Some(':') => None,
            Some('>') => Some(Side::Over),
            Some('<') => Some(Side::Under),
            Some('"') => return Err(problem(text, scanner.at, "a quote stands inside a word")),
            _ => {
                if head.starts_with('-') && head.len() > 1 {
                    return Err(problem(
                        text,
                        start,
                        "a word cannot be negated; a field can: `-namespace:kube-system`",
                    ));
                }
                pieces.push(Piece::Word(head));
                continue;
            }
        };
        let negated = head.starts_with('-');
        if negated {
            head.remove(0);
        }
        if head.is_empty() {
            return Err(problem(text, start, "a field name is missing"));
        }
        scanner.next();
        let mut values = vec![scanner.value()?];
        while scanner.peek() == Some(',') {
            scanner.next();
            values.push(scanner.value()?);
        }
        if values.iter().any(String::is_empty) {
            return Err(problem(
                text,
                start,
                &format!("`{head}` has an empty value"),
            ));
        }
        pieces.push(Piece::Term {
            negated,
            name: head.to_lowercase(),
            side,
            values,
            at: start,
        });
    }
    Ok(pieces)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip_space(&mut self) -> bool {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
        self.peek().is_some()
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| !stop(c)) {
            self.next();
        }
        self.text[start..self.at].to_owned()
    }

    fn value(&mut self) -> Result<String, Diagnostic> {
        if self.peek() == Some('"') {
            self.quoted()
        } else {
            Ok(self.until(|c| c.is_whitespace() || c == ','))
        }
    }

    fn quoted(&mut self) -> Result<String, Diagnostic> {
        let start = self.at;
        self.next();
        let mut out = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(out),
                Some('\\') => out.extend(self.next()),
                Some(c) => out.push(c),
                None => return Err(problem(self.text, start, "this quote is not closed")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_it_shows() {
        for text in [
            "kind:Pod health:Failed cluster:*prod* age>1h",
            "-namespace:kube-system,default label:app=web ready:none by:cluster",
            "kind:Deployment changed<10m \"payment gateway\"",
            "reason:\"a b\",c",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn values_may_hold_what_labels_hold() {
        let query =
            parse("label:app.kubernetes.io/name=web,example.com/url=https://a.b:80/x").unwrap();
        assert_eq!(
            query.values(Field::Label).unwrap()[1],
            "example.com/url=https://a.b:80/x"
        );
    }

    #[test]
    fn states_are_read_in_any_case() {
        assert_eq!(parse("status:failed").unwrap().to_string(), "health:Failed");
    }

    #[test]
    fn problems_name_the_place() {
        for (text, message, column) in [
            ("kind:Pod colour:red", "`colour` is no field", 10),
            (
                "age>soon",
                "`soon` is no length of time such as 30m, 1h or 2d",
                1,
            ),
            ("kind:", "`kind` has an empty value", 1),
            ("é \"open", "this quote is not closed", 4),
            (
                "-word",
                "a word cannot be negated; a field can: `-namespace:kube-system`",
                1,
            ),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.message, message);
            assert!(
                matches!(problem.place, Some(Place::Text { column: c, .. }) if c == column),
                "{problem:?}"
            );
        }
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(
            [
                seconds("1h30m"),
                seconds("90"),
                seconds("2w"),
                seconds(""),
                seconds("1x"),
                seconds("99999999999999999d")
            ],
            [Some(5400), Some(90), Some(1_209_600), None, None, None]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_shown_alike(text in "\\PC{0,60}") {
            if let Ok(query) = parse(&text) {
                prop_assert_eq!(parse(&query.to_string()).unwrap(), query);
            }
        }

        #[test]
        fn any_value_survives(values in prop::collection::vec("\\PC{1,12}", 1..4), negated: bool) {
            let query = Query { terms: vec![Term { negated, test: Test::Is(Field::Label, values) }], ..Query::default() };
            prop_assert_eq!(parse(&query.to_string()).unwrap(), query);
        }
    }
}
