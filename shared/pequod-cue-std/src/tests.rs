//! Behaviour of functions; the values are the reference's answers.

use crate::{Args, Datum, FaultKind, find};

fn call(package: &str, name: &str, args: &[Datum]) -> Result<Datum, String> {
    let function = find(package, name).unwrap();
    assert_eq!(function.params.len(), args.len(), "{package}.{name}");
    (function.run)(&Args(args)).map_err(|fault| fault.text)
}

fn t(text: &str) -> Datum {
    Datum::text(text)
}

fn i(value: i64) -> Datum {
    Datum::int(value)
}

fn list(elements: &[Datum]) -> Datum {
    Datum::List(elements.to_vec())
}

#[test]
fn strings() {
    let s = |name: &str, args: &[Datum]| call("strings", name, args);
    assert_eq!(s("ToTitle", &[t("hello wörld")]), Ok(t("Hello Wörld")));
    assert_eq!(s("ToUpper", &[t("straße")]), Ok(t("STRAßE")));
    assert_eq!(
        s("Split", &[t("a,b,"), t(",")]),
        Ok(Datum::texts(["a", "b", ""]))
    );
    assert_eq!(
        s("Split", &[t("héé"), t("")]),
        Ok(Datum::texts(["h", "é", "é"]))
    );
    assert_eq!(
        s("SplitN", &[t("a,b,c"), t(","), i(2)]),
        Ok(Datum::texts(["a", "b,c"]))
    );
    assert_eq!(s("SplitN", &[t("a"), t(","), i(0)]), Ok(list(&[])));
    assert_eq!(
        s("SplitAfter", &[t("a,b"), t(",")]),
        Ok(Datum::texts(["a,", "b"]))
    );
    assert_eq!(
        s("Fields", &[t("  a \t b\n")]),
        Ok(Datum::texts(["a", "b"]))
    );
    assert_eq!(s("Count", &[t("cheese"), t("e")]), Ok(i(3)));
    assert_eq!(s("Count", &[t("five"), t("")]), Ok(i(5)));
    assert_eq!(
        s("Replace", &[t("oink oink"), t("k"), t("ky"), i(1)]),
        Ok(t("oinky oink"))
    );
    assert_eq!(s("Trim", &[t("xxhixx"), t("x")]), Ok(t("hi")));
    assert_eq!(s("Repeat", &[t("a"), i(-1)]), Err("negative count".into()));
    assert_eq!(s("SliceRunes", &[t("✓ Hello"), i(0), i(3)]), Ok(t("✓ H")));
    assert_eq!(
        s("SliceRunes", &[t("abc"), i(2), i(1)]),
        Err("index out of range".into())
    );
    assert_eq!(
        s("ByteAt", &[t("a"), i(1)]),
        Err("index out of range".into())
    );
    assert_eq!(s("MinRunes", &[t("é"), i(1)]), Ok(Datum::Bool(true)));
}

#[test]
fn lists() {
    let l = |name: &str, args: &[Datum]| call("list", name, args);
    let numbers = list(&[i(1), i(2), i(3), i(4)]);
    assert_eq!(
        l("Slice", &[numbers.clone(), i(1), i(3)]),
        Ok(list(&[i(2), i(3)]))
    );
    assert_eq!(
        l("Slice", &[numbers.clone(), i(3), i(1)]),
        Err("invalid index: 3 > 1".into())
    );
    assert_eq!(l("Take", &[numbers.clone(), i(9)]), Ok(numbers.clone()));
    assert_eq!(
        l("Drop", &[numbers.clone(), i(-1)]),
        Err("negative index".into())
    );
    assert_eq!(l("Sum", std::slice::from_ref(&numbers)), Ok(i(10)));
    assert_eq!(
        l("Avg", std::slice::from_ref(&numbers)).map(|datum| crate::json::show(&datum)),
        Ok("2.5".into())
    );
    assert_eq!(l("Max", &[list(&[])]), Err("empty list".into()));
    assert_eq!(
        l("Range", &[i(0), i(6), i(2)]),
        Ok(list(&[i(0), i(2), i(4)]))
    );
    assert_eq!(
        l("Range", &[i(0), i(1), i(0)]),
        Err("step must be non zero".into())
    );
    let nested = list(&[i(1), list(&[i(2), list(&[Datum::Opaque(7)])])]);
    assert_eq!(
        l("FlattenN", &[nested.clone(), i(1)]),
        Ok(list(&[i(1), i(2), list(&[Datum::Opaque(7)])]))
    );
    assert_eq!(
        l("FlattenN", &[nested, i(-1)]),
        Ok(list(&[i(1), i(2), Datum::Opaque(7)]))
    );
    assert_eq!(
        l("MinItems", &[numbers, i(5)]),
        Err("len(list) < MinItems(5) (4 < 5)".into())
    );
}

