//! Go's language of time layouts: a layout is how 2006-01-02 15:04:05 would be written.
//!
//! A layout is cut into *elements* (`2006`, `Jan`, `-07:00`, …) and the text between them. Reading and
//! writing go through the same cut. Reading is lenient where the reference is: a fraction may follow
//! the seconds though the layout has none, names are read in any case, and one space stands for any
//! number of them.

use crate::gofmt::quote;

/// A date and a time of day where it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanosecond: i64,
    /// Seconds east of UTC; none if it is UTC by name.
    pub(super) offset: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Year { long: bool },
    MonthName { long: bool },
    Month { padded: bool },
    WeekdayName { long: bool },
    Day { pad: Pad },
    YearDay { pad: Pad },
    Hour,
    Hour12 { padded: bool },
    Minute { padded: bool },
    Second { padded: bool },
    HalfDay { upper: bool },
    ZoneName,
    Zone(Zone),
    Fraction { digits: usize, trimmed: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pad {
    None,
    Space,
    Zero,
}

/// How an offset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Zone {
    /// `Z` stands for UTC.
    z: bool,
    colons: bool,
    /// Hours; with minutes; with seconds.
    parts: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const fn zone(z: bool, colons: bool, parts: u8) -> Element {
    Element::Zone(Zone { z, colons, parts })
}

/// Elements that are told by their spelling alone, the longer ones first.
const SPELLINGS: &[(&str, Element)] = &[
    ("January", Element::MonthName { long: true }),
    ("Monday", Element::WeekdayName { long: true }),
    ("MST", Element::ZoneName),
    ("002", Element::YearDay { pad: Pad::Zero }),
    ("01", Element::Month { padded: true }),
    ("02", Element::Day { pad: Pad::Zero }),
    ("03", Element::Hour12 { padded: true }),
    ("04", Element::Minute { padded: true }),
    ("05", Element::Second { padded: true }),
    ("06", Element::Year { long: false }),
    ("15", Element::Hour),
    ("1", Element::Month { padded: false }),
    ("2006", Element::Year { long: true }),
    ("2", Element::Day { pad: Pad::None }),
    ("__2", Element::YearDay { pad: Pad::Space }),
    ("_2", Element::Day { pad: Pad::Space }),
    ("3", Element::Hour12 { padded: false }),
    ("4", Element::Minute { padded: false }),
    ("5", Element::Second { padded: false }),
    ("PM", Element::HalfDay { upper: true }),
    ("pm", Element::HalfDay { upper: false }),
    ("-070000", zone(false, false, 3)),
    ("-07:00:00", zone(false, true, 3)),
    ("-0700", zone(false, false, 2)),
    ("-07:00", zone(false, true, 2)),
    ("-07", zone(false, false, 1)),
    ("Z070000", zone(true, false, 3)),
    ("Z07:00:00", zone(true, true, 3)),
    ("Z0700", zone(true, false, 2)),
    ("Z07:00", zone(true, true, 2)),
    ("Z07", zone(true, false, 1)),
];

/// The element at the beginning of a layout, and its length.
fn element_at(layout: &str) -> Option<(Element, usize)> {
    // `_2006` is an underscore and a year.
    if layout.starts_with("_2006") {
        return None;
    }
    if let Some((text, element)) = SPELLINGS.iter().find(|(text, _)| layout.starts_with(text)) {
        return Some((*element, text.len()));
    }
    for (text, element) in [
        ("Jan", Element::MonthName { long: false }),
        ("Mon", Element::WeekdayName { long: false }),
    ] {
        if let Some(rest) = layout.strip_prefix(text)
            && !rest.starts_with(|c: char| c.is_ascii_lowercase())
        {
            return Some((element, text.len()));
        }
    }
    let rest = layout.strip_prefix(['.', ','])?;
    let digit = rest.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest.len() - rest.trim_start_matches(digit).len();
    let ends = !rest[digits..].starts_with(|c: char| c.is_ascii_digit());
    ends.then_some((
        Element::Fraction {
            digits,
            trimmed: digit == '9',
        },
        digits + 1,
    ))
}

/// The text before the first element, the element with its spelling, and the rest.
fn cut(layout: &str) -> (&str, Option<(Element, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        if let Some((element, length)) = element_at(&layout[at..]) {
            let (spelling, rest) = layout[at..].split_at(length);
            return (&layout[..at], Some((element, spelling)), rest);
        }
    }
    (layout, None, "")
}

/// A moment as a layout has it.
pub(super) fn format(time: &Civil, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let (text, element, after) = cut(rest);
        out.push_str(text);
        if let Some((element, spelling)) = element {
            write_element(&mut out, time, element, spelling);
        }
        rest = after;
    }
    out
}

