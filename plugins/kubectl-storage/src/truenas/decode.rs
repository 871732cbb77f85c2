//! Rows out of answers.
//!
//! Two shapes exist of each: the middleware's (`{"parsed":…,"rawvalue":"…","value":"1.04 MiB"}`)
//! and, from 25.10 on, that of `zfs.resource.*` (`{"raw":"…","value":…}`). `parsed` and `raw` are
//! read, `rawvalue` after them, and the human-readable `value` of the first shape never: its
//! wording changes with the release, and from 25.10 on it spells origins in upper case.

use std::borrow::Cow;
use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::model::{
    Text,
    intern::Interner,
    nas::{DRIVER_PREFIX, Dataset, Property, Snapshot, Source, TNS_PREFIX},
};

/// Text inside the answer. A `Cow` by itself is always a copy when it is read; this borrows unless
/// something is escaped, and names of fields are most of what there is to read.
#[derive(Deserialize)]
#[serde(transparent)]
struct Words<'a>(#[serde(borrow)] Cow<'a, str>);

/// A scalar as it comes: a number, text, or a date in its wrapper.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Number(i128),
    Text(Cow<'a, str>),
    Flag(bool),
}

impl Scalar<'_> {
    fn number(&self) -> Option<i128> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Null | Self::Flag(_) => None,
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Flag(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Self::Null => None,
        }
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number.into()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(number.to_string())))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Scalar::Null;
        while let Some(Words(name)) = map.next_key()? {
            if name == "$date" {
                let milliseconds: i64 = map.next_value()?;
                found = Scalar::Number((milliseconds / 1000).into());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts: Vec<String> = Vec::new();
        while let Some(part) = seq.next_element::<Scalar<'de>>()? {
            parts.extend(part.text().map(Cow::into_owned));
        }
        Ok(Scalar::Text(Cow::Owned(parts.join(","))))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A ZFS property in either shape.
#[derive(Debug, Clone)]
pub(super) struct ZfsProperty<'a> {
    best: Scalar<'a>,
    source: Option<Cow<'a, str>>,
}

struct PropertyVisitor;

impl<'de> Visitor<'de> for PropertyVisitor {
    type Value = ZfsProperty<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ZFS property")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(ZfsProperty {
            best: Scalar::Null,
            source: None,
        })
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(ZfsProperty {
            best: Scalar::Text(Cow::Borrowed(text)),
            source: None,
        })
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ZfsProperty {
            best: Scalar::Text(Cow::Owned(text.to_owned())),
            source: None,
        })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut parsed, mut raw, mut source) = (Scalar::Null, Scalar::Null, None);
        while let Some(Words(name)) = map.next_key()? {
            match &*name {
                "parsed" => parsed = map.next_value()?,
                "rawvalue" | "raw" => raw = map.next_value()?,
                "source" => source = map.next_value::<SourceField<'de>>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let best = if parsed == Scalar::Null { raw } else { parsed };
        Ok(ZfsProperty { best, source })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ZfsProperty<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PropertyVisitor)
    }
}

/// `"LOCAL"`, or `{"type":"LOCAL",…}`.
struct SourceField<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for SourceField<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = SourceField<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a property source")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(SourceField(None))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(SourceField(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SourceField(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut kind = None;
                while let Some(Words(name)) = map.next_key()? {
                    if name == "type" {
                        kind = map.next_value::<Option<Words<'de>>>()?.map(|words| words.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(SourceField(kind))
            }
        }
        deserializer.deserialize_any(V)
    }
}

