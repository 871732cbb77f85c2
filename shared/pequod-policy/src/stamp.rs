//! The stamp: who asked for an object to be as it is, with what, under which policies, signed.
//!
//! A webhook never learns whether an object it admitted was stored, and a controller that sees a stored object
//! never learns who wrote it. So the webhook signs what it knows and puts it on the object, and the Solution
//! controller, which finds it there, knows that it was stored.
//!
//! A stamp says nothing about time and requests: of equal objects written by the same person it is byte for byte
//! the same, so that applying something twice writes nothing. What is signed besides its own fields is the
//! object's identity; put on another object, or altered, it proves nothing. See [`stamp`] for when an object gets
//! a new one, and [`Keys::verify`] for when one is believed.
//!
//! What it cannot do: whoever reads the key can forge; and while the webhook is away, somebody may write an old
//! object back with the stamp that it had then. Both name a person who did once ask for exactly this object.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use pequod_api::names::ANNOTATION_STAMP;
use pequod_diag::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::canonical::hex;
use crate::intent::intent_digest;

/// The format; also the domain that separates these signatures from any other use of a key.
const VERSION: &str = "pequod.io/stamp/v1";

/// Which object a stamp belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The cluster: the uid of its namespace `kube-system`.
    pub cluster: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The name, or the prefix that the API server makes one from.
    pub name: Name<'a>,
}

/// What an object is called while it is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// `metadata.name`.
    Exact(&'a str),
    /// `metadata.generateName`, as long as there is no name.
    Generated(&'a str),
}

impl<'a> Subject<'a> {
    /// The subject that `object` is by its own account; `None` if it has neither name nor prefix.
    pub fn of(cluster: &'a str, object: &'a Value) -> Option<Self> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        Some(Self {
            cluster,
            group: text("/apiVersion")
                .and_then(|version| version.split_once('/'))
                .map_or("", |(group, _)| group),
            kind: text("/kind").unwrap_or_default(),
            namespace: text("/metadata/namespace").unwrap_or_default(),
            name: text("/metadata/name")
                .map(Name::Exact)
                .or_else(|| text("/metadata/generateName").map(Name::Generated))?,
        })
    }
}

/// What a stamp says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The user, as the API server authenticated them.
    pub actor: String,
    /// The tool: the field manager of the request; empty if it named none.
    pub manager: String,
    /// [`intent_digest`] of the object.
    pub intent: String,
    /// Digest of the policies in force.
    pub policies: String,
}

/// A claim with its signature, as it stands in the annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    key: String,
    #[serde(flatten)]
    claim: Claim,
    mac: String,
}

/// The keys that sign stamps, by id. The last id in byte order signs; all verify.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Secret<Vec<u8>>>);

impl Keys {
    /// A key that is shorter than this many bytes is not used.
    pub const MIN_BYTES: usize = 32;

    /// The usable ones of the given keys.
    pub fn new(keys: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let usable = keys
            .into_iter()
            .filter(|(_, key)| key.len() >= Self::MIN_BYTES);
        Self(usable.map(|(id, key)| (id, Secret::new(key))).collect())
    }

    /// Whether nothing can be signed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Signs a claim about a subject; `None` without a key.
    pub fn sign(&self, subject: Subject<'_>, claim: Claim) -> Option<String> {
        let (id, key) = self.0.last_key_value()?;
        let mac = hex(&mac(key, id, subject, &claim)?.finalize().into_bytes());
        serde_json::to_string(&Stamp {
            key: id.clone(),
            claim,
            mac,
        })
        .ok()
    }

    /// What is proven about a stored object by the stamp on it; `None` if nothing is: there is no stamp, it is
    /// not ours, it was made for another object, it was altered, or the object was changed since.
    pub fn verify(&self, cluster: &str, object: &Value) -> Option<Claim> {
        let stamp: Stamp = serde_json::from_str(stamp_of(object)?).ok()?;
        if stamp.claim.intent != intent_digest(object) {
            return None;
        }
        let key = self.0.get(&stamp.key)?;
        let given = unhex(&stamp.mac)?;
        let subject = Subject::of(cluster, object)?;
        // At admission an object with a generated name had only its prefix.
        let prefix = object
            .pointer("/metadata/generateName")
            .and_then(Value::as_str);
        let generated = prefix.map(|prefix| Subject {
            name: Name::Generated(prefix),
            ..subject
        });
        [Some(subject), generated]
            .into_iter()
            .flatten()
            .find_map(|subject| {
                let expected = mac(key, &stamp.key, subject, &stamp.claim)?;
                expected.verify_slice(&given).ok()
            })?;
        Some(stamp.claim)
    }
}

/// The stamp on an object, believed or not.
pub fn stamp_of(object: &Value) -> Option<&str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(ANNOTATION_STAMP)?
        .as_str()
}

/// What becomes of the stamp of an object that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is right as it is.
    Keep,
    /// It is to be set to this.
    Set(String),
    /// It is to be removed: nobody can vouch for it.
    Remove,
}

/// Decides about the stamp of `object`, which is about to replace `old`.
///
/// Who changes what was asked for gets their name on it. Who does not, changes nothing: the stamp stays, or comes
/// back, as it was on the old object, whatever the writer put or left out.
pub fn stamp(
    keys: &Keys,
    subject: Subject<'_>,
    object: &Value,
    old: Option<&Value>,
    claim: impl FnOnce(String) -> Claim,
) -> Change {
    let intent = intent_digest(object);
    let wanted = match old.filter(|old| intent_digest(old) == intent) {
        Some(old) => stamp_of(old).map(str::to_owned),
        None => keys.sign(subject, claim(intent)),
    };
    match (stamp_of(object), wanted) {
        (given, Some(wanted)) if given != Some(&wanted) => Change::Set(wanted),
        (Some(_), None) => Change::Remove,
        _ => Change::Keep,
    }
}

fn mac(
    key: &Secret<Vec<u8>>,
    id: &str,
    subject: Subject<'_>,
    claim: &Claim,
) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    let (form, name) = match subject.name {
        Name::Exact(name) => ("name", name),
        Name::Generated(prefix) => ("generateName", prefix),
    };
    let fields = [
        VERSION,
        id,
        subject.cluster,
        subject.group,
        subject.kind,
        subject.namespace,
        form,
        name,
        &claim.intent,
        &claim.policies,
        &claim.actor,
        &claim.manager,
    ];
    for field in fields {
        // With its length before it, no text can be moved from one field into the next.
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field.as_bytes());
    }
    Some(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests;
