//! `kubectl storage snapshots`.

use pequod_cli::{Exit, Failure, Table};

use super::{ScanArgs, forecasts, print::Output};
use crate::{
    model::Inventory,
    snapshots,
    usage::{self, Snapshots},
};

/// How many, how old, how large, and how fast they grow, by volume.
pub(super) fn by_volume(
    inventory: &Inventory,
    arguments: &ScanArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let list = usage::snapshots(inventory);
    let growth = forecasts::snapshot_growth(inventory, arguments)?;
    let mut table = Table::new(&["DATASET", "SNAPSHOTS", "CSI", "TAKE", "OLDEST", "PER DAY"])
        .wide(&["APPLIANCE"]);
    let now = jiff::Timestamp::now().as_second();
    let mut rows = Vec::new();
    for row in list {
        let series = format!("snapshots {} {}", row.nas, row.dataset);
        let per_day = growth.get(&series).copied();
        table.row([
            row.dataset.to_string(),
            row.snapshots.to_string(),
            row.csi.to_string(),
            usage::human(row.used_bytes),
            row.oldest
                .map_or_else(String::new, |made| pequod_cli::age(now - made)),
            per_day.map_or_else(String::new, forecasts::per_day),
            row.nas.to_string(),
        ]);
        rows.push(Growing {
            row,
            bytes_per_day: per_day,
        });
    }
    output.rows(&rows, &table)?;
    Ok(Exit::Done)
}

/// The snapshots of a volume, and how fast they grow.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Growing {
    #[serde(flatten)]
    row: Snapshots,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_day: Option<f64>,
}

/// Each of them, with the objects it belongs to.
pub(super) fn each(inventory: &Inventory, output: &mut Output) -> Result<Exit, Failure> {
    let list = snapshots::each(inventory);
    let mut table = Table::new(&[
        "DATASET",
        "SNAPSHOT",
        "TAKES",
        "AGE",
        "VOLUMESNAPSHOT",
        "STATE",
    ])
    .wide(&["CONTENT", "CLUSTER", "APPLIANCE"]);
    let now = jiff::Timestamp::now().as_second();
    for row in &list {
        table.row([
            row.dataset.to_string(),
            row.name.to_string(),
            row.used_bytes.map_or_else(String::new, usage::human),
            row.created
                .map_or_else(String::new, |made| pequod_cli::age(now - made)),
            row.snapshot.clone().unwrap_or_default(),
            row.state.to_owned(),
            row.content.as_deref().unwrap_or_default().to_owned(),
            row.cluster.as_deref().unwrap_or_default().to_owned(),
            row.nas.to_string(),
        ]);
    }
    output.rows(&list, &table)?;
    Ok(super::answer(list.iter().any(snapshots::Each::broken)))
}
