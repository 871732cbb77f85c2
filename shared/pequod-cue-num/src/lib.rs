//! Exact decimal numbers, as CUE counts.
//!
//! A [`Decimal`] is a sign, a whole coefficient of any length and a power of ten. Literals keep
//! every digit they were written with; the *results* of arithmetic are rounded to
//! [`PRECISION`] significant digits, half away from zero, after the rules of
//! [General Decimal Arithmetic](https://speleotrove.com/decimal/). Whole numbers that fit an
//! `i64` are kept as such and never touch the big-number library.
//!
//! No floating point anywhere: what is printed is what was computed.

mod analysis;
mod arithmetic;
mod decimal;
mod literal;
mod text;

pub use arithmetic::NumError;
pub use decimal::Decimal;
pub use literal::LiteralError;

/// How many significant digits the result of an operation has at most.
pub const PRECISION: u64 = 34;

/// The largest power of ten a number may reach, and its negative the smallest.
pub const MAX_EXPONENT: i64 = 100_000;

#[cfg(test)]
mod tests;