fn write_element(out: &mut String, time: &Civil, element: Element, spelling: &str) {
    let padded = |value: i64, pad: bool| {
        if pad {
            format!("{value:02}")
        } else {
            value.to_string()
        }
    };
    let name = |names: &[&str], index: i64, long: bool| {
        let name = usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index))
            .copied()
            .unwrap_or_default();
        name[..if long { name.len() } else { name.len().min(3) }].to_owned()
    };
    let hour12 = match time.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let text = match element {
        Element::Year { long: true } => format!("{:04}", time.year),
        Element::Year { long: false } => format!("{:02}", time.year.rem_euclid(100)),
        Element::MonthName { long } => name(&MONTHS, time.month - 1, long),
        Element::Month { padded: pad } => padded(time.month, pad),
        Element::WeekdayName { long } => {
            let day = super::days(time.year, time.month, time.day);
            name(&WEEKDAYS, (day + 4).rem_euclid(7), long)
        }
        Element::Day { pad: Pad::Space } => format!("{:2}", time.day),
        Element::Day { pad } => padded(time.day, pad == Pad::Zero),
        Element::YearDay { pad } => {
            let day =
                super::days(time.year, time.month, time.day) - super::days(time.year, 1, 1) + 1;
            if pad == Pad::Zero {
                format!("{day:03}")
            } else {
                format!("{day:3}")
            }
        }
        Element::Hour => padded(time.hour, true),
        Element::Hour12 { padded: pad } => padded(hour12, pad),
        Element::Minute { padded: pad } => padded(time.minute, pad),
        Element::Second { padded: pad } => padded(time.second, pad),
        Element::HalfDay { upper } => match (time.hour >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }
        .to_owned(),
        Element::ZoneName => match time.offset {
            None | Some(0) => "UTC".to_owned(),
            Some(offset) => offset_text(
                offset,
                Zone {
                    z: false,
                    colons: false,
                    parts: 2,
                },
            ),
        },
        Element::Zone(zone) => offset_text(time.offset.unwrap_or(0), zone),
        Element::Fraction { digits, trimmed } => {
            let all = format!("{:09}", time.nanosecond);
            let mut text = all[..digits.min(9)].to_owned();
            text.extend(std::iter::repeat_n('0', digits.saturating_sub(9)));
            if trimmed {
                text.truncate(text.trim_end_matches('0').len());
            }
            if trimmed && text.is_empty() {
                String::new()
            } else {
                format!("{}{text}", &spelling[..1])
            }
        }
    };
    out.push_str(&text);
}

fn offset_text(offset: i64, zone: Zone) -> String {
    if zone.z && offset == 0 {
        return "Z".to_owned();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let size = offset.abs();
    let colon = if zone.colons { ":" } else { "" };
    let mut text = format!("{sign}{:02}", size / 3600);
    if zone.parts > 1 {
        text = format!("{text}{colon}{:02}", size / 60 % 60);
    }
    if zone.parts > 2 {
        text = format!("{text}{colon}{:02}", size % 60);
    }
    text
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reading {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i64>,
}

/// Why a part is not what the layout says.
enum Wrong {
    /// It is something else.
    Other,
    /// It is out of its range: of which thing.
    Range(&'static str),
}

type Part<T> = Result<T, Wrong>;

/// Reads a moment that is written as a layout has it.
pub(super) fn parse(layout: &str, value: &str) -> Result<Civil, String> {
    let no = |element: &str, rest: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(value),
            quote(layout),
            quote(rest),
            quote(element)
        )
    };
    let outside = |why: &str| format!("parsing time {}: {why}", quote(value));
    let mut reading = Reading::default();
    let (mut layout_rest, mut rest) = (layout, value);
    loop {
        let (text, element, after) = cut(layout_rest);
        rest = skip(rest, text).map_err(|left| no(text, left))?;
        let Some((element, spelling)) = element else {
            break;
        };
        layout_rest = after;
        let hold = rest;
        rest = reading
            .read(element, rest, after)
            .map_err(|wrong| match wrong {
                Wrong::Other => no(spelling, hold),
                Wrong::Range(of) => outside(&format!("{of} out of range")),
            })?;
    }
    if !rest.is_empty() {
        return Err(outside(&format!("extra text: {}", quote(rest))));
    }
    reading.finish().map_err(outside)
}

/// What follows a text in a value; where it differs, if it does.
fn skip<'a>(mut value: &'a str, text: &str) -> Result<&'a str, &'a str> {
    let mut text = text;
    while let Some(c) = text.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            text = text.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(c).ok_or(value)?;
        text = &text[c.len_utf8()..];
    }
    Ok(value)
}

