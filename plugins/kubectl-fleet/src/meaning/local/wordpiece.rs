//! Text to the numbers that a BERT model was trained on: words, then the longest pieces of them that its vocabulary has.
//!
//! The rule is that of the model family: control characters go, white space and every punctuation mark end a word, an
//! uncased model reads lower case without accents, a word is cut greedily from the left, and a word that cannot be cut
//! into known pieces is one unknown token.

use std::collections::HashMap;

use serde_json::Value;

use super::LocalError;

/// A word longer than this is unknown, as in the reference.
const WORD_CHARACTERS: usize = 100;

/// A vocabulary and how text is prepared for it.
#[derive(Debug)]
pub(super) struct WordPiece {
    pieces: HashMap<String, u32>,
    lower: bool,
    begin: u32,
    end: u32,
    unknown: u32,
}

impl WordPiece {
    /// Of a `tokenizer.json`.
    pub(super) fn of(document: &Value) -> Result<Self, LocalError> {
        let kind = document.pointer("/model/type").and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "WordPiece") {
            return Err(LocalError::Unsupported(format!(
                "a tokenizer of type {}",
                kind.unwrap_or_default()
            )));
        }
        let vocabulary = document
            .pointer("/model/vocab")
            .and_then(Value::as_object)
            .ok_or_else(|| LocalError::Broken("tokenizer.json has no vocabulary".to_owned()))?;
        let pieces: HashMap<String, u32> = vocabulary
            .iter()
            .filter_map(|(piece, id)| Some((piece.clone(), u32::try_from(id.as_u64()?).ok()?)))
            .collect();
        let lower = document
            .pointer("/normalizer/lowercase")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let id = |piece: &str| {
            pieces
                .get(piece)
                .copied()
                .ok_or_else(|| LocalError::Broken(format!("the vocabulary has no {piece}")))
        };
        Ok(Self {
            begin: id("[CLS]")?,
            end: id("[SEP]")?,
            unknown: id("[UNK]")?,
            lower,
            pieces,
        })
    }

    /// The tokens of a text between the marks of beginning and end, at most so many.
    pub(super) fn tokens(&self, text: &str, most: usize) -> Vec<u32> {
        let mut tokens = vec![self.begin];
        for word in self.words(text) {
            self.cut(&word, &mut tokens);
        }
        tokens.truncate(most.saturating_sub(1).max(1));
        tokens.push(self.end);
        tokens
    }

    fn words(&self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word = String::new();
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() || c == '\u{fffd}' {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            } else if is_punctuation(c) || is_ideograph(c) {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                words.push(c.to_string());
            } else if self.lower {
                word.extend(c.to_lowercase().map(plain));
            } else {
                word.push(c);
            }
        }
        words.extend((!word.is_empty()).then_some(word));
        words
    }

    fn cut(&self, word: &str, tokens: &mut Vec<u32>) {
        let borders: Vec<usize> = word
            .char_indices()
            .map(|(at, _)| at)
            .chain([word.len()])
            .collect();
        let mut found = Vec::new();
        let mut from = 0;
        while from + 1 < borders.len() && borders.len() <= WORD_CHARACTERS {
            let longest = (from + 1..borders.len()).rev().find_map(|to| {
                let piece = &word[borders[from]..borders[to]];
                let id = if from == 0 {
                    self.pieces.get(piece)
                } else {
                    self.pieces.get(format!("##{piece}").as_str())
                };
                Some((to, *id?))
            });
            let Some((to, id)) = longest else { break };
            found.push(id);
            from = to;
        }
        if from + 1 < borders.len() {
            tokens.push(self.unknown);
        } else {
            tokens.extend(found);
        }
    }
}

/// The letter without its accent: those of the languages that object names and descriptions are written in.
fn plain(c: char) -> char {
    const ACCENTED: &[(&str, char)] = &[
        ("àáâãäåāăą", 'a'),
        ("çćĉċč", 'c'),
        ("ďđ", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ìíîïĩīĭį", 'i'),
        ("ñńņň", 'n'),
        ("òóôõöōŏő", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşš", 's'),
        ("ţť", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ýÿŷ", 'y'),
        ("źżž", 'z'),
    ];
    if c.is_ascii() {
        return c;
    }
    ACCENTED
        .iter()
        .find(|(letters, _)| letters.contains(c))
        .map_or(c, |(_, letter)| *letter)
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '\u{00a1}'..='\u{00bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}')
            && !c.is_alphanumeric()
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokenizer() -> WordPiece {
        WordPiece::of(&json!({"normalizer": {"lowercase": true}, "model": {"type": "WordPiece", "vocab": {
            "[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "data": 3, "##base": 4, "database": 5, "##s": 6, "cafe": 7, "-": 8, "pod": 9,
        }}}))
        .unwrap()
    }

    #[test]
    fn a_word_is_cut_into_the_longest_known_pieces() {
        for (text, tokens) in [
            ("databases", &[0, 5, 6, 1][..]),
            ("DataBase data", &[0, 5, 3, 1]),
            ("café-pods", &[0, 7, 8, 9, 6, 1]),
            ("podx pod", &[0, 2, 9, 1]),
            ("", &[0, 1]),
        ] {
            assert_eq!(tokenizer().tokens(text, 512), tokens, "{text}");
        }
    }

    #[test]
    fn long_text_is_cut_and_still_ended() {
        let tokens = tokenizer().tokens(&"pod ".repeat(1000), 16);
        assert_eq!((tokens.len(), tokens.last()), (16, Some(&1)));
        assert_eq!(tokenizer().tokens(&"x".repeat(1_000_000), 16), [0, 2, 1]);
    }

    #[test]
    fn another_kind_of_tokenizer_is_refused_by_name() {
        let error = WordPiece::of(&json!({"model": {"type": "BPE"}})).unwrap_err();
        assert!(error.to_string().contains("BPE"), "{error}");
    }
}
