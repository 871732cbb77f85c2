//! Questions to the fleet: one exact form that is shown, reused and answered, whatever it was made from.
//!
//! ```text
//! kind:Pod health:Failed cluster:*prod* age>1h -namespace:kube-system label:app=web "payment gateway" by:cluster
//! ```
//!
//! Terms are joined by *and*, values within a term by *or* (`health:Failed,InProgress`), `-` negates a term, `*` stands
//! for anything. Words without a field are searched in everything that is known of an object. [`parse`] reads this form,
//! [`words`] makes it from plain English, and `Display` writes it back: `parse(q.to_string()) == q`.

pub mod parse;
pub mod prompt;
pub mod vocabulary;
pub mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::access::Scope;
use crate::record::Record;

/// Something an object can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// The cluster.
    Cluster,
    /// The namespace; `-` for objects of the whole cluster.
    Namespace,
    /// The name.
    Name,
    /// The kind; any of its names is understood.
    Kind,
    /// The API group; `-` for the core group.
    Group,
    /// The state in one word.
    Health,
    /// Why it is not current.
    Reason,
    /// `status.phase`.
    Phase,
    /// A label, `key=value` or `key`.
    Label,
    /// A condition, `Ready=False`.
    Condition,
    /// An owner, `Kind/name`.
    Owner,
    /// An owner's uid.
    OwnerUid,
    /// How many replicas are ready: none, partial, full, zero.
    Ready,
    /// A container image.
    Image,
    /// What it is about.
    About,
    /// Its uid.
    Uid,
    /// Its readable id.
    Id,
}

impl Field {
    /// All of them, with the word that names each in a query and the key of the store it is found under.
    pub const ALL: [(Self, &'static str, &'static str); 17] = [
        (Self::Cluster, "cluster", "cluster"),
        (Self::Namespace, "namespace", "namespace"),
        (Self::Name, "name", "name"),
        (Self::Kind, "kind", "kind"),
        (Self::Group, "group", "apiGroup"),
        (Self::Health, "health", "health"),
        (Self::Reason, "reason", "reason"),
        (Self::Phase, "phase", "phase"),
        (Self::Label, "label", "labels"),
        (Self::Condition, "condition", "conditions"),
        (Self::Owner, "owner", "owners"),
        (Self::OwnerUid, "owner-uid", "ownerUids"),
        (Self::Ready, "ready", "availability"),
        (Self::Image, "image", "images"),
        (Self::About, "about", "about"),
        (Self::Uid, "uid", "uid"),
        (Self::Id, "id", "id"),
    ];

    fn row(self) -> (Self, &'static str, &'static str) {
        Self::ALL
            .into_iter()
            .find(|(field, ..)| *field == self)
            .unwrap_or(Self::ALL[0])
    }

    /// The word that names it in a query.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// The key of the store it is found under.
    pub fn key(self) -> &'static str {
        self.row().2
    }

    /// Whether its values are few, however many objects there are.
    pub fn is_of_few_values(self) -> bool {
        match self {
            Self::Cluster
            | Self::Namespace
            | Self::Kind
            | Self::Group
            | Self::Health
            | Self::Reason
            | Self::Phase
            | Self::Condition
            | Self::Ready
            | Self::About => true,
            Self::Name
            | Self::Label
            | Self::Owner
            | Self::OwnerUid
            | Self::Image
            | Self::Uid
            | Self::Id => false,
        }
    }

    /// The field a word names.
    pub fn named(word: &str) -> Option<Self> {
        let word = match word {
            "ns" => "namespace",
            "status" | "state" => "health",
            "labels" | "l" => "label",
            "clusters" => "cluster",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|(_, named, _)| *named == word)
            .map(|(field, ..)| field)
    }

    /// The values a record has for it.
    pub fn values(self, record: &Record) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Cluster => one(&record.identity.cluster),
            Self::Namespace => one(or_dash(&record.identity.namespace)),
            Self::Name => one(&record.identity.name),
            Self::Kind => one(&record.identity.kind),
            Self::Group => one(or_dash(&record.identity.api_group)),
            Self::Health => one(record.health.as_str()),
            Self::Reason => optional(&record.reason),
            Self::Phase => record.status.phase.iter().cloned().collect(),
            Self::Label => record.labels.clone(),
            Self::Condition => record
                .status
                .conditions
                .iter()
                .map(|condition| format!("{}={}", condition.kind, condition.status))
                .collect(),
            Self::Owner => record.owners.clone(),
            Self::OwnerUid => record.owner_uids.clone(),
            Self::Ready => record
                .availability
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            Self::Image => record.images.clone(),
            Self::About => record.about.clone(),
            Self::Uid => optional(&record.uid),
            Self::Id => one(&record.id),
        }
    }
}

fn optional(text: &str) -> Vec<String> {
    if text.is_empty() {
        Vec::new()
    } else {
        vec![text.to_owned()]
    }
}

