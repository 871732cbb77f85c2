//! Whether a text is JSON, with the sentences of the reference.

/// What is wrong with a JSON value at the beginning of a text, or how long the value is.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

const DEPTH: usize = 1_000;

/// The lengths of the JSON values in a text, or the first thing that is wrong and where.
pub fn check(text: &str) -> Result<Vec<std::ops::Range<usize>>, (usize, String)> {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
    };
    let mut values = Vec::new();
    reader.space();
    while reader.at < text.len() {
        let start = reader.at;
        reader
            .value(0)
            .map_err(|message| (reader.at.min(text.len()), message))?;
        values.push(start..reader.at);
        reader.space();
    }
    Ok(values)
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn wrong(&self, context: &str) -> String {
        if self.peek().is_none() {
            return "unexpected end of JSON input".to_owned();
        }
        let rest = String::from_utf8_lossy(&self.text[self.at..]);
        let found = match rest.chars().next().unwrap_or_default() {
            '\'' => r"'\''".to_owned(),
            '"' => "'\"'".to_owned(),
            '\n' => r"'\n'".to_owned(),
            '\t' => r"'\t'".to_owned(),
            other => format!("'{other}'"),
        };
        format!("invalid character {found} {context}")
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("looking for beginning of object key string"));
            }
            self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("after object key"));
            }
            self.at += 1;
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong("after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong("after array element")),
            }
        }
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.wrong("")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return Err(self.wrong("in \\u hexadecimal character escape"));
                                }
                                self.at += 1;
                            }
                        }
                        _ => return Err(self.wrong("in string escape code")),
                    }
                }
                Some(byte) if byte < b' ' => return Err(self.wrong("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for (index, expected) in word.bytes().enumerate() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                let context = if index == 0 {
                    "looking for beginning of value".to_owned()
                } else {
                    format!("in literal {word} (expecting '{expected}')")
                };
                return Err(self.wrong(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong(context));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    fn error(text: &str) -> String {
        check(text).unwrap_err().1
    }

    #[test]
    fn every_value_of_a_stream_is_found() {
        assert_eq!(check("{\"a\": [1, -2.5e3]}\n null").unwrap().len(), 2);
        assert_eq!(check(" \n").unwrap().len(), 0);
    }

    #[test]
    fn the_first_wrong_character_is_named() {
        assert_eq!(error("{"), "unexpected end of JSON input");
        assert_eq!(
            error("// x"),
            "invalid character '/' looking for beginning of value"
        );
        assert_eq!(error("[1 2]"), "invalid character '2' after array element");
        assert_eq!(
            error("trve"),
            "invalid character 'v' in literal true (expecting 'u')"
        );
    }
}
