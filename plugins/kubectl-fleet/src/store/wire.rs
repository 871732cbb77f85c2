//! Points, filters and collections in Qdrant's own JSON, which its engine and its server both read.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Capability, Change, Note, StoreError, Stored};
use crate::freshness::ClusterState;
use crate::health::Health;
use crate::identity;
use crate::meaning::{Meaning, Vector};
use crate::query::{Field, Query, Side, Term, Test};
use crate::record::Record;
use crate::text::{self, Sparse};

/// The payload key that tells records, clusters and capabilities apart.
pub const WHAT: &str = "what";
/// The name of the vector of words.
pub const WORDS: &str = "words";

/// The keys that are filtered by, and the kind of index each needs. Nothing else may be filtered by.
pub const INDEXES: &[(&str, &str)] = &[
    (WHAT, "keyword"),
    ("cluster", "keyword"),
    ("namespace", "keyword"),
    ("name", "keyword"),
    ("kind", "keyword"),
    ("apiGroup", "keyword"),
    ("health", "keyword"),
    ("reason", "keyword"),
    ("phase", "keyword"),
    ("labels", "keyword"),
    ("conditions", "keyword"),
    ("owners", "keyword"),
    ("ownerUids", "keyword"),
    ("availability", "keyword"),
    ("images", "keyword"),
    ("about", "keyword"),
    ("uid", "keyword"),
    ("id", "keyword"),
    ("createdAt", "integer"),
    ("updatedAt", "integer"),
];

/// A point: id, payload, words.
pub struct Point {
    /// Its id.
    pub id: Uuid,
    /// What is known.
    pub payload: Value,
    /// Its words.
    pub words: Sparse,
    /// Its meaning and the space that it is in, as far as it is known.
    pub meaning: Option<(String, Vector)>,
}

/// As a server takes it, without a copy: a thousand of them are in hand at once.
impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut point = serializer.serialize_struct("Point", 3)?;
        point.serialize_field("id", &self.id)?;
        point.serialize_field("vector", &Vectors(self))?;
        point.serialize_field("payload", &self.payload)?;
        point.end()
    }
}

/// The vectors of a point by their names.
struct Vectors<'a>(&'a Point);

impl Serialize for Vectors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut vectors = serializer.serialize_map(None)?;
        vectors.serialize_entry(WORDS, &self.0.words)?;
        if let Some((space, vector)) = &self.0.meaning {
            vectors.serialize_entry(space, &vector[..])?;
        }
        vectors.end()
    }
}

impl Point {
    /// Of a record.
    pub fn record(record: &Record) -> Self {
        Self {
            id: record.identity.point(),
            payload: payload(record),
            words: text::document(record),
            meaning: None,
        }
    }

    /// Of a record whose meaning may be remembered.
    fn with_meaning(record: &Record, meaning: Option<&Meaning>) -> Self {
        let known = meaning.and_then(|meaning| meaning.known(record));
        Self {
            meaning: known.map(|(space, vector)| (space.to_owned(), vector)),
            ..Self::record(record)
        }
    }

    /// Of a cluster's state.
    pub fn cluster(state: &ClusterState) -> Self {
        Self {
            id: identity::point("cluster", &[&state.cluster]),
            payload: json!({ WHAT: "cluster", "cluster": state.cluster, "state": state }),
            words: Sparse::default(),
            meaning: None,
        }
    }

    /// Of a note.
    pub fn note(note: &Note) -> Self {
        Self {
            id: note_id(&note.what, &note.cluster, &note.id),
            payload: json!({ WHAT: note.what, "cluster": note.cluster, "note": note }),
            words: Sparse::default(),
            meaning: None,
        }
    }

    /// Of a capability.
    pub fn capability(capability: &Capability) -> Self {
        let served = &capability.served;
        Self {
            id: identity::point(
                "capability",
                &[&capability.cluster, &served.group, &served.kind],
            ),
            payload: json!({ WHAT: "capability", "cluster": capability.cluster, "capability": capability }),
            words: text::plain(&format!(
                "{} {} {}",
                served.kind, served.group, capability.description
            )),
            meaning: None,
        }
    }
}

/// The id of a note's point.
pub fn note_id(what: &str, cluster: &str, id: &str) -> Uuid {
    identity::point(what, &[cluster, id])
}

/// A record's payload: itself, with its filter keys at the top as arrays of words.
fn payload(record: &Record) -> Value {
    let mut map = match serde_json::to_value(record) {
        Ok(Value::Object(map)) => map,
        // A record is a map of texts and numbers: there is nothing in it that JSON cannot say.
        _ => Map::new(),
    };
    map.insert(WHAT.to_owned(), json!("object"));
    for field in [Field::Namespace, Field::Group] {
        map.insert(field.key().to_owned(), json!(field.values(record).concat()));
    }
    for field in [Field::Phase, Field::Condition] {
        let values = field.values(record);
        if !values.is_empty() {
            map.insert(field.key().to_owned(), json!(values));
        }
    }
    Value::Object(map)
}

