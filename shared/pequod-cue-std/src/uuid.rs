//! `uuid`

use num_bigint::{BigInt, Sign};

use crate::datum::Datum;
use crate::encoding::hex;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};
use crate::gofmt::quote;

pub(crate) const CONSTANTS: &[Const] = constants![
    "ns" = "{DNS: \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\", URL: \"6ba7b811-9dad-11d1-80b4-00c04fd430c8\", OID: \"6ba7b812-9dad-11d1-80b4-00c04fd430c8\", X500: \"6ba7b814-9dad-11d1-80b4-00c04fd430c8\", Nil: \"00000000-0000-0000-0000-000000000000\"}";
    "variants" = "{Invalid: 0, RFC4122: 1, Reserved: 2, Microsoft: 3, Future: 4}";
];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Valid" (String) -> "bool" = |a| parse(a.text(0)?).map(|_| Datum::Bool(true));
    "Parse" (String) -> "string" = |a| Ok(Datum::text(format(parse(a.text(0)?)?)));
    "URN" (String) -> "string" = |a| Ok(Datum::text(format!("urn:uuid:{}", format(parse(a.text(0)?)?))));
    "FromInt" (Int) -> "string" = |a| {
        let (_, bytes) = a.big(0)?.to_bytes_be();
        let start = 16usize.checked_sub(bytes.len()).ok_or_else(|| {
            Fault::error(format!("invalid UUID (got {} bytes)", bytes.len()))
        })?;
        let mut id = [0; 16];
        id[start..].copy_from_slice(&bytes);
        Ok(Datum::text(format(id)))
    };
    "ToInt" (String) -> "int" = |a| {
        Ok(Datum::big(&BigInt::from_bytes_be(Sign::Plus, a.text(0)?.as_bytes())))
    };
    "Variant" (String) -> "int" = |a| {
        let id = parse(a.text(0)?)?;
        Ok(Datum::int(match id[8] >> 4 {
            8..=11 => 1,
            12 | 13 => 3,
            14 | 15 => 4,
            _ => 2,
        }))
    };
    "SHA1" (String, Bytes) -> "string" = |a| named(a, true);
    "MD5" (String, Bytes) -> "string" = |a| named(a, false);
    "Version" (String) -> "int" = |a| Ok(Datum::int(i64::from(parse(a.text(0)?)?[6] >> 4)));
];

/// The identifier of a name in a namespace: a hash of both, marked with how it was made.
fn named(args: &Args<'_>, sha: bool) -> Result {
    let space = parse(args.text(0)?)?;
    let mut id = crate::crypto::name_hash(sha, &space, args.bytes(1)?);
    id[6] = id[6] & 0x0f | if sha { 0x50 } else { 0x30 };
    id[8] = id[8] & 0x3f | 0x80;
    Ok(Datum::text(format(id)))
}

/// The four spellings: plain, in braces, as a URN, without hyphens.
fn parse(text: &str) -> Result<[u8; 16]> {
    let form = || Fault::error("invalid UUID format");
    let plain = match text.len() {
        32 | 36 => text,
        45 => {
            let (prefix, rest) = text.split_at_checked(9).ok_or_else(form)?;
            if !prefix.eq_ignore_ascii_case("urn:uuid:") {
                return Err(Fault::error(format!(
                    "invalid urn prefix: {}",
                    quote(prefix)
                )));
            }
            rest
        }
        38 => text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .ok_or_else(form)?,

        length => return Err(Fault::error(format!("invalid UUID length: {length}"))),
    };
    if plain.len() == 36
        && [8, 13, 18, 23]
            .iter()
            .any(|&at| plain.as_bytes()[at] != b'-')
    {
        return Err(form());
    }
    let digits: Vec<u8> = plain.bytes().filter(|&byte| byte != b'-').collect();
    let mut id = [0; 16];
    if digits.len() != 32 {
        return Err(form());
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        *byte = digit(pair[0])
            .zip(digit(pair[1]))
            .map(|(high, low)| high << 4 | low)
            .ok_or_else(form)?;
    }
    Ok(id)
}

fn format(id: [u8; 16]) -> String {
    let parts = [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]];
    parts.map(hex).join("-")
}
