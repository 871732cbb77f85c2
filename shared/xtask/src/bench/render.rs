//! What it takes to render a sample, from the start of the process to its last byte.
//!
//! The rival evaluates the same module with the same input and context: the module's files beside one more file that
//! gives the two values. Runs alternate, so that a busy machine is busy for both.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use pequod_testkit::{Error, Result, Tools, workspace_root};

use super::measure::{Run, median, run as measure};
use crate::suites::Figure;

const RUNS: usize = 15;

pub(super) fn run(_: &[String]) -> Result<Vec<Figure>> {
    let ours = super::release("kubectl-transform")?;
    let cue = Tools::find_or_build()?.path("cue");
    let folder = tempfile::tempdir().map_err(Error::while_doing("could not make a folder"))?;
    let mut figures = Vec::new();
    println!(
        "| sample | ours ms | official ms | time ratio | ours MiB | official MiB | memory ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for sample in ["webservice", "database"] {
        let transform = workspace_root()
            .join("samples")
            .join(format!("platform_v1alpha1_transform_{sample}.yaml"));
        let module = folder.path().join(sample);
        rival_module(sample, &transform, &module)?;
        let ours: [&OsStr; 5] = [
            ours.as_os_str(),
            "render".as_ref(),
            transform.as_os_str(),
            "--output".as_ref(),
            "value".as_ref(),
        ];
        let official: [&OsStr; 5] = [
            cue.as_os_str(),
            "export".as_ref(),
            ".".as_ref(),
            "-e".as_ref(),
            "graph.nodes".as_ref(),
        ];
        let mut runs: (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            runs.0.push(measure(&module, &ours)?);
            runs.1.push(measure(&module, &official)?);
        }
        let time = |runs: &[Run]| {
            median(
                runs.iter()
                    .map(|run| run.time.as_secs_f64() * 1e3)
                    .collect(),
            )
        };
        let memory = |runs: &[Run]| {
            let kib = runs
                .iter()
                .map(|run| f64::from(u32::try_from(run.memory).unwrap_or(u32::MAX)));
            median(kib.collect()) / 1024.0
        };
        let (our_time, their_time) = (time(&runs.0), time(&runs.1));
        let (our_memory, their_memory) = (memory(&runs.0), memory(&runs.1));
        println!(
            "| {sample} | {our_time:.1} | {their_time:.1} | {:.2} | {our_memory:.1} | {their_memory:.1} | {:.2} |",
            our_time / their_time,
            our_memory / their_memory
        );
        let mut figure = |name: &str, value| {
            figures.push(Figure {
                name: format!("{sample}{name}"),
                value,
            });
        };
        figure("TimeRatio", our_time / their_time);
        figure("MemoryRatio", our_memory / their_memory);
    }
    println!("\nMedians of {RUNS} alternating runs each.");
    Ok(figures)
}

/// The module's files, and one that gives input and context as the command line would.
pub(super) fn rival_module(sample: &str, transform: &Path, folder: &Path) -> Result<()> {
    let failed = || format!("could not lay out the module of {sample}");
    let text = fs::read_to_string(transform).map_err(Error::while_doing(failed()))?;
    let transform: serde_json::Value =
        serde_saphyr::from_str(&text).map_err(Error::while_doing(failed()))?;
    let source = workspace_root()
        .join("shared/pequod-modules/modules")
        .join(sample);
    fs::create_dir_all(folder).map_err(Error::while_doing(failed()))?;
    for entry in fs::read_dir(source)
        .map_err(Error::while_doing(failed()))?
        .flatten()
    {
        fs::copy(entry.path(), folder.join(entry.file_name()))
            .map_err(Error::while_doing(failed()))?;
    }
    let metadata = &transform["metadata"];
    let context = serde_json::json!({
        "name": metadata["name"],
        "namespace": metadata["namespace"].as_str().unwrap_or("default"),
    });
    let given = format!(
        "package {sample}\n\ninput: {}\ncontext: {context}\n",
        transform["spec"]["input"]
    );
    fs::write(folder.join("given.cue"), given).map_err(Error::while_doing(failed()))
}
