//! What a plain scalar is: the implicit tags of `yaml.v3`, in the order in which it tries them.

/// The kind of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Merge,
    Str,
}

/// The kind of a plain scalar by its text alone.
pub(crate) fn resolve(text: &str) -> Tag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Tag::Bool,
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Tag::Float,
        "<<" => return Tag::Merge,
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' if is_go_float(text) => Tag::Float,
        b'0'..=b'9' | b'+' | b'-' => number_or_date(text),
        _ => Tag::Str,
    }
}

fn number_or_date(text: &str) -> Tag {
    if is_timestamp(text) {
        return Tag::Timestamp;
    }
    let plain = text.replace('_', "");
    if is_integer(&plain) {
        return Tag::Int;
    }
    if is_yaml_float(&plain) {
        // yaml.v3 takes an octal literal with a digit over 7 for a float; CUE keeps it as the text that it is.
        return if is_octal_like(text) {
            Tag::Str
        } else {
            Tag::Float
        };
    }
    Tag::Str
}

/// Digits behind a zero, as YAML 1.1 writes octal numbers, though some may be over 7.
pub(crate) fn is_octal_like(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// Whether Go's `strconv` reads it as an integer of 64 bits, of any base by its prefix.
fn is_integer(plain: &str) -> bool {
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain),
    };
    let prefixed = |lower: &str, upper: &str| {
        digits
            .strip_prefix(lower)
            .or_else(|| digits.strip_prefix(upper))
    };
    let (base, digits) = if let Some(digits) = prefixed("0x", "0X") {
        (16, digits)
    } else if let Some(digits) = prefixed("0o", "0O") {
        (8, digits)
    } else if let Some(digits) = prefixed("0b", "0B") {
        (2, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    // A sign behind the prefix would be read by `from_str_radix`.
    if digits.starts_with(['+', '-']) {
        return false;
    }
    u64::from_str_radix(digits, base).is_ok_and(|value| !negative || value <= 1 << 63)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(plain: &str) -> bool {
    let rest = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        None => !mantissa.is_empty() && digits(mantissa),
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A text that begins with a point, as `strconv.ParseFloat` reads it.
fn is_go_float(text: &str) -> bool {
    !text.contains('_') && is_yaml_float(text)
}

/// `YYYY-M-D`, with an optional time behind `T`, `t` or a space, and an optional zone.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let year = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if year != 4 || bytes.get(4) != Some(&b'-') {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let number = |part: &str, low: u32, high: u32| {
        (1..=2).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_digit())
            && part
                .parse()
                .is_ok_and(|value: u32| (low..=high).contains(&value))
    };
    let mut parts = date[5..].split('-');
    let (Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    if !number(month, 1, 12) || !number(day, 1, 31) || !day_exists(&date[..4], month, day) {
        return false;
    }
    let Some(time) = time else { return true };
    let clock = time
        .trim_end_matches(['Z', 'z'])
        .split([' ', '+'])
        .next()
        .unwrap_or_default();
    let clock = clock.split_once('-').map_or(clock, |(clock, _)| clock);
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = seconds.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    number(hour, 0, 23)
        && number(minute, 0, 59)
        && number(second, 0, 59)
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

fn day_exists(year: &str, month: &str, day: &str) -> bool {
    let (Ok(year), Ok(month), Ok(day)) = (
        year.parse::<u32>(),
        month.parse::<u32>(),
        day.parse::<u32>(),
    ) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    day <= last
}
