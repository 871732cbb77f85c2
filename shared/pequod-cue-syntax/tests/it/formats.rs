//! The usual layout. What is expected here is what the reference's `cue fmt` makes of the same text.

use std::path::Path;

use pequod_cue_syntax::{FileId, format_file, format_simplified, parse_file};

#[track_caller]
fn formatted(text: &str) -> String {
    match parse_file(FileId(0), "a.cue", text) {
        Ok(file) => format_file(&file),
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let found = formatted(text);
    assert_eq!(found, expected, "{found}");
    assert_eq!(formatted(&found), found, "laid out twice");
}

#[test]
fn values_on_single_lines_stand_in_columns() {
    becomes("a:1\nbbb:2\n", "a:   1\nbbb: 2\n");
    becomes("a?:1\nb!:  2\n", "a?: 1\nb!: 2\n");
    // An empty line, a comment, another number of labels or a struct ends a column.
    becomes("a: 1\n\nbbb: 2\n", "a: 1\n\nbbb: 2\n");
    becomes("a: 1\n// c\nbbb: 2\ncc: 3", "a: 1\n// c\nbbb: 2\ncc:  3\n");
    becomes(
        "a: b: 1\naaa: bbb: 2\nc: 3",
        "a: b:     1\naaa: bbb: 2\nc: 3\n",
    );
    becomes("a: {}\nbbb: 4", "a: {}\nbbb: 4\n");
    becomes("{a: 1, bb: 2}", "{a: 1, bb: 2}\n");
}

#[test]
fn comments_stay_and_stand_in_columns() {
    becomes("a: 1 // x\nbb: 22 // y", "a:  1  // x\nbb: 22 // y\n");
    becomes(
        "// top\n\n// doc\na: 1\n// end",
        "// top\n\n// doc\na: 1\n// end\n",
    );
    becomes("// c\n@if(x)\npackage a", "// c\n@if(x)\npackage a\n");
    becomes("a: {b: 1} // c\n@x()", "a: {b: 1} // c\n@x()\n");
    becomes(
        "a: [\n1, // one\n22,\n// end\n]",
        "a: [\n\t1, // one\n\t22,\n\t// end\n]\n",
    );
    becomes("a: {\n// nothing else\n}", "a: {\n\t// nothing else\n}\n");
}

#[test]
fn operators_stand_as_in_go() {
    becomes("a: 1+2*3", "a: 1 + 2*3\n");
    becomes("a: 1*2*3", "a: 1 * 2 * 3\n");
    becomes("a: f(1+2, 3)", "a: f(1+2, 3)\n");
    becomes("a: f(1+2)", "a: f(1 + 2)\n");
    becomes("a: s[1+2*3]", "a: s[1+2*3]\n");
    becomes("a: s[1+2:2]", "a: s[1+2 : 2]\n");
    becomes("a: x[a|b]", "a: x[a | b]\n");
    becomes("a: a++b", "a: a + +b\n");
    becomes("a: >=1&<=(3+4*5)", "a: >=1 & <=(3 + 4*5)\n");
    becomes("a: ((1+2))", "a: (1 + 2)\n");
}

#[test]
fn line_breaks_stay() {
    becomes("a: b|\nc|\nd", "a: b |\n\tc |\n\td\n");
    becomes("a:\nb:\nc: 3", "a:\n\tb:\n\t\tc: 3\n");
    becomes("a: [1, 2,\n3]", "a: [1, 2,\n\t3]\n");
    becomes("a: [\n1\n2\n]", "a: [\n\t1\n\t2\n]\n");
    becomes("a: [\n1,\n2\n]", "a: [\n\t1,\n\t2,\n]\n");
    becomes("a: {\nb: 1}", "a: {\n\tb: 1\n}\n");
    becomes("a: {\nb: {c: 1}}", "a: {\n\tb: {c: 1}}\n");
    becomes("a: b.\nc", "a: b.\n\tc\n");
    becomes("a: {\n\n\n\nb: 1\n\n\n}", "a: {\n\n\tb: 1\n}\n");
}

#[test]
fn literals_stay_as_they_are_written() {
    becomes("a: #\"x\"#\nb: '\\xff'", "a: #\"x\"#\nb: '\\xff'\n");
    becomes(
        "a: \"\"\"\n  x\n    y\n\n  \"\"\"",
        "a: \"\"\"\n\tx\n\t  y\n\n\t\"\"\"\n",
    );
    becomes("a: \"\"\"\n\tx  \n\t\"\"\"", "a: \"\"\"\n\tx  \n\t\"\"\"\n");
    becomes(
        "a: \"\"\"\n  x \\(b)\n  \"\"\"",
        "a: \"\"\"\n  x \\(b)\n  \"\"\"\n",
    );
    becomes(
        "[N= =~\"a\"]: 1\nX = b: X",
        "[N= =~\"a\"]: 1\nX = b:      X\n",
    );
    becomes("a: \"\\(1 + 2) \\(b)\"", "a: \"\\(1+2) \\(b)\"\n");
    becomes(
        "a: .5\nb: 3.\nc: 1E+5\nd: 1Mi",
        "a: 0.5\nb: 3.0\nc: 1e+5\nd: 1Mi\n",
    );
}

#[test]
fn clauses_stand_apart() {
    becomes(
        "package   a\nimport \"b\"\nimport (\"c\"\n\n d \"e\")\na: 1",
        "package a\n\nimport \"b\"\n\nimport (\"c\"\n\n\td \"e\")\n\na: 1\n",
    );
    becomes(
        "for k,v in x if v>1 {\n\"\\(k)\":v}",
        "for k, v in x if v > 1 {\n\t\"\\(k)\": v\n}\n",
    );
    becomes("let  x=1\na: x", "let x = 1\na: x\n");
}

#[test]
fn quotes_go_where_nothing_could_mean_the_label() {
    let simplified = |text: &str| {
        let file = parse_file(FileId(0), "a.cue", text).unwrap();
        format_simplified(&file)
    };
    assert_eq!(simplified("\"a\": 1\n\"b-c\": 2"), "a:     1\n\"b-c\": 2\n");
    assert_eq!(simplified("\"a\": 1\nb: a"), "\"a\": 1\nb:   a\n");
    assert_eq!(
        simplified("\"a\": 1\nb: \"\\(a)\""),
        "\"a\": 1\nb:   \"\\(a)\"\n"
    );
    assert_eq!(simplified("\"_a\": 1\n\"#b\": 2"), "\"_a\": 1\n\"#b\": 2\n");
}

/// The project's own modules say the same after they were laid out, and are not changed a second time.
#[test]
fn own_modules_say_the_same_afterwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("shared"), root.join("samples")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "cue") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let Ok(before) = parse_file(FileId(0), "a.cue", text.as_str()) else {
                continue;
            };
            count += 1;
            let laid_out = format_file(&before);
            let after = parse_file(FileId(0), "a.cue", laid_out.as_str()).unwrap();
            assert_eq!(
                pequod_cue_syntax::print_file(&before),
                pequod_cue_syntax::print_file(&after),
                "{}",
                path.display()
            );
            assert_eq!(
                before.comments.len(),
                after.comments.len(),
                "{}",
                path.display()
            );
            assert_eq!(format_file(&after), laid_out, "{}", path.display());
        }
    }
    assert!(count > 0, "there are modules to look at");
}
