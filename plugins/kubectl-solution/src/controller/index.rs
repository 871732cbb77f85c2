//! Which objects are members of which Solution.
//!
//! An object is a member by its label, or because a Transform's inventory has it. The inventory counts even where
//! the object does not exist: what was to be there and is not, is what one wants to be told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pequod_api::{ObjectRef, Solution};

use super::kinds::Kind;
use super::watch::{Key, Reason, Report, Seen};

/// Namespace and name.
pub(super) type Name = (String, String);

/// A member as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Member {
    /// It is there.
    There(ObjectRef, Box<Seen>),
    /// It is not.
    Missing(ObjectRef),
    /// It cannot be told: its kind is not watched.
    Untold(ObjectRef),
}

/// A Transform, as far as its Solution is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: String,
    pub(super) deleted: bool,
}

/// Everything seen so far.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) solutions: BTreeMap<Name, Solution>,
    pub(super) transforms: BTreeMap<Name, Owner>,
    inventories: BTreeMap<Name, Vec<ObjectRef>>,
    objects: HashMap<Key, (Seen, BTreeSet<Reason>)>,
    labelled: BTreeMap<Name, BTreeSet<Key>>,
    targeted: HashMap<Key, BTreeSet<Name>>,
    /// Of each watch: what its list has had so far; `None` once it is complete.
    lists: HashMap<(Kind, Reason), Option<BTreeSet<Key>>>,
    /// Kinds that cannot be watched at present, though they should be.
    broken: BTreeSet<(String, String)>,
}

impl Index {
    /// Which kinds are watched from now on. Objects of others are forgotten.
    pub(super) fn watch(&mut self, kind: &Kind) {
        for reason in Reason::ALL {
            self.lists
                .insert((kind.clone(), reason), Some(BTreeSet::new()));
        }
    }

    /// A kind is not watched any more. Returns the Solutions that lose sight of a member.
    pub(super) fn unwatch(&mut self, kind: &Kind) -> BTreeSet<Name> {
        self.lists.retain(|(watched, _), _| watched != kind);
        let of_kind =
            |key: &Key| key.group == kind.resource.group && key.kind == kind.resource.kind;
        let keys: Vec<Key> = self
            .objects
            .keys()
            .filter(|key| of_kind(key))
            .cloned()
            .collect();
        keys.into_iter().flat_map(|key| self.forget(&key)).collect()
    }

    /// Whether every list is complete, or known to be broken: only then can it be said what is missing.
    pub(super) fn complete(&self) -> bool {
        self.lists
            .iter()
            .all(|((kind, _), list)| list.is_none() || self.is_broken(kind))
    }

    fn is_broken(&self, kind: &Kind) -> bool {
        self.broken
            .contains(&(kind.resource.group.clone(), kind.resource.kind.clone()))
    }

    /// Takes note of a report about objects. Returns the Solutions it touches.
    pub(super) fn object(
        &mut self,
        kind: &Kind,
        reason: Reason,
        report: Report<(Key, Option<Seen>)>,
    ) -> BTreeSet<Name> {
        let watch = (kind.clone(), reason);
        let name = (kind.resource.group.clone(), kind.resource.kind.clone());
        match report {
            Report::Begin => {
                self.lists.insert(watch, Some(BTreeSet::new()));
                BTreeSet::new()
            }
            Report::Is((key, seen)) => {
                if let Some(Some(list)) = self.lists.get_mut(&watch) {
                    list.insert(key.clone());
                }
                match seen {
                    Some(seen) => self.seen(key, seen, reason),
                    None => self.lost(&key, reason),
                }
            }
            Report::Complete => {
                self.broken.remove(&name);
                let Some(Some(listed)) = self.lists.insert(watch, None) else {
                    return BTreeSet::new();
                };
                let gone: Vec<Key> = self
                    .objects
                    .iter()
                    .filter(|(key, (_, reasons))| {
                        (&key.group, &key.kind) == (&name.0, &name.1)
                            && reasons.contains(&reason)
                            && !listed.contains(*key)
                    })
                    .map(|(key, _)| key.clone())
                    .collect();
                gone.iter().flat_map(|key| self.lost(key, reason)).collect()
            }
            Report::Gone((key, _)) => self.lost(&key, reason),
            Report::Broken => {
                // A watch that breaks later is mended by a new list; until then what was seen is the best there is.
                if self.lists.get(&watch).is_some_and(Option::is_some) {
                    self.broken.insert(name);
                }
                BTreeSet::new()
            }
        }
    }

