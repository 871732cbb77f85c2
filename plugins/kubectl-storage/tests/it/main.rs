//! `kubectl storage` as a person calls it: a real API server with real objects, and the simulated
//! appliance beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod chart;
mod guide;
mod monitor;
mod site;

use pequod_testkit::ControlPlane;
use serde_json::Value;
use site::{MISSING, ORPHAN, Site, WHOLE};
use truenas_simulator::Profile;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_look_to_an_undone_quarantine() {
    let site = Site::new(ControlPlane::shared().await, Profile::V2504).await;

    // Nothing is configured but the fingerprint: the driver is found by itself.
    let out = site.expect(0, &["status"]);
    assert!(
        out.stdout.contains("org.test.nfs") && out.stdout.contains("25.04"),
        "{out:?}"
    );

    let out = site.expect(1, &["scan", "-o", "json"]);
    let findings: Value = serde_json::from_str(&out.stdout).unwrap();
    let codes = |subject: &str| -> Vec<String> {
        findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["subject"]["id"].as_str().unwrap().contains(subject))
            .map(|row| row["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(codes(ORPHAN), ["PQS-1001"]);
    assert_eq!(codes(MISSING), ["PQS-2001"]);
    assert_eq!(codes("csi-gone"), ["PQS-2005"]);
    assert_eq!(codes(WHOLE), Vec::<String>::new());

    for form in ["table", "wide", "yaml", "csv", "junit", "sarif"] {
        let out = site.expect(1, &["scan", "-o", form]);
        assert!(out.stdout.contains("PQS-2001"), "{form}: {out:?}");
    }
    let out = site.run(&["explain", "pvc/default/data"]);
    assert!(out.stdout.contains(WHOLE), "{out:?}");
    let out = site
        .run(&["explain", &format!("pv/{MISSING}")])
        .expect_code(1);
    assert!(out.stdout.contains("BREAKS"), "{out:?}");
    let out = site
        .run(&["troubleshoot", &format!("pv/{MISSING}")])
        .expect_code(1);
    assert!(out.stderr.contains("PQS-2001"), "{out:?}");
    // At a terminal it asks, until nothing is answered.
    let out = site.at_a_terminal("troubleshoot", &format!("pv/nothing\npv/{MISSING}\n\n"));
    assert_eq!(out.code, Some(1), "{out:?}");
    assert!(
        out.stdout.contains("is on neither side") && out.stdout.contains("PQS-2001"),
        "{out:?}"
    );
    let out = site.expect(0, &["snapshots"]);
    assert!(out.stdout.contains(ORPHAN), "{out:?}");
    let out = site.expect(0, &["snapshots", "--each", "-o", "json"]);
    let each: Value = serde_json::from_str(&out.stdout).unwrap();
    let states: Vec<_> = each
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["snapshot"].as_str(), row["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [
            (None, "other"),
            (Some("default/s"), "ready"),
            (None, "other")
        ]
    );
    // The driver's account was given no role at all; what it needs is asked of the API server.
    let out = site.expect(1, &["validate", "-o", "json"]);
    assert!(out.stdout.contains("PQS-4035"), "{out:?}");
    site.expect(0, &["usage"]);
    let out = site.expect(1, &["doctor"]);
    assert!(out.stdout.contains("next"), "{out:?}");
    site.expect(2, &["explain", "pv/nothing"]);
    site.expect(2, &["scan", "--only", "PQS-1"]);
    let out = site.expect(1, &["retention"]);
    assert!(out.stdout.contains("nightly"), "{out:?}");
    site.expect(0, &["forecast"]);

    // The whole volume cannot be adopted, the orphan can.
    site.expect(
        2,
        &["adopt", &format!("tank/v/{WHOLE}"), "--claim", "again"],
    );
    let out = site
        .run(&["adopt", &format!("tank/v/{ORPHAN}"), "--claim", "again"])
        .expect_code(0);
    assert!(
        out.stdout.contains("volumeHandle") && out.stdout.contains("Retain"),
        "{out:?}"
    );
    site.cluster
        .kubectl_as(
            "admin",
            ["apply", "--dry-run=server", "-f", "-"],
            &out.stdout,
        )
        .success();

    let dismissed = monitor::serves_and_follows(&site).await;
    monitor::is_guarded_and_tells(&site, &dismissed).await;
    monitor::hears_of_changes(&site).await;

    site.confirm();
    let state = || site.nas.nas.lock().unwrap().state();
    let before = state();
    let plan = site.file("plan.json");
    let plan = plan.to_str().unwrap();
    let out = site.expect(1, &["plan", "--out", plan]);
    assert!(out.stdout.contains("disable NFS export"), "{out:?}");
    let digest =
        serde_json::from_str::<Value>(&std::fs::read_to_string(plan).unwrap()).unwrap()["digest"]
            .as_str()
            .unwrap()
            .to_owned();

    // Not confirmed; with a key that may only read; altered.
    site.expect(2, &["apply", plan]);
    site.settings("never", "read-key");
    site.expect(2, &["apply", plan, "--confirm", &digest[..8]]);
    site.settings("never", "write-key");
    let altered = site.file("altered.json");
    std::fs::write(
        &altered,
        std::fs::read_to_string(plan)
            .unwrap()
            .replace(ORPHAN, WHOLE),
    )
    .unwrap();
    site.expect(
        2,
        &[
            "apply",
            altered.to_str().unwrap(),
            "--confirm",
            &digest[..8],
        ],
    );
    assert_eq!(state(), before);

    // Somebody writes into it: refused. Planned again it goes.
    site.nas
        .nas
        .lock()
        .unwrap()
        .written(&format!("tank/v/{ORPHAN}"), 4096);
    let written = state();
    let out = site
        .run(&["apply", plan, "--confirm", &digest[..8]])
        .expect_code(2);
    assert!(out.stderr.contains("moved"), "{out:?}");
    assert_eq!(state(), written);
    site.expect(1, &["plan", "--out", plan]);
    let text = std::fs::read_to_string(plan).unwrap();
    let digest = serde_json::from_str::<Value>(&text).unwrap()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let out = site
        .run(&["apply", plan, "--confirm", &digest[..8]])
        .expect_code(0);
    assert!(out.stderr.contains("in quarantine"), "{out:?}");
    assert_ne!(state(), written);
    let out = site.expect(0, &["audit"]);
    assert!(
        out.stdout.contains("hold") && out.stderr.contains("the chain is whole"),
        "{out:?}"
    );

    site.expect(0, &["undo", plan]);
    assert_eq!(state(), written, "byte for byte");
    site.expect(2, &["undo", plan]);

    // In quarantine once more, and then for good.
    site.expect(1, &["plan", "--out", plan]);
    let confirm = |plan: &str| {
        let text = std::fs::read_to_string(plan).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        value["digest"].as_str().unwrap()[..8].to_owned()
    };
    site.expect(0, &["apply", plan, "--confirm", &confirm(plan)]);
    let out = site.expect(0, &["plan", "--purge", "--out", plan]);
    assert!(
        out.stderr.contains("nothing to plan"),
        "fourteen days are not over: {out:?}"
    );
    site.expect(1, &["plan", "--purge", "--keep-days", "0", "--out", plan]);

    // Removing asks for somebody else, and the API server says who that is.
    site.settings("purge", "write-key");
    let out = site
        .run(&["apply", plan, "--confirm", &confirm(plan)])
        .expect_code(2);
    assert!(out.stderr.contains("prove nothing"), "{out:?}");
    site.cluster
        .apply("default", kubectl_storage::approval::POLICY)
        .await;
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: storage-approvers}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]\n";
    site.cluster.apply("default", role).await;
    site.until_in_force();
    let out = site
        .run(&["apply", plan, "--confirm", &confirm(plan)])
        .expect_code(2);
    assert!(out.stderr.contains("submit"), "{out:?}");
    site.expect(
        1,
        &[
            "plan",
            "--purge",
            "--keep-days",
            "0",
            "--out",
            plan,
            "--submit",
        ],
    );
    let name = {
        let text = std::fs::read_to_string(plan).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        format!("cleanup-{}", &value["digest"].as_str().unwrap()[..12])
    };
    let out = site
        .run(&["apply", plan, "--confirm", &confirm(plan)])
        .expect_code(2);
    assert!(out.stderr.contains("not approved yet"), "{out:?}");
    let out = site.run(&["approve", &name]);
    assert_ne!(out.code, Some(0), "its own author: {out:?}");
    site.expect_as(0, "alice", &["approve", &name]);
    let out = site
        .run(&["apply", plan, "--confirm", &confirm(plan)])
        .expect_code(0);
    assert!(out.stderr.contains("approved by alice"), "{out:?}");
    assert!(
        state()["datasets"]
            .get(format!("tank/v/{ORPHAN}"))
            .is_none()
    );
    assert!(state()["datasets"].get(format!("tank/v/{WHOLE}")).is_some());
    let out = site.expect(0, &["orphans", "-o", "json"]);
    assert_eq!(out.stdout.trim(), "[]");

    // What a retention policy no longer keeps goes the same way, and nothing else with it.
    site.settings("never", "write-key");
    let before = state();
    let expired = format!("tank/v/{WHOLE}@auto-0");
    site.expect(1, &["plan", "--retention", "--out", plan]);
    site.expect(0, &["apply", plan, "--confirm", &confirm(plan)]);
    assert_eq!(state(), before, "a snapshot in quarantine only waits");
    site.expect(
        1,
        &[
            "plan",
            "--retention",
            "--purge",
            "--keep-days",
            "0",
            "--out",
            plan,
        ],
    );
    site.expect(0, &["apply", plan, "--confirm", &confirm(plan)]);
    let mut wanted = before;
    wanted["snapshots"]
        .as_object_mut()
        .unwrap()
        .remove(&expired)
        .unwrap();
    assert_eq!(state(), wanted);
    site.nas.stop().await;
}
