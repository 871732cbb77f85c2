//! `net`: addresses, host names and escapes.

mod url;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use num_bigint::{BigInt, Sign};

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};
use crate::gofmt::quote;

pub(crate) const CONSTANTS: &[Const] = constants![
    "IPv4len" = "4";
    "IPv6len" = "16";
];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "ParseIP" (String) -> "list" = |a| {
        let text = a.text(0)?;
        let address = parse(text).map_err(|_| Fault::error(format!("invalid IP address {}", quote(text))))?;
        Ok(numbers(&bytes(address)))
    };
    "IP" (Address) -> "bool" = |a| address(a, 0).map(|_| Datum::Bool(true));
    "IPv4" (Address) -> "bool" = |a| Ok(Datum::Bool(address(a, 0)?.is_ipv4()));
    "IPv6" (Address) -> "bool" = |a| Ok(Datum::Bool(address(a, 0)?.is_ipv6()));
    "IPCIDR" (Flat) -> "bool" = |a| prefix(a, 0).map(|_| Datum::Bool(true));
    "LoopbackIP" (Address) -> "bool" = |a| Ok(Datum::Bool(match plain(address(a, 0)?) {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback(),
    }));
    "MulticastIP" (Address) -> "bool" = |a| Ok(Datum::Bool(plain(address(a, 0)?).is_multicast()));
    "InterfaceLocalMulticastIP" (Address) -> "bool" = |a| Ok(Datum::Bool(match plain(address(a, 0)?) {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff01,
    }));
    "LinkLocalMulticastIP" (Address) -> "bool" = |a| Ok(Datum::Bool(match plain(address(a, 0)?) {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }));
    "LinkLocalUnicastIP" (Address) -> "bool" = |a| Ok(Datum::Bool(link_local(plain(address(a, 0)?))));
    "GlobalUnicastIP" (Address) -> "bool" = |a| {
        let address = plain(address(a, 0)?);
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        let special = broadcast || address.is_unspecified() || address.is_loopback() || address.is_multicast();
        Ok(Datum::Bool(!special && !link_local(address)))
    };
    "UnspecifiedIP" (Address) -> "bool" = |a| Ok(Datum::Bool(address(a, 0)?.is_unspecified()));
    "ToIP4" (Address) -> "list" = |a| match address(a, 0)? {
        IpAddr::V4(v4) => Ok(numbers(&v4.octets())),
        IpAddr::V6(v6) => Err(Fault::error(format!("cannot convert {} to IPv4", quote(&show(IpAddr::V6(v6)))))),
    };
    "ToIP16" (Address) -> "list" = |a| Ok(numbers(&match address(a, 0)? {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }));
    "IPString" (Address) -> "string" = |a| Ok(Datum::text(show(address(a, 0)?)));
    "AddIP" (Address, Int) -> "string" = |a| {
        let offset = a.big(1)?;
        if let Ok((address, bits)) = prefix(a, 0) {
            return Ok(Datum::text(format!("{}/{bits}", show(add(address, &offset)?))));
        }
        Ok(Datum::text(show(add(address(a, 0)?, &offset)?)))
    };
    "AddIPCIDR" (Flat, Int) -> "string" = |a| {
        let (address, bits) = prefix(a, 0)?;
        let offset = a.big(1)? << (width(address) - bits);
        Ok(Datum::text(format!("{}/{bits}", show(add(address, &offset)?))))
    };
    "ParseCIDR" (String) -> "struct" = |a| {
        let (address, bits) = parse_prefix(a.text(0)?)?;
        let (network, mask) = masked(address, bits);
        let mut fields = vec![
            ("prefix_mask".into(), Datum::text(show(mask))),
            ("prefix_len".into(), Datum::int(i64::from(bits))),
            ("prefix_addr".into(), Datum::text(show(network))),
        ];
        if let (IpAddr::V4(network), IpAddr::V4(mask)) = (network, mask) {
            let broadcast = Ipv4Addr::from(u32::from(network) | !u32::from(mask));
            fields.push(("broadcast_addr".into(), Datum::text(broadcast.to_string())));
        }
        Ok(Datum::Struct(fields))
    };
    "InCIDR" (Address, Flat) -> "bool" = |a| {
        let address = address(a, 0)?;
        let (network, bits) = prefix(a, 1)?;
        let same_family = address.is_ipv4() == network.is_ipv4();
        Ok(Datum::Bool(same_family && masked(address, bits).0 == masked(network, bits).0))
    };
    "CompareIP" (Address, Address) -> "int" = |a| {
        let (first, second) = (address(a, 0)?, address(a, 1)?);
        let order = width(first).cmp(&width(second)).then_with(|| bytes(first).cmp(&bytes(second)));
        Ok(Datum::int(order as i64))
    };
    "SplitHostPort" (String) -> "list" = |a| split_host_port(a.text(0)?);
    "JoinHostPort" (Host, Flat) -> "string" = |a| {
        let host = match a.datum(0)? {
            Datum::List(_) => show(address(a, 0)?),
            _ => String::from_utf8_lossy(a.bytes(0)?).into_owned(),
        };
        let port = match a.datum(1)? {
            Datum::Int(_) => a.int(1)?.to_string(),
            _ => String::from_utf8_lossy(a.bytes(1)?).into_owned(),
        };
        Ok(Datum::text(if host.contains([':', '%']) { format!("[{host}]:{port}") } else { format!("{host}:{port}") }))
    };
    "FQDN" (String) -> "bool" = |a| is_domain(a.text(0)?).map(Datum::Bool);
    "URL" (String) -> "bool" = |a| url::is_absolute(a.text(0)?).map(|_| Datum::Bool(true));
    "AbsURL" (String) -> "bool" = |a| if url::is_absolute(a.text(0)?)? {
        Ok(Datum::Bool(true))
    } else {
        Err(Fault::error("URL is not absolute"))
    };
    "PathEscape" (String) -> "string" = |a| Ok(Datum::text(url::escape(a.text(0)?, b"$&+=:@")));
    "QueryEscape" (String) -> "string" = |a| Ok(Datum::text(url::escape(a.text(0)?, b"").replace("%20", "+")));
    "PathUnescape" (String) -> "string" = |a| url::unescape(a.text(0)?, false);
    "QueryUnescape" (String) -> "string" = |a| url::unescape(a.text(0)?, true);
];