/// The properties of a row: known ones by field, user properties that matter as a list.
#[derive(Debug, Default)]
struct PropertyMap<'a>(Vec<(Cow<'a, str>, ZfsProperty<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for PropertyMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = PropertyMap<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(PropertyMap::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(Words(name)) = map.next_key()? {
                    if matters(&name) {
                        found.push((name, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(PropertyMap(found))
            }
        }
        deserializer.deserialize_any(V)
    }
}

fn matters(name: &str) -> bool {
    [DRIVER_PREFIX, TNS_PREFIX, "pequod:"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "used"
                | "referenced"
                | "volsize"
                | "refquota"
                | "origin"
                | "creation"
                | "mountpoint"
                | "available"
                | "defer_destroy"
                | "userrefs"
                | "clones"
        )
}

impl PropertyMap<'_> {
    fn get(&self, name: &str) -> Option<&ZfsProperty<'_>> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, property)| property)
    }

    fn bytes(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(ZfsProperty::bytes)
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name)?
            .best
            .text()
            .filter(|text| !text.is_empty() && text != "-")
    }

    fn user(&self, trusted: bool, interner: &mut Interner) -> Box<[Property]> {
        let mut list: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| name.contains(':'))
            .filter_map(|(name, property)| {
                Some(Property {
                    name: interner.text(name),
                    value: interner.text(&property.best.text()?),
                    source: property.source(trusted),
                })
            })
            .collect();
        list.sort_by(|one, two| one.name.cmp(&two.name));
        list.dedup_by(|one, two| one.name == two.name);
        list.into()
    }
}

impl ZfsProperty<'_> {
    fn bytes(&self) -> Option<u64> {
        self.best
            .number()
            .and_then(|number| u64::try_from(number).ok())
    }

    fn source(&self, trusted: bool) -> Source {
        match self.source.as_deref() {
            Some("INHERITED") => Source::Inherited,
            Some("LOCAL" | "RECEIVED") if trusted => Source::Own,
            _ => Source::Unknown,
        }
    }
}

/// Space of a dataset, which is all that is read of the root of a pool.
#[derive(Deserialize)]
pub(super) struct SpaceRow<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    used: Option<ZfsProperty<'a>>,
    #[serde(borrow, default)]
    available: Option<ZfsProperty<'a>>,
    #[serde(borrow, default)]
    properties: PropertyMap<'a>,
}

impl SpaceRow<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Used and available bytes.
    pub(super) fn space(&self) -> (u64, u64) {
        let bytes = |flat: &Option<ZfsProperty<'_>>, name: &str| {
            flat.as_ref()
                .and_then(ZfsProperty::bytes)
                .or_else(|| self.properties.bytes(name))
                .unwrap_or_default()
        };
        (
            bytes(&self.used, "used"),
            bytes(&self.available, "available"),
        )
    }
}

/// A dataset of `pool.dataset.query` or `zfs.resource.query`, while its fields come in. What is
/// below it is not kept here: each child becomes a row as soon as it is read.
#[derive(Default)]
struct DatasetRow<'a> {
    id: Option<Words<'a>>,
    name: Option<Words<'a>>,
    kind: Option<Words<'a>>,
    /// Fields that the older shape has beside `properties`.
    flat: PropertyMap<'a>,
    properties: PropertyMap<'a>,
    user_properties: PropertyMap<'a>,
}

impl DatasetRow<'_> {
    fn bytes(&self, name: &str) -> Option<u64> {
        self.flat
            .bytes(name)
            .or_else(|| self.properties.bytes(name))
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let known = self.flat.get(name).and_then(|known| known.best.text());
        known
            .or_else(|| self.properties.text(name))
            .filter(|text| !text.is_empty() && text != "-" && text != "none" && text != "legacy")
    }

    fn row(&self, trusted: bool, interner: &mut Interner) -> Result<Dataset, &'static str> {
        let name = self.id.as_ref().or(self.name.as_ref()).ok_or("name")?;
        let zvol = self.kind.as_ref().ok_or("type")?.0 == "VOLUME";
        Ok(Dataset {
            id: interner.text(&name.0),
            zvol,
            mountpoint: self
                .text("mountpoint")
                .filter(|_| !zvol)
                .map(|path| interner.text(&path)),
            used_bytes: self.bytes("used").unwrap_or_default(),
            referenced_bytes: self.bytes("referenced"),
            volsize_bytes: self.bytes("volsize").filter(|_| zvol),
            refquota_bytes: self.bytes("refquota").filter(|bytes| *bytes > 0),
            origin: self.text("origin").map(|name| interner.text(&name)),
            created: self
                .bytes("creation")
                .and_then(|seconds| i64::try_from(seconds).ok()),
            properties: self.user_properties.user(trusted, interner),
        })
    }
}