fn digit_at(text: &str, at: usize) -> Option<i64> {
    let byte = text
        .as_bytes()
        .get(at)
        .filter(|byte| byte.is_ascii_digit())?;
    Some(i64::from(byte - b'0'))
}

/// One or two digits; just two if so wanted.
fn two(text: &str, fixed: bool) -> Part<(i64, &str)> {
    let first = digit_at(text, 0).ok_or(Wrong::Other)?;
    match digit_at(text, 1) {
        Some(second) => Ok((first * 10 + second, &text[2..])),
        None if fixed => Err(Wrong::Other),
        None => Ok((first, &text[1..])),
    }
}

fn three(text: &str, fixed: bool) -> Part<(i64, &str)> {
    let digits = (0..3).map_while(|at| digit_at(text, at));
    let (count, value) = digits.fold((0, 0), |(count, value), digit| {
        (count + 1, value * 10 + digit)
    });
    if count == 0 || (fixed && count != 3) {
        return Err(Wrong::Other);
    }
    Ok((value, &text[count..]))
}

/// Which of some names a text begins with, in any case, and what follows.
fn named<'a>(names: &[&str], text: &'a str, long: bool) -> Part<(i64, &'a str)> {
    for (index, name) in names.iter().enumerate() {
        let name = &name[..if long { name.len() } else { name.len().min(3) }];
        if let Some((head, rest)) = text.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name)
        {
            return Ok((i64::try_from(index).unwrap_or(0), rest));
        }
    }
    Err(Wrong::Other)
}

/// Nanoseconds of a point or comma with digits, which are this many bytes.
fn fraction(text: &str, length: usize) -> Part<i64> {
    let digits = text
        .get(..length.min(10))
        .and_then(|text| text.strip_prefix(['.', ',']))
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or(Wrong::Other)?;
    let value: i64 = digits.parse().map_err(|_| Wrong::Other)?;
    let missing = u32::try_from(9usize.saturating_sub(digits.len())).unwrap_or(0);
    Ok(value * 10i64.pow(missing))
}

fn within(value: i64, range: std::ops::RangeInclusive<i64>, of: &'static str) -> Part<i64> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(Wrong::Range(of))
    }
}

