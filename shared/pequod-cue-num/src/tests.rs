//! Examples of every rule; the texts were compared with the official tool.

use std::cmp::Ordering;

use proptest::prelude::*;

use crate::{Decimal, LiteralError, NumError};

fn d(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

#[test]
fn literals_keep_their_digits() {
    for text in [
        "0",
        "1.50",
        "1E+3",
        "123456789012345678901234567890123456789012",
        "0.00",
        "1E-7",
        "-2.5",
        "9223372036854775808",
    ] {
        assert_eq!(d(text).to_string(), text);
    }
    assert_eq!(d("1e3").to_string(), "1E+3");
    assert_eq!(d("0x_ff").to_string(), "255");
    assert_eq!(d("1_000").to_string(), "1000");
    assert_eq!(d("1.5Ki").to_string(), "1536");
    assert_eq!(d("2M").to_string(), "2000000");
    assert_eq!(d("-0.0").to_string(), "0.0");
    assert_eq!(d(".5").to_string(), "0.5");
    assert_eq!(d("0.000001").to_string(), "0.000001");
    assert_eq!(d("0.0000001").to_string(), "1E-7");
}

#[test]
fn what_is_no_number_is_refused() {
    assert_eq!(Decimal::parse("1.3Ki"), Err(LiteralError::NotWhole));
    for text in ["", "-", "1e", "1e+", "a", "1.2.3", "0x", "++1"] {
        assert!(Decimal::parse(text).is_err(), "{text}");
    }
}

#[test]
fn results_have_34_digits() {
    let sum = d("100000000000000000000000000000000000000000")
        .add(&d("1"))
        .unwrap();
    assert_eq!(sum.to_string(), "1.000000000000000000000000000000000E+41");
    assert_eq!(
        d("1").divide(&d("3")).unwrap().to_string(),
        "0.3333333333333333333333333333333333"
    );
    assert_eq!(
        d("2").divide(&d("3")).unwrap().to_string(),
        "0.6666666666666666666666666666666667"
    );
    assert_eq!(d("4").divide(&d("2")).unwrap().to_string(), "2.0");
    assert_eq!(d("1").divide(&d("8")).unwrap().to_string(), "0.125");
    assert_eq!(d("1.10").add(&d("2.2")).unwrap().to_string(), "3.30");
    assert_eq!(
        d("9223372036854775807").add(&d("1")).unwrap().to_string(),
        "9223372036854775808"
    );
    assert_eq!(d("1").divide(&d("0")), Err(NumError::DivisionByZero));
    assert_eq!(d("0").divide(&d("0")), Err(NumError::DivisionUndefined));
}

/// The official tool refuses the same, with these words; where it has a result, it is this.
#[test]
fn powers_of_ten_have_their_range() {
    let range = "exponent out of range";
    let cases: &[(&str, char, &str, &str)] = &[
        ("1e99999", '*', "1e99999", range),
        ("1.0e100000", '*', "10", range),
        ("1e100000", '*', "1", "1E+100000"),
        ("12e99999", '*', "1", "1.2E+100000"),
        (
            "9.999999999999999999999999999999999999e100000",
            '+',
            "0",
            range,
        ),
        (
            "1e100000",
            '+',
            "1",
            "1.000000000000000000000000000000000E+100000",
        ),
        ("1e100000", '+', "0.1", "add: exponent out of range"),
        ("1e100000", '-', "1e100000", "0E+100000"),
        ("-1e100000", '-', "9e100000", range),
        ("1e-100000", '*', "0.1", range),
        ("1.0e-100000", '*', "1", range),
        ("1.23e-100000", '*', "1e5", range),
        ("1.23e-100000", '+', "1.23e-100000", range),
        ("1.1e50000", '*', "1.1e50000", "1.21E+100000"),
        ("1.1e-50000", '*', "1.1e-50000", range),
        ("1e-99970", '*', "0.333", "3.33E-99971"),
        ("0e-50000", '*', "0e-50000", "0E-100000"),
        ("0e-50000", '*', "0e-50001", range),
        ("0e50001", '*', "0e50001", range),
        ("9e100000", '/', "0.1", range),
        ("1e100000", '/', "10.0", range),
        ("1e-100000", '/', "10", range),
        ("1.23e-100000", '/', "1e-5", "1.23E-99995"),
        (
            "1e-99999",
            '/',
            "3",
            "3.333333333333333333333333333333333E-100000",
        ),
        ("0.0", '/', "1e100000", range),
        ("0.0", '/', "1e5", "0.0"),
    ];
    for (a, op, b, wanted) in cases {
        let (a, b) = (d(a), d(b));
        let result = match op {
            '*' => a.multiply(&b),
            '+' => a.add(&b),
            '-' => a.subtract(&b),
            _ => a.divide(&b),
        };
        let found = result.map_or_else(|error| error.to_string(), |number| number.to_string());
        assert_eq!(found, *wanted, "{a} {op} {b}");
    }
}

/// The official tool drops the power of ten of what is too large or too small, and goes on with
/// another number.
#[test]
fn what_has_no_place_in_the_range_is_no_literal() {
    for text in ["10e99999", "1.0e-100000", "12e100_000", "0.0e-99999"] {
        let read = Decimal::parse(text);
        let again = read.as_ref().map(|number| d(&number.to_string()));
        assert_eq!(read.is_ok(), text != "12e100_000", "{text}");
        assert_eq!(again.is_ok(), read.is_ok(), "{text}");
    }
    for text in [
        "1e100001",
        "10e100000",
        "0.1e-100000",
        "0.0e-100000",
        "0e-100001",
        "1e99999999999999999999",
    ] {
        let error = Decimal::parse(text).unwrap_err();
        assert!(matches!(error, LiteralError::Range(_)), "{text}");
    }
    // Without a power of ten there is none that could be too large.
    let long = format!("1{}", "0".repeat(100_001));
    assert_eq!(d(&long).to_string(), long);
    assert_eq!(
        d(&format!("{long}.5")).round().to_string(),
        "1.000000000000000000000000000000000E+100001"
    );
}

#[test]
fn the_smallest_numbers_round_to_whole_ones() {
    let tiny = d("1.23e-100000");
    assert!(!tiny.is_whole());
    let zero = Decimal::ZERO;
    assert_eq!(
        [tiny.round(), tiny.round_to_even(), tiny.floor()],
        [const { Decimal::ZERO }; 3]
    );
    assert_eq!(tiny.negated().round_to_even(), zero);
    assert_eq!(tiny.ceil().to_i64(), Some(1));
}

#[test]
fn whole_division_comes_in_two_kinds() {
    let cases = [
        (7, 2, [3, 1, 3, 1]),
        (-7, 2, [-4, 1, -3, -1]),
        (7, -2, [-3, 1, -3, 1]),
        (-7, -2, [4, 1, 3, -1]),
    ];
    for (a, b, [div, modulo, quo, rem]) in cases {
        let (a, b) = (Decimal::from_i64(a), Decimal::from_i64(b));
        assert_eq!(a.int_div(&b).unwrap().to_i64(), Some(div));
        assert_eq!(a.int_mod(&b).unwrap().to_i64(), Some(modulo));
        assert_eq!(a.int_quo(&b).unwrap().to_i64(), Some(quo));
        assert_eq!(a.int_rem(&b).unwrap().to_i64(), Some(rem));
    }
}

#[test]
fn rounding_to_whole_numbers() {
    for (text, floor, ceil, round, even) in [
        ("2.5", 2, 3, 3, 2),
        ("-2.5", -3, -2, -3, -2),
        ("3.5", 3, 4, 4, 4),
        ("0.1", 0, 1, 0, 0),
        ("-0.1", -1, 0, 0, 0),
    ] {
        assert_eq!(d(text).floor().to_i64(), Some(floor), "{text}");
        assert_eq!(d(text).ceil().to_i64(), Some(ceil), "{text}");
        assert_eq!(d(text).round().to_i64(), Some(round), "{text}");
        assert_eq!(d(text).round_to_even().to_i64(), Some(even), "{text}");
    }
}

#[test]
fn comparison_looks_at_values() {
    assert_eq!(d("1.0").compare(&d("1")), Ordering::Equal);
    assert_eq!(d("1e3").compare(&d("999")), Ordering::Greater);
    assert_eq!(d("-1e3").compare(&d("0.001")), Ordering::Less);
    assert_eq!(d("1E+3").to_i64(), Some(1000));
    assert_eq!(d("1.5").to_i64(), None);
}

proptest! {
    #[test]
    fn small_and_big_numbers_count_alike(a in any::<i64>(), b in any::<i64>()) {
        let (x, y) = (Decimal::from_i64(a), Decimal::from_i64(b));
        prop_assert_eq!(x.compare(&y), a.cmp(&b));
        let sum = i128::from(a) + i128::from(b);
        prop_assert_eq!(x.add(&y).unwrap().to_string(), sum.to_string());
    }

    #[test]
    fn text_is_read_back(coefficient in any::<i64>(), exponent in -40i32..40) {
        let number = d(&format!("{coefficient}e{exponent}"));
        prop_assert_eq!(d(&number.to_string()), number);
    }
}
