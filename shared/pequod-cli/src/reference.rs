//! A page of reference for a plugin, in Markdown, from its command line.
//!
//! `kubectl-NAME __reference` prints it; the workspace's code generation commits it under docs/reference.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// The first argument that asks for the page.
pub(crate) const REQUEST: &str = "__reference";

/// The page.
pub fn page(mut command: Command) -> String {
    command.build();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut page = format!("# {name}\n\nGenerated from the program's own help.\n");
    section(&command, 2, &mut page);
    page
}

// Writing to a String cannot fail, here and below.
fn section(command: &Command, level: usize, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let _ = writeln!(page, "\n{} `{name}`\n", "#".repeat(level.min(4)));
    if let Some(words) = command.get_long_about().or(command.get_about()) {
        let _ = writeln!(page, "{words}\n");
    }
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "```text\n{}\n```", usage.trim());
    // Flags that every verb takes are listed once, at the top.
    let own = |arg: &&Arg| {
        let is_everywhere = matches!(arg.get_id().as_str(), "help" | "version");
        !arg.is_hide_set() && !is_everywhere && (level == 2 || !arg.is_global_set())
    };
    let rows: Vec<&Arg> = command.get_arguments().filter(own).collect();
    if !rows.is_empty() {
        page.push_str("\n| argument | meaning |\n| --- | --- |\n");
        for arg in rows {
            row(arg, page);
        }
    }
    if let Some(words) = command.get_after_long_help().or(command.get_after_help()) {
        let _ = writeln!(page, "\n```text\n{}\n```", words.to_string().trim());
    }
    let subs = command.get_subcommands();
    for sub in subs.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        section(sub, level + 1, page);
    }
}

fn row(arg: &Arg, page: &mut String) {
    let mut forms = Vec::new();
    if let Some(short) = arg.get_short() {
        forms.push(format!("`-{short}`"));
    }
    if let Some(long) = arg.get_long() {
        forms.push(format!("`--{long}`"));
    }
    if forms.is_empty() {
        forms.push(format!("`{}`", arg.get_id().as_str().to_uppercase()));
    }
    let words = arg.get_long_help().or(arg.get_help());
    let words = words.map(ToString::to_string).unwrap_or_default();
    let mut words = words.replace('\n', " ").replace('|', "\\|");
    let shows_values = arg.get_action().takes_values() && !arg.is_hide_possible_values_set();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if shows_values && !values.is_empty() {
        let _ = write!(words, ": {}", values.join(", "));
    }
    if let Some(default) = default(arg) {
        let _ = write!(words, " (default `{default}`)");
    }
    let _ = writeln!(page, "| {} | {} |", forms.join(", "), words.trim());
}

/// The default, unless it differs from run to run.
fn default(arg: &Arg) -> Option<String> {
    let values = arg.get_default_values();
    let text: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
    let text = text.join(",");
    let is_of_this_run = text.ends_with(&std::process::id().to_string());
    (arg.get_action().takes_values() && !text.is_empty() && !is_of_this_run).then_some(text)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::page;

    #[test]
    fn a_page_has_a_section_for_each_verb_and_a_row_for_each_argument() {
        let command = Command::new("kubectl-shop")
            .bin_name("kubectl shop")
            .about("Shops")
            .subcommand(
                Command::new("buy").about("Buys").arg(
                    Arg::new("what")
                        .help("A | B")
                        .long("what")
                        .default_value("tea"),
                ),
            )
            .subcommand(Command::new("secret").hide(true));
        let page = page(command);
        assert!(page.contains("### `kubectl shop buy`"), "{page}");
        assert!(
            page.contains("| `--what` | A \\| B (default `tea`) |"),
            "{page}"
        );
        assert!(!page.contains("secret"), "{page}");
    }
}