    fn seen(&mut self, key: Key, seen: Seen, reason: Reason) -> BTreeSet<Name> {
        let mut touched = self.touched(&key);
        let (old, mut reasons) = match self.objects.remove(&key) {
            Some((old, reasons)) => (Some(old), reasons),
            None => (None, BTreeSet::new()),
        };
        let known = !reasons.insert(reason);
        if known && old.as_ref() == Some(&seen) {
            touched.clear();
        }
        let before = old.and_then(|old| old.solution);
        if before != seen.solution {
            self.unlabel(&key, before);
        }
        if let Some(solution) = &seen.solution {
            let name = (key.namespace.clone(), solution.clone());
            if self
                .labelled
                .entry(name.clone())
                .or_default()
                .insert(key.clone())
            {
                touched.insert(name);
            }
        }
        self.objects.insert(key, (seen, reasons));
        touched
    }

    fn lost(&mut self, key: &Key, reason: Reason) -> BTreeSet<Name> {
        let Some((_, reasons)) = self.objects.get_mut(key) else {
            return BTreeSet::new();
        };
        reasons.remove(&reason);
        if reasons.is_empty() {
            self.forget(key)
        } else {
            BTreeSet::new()
        }
    }

    fn forget(&mut self, key: &Key) -> BTreeSet<Name> {
        let touched = self.touched(key);
        if let Some((seen, _)) = self.objects.remove(key) {
            self.unlabel(key, seen.solution);
        }
        touched
    }

    fn unlabel(&mut self, key: &Key, solution: Option<String>) {
        let Some(solution) = solution else { return };
        let name = (key.namespace.clone(), solution);
        if let Some(keys) = self.labelled.get_mut(&name) {
            keys.remove(key);
            if keys.is_empty() {
                self.labelled.remove(&name);
            }
        }
    }

    /// The Solutions that an object is a member of now.
    fn touched(&self, key: &Key) -> BTreeSet<Name> {
        let mut names = self.targeted.get(key).cloned().unwrap_or_default();
        let label = self
            .objects
            .get(key)
            .and_then(|(seen, _)| seen.solution.clone());
        names.extend(label.map(|label| (key.namespace.clone(), label)));
        names
    }

    /// The inventory of a Transform changed.
    pub(super) fn inventory(&mut self, name: &Name, targets: Vec<ObjectRef>) -> bool {
        if self.inventories.get(name).map_or(&[][..], Vec::as_slice) == targets {
            return false;
        }
        for old in self.inventories.remove(name).into_iter().flatten() {
            let key = key_of(&old);
            if let Some(names) = self.targeted.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.targeted.remove(&key);
                }
            }
        }
        for target in &targets {
            self.targeted
                .entry(key_of(target))
                .or_default()
                .insert(name.clone());
        }
        if !targets.is_empty() {
            self.inventories.insert(name.clone(), targets);
        }
        true
    }

    /// All Transforms that have an inventory.
    pub(super) fn inventoried(&self) -> Vec<Name> {
        self.inventories.keys().cloned().collect()
    }

    /// The members of a Solution, in the order of group, kind, namespace and name.
    pub(super) fn members(&self, name: &Name) -> Vec<Member> {
        let mut members = BTreeMap::new();
        for target in self.inventories.get(name).into_iter().flatten() {
            let key = key_of(target);
            let member = match self.objects.get(&key) {
                Some((seen, _)) => Member::There(target.clone(), Box::new(seen.clone())),
                None if self.watches(&key) => Member::Missing(target.clone()),
                None => Member::Untold(target.clone()),
            };
            members.insert(key, member);
        }
        for key in self.labelled.get(name).into_iter().flatten() {
            if let Some((seen, _)) = self.objects.get(key) {
                let reference = ObjectRef {
                    api_version: seen.api_version.clone(),
                    kind: key.kind.clone(),
                    namespace: Some(key.namespace.clone())
                        .filter(|namespace| !namespace.is_empty()),
                    name: key.name.clone(),
                };
                members.insert(
                    key.clone(),
                    Member::There(reference, Box::new(seen.clone())),
                );
            }
        }
        members.into_values().collect()
    }

    /// Whether the list of objects of that kind that Transforms made is complete.
    fn watches(&self, key: &Key) -> bool {
        self.lists.iter().any(|((kind, reason), list)| {
            *reason == Reason::Transform
                && list.is_none()
                && kind.resource.group == key.group
                && kind.resource.kind == key.kind
        })
    }
}