fn parse(text: &str) -> Result<IpAddr> {
    let failed = |why: &str| Fault::error(format!("ParseAddr({}): {why}", quote(text)));
    if text.contains('%') {
        return Err(Fault::unsupported("IP addresses with zones"));
    }
    text.parse().map_err(|_| {
        let separator = text.find(['.', ':']);
        match separator {
            None => failed("unable to parse IP"),
            Some(at) if text.as_bytes()[at] == b'.' => v4_error(text),
            Some(_) => failed("unexpected character, want colon"),
        }
    })
}

/// What the reference says about a malformed IPv4 address.
fn v4_error(text: &str) -> Fault {
    let failed = |why: &str| Fault::error(format!("ParseAddr({}): {why}", quote(text)));
    let parts: Vec<&str> = text.split('.').collect();
    for part in &parts {
        if part.is_empty() {
            return failed("IPv4 field must have at least one digit");
        }
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            let at = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
            let rest = text.find(&part[at..]).map_or("", |at| &text[at..]);
            return Fault::error(format!(
                "ParseAddr({}): unexpected character (at {})",
                quote(text),
                quote(rest)
            ));
        }
        if part.len() > 1 && part.starts_with('0') {
            return failed("IPv4 field has octet with leading zero");
        }
        if part.parse::<u32>().map_or(true, |value| value > 255) {
            return failed("IPv4 field has value >255");
        }
    }
    failed(if parts.len() < 4 {
        "IPv4 address too short"
    } else {
        "IPv4 address too long"
    })
}

/// An argument as an address: a text, bytes with text, or a list of numbers.
fn address(args: &Args<'_>, index: usize) -> Result<IpAddr> {
    match args.datum(index)? {
        Datum::String(text) => parse(text),
        Datum::Bytes(text) => parse(&String::from_utf8_lossy(text)),
        Datum::List(_) => {
            let mut octets = Vec::new();
            for number in args.numbers(index)? {
                let value = number.to_i64().unwrap_or(-1);
                let octet = u8::try_from(value)
                    .map_err(|_| Fault::error(format!("invalid IP byte value {value}")))?;
                octets.push(octet);
            }
            from_bytes(&octets)
                .ok_or_else(|| Fault::error(format!("invalid IP length {}", octets.len())))
        }
        other => Err(Fault::error(format!(
            "invalid type {} for IP address",
            other.kind()
        ))),
    }
}

