//! `math/bits`: whole numbers of any length as bits, negative ones in two's complement.

use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive as _;

use crate::datum::Datum;
use crate::function::{Args, Fault, Function, Result, functions};

/// The longest number that is made, in bits.
const MAX_BITS: u64 = 1 << 23;

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Lsh" (Int, Unsigned) -> "int" = |a| {
        let (value, by) = (a.big(0)?, unsigned(a, 1)?);
        if value.sign() == Sign::NoSign {
            return Ok(Datum::int(0));
        }
        if by.saturating_add(value.bits()) > MAX_BITS {
            return Err(Fault::limit("bits.Lsh: the result is too large"));
        }
        Ok(Datum::big(&(value << by)))
    };
    "Rsh" (Int, Unsigned) -> "int" = |a| Ok(Datum::big(&(a.big(0)? >> unsigned(a, 1)?)));
    "At" (Int, Unsigned) -> "int" = |a| {
        let (value, at) = (a.big(0)?, unsigned(a, 1)?);
        if at > 0x7fff_ffff {
            return Err(Fault::error("bit index too large"));
        }
        Ok(Datum::int(i64::from(value.bit(at))))
    };
    "Set" (Int, Int, Unsigned) -> "int" = |a| {
        let (mut value, at, bit) = (a.big(0)?, a.int(1)?, unsigned(a, 2)?);
        let at = u64::try_from(at).map_err(|_| Fault::error("negative bit index"))?;
        if bit > 1 {
            return Err(Fault::error("set bit is not 0 or 1"));
        }
        if at > MAX_BITS {
            return Err(Fault::limit("bits.Set: the result is too large"));
        }
        value.set_bit(at, bit == 1);
        Ok(Datum::big(&value))
    };
    "And" (Int, Int) -> "int" = |a| Ok(Datum::big(&(a.big(0)? & a.big(1)?)));
    "Or" (Int, Int) -> "int" = |a| Ok(Datum::big(&(a.big(0)? | a.big(1)?)));
    "Xor" (Int, Int) -> "int" = |a| Ok(Datum::big(&(a.big(0)? ^ a.big(1)?)));
    "Clear" (Int, Int) -> "int" = |a| Ok(Datum::big(&(a.big(0)? & !a.big(1)?)));
    // Of the magnitude.
    "OnesCount" (Int) -> "int" = |a| {
        let (_, words) = a.big(0)?.to_u64_digits();
        let ones: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Ok(Datum::big(&BigInt::from(ones)))
    };
    "Len" (Int) -> "int" = |a| Ok(Datum::big(&BigInt::from(a.big(0)?.bits())));
];

fn unsigned(args: &Args<'_>, index: usize) -> Result<u64> {
    let value = args.big(index)?;
    if value.sign() == Sign::Minus {
        return Err(Fault::error(format!(
            "cannot use {value} (type int) as uint64 in argument {index}"
        )));
    }
    value
        .to_u64()
        .ok_or_else(|| Fault::error(format!("int {value} overflows uint64 in argument {index}")))
}
