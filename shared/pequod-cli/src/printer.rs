//! Where output goes: data to stdout, words to stderr.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
use pequod_diag::{Diagnostic, Severity, Style};
use serde::Serialize;
use serde_json::json;

use crate::{Failure, Format, Table, to_json, to_yaml};

/// Colours for the few words that carry a meaning. Without colour they stay words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Done, ready, added.
    Good,
    /// Waiting, changed.
    Attention,
    /// Failed, removed.
    Bad,
    /// Less important.
    Faint,
}

/// Prints a command's data and words.
///
/// Every write to stdout can fail, and does when its reader has gone; [`Failure`] turns that into a silent end.
pub struct Printer {
    format: Format,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    colour_out: bool,
    colour_err: bool,
}

impl Printer {
    /// Prints to the process's own streams. Colour is for terminals; `NO_COLOR` and `TERM=dumb` are heeded.
    pub fn new(format: Format) -> Self {
        let coloured = |choice| choice != ColorChoice::Never;
        Self {
            format,
            colour_out: coloured(AutoStream::choice(&io::stdout())),
            colour_err: coloured(AutoStream::choice(&io::stderr())),
            out: Box::new(io::BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
        }
    }

    /// Prints into memory, for tests: the printer, what it wrote to stdout, what it wrote to stderr.
    pub fn captured(format: Format) -> (Self, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let printer = Self {
            format,
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            colour_out: false,
            colour_err: false,
        };
        (printer, out, err)
    }

    /// The form that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a person looks at stderr.
    pub fn interactive() -> bool {
        io::stderr().is_terminal()
    }

    /// A word of a table or tree, painted if stdout takes colour.
    pub fn paint(&self, paint: Paint, word: &str) -> String {
        if !self.colour_out {
            return word.to_owned();
        }
        let code = match paint {
            Paint::Good => "\x1b[32m",
            Paint::Attention => "\x1b[33m",
            Paint::Bad => "\x1b[31m",
            Paint::Faint => "\x1b[2m",
        };
        format!("{code}{word}\x1b[0m")
    }

    /// Writes data as it is.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes a line of data.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        self.out.flush()?;
        Ok(())
    }

    /// Writes one thing: as JSON or YAML what it is, else as `people` and `name` say it.
    pub fn one<T: Serialize>(
        &mut self,
        thing: &T,
        name: impl FnOnce(&T) -> String,
        people: impl FnOnce(&T, &Self) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => to_json(thing)?,
            Format::Yaml => to_yaml(thing)?,
            Format::Name => name(thing) + "\n",
            Format::Table | Format::Wide => people(thing, self),
        };
        self.data(&text)
    }

    /// Writes many things: as JSON or YAML a `List`, else a line each. An empty table says so on stderr.
    pub fn many<T: Serialize>(
        &mut self,
        things: &[T],
        name: impl Fn(&T) -> String,
        table: impl FnOnce(&[T]) -> Table,
    ) -> Result<(), Failure> {
        let list = || json!({ "apiVersion": "v1", "kind": "List", "items": things });
        let text = match self.format {
            Format::Json => to_json(&list())?,
            Format::Yaml => to_yaml(&list())?,
            Format::Name => things.iter().map(|thing| name(thing) + "\n").collect(),
            Format::Table | Format::Wide if things.is_empty() => {
                self.say("nothing found");
                return Ok(());
            }
            Format::Table | Format::Wide => table(things).to_text(self.format == Format::Wide),
        };
        self.data(&text)
    }

    /// Says something to the person at the terminal.
    pub fn say(&mut self, words: &str) {
        // Nobody can be told that stderr is gone.
        let _ = writeln!(self.err, "{words}");
    }

    /// Says a problem.
    pub fn problem(&mut self, problem: &Diagnostic) {
        let style = if self.colour_err {
            Style::Colour
        } else {
            Style::Plain
        };
        let _ = self
            .err
            .write_all(pequod_diag::render(problem, style).as_bytes());
    }

    /// Says all problems, and how many they were if there was more than one.
    pub fn problems<'a>(&mut self, problems: impl IntoIterator<Item = &'a Diagnostic>) {
        let mut errors = 0;
        for problem in problems {
            self.problem(problem);
            errors += usize::from(problem.severity == Severity::Error);
        }
        if errors > 1 {
            self.say(&format!("{errors} errors"));
        }
    }
}

/// What a [`Printer`] wrote, in a test.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// The text so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(format: Format) -> (String, String) {
        let (mut printer, out, err) = Printer::captured(format);
        let table = |names: &[&str]| {
            let mut table = Table::new(&["NAME"]);
            for &name in names {
                table.row([name]);
            }
            table
        };
        printer
            .many(&["a", "b"], |name| format!("thing/{name}"), table)
            .unwrap();
        (out.text(), err.text())
    }

    #[test]
    fn one_set_of_things_in_every_form() {
        assert_eq!(print(Format::Table).0, "NAME\na\nb\n");
        assert_eq!(print(Format::Name).0, "thing/a\nthing/b\n");
        assert!(print(Format::Json).0.contains("\"kind\": \"List\""));
        assert!(print(Format::Yaml).0.contains("kind: List\n"));
    }

    #[test]
    fn nothing_found_is_said_and_not_printed() {
        let (mut printer, out, err) = Printer::captured(Format::Table);
        printer
            .many::<()>(&[], |()| String::new(), |_| Table::default())
            .unwrap();
        assert_eq!(
            (out.text().as_str(), err.text().as_str()),
            ("", "nothing found\n")
        );
    }
}
