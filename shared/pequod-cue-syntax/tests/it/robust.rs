//! Whatever the text, parsing ends and does not panic.

use pequod_cue_syntax::{FileId, parse_expr, parse_file};
use proptest::prelude::*;

/// Pieces that mean something to the scanner.
const PIECES: &[&str] = &[
    "a",
    "_",
    "#A",
    "_h",
    "1",
    "0x",
    "1.5",
    "2Ki",
    "\"",
    "'",
    "\"\"\"\n",
    "\n\"\"\"",
    "'''\n",
    "#\"",
    "\"#",
    "\\(",
    "\\#(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    "::",
    ",",
    ".",
    "...",
    "..",
    "?",
    "!",
    "~",
    "=",
    "==",
    "=~",
    "!~",
    "<-",
    "<",
    ">=",
    "&",
    "&&",
    "|",
    "||",
    "+",
    "-",
    "*",
    "/",
    "//c",
    "\n",
    " ",
    "\t",
    "\r",
    "for ",
    " in ",
    "if ",
    "let ",
    "try ",
    "else ",
    "otherwise ",
    "import ",
    "package ",
    "@a(",
    "@experiment(try)\n",
    "@experiment(aliasv2,explicitopen)\n",
    "true",
    "null",
    "_|_",
    "\\u12",
    "\\",
    "é",
    "\u{feff}",
    "\0",
    "\u{200b}",
];

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_words_is_judged(text in soup()) {
        let _ = parse_file(FileId(0), "t", text.as_str());
        let _ = parse_expr(FileId(0), "t", text.as_str());
    }

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = parse_file(FileId(0), "t", text.as_str());
    }
}
