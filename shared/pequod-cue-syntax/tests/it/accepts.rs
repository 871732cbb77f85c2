//! What is CUE, and how it is understood.

use pequod_cue_syntax::ast::{
    BinaryOp, Clause, Constraint, Decl, Element, Expr, Field, LabelKind, Part, PostfixOp, UnaryOp,
};
use pequod_cue_syntax::{FileId, parse_expr, parse_file};

fn decls(text: &str) -> Vec<Decl> {
    match parse_file(FileId(0), "test.cue", text) {
        Ok(file) => file.decls,
        Err(errors) => panic!("{text}\n{errors}"),
    }
}

fn field(text: &str) -> Field {
    match decls(text).into_iter().next() {
        Some(Decl::Field(field)) => *field,
        other => panic!("{text}: {other:?}"),
    }
}

fn expr(text: &str) -> Expr {
    match parse_expr(FileId(0), "test.cue", text) {
        Ok((_, expr)) => expr,
        Err(errors) => panic!("{text}\n{errors}"),
    }
}

fn label(field: &Field) -> String {
    match &field.label.kind {
        LabelKind::Ident(ident) => ident.name.to_string(),
        LabelKind::String(lit) => format!("{:?}", lit.value),
        LabelKind::Interpolation(_) => "interpolation".into(),
        LabelKind::Dynamic(_) => "dynamic".into(),
        LabelKind::Pattern(_) => "pattern".into(),
    }
}

#[test]
fn labels_have_all_forms() {
    for (text, want) in [
        ("a: 1", "a"),
        ("_a: 1", "_a"),
        ("#A: 1", "#A"),
        ("_#A: 1", "_#A"),
        ("\"a b\": 1", "\"a b\""),
        ("#\"a\"b\"#: 1", "\"a\\\"b\""),
        ("\"\\(x)\": 1", "interpolation"),
        ("(x): 1", "dynamic"),
        ("[string]: 1", "pattern"),
        ("[X=string]: 1", "pattern"),
        ("true: 1", "true"),
        ("null: 1", "null"),
        ("if: 1", "if"),
        ("for: 1", "for"),
        ("let: 1", "let"),
        ("in: 1", "in"),
        ("else: 1", "else"),
        ("func: 1", "func"),
        ("otherwise: 1", "otherwise"),
    ] {
        assert_eq!(label(&field(text)), want, "{text}");
    }
}

#[test]
fn constraints_belong_to_fields() {
    for (text, want) in [
        ("a: 1", Constraint::Regular),
        ("a?: 1", Constraint::Optional),
        ("a!: 1", Constraint::Required),
        ("\"a\"?: 1", Constraint::Optional),
        ("(a)!: 1", Constraint::Required),
        ("\"\\(a)\"!: 1", Constraint::Required),
        ("if?: 1", Constraint::Optional),
        ("if!: 1", Constraint::Required),
        ("for!: 1", Constraint::Required),
    ] {
        assert_eq!(field(text).constraint, want, "{text}");
    }
}

#[test]
fn chains_nest() {
    let outer = field("a: b?: \"c\": X=d: 1 @x(y)");
    let mut names = vec![label(&outer)];
    let mut value = outer.value;
    while let Expr::Struct(inner) = value {
        assert!(!inner.braces);
        let Some(Decl::Field(next)) = inner.decls.into_iter().next() else {
            panic!("no field")
        };
        names.push(label(&next));
        if names.len() == 4 {
            assert_eq!(
                next.label.alias.as_ref().map(|alias| &*alias.name),
                Some("X")
            );
            assert_eq!(next.attributes.len(), 1);
        }
        value = next.value;
    }
    assert_eq!(names, ["a", "b", "\"c\"", "d"]);
}