#[test]
fn a_struct_that_may_grow_is_not_too_small_yet() {
    let shape = |open, constraints| {
        Datum::Shape(crate::Shape {
            count: 1,
            open,
            constraints,
        })
    };
    let kind = |shape| {
        (find("struct", "MinFields").unwrap().run)(&Args(&[shape, i(2)]))
            .unwrap_err()
            .kind
    };
    assert_eq!(kind(shape(true, 0)), FaultKind::Incomplete);
    assert_eq!(kind(shape(false, 1)), FaultKind::Incomplete);
    assert_eq!(kind(shape(false, 0)), FaultKind::Invalid);
}

#[test]
fn regexps() {
    let r = |name: &str, args: &[Datum]| call("regexp", name, args);
    assert_eq!(
        r("ReplaceAll", &[t("a(x*)b"), t("-ab-axxb-"), t("${1}W$$")]),
        Ok(t("-W$-xxW$-"))
    );
    assert_eq!(
        r("ReplaceAll", &[t("a(x*)b"), t("-ab-axxb-"), t("$1W")]),
        Ok(t("---"))
    );
    assert_eq!(r("Find", &[t("o+"), t("foood")]), Ok(t("ooo")));
    assert_eq!(r("Find", &[t("z"), t("foood")]), Err("no match".into()));
    assert_eq!(
        r("FindAll", &[t("o"), t("foo"), i(1)]),
        Ok(Datum::texts(["o"]))
    );
    let named = r("FindNamedSubmatch", &[t(r"(?P<b>\d)(?P<a>\w)"), t("1x")]);
    assert_eq!(
        named,
        Ok(Datum::Struct(vec![
            ("a".into(), t("x")),
            ("b".into(), t("1"))
        ]))
    );
    assert_eq!(r("Valid", &[t("a*")]), Ok(Datum::Bool(true)));
    assert_eq!(
        r("Valid", &[t("a**")]),
        Err("error parsing regexp: invalid nested repetition operator: `**`".into())
    );
}

#[test]
fn encodings() {
    let data = Datum::Struct(vec![
        ("a".into(), list(&[i(1), Datum::Null])),
        ("<".into(), t("\u{2028}\"\u{1}")),
    ]);
    let text = "{\"a\":[1,null],\"<\":\"\\u2028\\\"\\u0001\"}";
    assert_eq!(
        call("encoding/json", "Marshal", std::slice::from_ref(&data)),
        Ok(t(text))
    );
    assert_eq!(call("encoding/json", "Unmarshal", &[t(text)]), Ok(data));
    assert_eq!(
        call("encoding/json", "Unmarshal", &[t("{a: 1}")]),
        Err("json: invalid JSON".into())
    );
    assert_eq!(
        call("encoding/json", "UnmarshalStream", &[t("1 \"a\"\n[]")]),
        Ok(list(&[i(1), t("a"), list(&[])]))
    );
    assert_eq!(
        call(
            "encoding/json",
            "Indent",
            &[t("{\"a\":[],\"b\":{\"c\":1}}"), t(""), t("  ")]
        ),
        Ok(t("{\n  \"a\": [],\n  \"b\": {\n    \"c\": 1\n  }\n}"))
    );
    assert_eq!(
        call("encoding/base64", "Encode", &[Datum::Null, t("Hello")]),
        Ok(t("SGVsbG8="))
    );
    assert_eq!(
        call("encoding/base64", "Decode", &[Datum::Null, t("A=B=")]),
        Err("illegal base64 data at input byte 1".into())
    );
    assert_eq!(
        call("encoding/hex", "Decode", &[t("0x")]),
        Err("encoding/hex: invalid byte: U+0078 'x'".into())
    );
    assert_eq!(
        call("encoding/yaml", "Marshal", &[list(&[t("y"), i(1)])]),
        Ok(t("- \"y\"\n- 1\n"))
    );
    assert_eq!(
        call("encoding/yaml", "Unmarshal", &[t("a: 0777")]),
        Ok(Datum::Struct(vec![("a".into(), i(511))]))
    );
}

