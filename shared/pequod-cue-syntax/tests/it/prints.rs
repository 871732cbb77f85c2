//! What is printed parses to what was read.

use pequod_cue_syntax::{FileId, parse_expr, parse_file, print_expr, print_file};

#[test]
fn printing_is_stable_and_parses() {
    let text = "@experiment(try)\npackage x\n@a(b)\nimport y \"z.com/y\"\n\"a b\"?: c: X={d!: (e)} @f(g)\n\
                [S=string]: \"\\(S) x\"\n(k): '\\x00\\(v)'\nl: [1, ...int] + a[1:] & *f(x, -1)\n\
                for k, v in a let w = v {(k): w}\nif b? {c} else {d}\n\
                m: \"\"\"\n\t\tone\n\n\t\t  two\n\t\t\"\"\"\n...\nlet q = a.\"b\".c | _|_\n";
    let once = print_file(&parse_file(FileId(0), "t", text).unwrap());
    let twice = print_file(&parse_file(FileId(0), "t", once.as_str()).unwrap());
    assert_eq!(once, twice);
    assert!(once.contains("\tone\n\n\t  two\n"), "{once}");
}

#[test]
fn expressions_keep_their_text() {
    for text in [
        "a.b[0]",
        "1 + 2 * 3",
        "(1 + 2) * 3",
        "[1, 2, ...]",
        "-a",
        "*1 | int",
        "a == b",
        "\"x\\(y)z\"",
    ] {
        let (_, expr) = parse_expr(FileId(0), "t", text).unwrap();
        assert_eq!(print_expr(&expr), text);
    }
}