/// Reads datasets and everything below them as rows, a parent before its children.
pub(super) struct Datasets<'x> {
    /// Whether the release tells own properties from inherited ones.
    pub(super) trusted: bool,
    pub(super) interner: &'x mut Interner,
    pub(super) into: &'x mut Vec<Dataset>,
}

impl Datasets<'_> {
    fn again(&mut self) -> Datasets<'_> {
        Datasets {
            trusted: self.trusted,
            interner: self.interner,
            into: self.into,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Datasets<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Datasets<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of datasets")
    }

    /// No children.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(OneDataset(self.again()))?.is_some() {}
        Ok(())
    }
}

struct OneDataset<'x>(Datasets<'x>);

impl<'de> DeserializeSeed<'de> for OneDataset<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneDataset<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dataset")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let at = self.0.into.len();
        self.0.into.push(Dataset::default());
        let mut row = DatasetRow::default();
        while let Some(Words(name)) = map.next_key()? {
            match &*name {
                "id" => row.id = map.next_value::<Option<Words<'de>>>()?,
                "name" => row.name = map.next_value::<Option<Words<'de>>>()?,
                "type" => row.kind = map.next_value::<Option<Words<'de>>>()?,
                "properties" => row.properties = map.next_value()?,
                "user_properties" => row.user_properties = map.next_value()?,
                "children" => map.next_value_seed(self.0.again())?,
                known if matters(known) => row.flat.0.push((name, map.next_value()?)),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.0.into[at] = row
            .row(self.0.trusted, self.0.interner)
            .map_err(<A::Error as serde::de::Error>::missing_field)?;
        Ok(())
    }
}

/// A snapshot of `zfs.snapshot.query`, `pool.snapshot.query` or `zfs.resource.snapshot.query`.
#[derive(Deserialize)]
pub(super) struct SnapshotRow<'a> {
    #[serde(borrow)]
    dataset: Cow<'a, str>,
    #[serde(borrow)]
    snapshot_name: Cow<'a, str>,
    #[serde(borrow, default)]
    createtxg: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    properties: PropertyMap<'a>,
    #[serde(borrow, default)]
    user_properties: PropertyMap<'a>,
    #[serde(borrow, default)]
    holds: Option<Holds<'a>>,
}

/// Holds by tag; only how many matters.
#[derive(Deserialize)]
#[serde(transparent)]
#[expect(
    clippy::zero_sized_map_values,
    reason = "a JSON object of which only the keys are counted"
)]
struct Holds<'a>(#[serde(borrow)] std::collections::BTreeMap<Cow<'a, str>, IgnoredAny>);