#[test]
fn numbers_and_texts() {
    let s = |name: &str, args: &[Datum]| call("strconv", name, args);
    assert_eq!(
        s("Atoi", &[t("0x1")]),
        Err("strconv.Atoi: parsing \"0x1\": invalid syntax".into())
    );
    assert_eq!(s("ParseInt", &[t("-128"), i(10), i(8)]), Ok(i(-128)));
    assert_eq!(
        s("ParseInt", &[t("128"), i(10), i(8)]),
        Err("strconv.ParseInt: parsing \"128\": value out of range".into())
    );
    assert_eq!(s("ParseInt", &[t("0xff"), i(0), i(0)]), Ok(i(255)));
    assert_eq!(s("FormatInt", &[i(255), i(16)]), Ok(t("ff")));
    assert_eq!(
        s("Quote", &[t("é\u{1}\"\u{200b}")]),
        Ok(t("\"é\\x01\\\"\\u200b\""))
    );
    assert_eq!(
        s("ParseBool", &[t("yes")]),
        Err("strconv.ParseBool: parsing \"yes\": invalid syntax".into())
    );
    assert_eq!(
        call("math", "MultipleOf", &[i(9), i(3)]),
        Ok(Datum::Bool(true))
    );
}

#[test]
fn addresses() {
    let n = |name: &str, args: &[Datum]| call("net", name, args);
    assert_eq!(n("IPv4", &[t("1.2.3.4")]), Ok(Datum::Bool(true)));
    assert_eq!(
        n("IP", &[t("1.2.3")]),
        Err("ParseAddr(\"1.2.3\"): IPv4 address too short".into())
    );
    assert_eq!(
        n("InCIDR", &[t("10.1.2.3"), t("10.0.0.0/8")]),
        Ok(Datum::Bool(true))
    );
    assert_eq!(n("AddIP", &[t("127.0.0.1"), i(-1)]), Ok(t("127.0.0.0")));
    assert_eq!(
        n("AddIPCIDR", &[t("127.0.0.1/24"), i(1)]),
        Ok(t("127.0.1.1/24"))
    );
    assert_eq!(
        n("SplitHostPort", &[t("[::1]:80")]),
        Ok(Datum::texts(["::1", "80"]))
    );
    assert_eq!(n("JoinHostPort", &[t("::1"), i(80)]), Ok(t("[::1]:80")));
    assert_eq!(n("FQDN", &[t("a..b")]), Ok(Datum::Bool(false)));
    assert_eq!(n("PathEscape", &[t("a/b c")]), Ok(t("a%2Fb%20c")));
}

#[test]
fn times() {
    let n = |name: &str, args: &[Datum]| call("time", name, args);
    assert_eq!(
        n("ParseDuration", &[t("1h15m30.918273645s")]),
        Ok(i(4_530_918_273_645))
    );
    assert_eq!(
        n("ParseDuration", &[t("3")]),
        Err("time: missing unit in duration \"3\"".into())
    );
    assert_eq!(
        n("FormatDuration", &[i(4_500_000_000_000)]),
        Ok(t("1h15m0s"))
    );
    assert_eq!(n("FormatDuration", &[i(1_500_000)]), Ok(t("1.5ms")));
    assert_eq!(
        n("Time", &[t("2019-01-02T15:04:05Z")]),
        Ok(Datum::Bool(true))
    );
    assert_eq!(
        n("Time", &[t("2019-02-30T15:04:05Z")]),
        Err("invalid time \"2019-02-30T15:04:05Z\"".into())
    );
    assert_eq!(
        n("ToUnix", &[t("2000-03-01T00:00:00+01:00")]),
        Ok(i(951_865_200))
    );
    assert_eq!(
        n("Unix", &[i(951_865_200), i(500)]),
        Ok(t("2000-02-29T23:00:00.0000005Z"))
    );
}