/// An empty namespace or group, in a form that can be asked for.
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Which side of a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// More than this long ago.
    Over,
    /// Less than this long ago.
    Under,
}

/// One thing that is asked of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Test {
    /// The field has one of these values; `*` in a value stands for anything.
    Is(Field, Vec<String>),
    /// It was made more or less than so many seconds ago.
    Age(Side, i64),
    /// Something visible changed in it more or less than so many seconds ago.
    Changed(Side, i64),
}

/// A test, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Term {
    /// The opposite is asked for.
    #[serde(default)]
    pub negated: bool,
    /// What is asked.
    pub test: Test,
}

/// A whole question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Query {
    /// All must hold.
    pub terms: Vec<Term>,
    /// Words to be searched; the best fitting objects come first.
    pub text: Vec<String>,
    /// Count by this instead of listing.
    pub by: Option<Field>,
    /// What of it the caller may read; none for whoever may read the store. It is not a part of what is asked, and is
    /// not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Box<Scope>>,
}

impl Query {
    /// Adds a term.
    #[must_use]
    pub fn and(mut self, test: Test) -> Self {
        self.terms.push(Term {
            negated: false,
            test,
        });
        self
    }

    /// Adds a term for a field with one or several values; none is no term.
    #[must_use]
    pub fn is<S: Into<String>>(self, field: Field, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            self
        } else {
            self.and(Test::Is(field, values))
        }
    }

    /// Whether a record is an answer at `now`, the searched words aside.
    pub fn matches(&self, record: &Record, now: i64) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.allows(record))
            && self
                .terms
                .iter()
                .all(|term| term.test.holds(record, now) != term.negated)
    }

    /// The values asked for in a field, if it is asked for positively.
    pub fn values(&self, field: Field) -> Option<&[String]> {
        self.terms.iter().find_map(|term| match &term.test {
            Test::Is(asked, values) if *asked == field && !term.negated => Some(values.as_slice()),
            _ => None,
        })
    }
}

impl Test {
    fn holds(&self, record: &Record, now: i64) -> bool {
        match self {
            Self::Is(field, wanted) => {
                let has = field.values(record);
                wanted
                    .iter()
                    .any(|pattern| has.iter().any(|value| glob(pattern, value)))
            }
            Self::Age(side, seconds) => side.holds(record.created_at, now - seconds),
            Self::Changed(side, seconds) => side.holds(record.updated_at, now - seconds),
        }
    }
}

impl Side {
    fn holds(self, moment: i64, border: i64) -> bool {
        match self {
            Self::Over => moment < border,
            Self::Under => moment > border,
        }
    }
}

/// Whether a value has something of a pattern in it that `*` leaves open.
pub fn is_glob(pattern: &str) -> bool {
    pattern.contains('*')
}

/// Whether a value fits a pattern in which `*` stands for anything.
pub fn glob(pattern: &str, value: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else {
        return false;
    };
    let Some(mut last) = pieces.next() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(last) {
            Some(at) => rest = &rest[at + last.len()..],
            None => return false,
        }
        last = piece;
    }
    rest.ends_with(last)
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.terms.iter().map(ToString::to_string).collect();
        parts.extend(self.text.iter().map(|word| {
            if is_plain_word(word) {
                word.clone()
            } else {
                quoted(word)
            }
        }));
        parts.extend(self.by.map(|field| format!("by:{}", field.word())));
        f.write_str(&parts.join(" "))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        match &self.test {
            Test::Is(field, values) => {
                let values: Vec<String> = values.iter().map(|value| value_text(value)).collect();
                write!(f, "{}:{}", field.word(), values.join(","))
            }
            Test::Age(side, seconds) => write!(f, "age{side}{}", duration(*seconds)),
            Test::Changed(side, seconds) => write!(f, "changed{side}{}", duration(*seconds)),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Over => ">",
            Self::Under => "<",
        })
    }
}

fn is_plain_word(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && !word.chars().any(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, ':' | '<' | '>' | '"' | '\\')
        })
}

fn value_text(value: &str) -> String {
    let plain = !value.is_empty()
        && !value
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"' | '\\'));
    if plain {
        value.to_owned()
    } else {
        quoted(value)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A length of time in its largest whole unit.
pub fn duration(seconds: i64) -> String {
    for (unit, length) in [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds != 0 && seconds % length == 0 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, value, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*prod*", "eu-prod-1", true),
            ("prod*", "eu-prod", false),
            ("*-1", "eu-1", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*b", "ab", false),
        ] {
            assert_eq!(glob(pattern, value), fits, "{pattern} {value}");
        }
    }

    #[test]
    fn lengths_of_time_read_naturally() {
        assert_eq!(
            [duration(3600), duration(90), duration(0), duration(172_800)],
            ["1h", "90s", "0s", "2d"]
        );
    }
}
