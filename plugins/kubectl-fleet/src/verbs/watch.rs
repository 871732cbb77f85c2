//! `watch`: changes of matching objects as they reach the store.

use std::collections::BTreeMap;
use std::time::Duration;

use pequod_cli::{Exit, Failure, Format, Paint, Printer};

use super::{open, show};
use crate::agent::now;
use crate::cli::{StoreArgs, WatchArgs};
use crate::query::parse::parse;
use crate::record::Record;
use crate::store;
use crate::verbs::opened::failure;

pub(super) async fn watch(store: &StoreArgs, args: &WatchArgs) -> Result<Exit, Failure> {
    let query = parse(&args.words.join(" ")).map_err(Failure::input)?;
    let opened = open(store).await?;
    let query = opened.known().await?.vocabulary.resolve(&query).0;
    let interval = Duration::from_secs_f64(args.interval_seconds.clamp(0.1, 3600.0));
    let mut printer = Printer::new(Format::Table);
    let mut before: Option<BTreeMap<String, Record>> = None;
    loop {
        let records = store::all(&*opened.store, &query, now())
            .await
            .map_err(|error| failure(&error))?;
        let after: BTreeMap<String, Record> = records
            .into_iter()
            .map(|record| (record.id.clone(), record))
            .collect();
        if let Some(before) = &before {
            for (id, record) in &after {
                match before.get(id) {
                    None => line(&mut printer, "+", Paint::Good, record)?,
                    Some(old) if old.visible() != record.visible() => {
                        line(&mut printer, "~", Paint::Attention, record)?;
                    }
                    Some(_) => {}
                }
            }
            for (id, record) in before {
                if !after.contains_key(id) {
                    line(&mut printer, "-", Paint::Bad, record)?;
                }
            }
        } else {
            printer.say(&format!(
                "{} objects match; waiting for changes",
                after.len()
            ));
        }
        before = Some(after);
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            () = tokio::time::sleep(interval) => {}
        }
    }
}

fn line(printer: &mut Printer, sign: &str, paint: Paint, record: &Record) -> Result<(), Failure> {
    let sign = printer.paint(paint, sign);
    let state = show::health(printer, record.health);
    let reason = if record.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", record.reason)
    };
    printer.line(&format!("{sign} {}  {state}{reason}", record.id))
}
