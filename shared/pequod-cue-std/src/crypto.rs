//! `crypto/sha256` and `crypto/sha512`

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

use crate::datum::Datum;
use crate::function::{Const, Function, constants, functions};

fn sum<D: Digest>(bytes: &[u8]) -> Datum {
    Datum::bytes(D::digest(bytes).to_vec())
}

pub(crate) const SHA256: &[Function] = functions![
    "Sum256" (Bytes) -> "bytes" = |a| Ok(sum::<Sha256>(a.bytes(0)?));
    "Sum224" (Bytes) -> "bytes" = |a| Ok(sum::<Sha224>(a.bytes(0)?));
];

pub(crate) const SHA256_CONSTANTS: &[Const] = constants![
    "Size" = "32";
    "Size224" = "28";
    "BlockSize" = "64";
];

pub(crate) const SHA512: &[Function] = functions![
    "Sum512" (Bytes) -> "bytes" = |a| Ok(sum::<Sha512>(a.bytes(0)?));
    "Sum384" (Bytes) -> "bytes" = |a| Ok(sum::<Sha384>(a.bytes(0)?));
    "Sum512_224" (Bytes) -> "bytes" = |a| Ok(sum::<Sha512_224>(a.bytes(0)?));
    "Sum512_256" (Bytes) -> "bytes" = |a| Ok(sum::<Sha512_256>(a.bytes(0)?));
];

pub(crate) const SHA512_CONSTANTS: &[Const] = constants![
    "Size" = "64";
    "Size224" = "28";
    "Size256" = "32";
    "Size384" = "48";
    "BlockSize" = "128";
];
