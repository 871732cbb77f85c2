//! A small share of the random histories of clean-up; `cargo xtask conformance storage` runs ten
//! thousand.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use storage_conformance::histories::{Tally, history};

#[test]
fn nothing_live_is_touched_and_every_quarantine_is_undone_byte_for_byte() {
    let mut tally = Tally::default();
    for seed in 0..60 {
        tally.add(history(seed).unwrap());
    }
    tally.wrong.truncate(8);
    assert_eq!(tally.wrong, Vec::<String>::new());
    // The histories did what they are for.
    assert!(tally.quarantined > 50, "{tally:?}");
    assert!(tally.undone > 50, "{tally:?}");
    assert!(tally.purged > 50, "{tally:?}");
    assert!(tally.refused > 10, "{tally:?}");
    assert!(tally.stopped > 10, "{tally:?}");
}

#[test]
fn an_undo_that_was_cut_off_goes_on_and_what_was_adopted_after_the_scan_stays() {
    // 106 and 222: the connection broke while the quarantine's snapshot was dropped. 329: somebody made a
    // PersistentVolume between the comparison and the first call.
    for seed in [106, 222, 329] {
        assert_eq!(history(seed).unwrap().wrong, Vec::<String>::new());
    }
}