impl SnapshotRow<'_> {
    pub(super) fn row(&self, trusted: bool, interner: &mut Interner) -> Snapshot {
        let name = format!("{DRIVER_PREFIX}csi_snapshot_name");
        let csi = self
            .properties
            .get(&name)
            .or_else(|| self.user_properties.get(&name));
        let csi_name = csi
            .filter(|property| property.source(trusted) != Source::Inherited)
            .and_then(|property| property.best.text())
            .map(|text| interner.text(&text));
        let clones = self.properties.text("clones").unwrap_or_default();
        let held = self.holds.as_ref().map_or(0, |holds| holds.0.len());
        let references = self.properties.bytes("userrefs").unwrap_or_default();
        Snapshot {
            dataset: interner.text(&self.dataset),
            name: Text::from(&*self.snapshot_name),
            created: self
                .properties
                .bytes("creation")
                .and_then(|seconds| i64::try_from(seconds).ok()),
            txg: self
                .createtxg
                .as_ref()
                .and_then(Scalar::number)
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or_default(),
            used_bytes: self.properties.bytes("used").unwrap_or_default(),
            referenced_bytes: self.properties.bytes("referenced").unwrap_or_default(),
            csi_name,
            holds: u32::try_from(references.max(held as u64)).unwrap_or(u32::MAX),
            clones: clones
                .split(',')
                .filter(|clone| !clone.is_empty())
                .map(|clone| interner.text(clone))
                .collect(),
            deferred: self
                .properties
                .text("defer_destroy")
                .is_some_and(|text| matches!(&*text, "on" | "1" | "true")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datasets(json: &str, trusted: bool) -> Vec<Dataset> {
        let mut into = Vec::new();
        let (mut interner, list) = (Interner::default(), format!("[{json}]"));
        let seed = Datasets {
            trusted,
            interner: &mut interner,
            into: &mut into,
        };
        seed.deserialize(&mut serde_json::Deserializer::from_str(&list))
            .unwrap();
        into
    }

    #[test]
    fn a_parent_comes_before_its_children_whatever_the_order_of_its_fields() {
        let json = r#"{"children":[{"id":"tank/v/a","name":"tank/v/a","type":"VOLUME","children":[]},
            {"id":"tank/v/b","name":"tank/v/b","type":"FILESYSTEM","children":null}],
            "type":"FILESYSTEM","id":"tank/v","name":"tank/v"}"#;
        let rows = datasets(json, true);
        let names: Vec<&str> = rows.iter().map(|row| &*row.id).collect();
        assert_eq!(names, ["tank/v", "tank/v/a", "tank/v/b"]);
        assert_eq!(rows.iter().filter(|row| row.zvol).count(), 1);
    }

    #[test]
    fn parsed_wins_and_value_is_never_read() {
        let json = r#"{"id":"tank/v/pvc-1","name":"tank/v/pvc-1","type":"VOLUME","pool":"tank",
            "used":{"parsed":1089536,"rawvalue":"1089536","value":"1.04M","source":"NONE"},
            "origin":{"parsed":"tank/v/a@b","rawvalue":"tank/v/a@b","value":"TANK/V/A@B"},
            "creation":{"parsed":{"$date":1690000000000},"rawvalue":"1690000000","value":"Sat"},
            "user_properties":{"democratic-csi:managed_resource":{"value":"true","rawvalue":"true",
              "parsed":"true","source":"INHERITED"},"org:other":{"value":"x"}},"children":[]}"#;
        let rows = datasets(json, true);
        assert_eq!(rows[0].used_bytes, 1_089_536);
        assert_eq!(rows[0].origin.as_deref(), Some("tank/v/a@b"));
        assert_eq!(rows[0].created, Some(1_690_000_000));
        assert_eq!(rows[0].properties.len(), 1);
        assert_eq!(
            rows[0].driver("managed_resource"),
            None,
            "inherited is not its own"
        );
    }

    #[test]
    fn the_newer_shape_reads_the_same() {
        let json = r#"{"name":"tank/v/pvc-1","pool":"tank","type":"FILESYSTEM","guid":1,
            "properties":{"used":{"raw":"4096","value":4096,"source":{"type":"NONE","value":null}},
              "mountpoint":{"raw":"/mnt/tank/v/pvc-1","value":"/mnt/tank/v/pvc-1"},
              "origin":{"raw":"","value":null},"creation":{"raw":"1690000000","value":1690000000}},
            "user_properties":{"democratic-csi:csi_volume_name":"pvc-1"},"children":null}"#;
        let rows = datasets(json, false);
        assert_eq!(rows[0].used_bytes, 4096);
        assert_eq!(rows[0].mountpoint.as_deref(), Some("/mnt/tank/v/pvc-1"));
        assert_eq!(rows[0].origin, None);
        assert_eq!(
            rows[0].driver("csi_volume_name").map(|name| &**name),
            Some("pvc-1")
        );
    }
}
