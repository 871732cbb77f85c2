//! Whatever is sent: an answer, never a panic.

use pequod_policy::PolicySet;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{ask, post, review, webhook};

const PATHS: [&str; 3] = ["/validate", "/mutate", "/guard"];

#[tokio::test]
async fn what_is_no_admission_review_gets_400() {
    let webhook = webhook(PolicySet::default());
    let pod = review("not-a-review").to_string();
    let old = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}});
    let empty = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    for path in PATHS {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "\"x\"",
            &pod,
            &old.to_string(),
            &empty.to_string(),
        ] {
            let (status, text) = post(&webhook, path, body.to_owned()).await;
            assert_eq!(status, 400, "{path} {body}");
            assert!(!text.is_empty(), "it says why");
        }
    }
}

#[tokio::test]
async fn a_body_over_8_mib_gets_413() {
    let webhook = webhook(PolicySet::default());
    for path in PATHS {
        let (status, _) = post(&webhook, path, vec![b' '; (8 << 20) + 1]).await;
        assert_eq!(status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_large_body_below_the_limit_is_answered() {
    let webhook = webhook(PolicySet::default());
    let mut large = review("create-deployment");
    large["request"]["object"]["data"] = "x".repeat(7 << 20).into();
    assert_eq!(ask(&webhook, "/validate", &large).await["allowed"], true);
    assert_eq!(ask(&webhook, "/mutate", &large).await["allowed"], true);
}

#[tokio::test]
async fn nesting_without_end_gets_400() {
    let webhook = webhook(PolicySet::default());
    let (status, _) = post(&webhook, "/validate", "[".repeat(100_000)).await;
    assert_eq!(status, 400);
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A review of which one place was replaced by anything.
fn damaged_review() -> impl Strategy<Value = Value> {
    let pointers = [
        "/request",
        "/request/uid",
        "/request/kind",
        "/request/kind/group",
        "/request/kind/kind",
        "/request/operation",
        "/request/userInfo",
        "/request/object",
        "/request/oldObject",
        "/request/object/metadata",
        "/request/object/metadata/labels",
        "/request/object/metadata/name",
        "/request/object/spec",
        "/request/options",
        "/request/namespace",
        "/request/dryRun",
    ];
    let names = prop::sample::select(vec![
        "create-deployment",
        "create-policy",
        "delete-deployment",
    ]);
    (names, prop::sample::select(pointers.to_vec()), any_json()).prop_map(
        |(name, pointer, value)| {
            let mut review = review(name);
            if let Some(place) = review.pointer_mut(pointer) {
                *place = value;
            }
            review
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..256), path in 0..3_usize) {
        let (status, _) = block_on(body, PATHS[path]);
        prop_assert_eq!(status, 400);
    }

    #[test]
    fn any_review_gets_an_answer(review in damaged_review(), path in 0..3_usize) {
        let (status, body) = block_on(review.to_string().into_bytes(), PATHS[path]);
        prop_assert!(status == 200 || status == 400, "{status}: {body}");
    }
}

fn block_on(body: Vec<u8>, path: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(post(&webhook(PolicySet::default()), path, body))
}