/// The key and the signature are test 2 of RFC 8032, 7.1.
#[test]
fn signatures() {
    let bytes = |hex: &str| call("encoding/hex", "Decode", &[t(hex)]).expect("hex");
    let key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = bytes(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let no_key = bytes(&format!("02{}", "00".repeat(31)));
    let valid = |key: &Datum, message: &str, signature: &Datum| {
        call(
            "crypto/ed25519",
            "Valid",
            &[key.clone(), t(message), signature.clone()],
        )
    };
    assert_eq!(valid(&key, "r", &signature), Ok(Datum::Bool(true)));
    assert_eq!(valid(&key, "s", &signature), Ok(Datum::Bool(false)));
    assert_eq!(valid(&key, "r", &key), Ok(Datum::Bool(false)), "too short");
    assert_eq!(valid(&no_key, "r", &signature), Ok(Datum::Bool(false)));
    assert_eq!(
        valid(&t("short"), "r", &signature),
        Err("ed25519: publicKey must be 32 bytes".into())
    );
}

#[test]
fn paths_and_ids() {
    let p = |name: &str, args: &[Datum]| call("path", name, args);
    assert_eq!(
        p("Clean", &[t("/a/../../b/./c//"), t("unix")]),
        Ok(t("/b/c"))
    );
    assert_eq!(
        p("Rel", &[t("/a/b"), t("/a/c/d"), t("unix")]),
        Ok(t("../c/d"))
    );
    assert_eq!(p("Base", &[t("/a/b.txt"), t("unix")]), Ok(t("b.txt")));
    assert_eq!(p("Ext", &[t("a.b/c"), t("unix")]), Ok(t("")));
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    assert_eq!(
        call("uuid", "URN", &[t(id)]),
        Ok(t(&format!("urn:uuid:{id}")))
    );
    assert_eq!(
        call("uuid", "Valid", &[t("x")]),
        Err("invalid UUID length: 1".into())
    );
    assert_eq!(call("uuid", "Version", &[t(id)]), Ok(i(1)));
}

#[test]
fn paths_of_other_systems() {
    let p = |name: &str, args: &[Datum]| call("path", name, args);
    let windows = || t("windows");
    for (path, clean) in [
        (r"c:a\..\b", r"c:b"),
        (r"\\host\share\..\x", r"\\host\share\x"),
        (r"a/b\..\c", r"a\c"),
        ("", "."),
        ("c:", "c:."),
        (r"\\host\share", r"\\host\share"),
        (r"\..\a", r"\a"),
    ] {
        assert_eq!(p("Clean", &[t(path), windows()]), Ok(t(clean)), "{path}");
    }
    assert_eq!(
        p(
            "Join",
            &[list(&[t("c:"), t(""), t("a"), t("b")]), windows()]
        ),
        Ok(t(r"c:a\b"))
    );
    assert_eq!(
        p("SplitList", &[t(r#"a;"b;c";d"#), windows()]),
        Ok(Datum::texts(["a", "b;c", "d"]))
    );
    assert_eq!(p("IsAbs", &[t("NUL"), windows()]), Ok(Datum::Bool(true)));
    assert_eq!(p("IsAbs", &[t("#x"), t("plan9")]), Ok(Datum::Bool(true)));
    assert_eq!(
        p("VolumeName", &[t(r"\\h\s\x"), windows()]),
        Ok(t(r"\\h\s"))
    );
    assert_eq!(
        p("Rel", &[t(r"C:\a\b"), t(r"c:\A\c"), windows()]),
        Ok(t(r"..\c"))
    );
}

#[test]
fn patterns_of_file_names() {
    let matches =
        |pattern: &str, name: &str| call("path", "Match", &[t(pattern), t(name), t("unix")]);
    for (pattern, name, fits) in [
        ("a*b", "axyb", true),
        ("a*b", "ax/b", false),
        ("*", "", true),
        ("[a-c]?", "bz", true),
        ("[^a-c]", "b", false),
        ("a[b-d]e*", "ace/x", false),
        ("*c", "abc", true),
        ("*c*d", "abcxd", true),
        (r"a\*b", "a*b", true),
    ] {
        assert_eq!(
            matches(pattern, name),
            Ok(Datum::Bool(fits)),
            "{pattern} {name}"
        );
    }
    for pattern in ["[", "[]a]", "[-]", r"\", "a["] {
        assert_eq!(
            matches(pattern, "a"),
            Err("syntax error in pattern".into()),
            "{pattern}"
        );
    }
    assert_eq!(
        matches("**", "a"),
        Err("'**' is not supported in patterns as of yet".into())
    );
}

#[test]
fn layouts_of_time() {
    let parse = |layout: &str, value: &str| call("time", "Parse", &[t(layout), t(value)]);
    for (layout, value, moment) in [
        (
            "Mon Jan _2 15:04:05 2006",
            "Sat Mar  7 01:02:03 1998",
            "1998-03-07T01:02:03Z",
        ),
        ("3:04PM", "12:30AM", "0000-01-01T00:30:00Z"),
        (
            "02 Jan 06 15:04 -0700",
            "02 Jan 69 15:04 +0130",
            "1969-01-02T13:34:00Z",
        ),
        ("2006-002", "2020-060", "2020-02-29T00:00:00Z"),
        ("15:04:05", "01:02:03.45", "0000-01-01T01:02:03.45Z"),
        ("2006 MST", "2001 CEST", "2001-01-01T00:00:00Z"),
    ] {
        assert_eq!(parse(layout, value), Ok(t(moment)), "{layout} {value}");
    }
    assert_eq!(
        parse("2006-01-02", "2001-02-29"),
        Err("parsing time \"2001-02-29\": day out of range".into())
    );
    assert_eq!(
        parse("2006", "abc"),
        Err("parsing time \"abc\" as \"2006\": cannot parse \"abc\" as \"2006\"".into())
    );
    assert_eq!(
        parse("2006", "2001x"),
        Err("parsing time \"2001x\": extra text: \"x\"".into())
    );
    assert_eq!(
        call(
            "time",
            "FormatString",
            &[
                t("Monday, 2 January 2006 3:04:05.000 pm -07:00"),
                t("2001-02-03T16:05:06.789+01:30")
            ]
        ),
        Ok(t("Saturday, 3 February 2001 4:05:06.789 pm +01:30"))
    );
}

#[test]
fn urls() {
    let url = |text: &str| call("net", "URL", &[t(text)]);
    for good in [
        "http://a.b/c?d#e",
        "a/b",
        "mailto:x@y",
        "//host:80/",
        "http://[::1]:80",
        "*",
        "",
        "a:b:c",
        "http://a/%20",
    ] {
        assert_eq!(url(good), Ok(Datum::Bool(true)), "{good}");
    }
    for (bad, why) in [
        ("http://a b", "invalid character \" \" in host name"),
        ("http://a/%zz", "invalid URL escape \"%zz\""),
        (":a", "missing protocol scheme"),
        ("http://a:b", "invalid port \":b\" after host"),
        ("1a:b", "first path segment in URL cannot contain colon"),
        ("http://[::1", "missing ']' in host"),
    ] {
        assert_eq!(url(bad), Err(format!("parse \"{bad}\": {why}")));
    }
    assert_eq!(
        call("net", "AbsURL", &[t("a")]),
        Err("URL is not absolute".into())
    );
}

#[test]
fn floats_as_text() {
    let show = |value: &str, format: &str, precision: i64| {
        let number = Datum::Float(pequod_cue_num::Decimal::parse(value).unwrap());
        match call(
            "strconv",
            "FormatFloat",
            &[number, t(format), i(precision), i(64)],
        )
        .unwrap()
        {
            Datum::String(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    };
    for (value, format, precision, text) in [
        ("3.14159", "g", -1, "3.14159"),
        ("1e21", "g", -1, "1e+21"),
        ("1234567", "g", -1, "1.234567e+06"),
        ("123456", "g", -1, "123456"),
        ("0.00001", "g", -1, "1e-05"),
        ("100", "g", 5, "100"),
        ("100", "e", 2, "1.00e+02"),
        ("0", "e", -1, "0e+00"),
        ("2.5", "f", 0, "2"),
        ("1e21", "f", -1, "1000000000000000000000"),
        ("1", "b", -1, "4503599627370496p-52"),
        ("-0.5", "G", 3, "-0.5"),
        ("1", "z", -1, "%z"),
    ] {
        assert_eq!(
            show(value, format, precision),
            text,
            "{value} {format} {precision}"
        );
    }
}

#[test]
fn separated_values() {
    let decode = |text: &str| call("encoding/csv", "Decode", &[t(text)]);
    assert_eq!(
        decode("a,\"b \"\"x\"\"\"\r\n\n\"c\nd\",\n"),
        Ok(list(&[
            Datum::texts(["a", "b \"x\""]),
            Datum::texts(["c\nd", ""])
        ]))
    );
    for (text, why) in [
        ("a\nb,c\n", "record on line 2: wrong number of fields"),
        (
            "a\"b",
            "parse error on line 1, column 2: bare \" in non-quoted field",
        ),
        (
            "\"a\"b",
            "parse error on line 1, column 3: extraneous or missing \" in quoted-field",
        ),
        (
            "x\n\"a\nb",
            "record on line 2; parse error on line 3, column 2: extraneous or missing \" in quoted-field",
        ),
    ] {
        assert_eq!(decode(text), Err(why.into()));
    }
    let rows = list(&[list(&[t("a,b"), i(1), t(" c"), t("")])]);
    assert_eq!(
        call("encoding/csv", "Encode", &[rows]),
        Ok(t("\"a,b\",1,\" c\",\n"))
    );
}

#[test]
fn what_cannot_be_answered_is_not_answered() {
    for (package, name, args) in [
        ("html", "Unescape", vec![t("&eacute;")]),
        ("net", "FQDN", vec![t("xn--a.b")]),
        ("strconv", "FormatFloat", vec![i(1), t("x"), i(-1), i(64)]),
        (
            "math",
            "Floor",
            vec![Datum::Float(
                pequod_cue_num::Decimal::parse("1e50").unwrap(),
            )],
        ),
    ] {
        let fault = (find(package, name).unwrap().run)(&Args(&args)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported, "{package}.{name}");
    }
}
