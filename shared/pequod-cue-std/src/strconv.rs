//! `strconv`

mod float;

use num_bigint::{BigInt, Sign};
use num_traits::Num as _;
use pequod_cue_num::Decimal;
use pequod_cue_syntax::literal::{Number, unquote};

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};
use crate::gofmt::{Plain, is_graphic, is_print, quote, quoted};

pub(crate) use float::datum as float_datum;

pub(crate) const CONSTANTS: &[Const] = constants!["IntSize" = "64";];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Unquote" (String) -> "string" = |a| {
        let bytes = unquote(a.text(0)?).map_err(|error| Fault::error(error.to_string()))?;
        Ok(Datum::text(String::from_utf8_lossy(&bytes).into_owned()))
    };
    "ParseBool" (String) -> "bool" = |a| match &**a.text(0)? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Datum::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Datum::Bool(false)),
        text => Err(failed("ParseBool", text, "invalid syntax")),
    };
    "FormatBool" (Bool) -> "string" = |a| Ok(Datum::text(if a.bool(0)? { "true" } else { "false" }));
    "ParseFloat" (String, Int) -> "number" = |a| parse_float(a.text(0)?, a.int(1)?);
    "ParseNumber" (String) -> "number" = |a| {
        let text = a.text(0)?;
        let number = Number::parse(text).map_err(|error| failed("ParseNumber", text, &error.to_string()))?;
        let decimal = Decimal::parse(&number.decimal).map_err(|error| failed("ParseNumber", text, &error.to_string()))?;
        Ok(Datum::number(decimal))
    };
    "ParseUint" (String, Int, Int) -> "int" = |a| parse_int("ParseUint", a, false);
    "ParseInt" (String, Int, Int) -> "int" = |a| parse_int("ParseInt", a, true);
    "Atoi" (String) -> "int" = |a| {
        let text = a.text(0)?;
        integer(text, 10).map(|value| Datum::big(&value)).ok_or_else(|| failed("Atoi", text, "invalid syntax"))
    };
    "FormatFloat" (Number, Flat, Int, Int) -> "string" = |a| {
        let format = match a.datum(1)? {
            Datum::String(text) => match text.as_bytes() {
                [format] => *format,
                _ => return Err(Fault::error("expected single character string")),
            },
            Datum::Int(_) => {
                let format = a.int(1)?;
                u8::try_from(format).map_err(|_| Fault::error(format!("format value {format} out of range [0, 255]")))?
            }
            other => return Err(Fault::error(format!("unexpected kind {}", other.kind()))),
        };
        float::format(a.float(0)?, format, a.int(2)?, a.int(3)?).map(Datum::text)
    };
    "FormatUint" (Int, Int) -> "string" = |a| format_int(a);
    "FormatInt" (Int, Int) -> "string" = |a| format_int(a);
    "Quote" (String) -> "string" = |a| Ok(Datum::text(quote(a.text(0)?)));
    "QuoteToASCII" (String) -> "string" = |a| Ok(Datum::text(quoted(a.text(0)?, '"', Plain::Ascii)));
    "QuoteToGraphic" (String) -> "string" = |a| Ok(Datum::text(quoted(a.text(0)?, '"', Plain::Graphic)));
    "QuoteRune" (Int) -> "string" = |a| quote_rune(a, Plain::Printable);
    "QuoteRuneToASCII" (Int) -> "string" = |a| quote_rune(a, Plain::Ascii);
    "QuoteRuneToGraphic" (Int) -> "string" = |a| quote_rune(a, Plain::Graphic);
    "IsPrint" (Int) -> "bool" = |a| Ok(Datum::Bool(rune(a)?.is_some_and(is_print)));
    "IsGraphic" (Int) -> "bool" = |a| Ok(Datum::Bool(rune(a)?.is_some_and(is_graphic)));
];

fn failed(function: &str, text: &str, why: &str) -> Fault {
    Fault::error(format!(
        "strconv.{function}: parsing {}: {why}",
        quote(text)
    ))
}

fn rune(args: &Args<'_>) -> Result<Option<char>> {
    Ok(u32::try_from(args.int(0)?).ok().and_then(char::from_u32))
}

