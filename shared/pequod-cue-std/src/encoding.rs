//! `encoding/base64` and `encoding/hex`

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::datum::Datum;
use crate::function::{Args, Fault, Function, Result, functions};

pub(crate) const BASE64: &[Function] = functions![
    "EncodedLen" (Flat, Int) -> "int" = |a| {
        standard(a)?;
        Ok(Datum::int((a.int(1)? + 2) / 3 * 4))
    };
    "DecodedLen" (Flat, Int) -> "int" = |a| {
        standard(a)?;
        Ok(Datum::int(a.int(1)? / 4 * 3))
    };
    "Encode" (Flat, Bytes) -> "string" = |a| {
        standard(a)?;
        Ok(Datum::text(STANDARD.encode(a.bytes(1)?)))
    };
    "Decode" (Flat, String) -> "bytes" = |a| {
        standard(a)?;
        // Line ends are no part of the text.
        let text: String = a.text(1)?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        STANDARD.decode(&text).map(Datum::bytes).map_err(|_| {
            let at = first_illegal(a.text(1).map_or("", |text| text));
            Fault::error(format!("illegal base64 data at input byte {at}"))
        })
    };
];

/// The first argument is for encodings that nobody has defined yet.
fn standard(args: &Args<'_>) -> Result<()> {
    match args.datum(0)? {
        Datum::Null => Ok(()),
        other => Err(Fault::error(format!(
            "base64: unsupported encoding: cannot use value {} (type {}) as null",
            crate::json::show(other),
            other.kind()
        ))),
    }
}

/// Where the reference notices that a text is no base64.
fn first_illegal(text: &str) -> usize {
    let mut digits = 0;
    for (at, c) in text.bytes().enumerate() {
        match c {
            b'\r' | b'\n' => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => digits += 1,
            b'=' if digits % 4 == 2 && text.as_bytes().get(at + 1) == Some(&b'=') => return at + 2,
            b'=' if digits % 4 == 3 => return at + 1,
            _ => return at,
        }
    }
    text.len() - digits % 4
}

pub(crate) const HEX: &[Function] = functions![
    "EncodedLen" (Int) -> "int" = |a| Ok(Datum::int(a.int(0)?.saturating_mul(2)));
    "DecodedLen" (Int) -> "int" = |a| Ok(Datum::int(a.int(0)? / 2));
    "Encode" (Bytes) -> "string" = |a| Ok(Datum::text(hex(a.bytes(0)?)));
    "Decode" (String) -> "bytes" = |a| unhex(a.text(0)?);
    "Dump" (Bytes) -> "string" = |a| Ok(Datum::text(dump(a.bytes(0)?)));
];

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Result {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| {
                let shown = crate::gofmt::quoted(
                    &char::from(byte).to_string(),
                    '\'',
                    crate::gofmt::Plain::Printable,
                );
                Fault::error(format!("encoding/hex: invalid byte: U+{byte:04X} {shown}"))
            })
    };
    let mut pairs = text.as_bytes().chunks_exact(2);
    for pair in &mut pairs {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    if let [last] = pairs.remainder() {
        digit(*last)?;
        return Err(Fault::error("encoding/hex: odd length hex string"));
    }
    Ok(Datum::bytes(bytes))
}

/// Sixteen bytes a line: offset, hexadecimal, text.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", line * 16);
        for at in 0..16 {
            let _ = match chunk.get(at) {
                Some(byte) => write!(text, " {byte:02x}"),
                None => write!(text, "   "),
            };
            if at == 7 {
                text.push(' ');
            }
        }
        text.push_str("  |");
        text.extend(chunk.iter().map(|&byte| {
            if (32..=126).contains(&byte) {
                char::from(byte)
            } else {
                '.'
            }
        }));
        text.push_str("|\n");
    }
    text
}
