use serde_json::{Value, json};

use super::{Change, Claim, Keys, Subject, stamp, stamp_of};

const CLUSTER: &str = "0d3c…";

fn keys() -> Keys {
    Keys::new([("k1".to_owned(), vec![7; 32])])
}

fn object(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"dot-ai.io/solution": "shop"}},
        "spec": {"replicas": replicas}
    })
}

fn write(actor: &str, object: &Value, old: Option<&Value>) -> Value {
    write_with(&keys(), actor, object, old)
}

/// Admits `object`, and gives back what is stored.
fn write_with(keys: &Keys, actor: &str, object: &Value, old: Option<&Value>) -> Value {
    let subject = Subject::of(CLUSTER, object).unwrap();
    let claim = |intent| Claim {
        actor: actor.to_owned(),
        manager: "kubectl".to_owned(),
        intent,
        policies: "sha256:0".to_owned(),
    };
    let mut stored = object.clone();
    match stamp(keys, subject, object, old, claim) {
        Change::Keep => {}
        Change::Set(text) => {
            stored["metadata"]["annotations"]["dot-ai.io/stamp"] = text.into();
        }
        Change::Remove => {
            let annotations = stored["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove("dot-ai.io/stamp");
        }
    }
    stored
}

fn author(object: &Value) -> Option<String> {
    keys().verify(CLUSTER, object).map(|claim| claim.actor)
}

#[test]
fn the_author_of_a_stored_object_is_proven() {
    assert_eq!(
        author(&write("ann", &object(1), None)),
        Some("ann".to_owned())
    );
}

#[test]
fn writing_the_same_again_changes_nothing_whoever_does_it() {
    let stored = write("ann", &object(1), None);
    assert_eq!(write("ann", &object(1), None), stored, "byte for byte");
    assert_eq!(write("bob", &stored, Some(&stored)), stored);
    assert_eq!(
        write("bob", &object(1), Some(&stored)),
        stored,
        "a replace without the stamp"
    );
}

#[test]
fn who_changes_the_intent_is_its_author() {
    let first = write("ann", &object(1), None);
    let second = write("bob", &object(2), Some(&first));
    assert_eq!(author(&second), Some("bob".to_owned()));
    assert_ne!(stamp_of(&first), stamp_of(&second));
}

#[test]
fn a_forged_stamp_is_overwritten_or_taken_back() {
    let stored = write("ann", &object(1), None);
    let forged = stamp_of(&stored).unwrap().replace("ann", "eve");

    let mut create = object(1);
    create["metadata"]["annotations"] = json!({"dot-ai.io/stamp": forged});
    assert_eq!(author(&write("bob", &create, None)), Some("bob".to_owned()));

    let mut update = stored.clone();
    update["metadata"]["annotations"]["dot-ai.io/stamp"] = forged.clone().into();
    assert_eq!(write("bob", &update, Some(&stored)), stored);

    let unstamped = object(1);
    let mut update = object(1);
    update["metadata"]["annotations"] = json!({"dot-ai.io/stamp": forged});
    assert_eq!(stamp_of(&write("bob", &update, Some(&unstamped))), None);
}

#[test]
fn a_stamp_proves_nothing_on_another_object() {
    let stored = write("ann", &object(1), None);
    for (pointer, value) in [
        ("/metadata/name", "other"),
        ("/metadata/namespace", "other"),
        ("/kind", "StatefulSet"),
        ("/apiVersion", "extensions/v1"),
    ] {
        let mut copy = stored.clone();
        *copy.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(author(&copy), None, "{pointer}");
    }
    assert_eq!(keys().verify("another cluster", &stored), None);
}

#[test]
fn an_altered_stamp_or_object_proves_nothing() {
    let stored = write("ann", &object(1), None);
    let text = stamp_of(&stored).unwrap().to_owned();
    for altered in [
        text.replace("ann", "eve"),
        text.replace("kubectl", "kubect"),
        text.replace("sha256:0", "sha256:1"),
        text.replace("\"k1\"", "\"k2\""),
        text[..text.len() - 4].to_owned() + "\"}",
        text.to_uppercase(),
        String::new(),
        "{}".to_owned(),
    ] {
        let mut object = stored.clone();
        object["metadata"]["annotations"]["dot-ai.io/stamp"] = altered.clone().into();
        assert_eq!(author(&object), None, "{altered}");
    }
    let mut drifted = stored;
    drifted["spec"]["replicas"] = 9.into();
    assert_eq!(author(&drifted), None, "changed past the webhook");
}

#[test]
fn what_happens_after_storage_does_not_matter() {
    let mut stored = write("ann", &object(1), None);
    stored["metadata"]["uid"] = "u".into();
    stored["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
    stored["status"] = json!({"replicas": 1});
    assert_eq!(author(&stored), Some("ann".to_owned()));
}

#[test]
fn a_generated_name_is_proven_by_its_prefix() {
    let mut asked = object(1);
    asked["metadata"].as_object_mut().unwrap().remove("name");
    asked["metadata"]["generateName"] = "web-".into();
    let mut stored = write("ann", &asked, None);
    stored["metadata"]["name"] = "web-x7f2q".into();
    assert_eq!(author(&stored), Some("ann".to_owned()));
    stored["metadata"]["generateName"] = "shop-".into();
    assert_eq!(author(&stored), None);
}

#[test]
fn keys_rotate_with_overlap() {
    let old = write("ann", &object(1), None);
    let both = Keys::new([
        ("k1".to_owned(), vec![7; 32]),
        ("k2".to_owned(), vec![8; 32]),
    ]);
    let new = write_with(&both, "bob", &object(2), Some(&old));
    assert!(
        stamp_of(&new).unwrap().contains("\"k2\""),
        "the newest signs"
    );
    assert!(
        both.verify(CLUSTER, &old).is_some(),
        "the older still proves"
    );
    let only_new = Keys::new([("k2".to_owned(), vec![8; 32])]);
    assert!(only_new.verify(CLUSTER, &old).is_none());
    assert!(only_new.verify(CLUSTER, &new).is_some());
}

#[test]
fn a_short_key_is_no_key() {
    let keys = Keys::new([("k1".to_owned(), vec![7; 31])]);
    assert!(keys.is_empty());
    assert_eq!(stamp_of(&write_with(&keys, "ann", &object(1), None)), None);
}

#[test]
fn keys_are_not_printed() {
    assert_eq!(format!("{:?}", keys()), r#"Keys({"k1": [redacted]})"#);
}
