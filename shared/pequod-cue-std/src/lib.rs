//! The packages that come with CUE: `strings`, `list`, `encoding/json`, …
//!
//! Functions are pure: data in ([`Datum`]), data or a [`Fault`] out, in the words of the reference.
//! They know nothing of unification. [`find`] gives a package's function with the types of its parameters;
//! the evaluator checks arguments against those, converts them, and wraps faults with the name
//! of the call.
//!
//! Values that are no plain data (a type, an open struct) travel through functions such as
//! `list.Concat` as [`Datum::Opaque`], a number that only the evaluator understands.
//!
//! Packages and functions that are not there are not in the table, and the evaluator says so
//! ([`PACKAGES`] names all that exist in the language).

mod bits;
mod crypto;
mod csv;
mod datum;
mod encoding;
mod function;
mod gofmt;
mod html;
mod json;
mod list;
mod math;
mod net;
mod path;
mod regexp;
mod strconv;
mod strings;
mod structs;
mod time;
mod toml;
mod uuid;
mod yaml;

pub use datum::{Datum, Shape};
pub use function::{Args, Const, Fault, FaultKind, Function, Param, Result};

/// Every package of the language, whether it is there or not.
pub const PACKAGES: &[&str] = &[
    "crypto/ed25519",
    "crypto/hmac",
    "crypto/md5",
    "crypto/sha1",
    "crypto/sha256",
    "crypto/sha512",
    "encoding/base64",
    "encoding/csv",
    "encoding/hex",
    "encoding/json",
    "encoding/openapi",
    "encoding/toml",
    "encoding/yaml",
    "html",
    "list",
    "math",
    "math/bits",
    "net",
    "path",
    "regexp",
    "strconv",
    "strings",
    "struct",
    "text/tabwriter",
    "text/template",
    "time",
    "tool",
    "tool/cli",
    "tool/exec",
    "tool/file",
    "tool/http",
    "tool/os",
    "uuid",
];

/// The functions of a package; nothing if it has none here.
pub fn functions(package: &str) -> &'static [Function] {
    match package {
        "crypto/ed25519" => crypto::ED25519,
        "crypto/hmac" => crypto::HMAC,
        "crypto/md5" => crypto::MD5,
        "crypto/sha1" => crypto::SHA1,
        "crypto/sha256" => crypto::SHA256,
        "crypto/sha512" => crypto::SHA512,
        "encoding/base64" => encoding::BASE64,
        "encoding/csv" => csv::FUNCTIONS,
        "encoding/hex" => encoding::HEX,
        "encoding/json" => json::FUNCTIONS,
        "encoding/toml" => toml::FUNCTIONS,
        "encoding/yaml" => yaml::FUNCTIONS,
        "html" => html::FUNCTIONS,
        "list" => list::FUNCTIONS,
        "math" => math::FUNCTIONS,
        "math/bits" => bits::FUNCTIONS,
        "net" => net::FUNCTIONS,
        "path" => path::FUNCTIONS,
        "regexp" => regexp::FUNCTIONS,
        "strconv" => strconv::FUNCTIONS,
        "strings" => strings::FUNCTIONS,
        "struct" => structs::FUNCTIONS,
        "time" => time::FUNCTIONS,
        "uuid" => uuid::FUNCTIONS,
        _ => &[],
    }
}

/// The constants of a package.
pub fn constants(package: &str) -> &'static [Const] {
    match package {
        "crypto/ed25519" => crypto::ED25519_CONSTANTS,
        "crypto/hmac" => crypto::HMAC_CONSTANTS,
        "crypto/md5" => crypto::MD5_CONSTANTS,
        "crypto/sha1" => crypto::SHA1_CONSTANTS,
        "crypto/sha256" => crypto::SHA256_CONSTANTS,
        "crypto/sha512" => crypto::SHA512_CONSTANTS,
        "list" => list::CONSTANTS,
        "math" => math::CONSTANTS,
        "path" => path::CONSTANTS,
        "uuid" => uuid::CONSTANTS,
        "net" => net::CONSTANTS,
        "strconv" => strconv::CONSTANTS,
        "time" => time::CONSTANTS,
        _ => &[],
    }
}

/// Whether a name is that of an operating system that `path` knows.
pub fn is_system(name: &str) -> bool {
    path::is_system(name)
}

/// Data as compact JSON.
pub fn json_text(datum: &Datum) -> Result<String> {
    json::encode(datum)
}

/// JSON as data.
pub fn json_data(text: &[u8]) -> Result<Datum> {
    json::decode(text)
}

/// The documents of a YAML stream as data.
pub fn yaml_documents(text: &[u8]) -> Result<Vec<Datum>> {
    yaml::stream(text)
}

/// A function by package and name.
pub fn find(package: &str, name: &str) -> Option<&'static Function> {
    functions(package)
        .iter()
        .find(|function| function.name == name)
}

#[cfg(test)]
mod tests;