#[test]
fn aliases_stand_before_labels_values_and_patterns() {
    assert_eq!(&*field("X=a: 1").label.alias.unwrap().name, "X");
    assert_eq!(&*field("X=(a): 1").label.alias.unwrap().name, "X");
    assert_eq!(&*field("X=[a]: 1").label.alias.unwrap().name, "X");
    assert_eq!(&*field("a: X={}").value_alias.unwrap().name, "X");
    assert_eq!(&*field("a: X=b").value_alias.unwrap().name, "X");
    assert_eq!(&*field("a: X=[b]").value_alias.unwrap().name, "X");
    assert_eq!(&*field("if=a: 1").label.alias.unwrap().name, "if");
    let LabelKind::Pattern(pattern) = field("[X=string]: 1").label.kind else {
        panic!("pattern")
    };
    assert_eq!(&*pattern.alias.unwrap().name, "X");
}

#[test]
fn postfix_aliases_need_their_experiment() {
    let file = parse_file(FileId(0), "t", "@experiment(aliasv2)\na~X: 1\nb~(K,V)?: 2").unwrap();
    let Decl::Field(second) = &file.decls[1] else {
        panic!("field")
    };
    let alias = second.alias.as_ref().unwrap();
    assert_eq!(&*alias.label.as_ref().unwrap().name, "K");
    assert_eq!(&*alias.field.name, "V");
    assert!(parse_file(FileId(0), "t", "a~X: 1").is_err());
    assert!(parse_file(FileId(0), "t", "@experiment(aliasv2)\nX=a: 1").is_err());
}

#[test]
fn operators_bind_by_precedence() {
    let Expr::Binary(or) = expr("a | b & c || d && e == f + g * h") else {
        panic!("binary")
    };
    let mut seen = vec![or.op];
    let mut rest = &or.rhs;
    while let Expr::Binary(binary) = rest {
        seen.push(binary.op);
        rest = &binary.rhs;
    }
    let want = [
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::BoolOr,
        BinaryOp::BoolAnd,
        BinaryOp::Equal,
        BinaryOp::Add,
        BinaryOp::Multiply,
    ];
    assert_eq!(seen, want);
    let Expr::Binary(minus) = expr("a - b - c") else {
        panic!("binary")
    };
    assert_eq!(minus.chain().len(), 3);
    assert!(matches!(minus.lhs, Expr::Binary(_)));
}

#[test]
fn unary_operators_stack() {
    let Expr::Unary(outer) = expr("*!-a") else {
        panic!("unary")
    };
    assert_eq!(outer.op, UnaryOp::Default);
    for (text, op) in [
        ("<1", UnaryOp::Less),
        ("<=1", UnaryOp::LessEqual),
        (">1", UnaryOp::Greater),
        (">=1", UnaryOp::GreaterEqual),
        ("!=1", UnaryOp::NotEqual),
        ("==1", UnaryOp::Equal),
        ("=~\"a\"", UnaryOp::Match),
        ("!~\"a\"", UnaryOp::NotMatch),
    ] {
        let Expr::Unary(unary) = expr(text) else {
            panic!("{text}")
        };
        assert_eq!(unary.op, op, "{text}");
    }
}

#[test]
fn primary_expressions_chain() {
    assert!(matches!(expr("a.b.\"c\".if[0](1, 2)"), Expr::Call(_)));
    assert!(matches!(expr("a[1:2]"), Expr::Slice(_)));
    assert!(matches!(expr("a[:]"), Expr::Slice(_)));
    assert!(matches!(expr("a[1,]"), Expr::Index(_)));
    assert!(matches!(expr("f(1, 2,)"), Expr::Call(call) if call.arguments.len() == 2));
    assert!(matches!(expr("_|_"), Expr::Bottom(_)));
    assert!(matches!(expr("((1))").without_parens(), Expr::Number(_)));
}

#[test]
fn interpolations_nest() {
    let Expr::Interpolation(lit) = expr(r##"#"a\#(f("c \(d) e")) b"#"##) else {
        panic!("interpolation")
    };
    assert!(matches!(&lit.parts[0], Part::Text(text) if &**text == b"a"));
    assert!(matches!(&lit.parts[1], Part::Expr(Expr::Call(_))));
    assert!(matches!(&lit.parts[2], Part::Text(text) if &**text == b" b"));
    let Expr::Interpolation(lit) = expr("'''\n\ta\\(\n1\n)\n\tb\n\t'''") else {
        panic!("interpolation")
    };
    assert!(lit.bytes);
    assert!(matches!(&lit.parts[2], Part::Text(text) if &**text == b"\nb"));
}

