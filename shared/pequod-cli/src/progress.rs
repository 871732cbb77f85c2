//! What long work says while it lasts: one changing line for a person, one line a change for a log.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::Printer;

/// A line on stderr that says how far the work is.
pub struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Begins; the line is removed when this is dropped.
    pub fn start(words: &str) -> Self {
        let bar = Printer::interactive().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let mut progress = Self {
            bar,
            last: String::new(),
        };
        progress.say(words);
        progress
    }

    /// Says something new; the same words twice are said once.
    pub fn say(&mut self, words: &str) {
        if words == self.last {
            return;
        }
        words.clone_into(&mut self.last);
        match &self.bar {
            Some(bar) => bar.set_message(words.to_owned()),
            None => {
                // Nobody can be told that stderr is gone.
                let _ = std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("{words}\n").as_bytes(),
                );
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