/// The point of a payload: what it was made from says everything about it.
pub fn point(payload: Value) -> Stored<Point> {
    match payload.get(WHAT).and_then(Value::as_str) {
        Some("object") => Ok(Point::record(&record(payload)?)),
        Some("cluster") => Ok(Point::cluster(&part(payload, "state")?)),
        Some("capability") => Ok(Point::capability(&part(payload, "capability")?)),
        Some(Note::QUESTION | Note::REPLY) => Ok(Point::note(&part(payload, "note")?)),
        other => Err(StoreError::Corrupt(format!(
            "a point that is neither object, cluster nor capability: {other:?}"
        ))),
    }
}

/// The record of a payload.
pub fn record(payload: Value) -> Stored<Record> {
    let mut payload = payload;
    for key in ["namespace", "apiGroup"] {
        if payload.get(key).and_then(Value::as_str) == Some("-") {
            payload[key] = json!("");
        }
    }
    read(payload)
}

/// The part of a payload under a key.
pub fn part<T: DeserializeOwned>(mut payload: Value, key: &str) -> Stored<T> {
    read(payload.get_mut(key).map(Value::take).unwrap_or_default())
}

fn read<T: DeserializeOwned>(value: Value) -> Stored<T> {
    serde_json::from_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The filter of a query's terms over records. Patterns must have been expanded before.
pub fn filter(query: &Query, now: i64) -> Value {
    // All but the name of a cluster is known of objects alone: what has it is one, and need not be asked.
    let is_of_objects = |Term { negated, test }: &Term| match test {
        Test::Is(Field::Cluster, _) => false,
        Test::Is(Field::Health, _) => true,
        _ => !negated,
    };
    let mut must = Vec::new();
    if !query.terms.iter().any(is_of_objects) {
        must.push(is(WHAT, &["object".to_owned()]));
    }
    must.extend(query.scope.as_ref().map(|scope| scope.filter()));
    let mut must_not = Vec::new();
    for Term { negated, test } in &query.terms {
        // Every record has exactly one health: what it is instead is found in the index, what it is not is not.
        if let (true, Test::Is(Field::Health, values)) = (negated, test) {
            let others = Health::ALL.iter().map(|health| health.as_str().to_owned());
            let others: Vec<String> = others.filter(|it| !values.contains(it)).collect();
            must.push(is(Field::Health.key(), &others));
            continue;
        }
        let condition = match test {
            Test::Is(field, values) => is(field.key(), values),
            Test::Age(side, seconds) => range("createdAt", *side, now - seconds),
            Test::Changed(side, seconds) => range("updatedAt", *side, now - seconds),
        };
        if *negated {
            must_not.push(condition);
        } else {
            must.push(condition);
        }
    }
    json!({ "must": must, "must_not": must_not })
}

/// The filter for points that are something else than records.
pub fn filter_what(what: &str, cluster: Option<&str>) -> Value {
    let mut must = vec![is(WHAT, &[what.to_owned()])];
    must.extend(cluster.map(|cluster| is("cluster", &[cluster.to_owned()])));
    json!({ "must": must })
}

/// The filter for a cluster's objects that have no vector in a space.
pub fn filter_without(space: &str, cluster: &str) -> Value {
    let mut filter = filter_what("object", Some(cluster));
    filter["must_not"] = json!([{ "has_vector": space }]);
    filter
}

/// The filter for everything of a cluster.
pub fn filter_cluster(cluster: &str) -> Value {
    json!({ "must": [is("cluster", &[cluster.to_owned()])] })
}

fn is(key: &str, values: &[String]) -> Value {
    let matched = match values {
        [value] => json!({ "value": value }),
        values => json!({ "any": values }),
    };
    json!({ "key": key, "match": matched })
}

fn range(key: &str, side: Side, border: i64) -> Value {
    let side = match side {
        Side::Over => "lt",
        Side::Under => "gt",
    };
    json!({ "key": key, "range": { side: border } })
}

/// Changes as groups that can each be sent in one request, in order: consecutive puts, consecutive deletes. Of several
/// changes to one object within a group only the last counts.
pub enum Group {
    /// Points to be written.
    Put(Vec<Point>),
    /// Ids to be deleted.
    Delete(Vec<Uuid>),
}

/// Groups changes. Later changes of an object win over earlier ones, so order matters only between objects, where it
/// means nothing: all puts go first, then all deletes.
pub fn groups(changes: &[Change], meaning: Option<&Meaning>) -> Vec<Group> {
    let mut last = BTreeMap::new();
    for change in changes {
        let id = match change {
            Change::Put(record) => record.identity.point(),
            Change::Delete(id) => *id,
        };
        last.insert(id, change);
    }
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for (id, change) in last {
        match change {
            Change::Put(record) => puts.push(Point::with_meaning(record, meaning)),
            Change::Delete(_) => deletes.push(id),
        }
    }
    let mut groups = Vec::new();
    if !puts.is_empty() {
        groups.push(Group::Put(puts));
    }
    if !deletes.is_empty() {
        groups.push(Group::Delete(deletes));
    }
    groups
}