fn key_of(reference: &ObjectRef) -> Key {
    Key {
        group: reference.group().to_owned(),
        kind: reference.kind.clone(),
        namespace: reference.namespace.clone().unwrap_or_default(),
        name: reference.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ApiResource, GroupVersionKind};
    use pequod_api::ObjectRef;
    use pequod_kube::status::Status;

    use super::{Index, Member, Name};
    use crate::controller::kinds::Kind;
    use crate::controller::watch::{Key, Reason, Report, Seen};

    fn config_maps() -> Kind {
        let gvk = GroupVersionKind::gvk("", "v1", "ConfigMap");
        Kind {
            resource: ApiResource::from_gvk_with_plural(&gvk, "configmaps"),
            namespaced: true,
        }
    }

    fn key(name: &str) -> Key {
        Key {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }
    }

    fn seen(solution: Option<&str>) -> Seen {
        Seen {
            api_version: "v1".to_owned(),
            uid: "1".to_owned(),
            generation: None,
            health: Status::Current,
            message: String::new(),
            intent: "sha256:0".to_owned(),
            claim: None,
            solution: solution.map(str::to_owned),
        }
    }

    fn target(name: &str) -> ObjectRef {
        ObjectRef {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
        }
    }

    fn shop() -> Name {
        ("shop".to_owned(), "shop".to_owned())
    }

    /// An index whose watch of ConfigMaps is complete.
    fn watching() -> Index {
        let mut index = Index::default();
        index.watch(&config_maps());
        assert!(!index.complete());
        for reason in Reason::ALL {
            index.object(&config_maps(), reason, Report::Complete);
        }
        assert!(index.complete());
        index
    }

    fn is(index: &mut Index, name: &str, solution: Option<&str>) -> Vec<Name> {
        let report = Report::Is((key(name), Some(seen(solution))));
        index
            .object(&config_maps(), Reason::Label, report)
            .into_iter()
            .collect()
    }

    #[test]
    fn a_label_makes_a_member_of_its_own_namespace() {
        let mut index = watching();
        assert_eq!(is(&mut index, "a", Some("shop")), [shop()]);
        assert_eq!(index.members(&shop()).len(), 1);
        assert!(
            index
                .members(&("other".to_owned(), "shop".to_owned()))
                .is_empty()
        );
        assert!(is(&mut index, "a", Some("shop")).is_empty(), "nothing new");
    }

    #[test]
    fn a_label_that_changes_touches_both_solutions() {
        let mut index = watching();
        is(&mut index, "a", Some("shop"));
        let other = ("shop".to_owned(), "other".to_owned());
        assert_eq!(is(&mut index, "a", Some("other")), [other.clone(), shop()]);
        assert!(index.members(&shop()).is_empty());
        assert_eq!(index.members(&other).len(), 1);
    }

    #[test]
    fn what_a_transform_wants_is_missing_until_it_is_there() {
        let mut index = watching();
        assert!(index.inventory(&shop(), vec![target("a")]));
        assert_eq!(index.members(&shop()), [Member::Missing(target("a"))]);
        let report = Report::Is((key("a"), Some(seen(None))));
        let touched = index.object(&config_maps(), Reason::Transform, report);
        assert_eq!(touched.into_iter().collect::<Vec<_>>(), [shop()]);
        assert_eq!(
            index.members(&shop()),
            [Member::There(target("a"), Box::new(seen(None)))]
        );
        assert!(!index.inventory(&shop(), vec![target("a")]), "nothing new");
    }

    #[test]
    fn of_a_kind_that_is_not_watched_nothing_is_said() {
        let mut index = Index::default();
        index.inventory(&shop(), vec![target("a")]);
        assert_eq!(index.members(&shop()), [Member::Untold(target("a"))]);
    }

    #[test]
    fn what_is_no_longer_listed_is_gone_and_the_other_watch_keeps_what_it_has() {
        let mut index = watching();
        is(&mut index, "a", Some("shop"));
        is(&mut index, "b", Some("shop"));
        let both = Report::Is((key("b"), Some(seen(Some("shop")))));
        index.object(&config_maps(), Reason::Transform, both);
        index.object(&config_maps(), Reason::Label, Report::Begin);
        let touched = index.object(&config_maps(), Reason::Label, Report::Complete);
        assert_eq!(touched.into_iter().collect::<Vec<_>>(), [shop()]);
        assert_eq!(index.members(&shop()).len(), 1, "b is still a Transform's");
    }

    #[test]
    fn a_kind_that_cannot_be_listed_does_not_hold_up_the_others() {
        let mut index = watching();
        let gvk = GroupVersionKind::gvk("x.io", "v1", "Thing");
        let things = Kind {
            resource: ApiResource::from_gvk_with_plural(&gvk, "things"),
            namespaced: true,
        };
        index.watch(&things);
        assert!(!index.complete());
        index.object(&things, Reason::Label, Report::Broken);
        assert!(index.complete());
    }
}
