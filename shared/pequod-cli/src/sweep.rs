//! The rules that every plugin's command line keeps, as a function for a test of each plugin.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory};

use crate::{KubectlArgs, kubectl};

/// Everything about a command line that breaks a rule; empty when all is well.
///
/// 1. Every command says what it does, every leaf shows examples, every option and argument has help.
/// 2. No option takes the name of one of kubectl's global flags, long or short, for something else.
/// 3. An option that occurs in several commands has the same short form and the same kind of value in all.
pub fn problems(command: &Command) -> Vec<String> {
    let mut command = command.clone();
    command.build();
    let mut sweep = Sweep {
        problems: Vec::new(),
        options: BTreeMap::new(),
        kubectl: theirs(),
    };
    sweep.command(&command, command.get_name());
    sweep.problems
}

/// The help texts of kubectl's flags: how ours are told from others' of the same name.
fn theirs() -> BTreeMap<String, String> {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        _kubectl: KubectlArgs,
    }
    let help = |arg: &Arg| arg.get_help().map(ToString::to_string).unwrap_or_default();
    Only::command()
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?.to_owned(), help(arg))))
        .collect()
}

struct Sweep {
    problems: Vec<String>,
    options: BTreeMap<String, (String, Option<char>, bool)>,
    kubectl: BTreeMap<String, String>,
}

impl Sweep {
    fn command(&mut self, command: &Command, path: &str) {
        if command.get_about().is_none() {
            self.problems
                .push(format!("`{path}` does not say what it does"));
        }
        let children: Vec<_> = command
            .get_subcommands()
            .filter(|child| child.get_name() != "help")
            .collect();
        let examples = command.get_after_long_help().or(command.get_after_help());
        if children.is_empty() && !examples.is_some_and(|text| text.to_string().contains("Example"))
        {
            self.problems.push(format!("`{path}` shows no example"));
        }
        for arg in command.get_arguments() {
            if !matches!(arg.get_id().as_str(), "help" | "version") {
                self.argument(arg, path);
            }
        }
        for child in children {
            self.command(child, &format!("{path} {}", child.get_name()));
        }
    }

    fn argument(&mut self, arg: &Arg, path: &str) {
        let Some(help) = arg.get_help().map(ToString::to_string) else {
            self.problems
                .push(format!("`{path}`: {} has no help", arg.get_id()));
            return;
        };
        let Some(long) = arg.get_long() else { return };
        let is_kubectls = self.kubectl.get(long) == Some(&help);
        if !is_kubectls {
            if kubectl::LONG.contains(&long) {
                self.problems
                    .push(format!("`{path}`: --{long} is kubectl's"));
            }
            if let Some(short) = arg
                .get_short()
                .filter(|short| kubectl::SHORT.contains(short))
            {
                self.problems
                    .push(format!("`{path}`: -{short} is kubectl's"));
            }
        }
        let shape = (
            path.to_owned(),
            arg.get_short(),
            arg.get_action().takes_values(),
        );
        match self.options.get(long) {
            Some((first, short, value)) if (*short, *value) != (shape.1, shape.2) => {
                self.problems
                    .push(format!("--{long} differs between `{first}` and `{path}`"));
            }
            Some(_) => {}
            None => {
                self.options.insert(long.to_owned(), shape);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &'static str) -> Command {
        Command::new(name)
            .about("Does")
            .after_help("Examples:\n  x")
    }

    #[test]
    fn kubectls_own_flags_are_no_problem() {
        #[derive(clap::Parser)]
        #[command(about = "Does", after_help = "Examples:\n  x")]
        struct Plugin {
            #[command(flatten)]
            _kubectl: KubectlArgs,
        }
        assert_eq!(problems(&Plugin::command()), Vec::<String>::new());
    }

    #[test]
    fn finds_each_kind_of_problem() {
        let command = Command::new("p")
            .about("Does")
            .subcommand(leaf("a").arg(Arg::new("x").long("force").short('f').help("Forces")))
            .subcommand(leaf("b").arg(Arg::new("x").long("force").help("Forces")))
            .subcommand(leaf("c").arg(Arg::new("x").long("context").help("Something else")))
            .subcommand(leaf("d").arg(Arg::new("x").long("number").short('n').help("Counts")))
            .subcommand(leaf("e").arg(Arg::new("x").long("mute")))
            .subcommand(Command::new("f"));
        assert_eq!(
            problems(&command),
            [
                "--force differs between `p a` and `p b`",
                "`p c`: --context is kubectl's",
                "`p d`: -n is kubectl's",
                "`p e`: x has no help",
                "`p f` does not say what it does",
                "`p f` shows no example",
            ]
        );
    }
}