fn quote_rune(args: &Args<'_>, plain: Plain) -> Result {
    let c = rune(args)?.unwrap_or(char::REPLACEMENT_CHARACTER);
    Ok(Datum::text(quoted(&c.to_string(), '\'', plain)))
}

fn parse_float(text: &str, bits: i64) -> Result {
    let clean = text.trim_start_matches(['+', '-']);
    let digits = clean.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !digits || clean.len() + 1 < text.len() {
        return Err(failed("ParseFloat", text, "invalid syntax"));
    }
    let value: f64 = text
        .parse()
        .map_err(|_| failed("ParseFloat", text, "invalid syntax"))?;
    if value.is_infinite() {
        return Err(failed("ParseFloat", text, "value out of range"));
    }
    let value = if bits == 32 {
        let narrow: f32 = text
            .parse()
            .map_err(|_| failed("ParseFloat", text, "invalid syntax"))?;
        if narrow.is_infinite() {
            return Err(failed("ParseFloat", text, "value out of range"));
        }
        f64::from(narrow)
    } else {
        value
    };
    float_datum(value)
}

/// A whole number in a base; base 0 means that a prefix says it, and underscores are allowed.
fn integer(text: &str, base: u32) -> Option<BigInt> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match (base, digits.get(..2)) {
        (0, Some("0x" | "0X")) => (16, &digits[2..]),
        (0, Some("0b" | "0B")) => (2, &digits[2..]),
        (0, Some("0o" | "0O")) => (8, &digits[2..]),
        (0, _) if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        (0, _) => (10, digits),
        (base, _) => (base, digits),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_alphanumeric()) && !digits.contains('_');
    let value = plain.then(|| from_digits(digits, base)).flatten()?;
    Some(if negative { -value } else { value })
}

fn parse_int(function: &str, args: &Args<'_>, signed: bool) -> Result {
    let (text, base, bits) = (args.text(0)?, args.int(1)?, args.int(2)?);
    let range = || failed(function, text, "value out of range");
    let bits = u64::try_from(bits).map_err(|_| range())?;
    let base = u32::try_from(base)
        .ok()
        .filter(|base| *base == 0 || (2..=62).contains(base));
    let base =
        base.ok_or_else(|| Fault::unsupported(format!("strconv.{function} in this base")))?;
    let value = integer(text, base).ok_or_else(|| failed(function, text, "invalid syntax"))?;
    let negative = value.sign() == Sign::Minus;
    let fits = match (bits, signed) {
        (_, false) if negative => false,
        (0, _) => true,
        (bits, false) => value.bits() <= bits,
        (bits, true) => {
            value.bits() < bits
                || (negative && value.bits() == bits && (&value + 1u8).bits() < bits)
        }
    };
    if fits {
        Ok(Datum::big(&value))
    } else {
        Err(range())
    }
}

/// The digits of bases up to 62; up to 36, capitals are the same as small letters.
const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn format_int(args: &Args<'_>) -> Result {
    let value = args.big(0)?;
    let base = u32::try_from(args.int(1)?)
        .ok()
        .filter(|base| (2..=62).contains(base));
    let base = base.ok_or_else(|| Fault::unsupported("formatting in this base"))?;
    if base <= 36 {
        return Ok(Datum::text(value.to_str_radix(base)));
    }
    let mut rest = value.magnitude().clone();
    let mut digits = Vec::new();
    while rest.bits() > 0 {
        let digit = usize::try_from(&rest % base).unwrap_or(0);
        digits.push(char::from(DIGITS[digit]));
        rest /= base;
    }
    if digits.is_empty() {
        digits.push('0');
    }
    if value.sign() == Sign::Minus {
        digits.push('-');
    }
    Ok(Datum::text(digits.iter().rev().collect::<String>()))
}

/// Digits in a base up to 62.
fn from_digits(text: &str, base: u32) -> Option<BigInt> {
    if base <= 36 {
        return BigInt::from_str_radix(text, base).ok();
    }
    text.bytes().try_fold(BigInt::ZERO, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        (digit < base as usize).then(|| value * base + digit)
    })
}