#[test]
fn lists_have_elements_comprehensions_and_an_end() {
    let Expr::List(list) = expr("[1, for x in y {x}, X=2\n3\n...int]") else {
        panic!("list")
    };
    assert_eq!(list.elements.len(), 4);
    assert!(matches!(list.elements[1], Element::Comprehension(_)));
    assert!(matches!(&list.elements[2], Element::Alias(name, _) if &*name.name == "X"));
    assert!(list.ellipsis.unwrap().expr.is_some());
    assert!(matches!(expr("[...]"), Expr::List(list) if list.ellipsis.is_some()));
    assert!(matches!(expr("[\n1,\n2,\n]"), Expr::List(list) if list.elements.len() == 2));
}

#[test]
fn comprehensions_have_clauses() {
    let all = decls("for k, v in x if v > 1 let y = v {(k): y}\nif a {b: 1}");
    let Decl::Comprehension(first) = &all[0] else {
        panic!("comprehension")
    };
    assert!(matches!(
        first.clauses[..],
        [Clause::For(_), Clause::If(_), Clause::Let(_)]
    ));
    let file = parse_file(
        FileId(0),
        "t",
        "@experiment(try)\ntry {a: b?} else {c: 1}\nfor x in y if x {z: 1} otherwise {z: 2}\ntry v = w? {u: v}",
    )
    .unwrap();
    let Decl::Comprehension(last) = &file.decls[2] else {
        panic!("comprehension")
    };
    let Clause::Try(clause) = &last.clauses[0] else {
        panic!("try")
    };
    let (_, value) = clause.binding.as_ref().unwrap();
    assert!(matches!(value, Expr::Postfix(postfix) if postfix.op == PostfixOp::Optional));
}

#[test]
fn files_have_preamble_package_and_imports() {
    let text = "// about\n@if(foo)\n\n// The package.\npackage x\n\nimport \"strings\"\nimport (\n\
                \ty \"example.com/z@v1:q\"\n\t\"a.b/c.d@v0\"\n)\na: 1";
    let file = parse_file(FileId(0), "t", text).unwrap();
    assert_eq!(&*file.preamble[0].name, "if");
    assert_eq!(&*file.preamble[0].body, "foo");
    let package = file.package.unwrap();
    assert_eq!(
        (&*package.name.name, package.doc.as_deref()),
        ("x", Some("The package.\n"))
    );
    let names: Vec<_> = file
        .imports
        .iter()
        .map(pequod_cue_syntax::ast::Import::local_name)
        .collect();
    assert_eq!(names, ["strings", "y", "c.d"]);
    assert_eq!(file.imports[1].package_path(), "example.com/z@v1");
}

#[test]
fn json_is_cue() {
    let all = decls("{\n  \"a\": 1\n  , \"b\"\n  : [1, null, true, \"x\\/\"]\n}");
    assert!(matches!(&all[..], [Decl::Embed(_)]));
}

#[test]
fn embeddings_may_be_anything() {
    let all = decls("a.b\n\"s\"\n1 & x\n{c: 1}\n[1]\n...\n@a(b)\nlet x = 1\ntrue\n(a)\nif");
    assert_eq!(all.len(), 11);
    assert!(matches!(&all[8], Decl::Embed(embed) if matches!(embed.expr, Expr::Bool(true, _))));
    assert!(matches!(&all[9], Decl::Embed(embed) if matches!(embed.expr, Expr::Paren(_))));
}

#[test]
fn postfix_dots_open_under_their_experiment() {
    let file = parse_file(FileId(0), "t", "@experiment(explicitopen)\n{a..., b.c...}").unwrap();
    let Decl::Embed(embed) = &file.decls[0] else {
        panic!("embed")
    };
    let Expr::Struct(inner) = &embed.expr else {
        panic!("struct")
    };
    assert_eq!(inner.decls.len(), 2);
}
