//! `crypto/md5`, `crypto/sha1`, `crypto/sha256`, `crypto/sha512`, `crypto/hmac` and `crypto/ed25519`.

use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, Verifier, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};

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

pub(crate) const MD5: &[Function] = functions![
    "Sum" (Bytes) -> "bytes" = |a| Ok(sum::<Md5>(a.bytes(0)?));
];

pub(crate) const MD5_CONSTANTS: &[Const] = constants![
    "Size" = "16";
    "BlockSize" = "64";
];

pub(crate) const SHA1: &[Function] = functions![
    "Sum" (Bytes) -> "bytes" = |a| Ok(sum::<Sha1>(a.bytes(0)?));
];

pub(crate) const SHA1_CONSTANTS: &[Const] = constants![
    "Size" = "20";
    "BlockSize" = "64";
];

pub(crate) const HMAC: &[Function] = functions![
    "Sign" (String, Bytes, Bytes) -> "bytes" = |a| match &**a.text(0)? {
        "MD5" => sign::<Hmac<Md5>>(a),
        "SHA1" => sign::<Hmac<Sha1>>(a),
        "SHA224" => sign::<Hmac<Sha224>>(a),
        "SHA256" => sign::<Hmac<Sha256>>(a),
        "SHA384" => sign::<Hmac<Sha384>>(a),
        "SHA512" => sign::<Hmac<Sha512>>(a),
        "SHA512_224" => sign::<Hmac<Sha512_224>>(a),
        "SHA512_256" => sign::<Hmac<Sha512_256>>(a),
        _ => Err(Fault::error("unsupported hash function")),
    };
];

pub(crate) const HMAC_CONSTANTS: &[Const] = constants![
    "MD5" = "\"MD5\"";
    "SHA1" = "\"SHA1\"";
    "SHA224" = "\"SHA224\"";
    "SHA256" = "\"SHA256\"";
    "SHA384" = "\"SHA384\"";
    "SHA512" = "\"SHA512\"";
    "SHA512_224" = "\"SHA512_224\"";
    "SHA512_256" = "\"SHA512_256\"";
];

pub(crate) const ED25519: &[Function] = functions![
    "Valid" (Bytes, Bytes, Bytes) -> "bool" = |a| {
        let key: &[u8; PUBLIC_KEY_LENGTH] = a.bytes(0)?.try_into()
            .map_err(|_| Fault::error("ed25519: publicKey must be 32 bytes"))?;
        Ok(Datum::Bool(signed(key, a.bytes(1)?, a.bytes(2)?)))
    };
];

pub(crate) const ED25519_CONSTANTS: &[Const] = constants![
    "PublicKeySize" = "32";
];

/// Whether a message was signed with a key (RFC 8032, 5.1.7): no for bytes that are no key or no signature.
fn signed(key: &[u8; PUBLIC_KEY_LENGTH], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_bytes(key),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

fn sign<M: Mac + KeyInit>(args: &Args<'_>) -> Result {
    let mut mac = <M as KeyInit>::new_from_slice(args.bytes(1)?)
        .map_err(|error| Fault::error(error.to_string()))?;
    mac.update(args.bytes(2)?);
    Ok(Datum::bytes(mac.finalize().into_bytes().to_vec()))
}

/// The first sixteen bytes of a hash of a namespace and a name, as identifiers are made of them.
pub(crate) fn name_hash(sha: bool, space: &[u8], name: &[u8]) -> [u8; 16] {
    let hash = if sha {
        Sha1::new()
            .chain_update(space)
            .chain_update(name)
            .finalize()
            .to_vec()
    } else {
        Md5::new()
            .chain_update(space)
            .chain_update(name)
            .finalize()
            .to_vec()
    };
    std::array::from_fn(|at| hash[at])
}
