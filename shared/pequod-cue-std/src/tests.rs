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
        l("UniqueItems", &[list(&[i(1), i(2), i(1)])]),
        Err("equal value (1) at position 0 and 2".into())
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
    assert_eq!(r("Valid", &[t("a**")]), Ok(Datum::Bool(false)));
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
