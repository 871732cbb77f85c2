//! `time`: durations and moments.

mod layout;

use self::layout::Civil;
use crate::datum::Datum;
use crate::function::{Const, Fault, Function, Result, constants, functions};
use crate::gofmt::quote;

pub(crate) const CONSTANTS: &[Const] = constants![
    "Nanosecond" = "1";
    "Microsecond" = "1000";
    "Millisecond" = "1000000";
    "Second" = "1000000000";
    "Minute" = "60000000000";
    "Hour" = "3600000000000";
    "ANSIC" = "\"Mon Jan _2 15:04:05 2006\"";
    "UnixDate" = "\"Mon Jan _2 15:04:05 MST 2006\"";
    "RubyDate" = "\"Mon Jan 02 15:04:05 -0700 2006\"";
    "RFC822" = "\"02 Jan 06 15:04 MST\"";
    "RFC822Z" = "\"02 Jan 06 15:04 -0700\"";
    "RFC850" = "\"Monday, 02-Jan-06 15:04:05 MST\"";
    "RFC1123" = "\"Mon, 02 Jan 2006 15:04:05 MST\"";
    "RFC1123Z" = "\"Mon, 02 Jan 2006 15:04:05 -0700\"";
    "RFC3339" = "\"2006-01-02T15:04:05Z07:00\"";
    "RFC3339Nano" = "\"2006-01-02T15:04:05.999999999Z07:00\"";
    "RFC3339Date" = "\"2006-01-02\"";
    "Kitchen" = "\"3:04PM\"";
    "Kitchen24" = "\"15:04\"";
    "January" = "1";
    "February" = "2";
    "March" = "3";
    "April" = "4";
    "May" = "5";
    "June" = "6";
    "July" = "7";
    "August" = "8";
    "September" = "9";
    "October" = "10";
    "November" = "11";
    "December" = "12";
    "Sunday" = "0";
    "Monday" = "1";
    "Tuesday" = "2";
    "Wednesday" = "3";
    "Thursday" = "4";
    "Friday" = "5";
    "Saturday" = "6";
];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Duration" (String) -> "bool" = |a| parse_duration(a.text(0)?).map(|_| Datum::Bool(true));
    "ParseDuration" (String) -> "int" = |a| Ok(Datum::int(parse_duration(a.text(0)?)?));
    "FormatDuration" (Int) -> "string" = |a| Ok(Datum::text(format_duration(a.int(0)?)));
    "Time" (String) -> "bool" = |a| is_time(NANO, a.text(0)?);
    "Format" (String, String) -> "bool" = |a| is_time(a.text(1)?, a.text(0)?);
    "FormatString" (String, String) -> "string" = |a| {
        let time = read(NANO, a.text(1)?)?;
        Ok(Datum::text(layout::format(&time, a.text(0)?)))
    };
    "Parse" (String, String) -> "string" = |a| {
        let time = read(a.text(0)?, a.text(1)?)?;
        Ok(Datum::text(utc(time.seconds(), time.nanosecond)))
    };
    "Split" (String) -> "struct" = |a| {
        let time = read(NANO, a.text(0)?)?;
        let fields = [
            ("year", time.year),
            ("month", time.month),
            ("day", time.day),
            ("hour", time.hour),
            ("minute", time.minute),
            ("second", time.second),
            ("nanosecond", time.nanosecond),
        ];
        Ok(Datum::Struct(fields.map(|(name, value)| (name.into(), Datum::int(value))).to_vec()))
    };
    "ToUnix" (String) -> "int" = |a| Ok(Datum::int(read(NANO, a.text(0)?)?.seconds()));
    "ToUnixNano" (String) -> "int" = |a| {
        let time = read(NANO, a.text(0)?)?;
        Ok(Datum::int(time.seconds().wrapping_mul(1_000_000_000).wrapping_add(time.nanosecond)))
    };
    "Unix" (Int, Int) -> "string" = |a| {
        let nanoseconds = i128::from(a.int(0)?) * 1_000_000_000 + i128::from(a.int(1)?);
        let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let rest = i64::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0);
        Ok(Datum::text(utc(seconds, rest)))
    };
];

/// The layout of RFC 3339 with as many decimals as there are.
const NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

fn read(layout: &str, value: &str) -> Result<Civil> {
    layout::parse(layout, value).map_err(Fault::error)
}

/// A validator's answer: its error names the value only.
fn is_time(layout: &str, value: &str) -> Result {
    match layout::parse(layout, value) {
        Ok(_) => Ok(Datum::Bool(true)),
        Err(_) => Err(Fault::error(format!("invalid time {}", quote(value)))),
    }
}

impl Civil {
    /// Seconds since 1970 in UTC.
    fn seconds(&self) -> i64 {
        let of_day = self.hour * 3600 + self.minute * 60 + self.second;
        days(self.year, self.month, self.day) * 86_400 + of_day - self.offset.unwrap_or(0)
    }
}

/// How many days a month has.
fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970; the calendar counted from March, so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A moment in RFC 3339, without trailing zeros.
fn utc(seconds: i64, nanoseconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let (month, day) = ((march + 2) % 12 + 1, of_year - (153 * march + 2) / 5 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let fraction = format!(".{nanoseconds:09}");
    let fraction = if nanoseconds == 0 {
        ""
    } else {
        fraction.trim_end_matches('0')
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The units of durations in nanoseconds, longest name first.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// `1h15m30.5s`: numbers with units, perhaps with a sign before them all.
fn parse_duration(text: &str) -> Result<i64> {
    let invalid = || Fault::error(format!("time: invalid duration {}", quote(text)));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                let digits = after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len());
                after.split_at(digits)
            }
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let length = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() {
            return Err(Fault::error(format!(
                "time: missing unit in duration {}",
                quote(text)
            )));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(Fault::error(format!(
                "time: unknown unit {} in duration {}",
                quote(unit),
                quote(text)
            )));
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        let mut part = whole.checked_mul(*factor).ok_or_else(invalid)?;
        if !fraction.is_empty() {
            // More digits than an hour has nanoseconds say nothing.
            let fraction = &fraction[..fraction.len().min(15)];
            let numerator: u128 = fraction.parse().map_err(|_| invalid())?;
            let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
            part += u64::try_from(numerator * u128::from(*factor) / scale).unwrap_or(0);
        }
        total = total
            .checked_add(part)
            .filter(|total| *total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok(0i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// The shortest form: `1h0m0s`, `1.5s`, `2ms`, `0s`.
fn format_duration(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let decimal = |value: u64, unit: u64| {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", value % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || unit == 1 {
            String::new()
        } else {
            format!(".{fraction}")
        };
        format!("{}{point}", value / unit)
    };
    let text = match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(size, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(size, 1_000_000)),
        _ => {
            let minutes = size / 60_000_000_000;
            let seconds = decimal(size % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}