impl Reading {
    /// Reads one element; gives back what follows it.
    fn read<'a>(&mut self, element: Element, text: &'a str, layout: &str) -> Part<&'a str> {
        match element {
            Element::Year { long: false } => {
                let (year, rest) = two(text, true)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Element::Year { long: true } => {
                let (year, rest) = text.split_at_checked(4).ok_or(Wrong::Other)?;
                let digits = year.bytes().all(|byte| byte.is_ascii_digit());
                self.year = digits
                    .then(|| year.parse().ok())
                    .flatten()
                    .ok_or(Wrong::Other)?;
                Ok(rest)
            }
            Element::MonthName { long } => {
                let (month, rest) = named(&MONTHS, text, long)?;
                self.month = Some(month + 1);
                Ok(rest)
            }
            Element::Month { padded } => {
                let (month, rest) = two(text, padded)?;
                self.month = Some(within(month, 1..=12, "month")?);
                Ok(rest)
            }
            Element::WeekdayName { long } => Ok(named(&WEEKDAYS, text, long)?.1),
            Element::Day { pad } => {
                let text = if pad == Pad::Space {
                    text.strip_prefix(' ').unwrap_or(text)
                } else {
                    text
                };
                let (day, rest) = two(text, pad == Pad::Zero)?;
                self.day = Some(day);
                Ok(rest)
            }
            Element::YearDay { pad } => {
                let mut text = text;
                for _ in 0..2 {
                    if pad == Pad::Space {
                        text = text.strip_prefix(' ').unwrap_or(text);
                    }
                }
                let (day, rest) = three(text, pad == Pad::Zero)?;
                self.year_day = Some(day);
                Ok(rest)
            }
            Element::Hour => {
                let (hour, rest) = two(text, false)?;
                self.hour = within(hour, 0..=23, "hour")?;
                Ok(rest)
            }
            Element::Hour12 { padded } => {
                let (hour, rest) = two(text, padded)?;
                self.hour = within(hour, 0..=12, "hour")?;
                Ok(rest)
            }
            Element::Minute { padded } => {
                let (minute, rest) = two(text, padded)?;
                self.minute = within(minute, 0..=59, "minute")?;
                Ok(rest)
            }
            Element::Second { padded } => {
                let (second, rest) = two(text, padded)?;
                self.second = within(second, 0..=59, "second")?;
                self.unasked_fraction(rest, layout)
            }
            Element::HalfDay { upper } => {
                let (half, rest) = text.split_at_checked(2).ok_or(Wrong::Other)?;
                self.afternoon = Some(match (half, upper) {
                    ("PM", true) | ("pm", false) => true,
                    ("AM", true) | ("am", false) => false,
                    _ => return Err(Wrong::Other),
                });
                Ok(rest)
            }
            Element::ZoneName => {
                if let Some(rest) = text.strip_prefix("UTC") {
                    self.utc = true;
                    return Ok(rest);
                }
                // An abbreviation says nothing about the offset.
                Ok(&text[abbreviation(text).ok_or(Wrong::Other)?..])
            }
            Element::Zone(zone) => self.read_zone(zone, text),
            Element::Fraction {
                digits,
                trimmed: false,
            } => {
                self.nanosecond = fraction(text, digits + 1)?;
                Ok(text.get(digits + 1..).ok_or(Wrong::Other)?)
            }
            Element::Fraction { trimmed: true, .. } => {
                if !text.starts_with(['.', ',']) || digit_at(text, 1).is_none() {
                    return Ok(text);
                }
                self.any_fraction(text)
            }
        }
    }

    /// A fraction behind the seconds, of which the layout says nothing.
    fn unasked_fraction<'a>(&mut self, text: &'a str, layout: &str) -> Part<&'a str> {
        let asked = matches!(cut(layout).1, Some((Element::Fraction { .. }, _)));
        if asked || !text.starts_with(['.', ',']) || digit_at(text, 1).is_none() {
            return Ok(text);
        }
        self.any_fraction(text)
    }

    fn any_fraction<'a>(&mut self, text: &'a str) -> Part<&'a str> {
        let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
        self.nanosecond = fraction(text, digits + 1)?;
        Ok(&text[digits + 1..])
    }

    fn read_zone<'a>(&mut self, zone: Zone, text: &'a str) -> Part<&'a str> {
        if zone.z
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.utc = true;
            return Ok(rest);
        }
        let negative = text.starts_with('-');
        let mut rest = text;
        if !text.is_ascii() && !text.is_char_boundary(9.min(text.len())) {
            return Err(Wrong::Other);
        }
        // The sign is looked at last, as ranges are found first.
        rest = rest.get(1..).ok_or(Wrong::Other)?;
        let part = |rest: &'a str, colon: bool| -> Part<(i64, &'a str)> {
            let rest = if colon {
                rest.strip_prefix(':').ok_or(Wrong::Other)?
            } else {
                rest
            };
            two(rest, true)
        };
        let (hours, after) = part(rest, false)?;
        let (minutes, after) = if zone.parts > 1 {
            part(after, zone.colons)?
        } else {
            (0, after)
        };
        let (seconds, after) = if zone.parts > 2 {
            part(after, zone.colons)?
        } else {
            (0, after)
        };
        within(hours, 0..=24, "time zone offset hour")?;
        within(minutes, 0..=60, "time zone offset minute")?;
        within(seconds, 0..=60, "time zone offset second")?;
        if !text.starts_with(['+', '-']) {
            return Err(Wrong::Other);
        }
        let size = (hours * 60 + minutes) * 60 + seconds;
        self.offset = Some(if negative { -size } else { size });
        Ok(after)
    }

    fn finish(self) -> Result<Civil, &'static str> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (month, day) = match self.year_day {
            Some(day) => self.of_year_day(day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > super::month_length(self.year, month) {
            return Err("day out of range");
        }
        Ok(Civil {
            year: self.year,
            month,
            day,
            hour,
            minute: self.minute,
            second: self.second,
            nanosecond: self.nanosecond,
            offset: if self.utc { None } else { self.offset },
        })
    }

    /// Month and day of a day counted from the year's first.
    fn of_year_day(&self, of_year: i64) -> Result<(i64, i64), &'static str> {
        let length: i64 = (1..=12)
            .map(|month| super::month_length(self.year, month))
            .sum();
        if of_year < 1 || of_year > length {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, of_year);
        while day > super::month_length(self.year, month) {
            day -= super::month_length(self.year, month);
            month += 1;
        }
        if self.month.is_some_and(|said| said != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|said| said != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

/// How long the abbreviation of a time zone is that a text begins with.
fn abbreviation(text: &str) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(rest).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed_hours(text);
    }
    let upper = text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    match upper {
        5 if text.as_bytes()[4] == b'T' => Some(5),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// `+3`, `-11`: the length of a sign and hours up to 23.
fn signed_hours(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(['+', '-'])?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let hours: u64 = rest[..digits].parse().ok()?;
    (hours <= 23).then_some(digits + 1)
}
