//! Time and memory of whole processes.
//!
//! Memory of a child is only told with that of all other children, so every run gets a parent of its own: this
//! program starts itself with `measure`, which runs the command and prints what it took.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use pequod_testkit::{Error, Result};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) time: Duration,
    /// The most memory it held, in KiB.
    pub(super) memory: u64,
}

/// Runs a command in a folder, in a parent of its own. Its output is thrown away.
///
/// # Errors
/// A command that cannot be run, or does not end with 0.
pub(super) fn run(folder: &std::path::Path, command: &[&std::ffi::OsStr]) -> Result<Run> {
    let own = std::env::current_exe()
        .map_err(Error::while_doing("where this program lies is unknown"))?;
    let output = Command::new(own)
        .arg("measure")
        .args(command)
        .current_dir(folder)
        .output()
        .map_err(Error::while_doing("could not measure"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(micros)), Some(Ok(memory))) if output.status.success() => Ok(Run {
            time: Duration::from_micros(micros),
            memory,
        }),
        _ => Err(Error::new(format!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

/// The other end of [`run`]: runs the command and prints microseconds and KiB.
///
/// # Errors
/// A command that cannot be run, or does not end with 0.
pub(crate) fn child(command: &[std::ffi::OsString]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::new("no command to measure"));
    };
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .map_err(Error::while_doing("could not run the command"))?;
    let micros = begin.elapsed().as_micros();
    if !status.success() {
        return Err(Error::new(status.to_string()));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(Error::while_doing("could not read what the command took"))?;
    println!("{micros} {}", usage.max_rss());
    Ok(())
}

/// The middle one of some numbers.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
