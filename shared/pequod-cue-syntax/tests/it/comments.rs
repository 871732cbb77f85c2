//! Which comments document what.

use pequod_cue_syntax::ast::{Decl, Placement};
use pequod_cue_syntax::{FileId, parse_file};

#[test]
fn a_comment_directly_above_documents() {
    let text = "// free\n\n// one\n//   two\n//\n//\n// three \na: 1 // behind\n// of b\nb: {\n\t// of c\n\tc: \
                2\n}\n// end";
    let file = parse_file(FileId(0), "t", text).unwrap();
    let Decl::Field(a) = &file.decls[0] else {
        panic!("field")
    };
    assert_eq!(a.doc.as_deref(), Some("one\n  two\n\nthree\n"));
    let Decl::Field(b) = &file.decls[1] else {
        panic!("field")
    };
    assert_eq!(b.doc.as_deref(), Some("of b\n"));
    let placements: Vec<_> = file
        .comments
        .iter()
        .map(|comment| comment.placement)
        .collect();
    assert_eq!(
        placements,
        [
            Placement::Free,
            Placement::Doc,
            Placement::Line,
            Placement::Doc,
            Placement::Doc,
            Placement::Free
        ]
    );
}

#[test]
fn a_comment_inside_a_value_documents_nothing_else() {
    let file = parse_file(FileId(0), "t", "a: [\n\t// one\n\t1,\n]\nb: 2").unwrap();
    let Decl::Field(b) = &file.decls[1] else {
        panic!("field")
    };
    assert_eq!(b.doc, None);
    assert_eq!(file.comments.len(), 1);
}

#[test]
fn a_comment_above_an_attribute_is_not_lost() {
    let file = parse_file(
        FileId(0),
        "a.cue",
        "// one\n@if(x)\npackage a\nb: 1 // two\n@c(d)\n",
    )
    .unwrap();
    let texts: Vec<_> = file
        .comments
        .iter()
        .map(|comment| file.source.slice(comment.span))
        .collect();
    assert_eq!(texts, ["// one", "// two"]);
}
