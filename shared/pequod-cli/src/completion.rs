//! Completion: for a shell that completes the plugin's own name, and for `kubectl`, which completes its plugins'
//! words by asking them.
//!
//! kubectl's protocol (since 1.26): for `kubectl transform status <TAB>` it runs an executable
//! `kubectl_complete-transform` from the path with the words `status ''`, the last being the one to complete. The
//! answer is that of cobra's hidden `__complete` command: a candidate a line, optionally a tab and a description,
//! and last a line `:` with a directive (a sum of 1 error, 2 no space after it, 4 no file names). A plugin is that
//! executable itself when called by that name; a release puts a link there.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_complete::engine;
use pequod_diag::Exit;

use crate::{Failure, Format, Printer};

/// No directive: where there are no candidates, the shell offers file names.
const DEFAULT: u8 = 0;
/// The candidates are all there is.
const NO_FILES: u8 = 4;

/// The verb `completion`: prints the script for a shell.
#[derive(Debug, Clone, Args)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

impl CompletionArgs {
    /// Prints the script that completes the plugin `C`.
    pub fn run<C: CommandFactory>(&self) -> Result<Exit, Failure> {
        Printer::new(Format::Table).data(&script(self.shell, C::command()))?;
        Ok(Exit::Done)
    }
}

/// The words to complete, if that is what the process was called for.
pub fn request(args: &[OsString]) -> Option<&[OsString]> {
    let called_as = args.first().map(Path::new)?.file_name()?.to_str()?;
    if called_as.starts_with("kubectl_complete-") {
        return args.get(1..);
    }
    match args.get(1) {
        Some(word) if word == OsStr::new("__complete") => args.get(2..),
        _ => None,
    }
}

/// Answers a request in cobra's form.
pub fn answer(mut command: Command, words: &[OsString], out: &mut dyn Write) -> io::Result<()> {
    let mut line: Vec<OsString> = vec![command.get_name().into()];
    line.extend_from_slice(words);
    if words.is_empty() {
        line.push(OsString::new());
    }
    let index = line.len() - 1;
    // Option names are only offered to who began one, as cobra does it.
    let wants_option = line[index].to_string_lossy().starts_with('-');
    let candidates = engine::complete(&mut command, line, index, None).unwrap_or_default();

    let mut text = String::new();
    let mut offered = 0;
    for candidate in candidates {
        let value = candidate.get_value().to_string_lossy();
        if candidate.is_hide_set() || (value.starts_with('-') && !wants_option) {
            continue;
        }
        text.push_str(&value);
        if let Some(help) = candidate.get_help() {
            text.push('\t');
            text.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
        offered += 1;
    }
    let directive = if offered == 0 { DEFAULT } else { NO_FILES };
    writeln!(out, "{text}:{directive}")
}

/// The script that teaches a shell to complete the plugin called by its own name.
pub fn script(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    // The long name of use (`kubectl transform`) is not a name a shell can complete.
    command = command.bin_name(name.clone());
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn command() -> Command {
        Command::new("kubectl-x")
            .subcommand(
                Command::new("status").about("Shows the state").arg(
                    Arg::new("form")
                        .long("form")
                        .value_parser(["tree", "list"])
                        .help("How it looks"),
                ),
            )
            .subcommand(Command::new("start").about("Starts"))
    }

    fn ask(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        answer(command(), &words, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn verbs_are_offered_with_what_they_do() {
        assert_eq!(
            ask(&["sta"]),
            "status\tShows the state\nstart\tStarts\n:4\n"
        );
    }

    #[test]
    fn values_of_an_option_are_offered() {
        assert_eq!(ask(&["status", "--form", "t"]), "tree\n:4\n");
    }

    #[test]
    fn options_are_offered_to_who_began_one() {
        assert!(ask(&["status", "--f"]).starts_with("--form\t"));
        assert!(!ask(&["status", ""]).contains("--form"));
    }

    #[test]
    fn nothing_to_offer_leaves_file_names_to_the_shell() {
        assert_eq!(ask(&["zzz"]), ":0\n");
    }

    #[test]
    fn the_name_it_is_called_by_tells_what_is_wanted() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(request(&args(&["/usr/bin/kubectl_complete-x", "a"])).is_some());
        assert!(request(&args(&["kubectl-x", "__complete", "a"])).is_some());
        assert!(request(&args(&["kubectl-x", "a"])).is_none());
        assert!(request(&args(&[])).is_none());
    }

    #[test]
    fn a_script_names_the_executable() {
        assert!(script(Shell::Bash, command()).contains("kubectl-x"));
    }
}