fn from_bytes(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok())
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn numbers(octets: &[u8]) -> Datum {
    Datum::List(
        octets
            .iter()
            .map(|octet| Datum::int(i64::from(*octet)))
            .collect(),
    )
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn show(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => format!("::ffff:{v4}"),
            None => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}

/// An IPv4 address that is written as an IPv6 one is looked at as the former.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn prefix(args: &Args<'_>, index: usize) -> Result<(IpAddr, u8)> {
    match args.datum(index)? {
        Datum::String(text) => parse_prefix(text),
        Datum::Bytes(text) => parse_prefix(&String::from_utf8_lossy(text)),
        other => Err(Fault::error(format!(
            "invalid type {} for IP CIDR",
            other.kind()
        ))),
    }
}

fn parse_prefix(text: &str) -> Result<(IpAddr, u8)> {
    let failed = |why: String| Fault::error(format!("netip.ParsePrefix({}): {why}", quote(text)));
    let (address, bits) = text
        .rsplit_once('/')
        .ok_or_else(|| failed("no '/'".to_owned()))?;
    let address = parse(address).map_err(|fault| match fault.kind {
        crate::function::FaultKind::Unsupported => fault,
        _ => failed(fault.text),
    })?;
    let malformed = !bits.bytes().all(|byte| byte.is_ascii_digit())
        || bits.is_empty()
        || (bits.len() > 1 && bits.starts_with('0'));
    let value = bits.parse::<u32>().ok().filter(|_| !malformed);
    let value = value.ok_or_else(|| failed(format!("bad bits after slash: {}", quote(bits))))?;
    match u8::try_from(value) {
        Ok(bits) if bits <= width(address) => Ok((address, bits)),
        _ => Err(failed("prefix length out of range".to_owned())),
    }
}

/// Network and mask.
fn masked(address: IpAddr, bits: u8) -> (IpAddr, IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
            (
                Ipv4Addr::from(u32::from(v4) & mask).into(),
                Ipv4Addr::from(mask).into(),
            )
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - bits)).unwrap_or(0);
            (
                Ipv6Addr::from(u128::from(v6) & mask).into(),
                Ipv6Addr::from(mask).into(),
            )
        }
    }
}

fn add(address: IpAddr, offset: &BigInt) -> Result<IpAddr> {
    let out = |how| {
        Fault::error(format!(
            "IP address arithmetic resulted in out-of-range address ({how})"
        ))
    };
    let octets = bytes(address);
    let sum = BigInt::from_bytes_be(Sign::Plus, &octets) + offset;
    let (sign, digits) = sum.to_bytes_be();
    if sign == Sign::Minus {
        return Err(out("underflow"));
    }
    let start = octets
        .len()
        .checked_sub(digits.len())
        .ok_or_else(|| out("overflow"))?;
    let mut padded = vec![0; octets.len()];
    padded[start..].copy_from_slice(&digits);
    from_bytes(&padded).ok_or_else(|| out("overflow"))
}

fn split_host_port(text: &str) -> Result {
    let failed = |why: &str| Fault::error(format!("address {text}: {why}"));
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| failed("missing port in address"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((host, "")) => host,
            Some((_, rest)) if rest.starts_with(':') => {
                return Err(failed("too many colons in address"));
            }
            Some(_) => return Err(failed("missing port in address")),
            None => return Err(failed("missing ']' in address")),
        },
        None if host.contains(':') => return Err(failed("too many colons in address")),
        None => host,
    };
    if host.contains('[') || port.contains('[') {
        return Err(failed("unexpected '[' in address"));
    }
    if host.contains(']') || port.contains(']') {
        return Err(failed("unexpected ']' in address"));
    }
    Ok(Datum::texts([host, port]))
}

/// Labels of letters, digits and inner hyphens, at most 63 long and 253 together. Two hyphens as third and
/// fourth character are for labels of another alphabet.
fn is_domain(text: &str) -> Result<bool> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    let encoded = |label: &str| {
        label
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
    };
    if plain && name.split('.').any(encoded) {
        return Err(Fault::unsupported("host names in Punycode"));
    }
    Ok(plain && name.split('.').all(|label| label.get(2..4) != Some("--")))
}
