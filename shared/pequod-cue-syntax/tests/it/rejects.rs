//! What is no CUE, and how that is said.

use pequod_cue_syntax::{FileId, parse_file};

fn error(text: &str) -> String {
    match parse_file(FileId(0), "t", text) {
        Ok(_) => format!("accepted: {text}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, want) in [
        ("a: ", "t:1:4: expected operand, found 'EOF'"),
        ("a: ]", "t:1:4: expected operand, found ']'"),
        ("a: 1 b: 2", "t:1:6: missing ',' in struct literal"),
        ("a b", "t:1:3: expected label or ':', found 'IDENT' b"),
        ("{a: 1", "t:1:6: expected '}', found 'EOF'"),
        ("a: [1, 2", "t:1:9: expected ']', found 'EOF'"),
        ("a: (1\n)", "t:1:6: expected ')', found newline"),
        ("a: f(1 2)", "t:1:8: missing ',' in argument list"),
        ("a: 01", "t:1:4: illegal integer number"),
        ("a: 1.3Ki", "t:1:4: number cannot be represented as int"),
        ("a: 0x", "t:1:4: illegal hexadecimal number"),
        ("a: 1__0", "t:1:6: illegal '_' in number"),
        ("a: \"x", "t:1:4: string literal not terminated"),
        ("a: \"\\q\"", "t:1:6: unknown escape sequence"),
        (
            "a: \"\\x41\"",
            "t:1:6: hexadecimal escape not allowed in string literal",
        ),
        (
            "a: \"\\ud83d\"",
            "t:1:4: invalid string: unmatched surrogate pair",
        ),
        (
            "a: \"\"\"b\"\"\"",
            "t:1:4: expected newline after multiline quote \"\"\"",
        ),
        (
            "a: \"\"\"\n\tb\n\t\tc\n\t\t\"\"\"",
            "t:1:4: non-matching whitespace for multiline strings",
        ),
        ("a: {...string}", "t:1:8: missing ',' in struct literal"),
        (
            "{a...}",
            "t:1:3: postfix ... operator requires @experiment(explicitopen)",
        ),
        (
            "[a, b]: 1",
            "t:1:1: square bracket must have exactly one element",
        ),
        (
            "__a: 1",
            "t:1:1: identifiers starting with '__' are reserved",
        ),
        ("import \"a b\"", "t:1:8: invalid import path: \"a b\""),
        ("package #a", "t:1:9: invalid package name #a"),
        ("X=5", "t:1:4: expected label or ':', found newline"),
        ("a: 1 @x(", "t:1:9: attribute missing ')'"),
        ("a: 1 @x)", "t:1:9: invalid attribute: expected '('"),
        ("a: ..b", "t:1:4: illegal token '..'; expected '.'"),
        ("a: %", "t:1:4: illegal character U+0025 '%'"),
        ("a: b.'c'", "t:1:6: expected selector, found 'STRING' 'c'"),
        (
            "@experiment(nosuch)",
            "t:1:1: unknown experiment \"nosuch\"",
        ),
        ("if a {} else {}", "t:1:9: else requires @experiment(try)"),
    ] {
        assert_eq!(error(text), want, "{text}");
    }
}

#[test]
fn nesting_and_chains_have_limits() {
    let deep = format!("a: {}1{}", "(".repeat(2_000), ")".repeat(2_000));
    assert!(error(&deep).contains("nesting depth"), "parentheses");
    assert!(
        error(&"{".repeat(100_000)).contains("nesting depth"),
        "structs"
    );
    assert!(
        error(&"a: ".repeat(100_000)).contains("nesting depth"),
        "labels"
    );
    assert!(
        error(&format!("a: {}1", "-".repeat(100_000))).contains("nesting depth"),
        "unary"
    );
    assert!(
        error(&format!("a: b{}", "[0]".repeat(100_000))).contains("nesting depth"),
        "index"
    );
    assert!(
        error(&format!("a: 1{}", "|1".repeat(100_000))).contains("operands"),
        "operands"
    );
    let long = format!("a: 1{}", "|1".repeat(9_000));
    assert!(
        parse_file(FileId(0), "t", long).is_ok(),
        "a long disjunction is fine"
    );
}
