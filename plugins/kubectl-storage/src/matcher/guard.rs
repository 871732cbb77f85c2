//! The mass-orphan guard.
//!
//! When most volumes look orphaned the likelier explanation is that the scan looked at the wrong
//! cluster, with an empty cache, or at a cluster that was just rebuilt. Tools that believed
//! themselves here have deleted live data; this one stops.

use std::collections::BTreeSet;

use super::{Report, Rules, index::Index};
use crate::{
    finding::{Code, Finding, State, Subject},
    model::{Text, driver::within},
};

/// Below this number of orphans a share says nothing.
const FEWEST: usize = 5;

pub(super) fn apply(index: &Index<'_>, rules: &Rules, report: &mut Report) {
    let mut stopped: BTreeSet<(Text, Text)> = BTreeSet::new();
    for nas in &index.appliances {
        for known in &nas.instances {
            let parent = &known.instance.parent;
            let volumes = nas
                .nas
                .datasets
                .iter()
                .filter(|dataset| dataset.parent() == &**parent)
                .count();
            let candidates = report
                .findings
                .iter()
                .filter(|finding| finding.state == State::Candidate && finding.removable())
                .filter(|finding| finding.subject.site == nas.nas.name)
                .filter(|finding| {
                    matches!(finding.code, Code::VolumeOrphan | Code::PartialProvision)
                })
                .filter(|finding| within(&finding.subject.id, parent))
                .count();
            let none_read = !nas.instances_of(parent).iter().any(|user| {
                user.cluster
                    .volumes
                    .iter()
                    .any(|volume| volume.driver == user.instance.driver)
            });
            let most = candidates >= FEWEST && candidates * 100 > volumes * rules.guard_percent;
            if most || (none_read && candidates > 0) {
                let new = stopped.insert((Text::clone(&nas.nas.name), Text::clone(parent)));
                if new {
                    report.findings.push(Finding::reported(
                        Code::MassOrphan,
                        Subject::new(&nas.nas.name, "Dataset", Text::clone(parent)),
                        format!(
                            "{candidates} of {volumes} volumes look orphaned{}: nothing is believed \
                             until a person has looked",
                            if none_read { " and no PersistentVolume was read" } else { "" }
                        ),
                    ));
                }
            }
        }
    }
    if stopped.is_empty() {
        return;
    }
    report.guarded = true;
    for finding in &mut report.findings {
        if finding.removable() && finding.state == State::Candidate {
            finding.state = State::Reported;
            finding
                .blockers
                .push("the mass-orphan guard stopped this scan".to_owned());
        }
    }
}
