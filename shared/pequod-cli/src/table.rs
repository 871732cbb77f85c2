//! Columns for people, as kubectl prints them.

use std::borrow::Cow;

/// A table under construction.
///
/// ```
/// use pequod_cli::Table;
///
/// let mut table = Table::new(&["NAME", "READY"]).wide(&["MODULE"]);
/// table.row(["web", "True", "webservice"]);
/// assert_eq!(table.to_text(false), "NAME   READY\nweb    True\n");
/// assert_eq!(table.to_text(true), "NAME   READY   MODULE\nweb    True    webservice\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<Cow<'static, str>>,
    narrow: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.iter().map(|&column| column.into()).collect(),
            narrow: columns.len(),
            rows: Vec::new(),
        }
    }

    /// A table whose columns are known only when it is made.
    pub fn named(columns: Vec<String>) -> Self {
        Self {
            narrow: columns.len(),
            columns: columns.into_iter().map(Cow::Owned).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds columns that only `-o wide` shows.
    #[must_use]
    pub fn wide(mut self, columns: &[&'static str]) -> Self {
        self.columns
            .extend(columns.iter().map(|&column| Cow::Borrowed(column)));
        self
    }

    /// Adds a row: a cell for each column, those of `wide` included. An empty cell shows as `<none>`.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text; three spaces stand between columns, none at the end of a line.
    pub fn to_text(&self, wide: bool) -> String {
        let shown = if wide {
            self.columns.len()
        } else {
            self.narrow
        };
        let cell = |row: &'_ [String], column: usize| -> String {
            match row.get(column).map(String::as_str) {
                None | Some("") => "<none>".to_owned(),
                // A cell is one line: what comes from a cluster may hold anything.
                Some(text) => text
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect(),
            }
        };
        let mut lines: Vec<Vec<String>> = vec![
            self.columns[..shown]
                .iter()
                .map(|column| column.clone().into_owned())
                .collect(),
        ];
        lines.extend(
            self.rows
                .iter()
                .map(|row| (0..shown).map(|column| cell(row, column)).collect()),
        );
        let widths: Vec<usize> = (0..shown)
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();

        let mut text = String::new();
        for line in &lines {
            let mut gap = 0;
            for (cell, width) in line.iter().zip(&widths) {
                text.extend(std::iter::repeat_n(' ', gap));
                text.push_str(cell);
                gap = width - cell.chars().count() + 3;
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

/// A length of time as kubectl shows ages: `42s`, `3m10s`, `17m`, `4h5m`, `2d3h`, `12d`, `2y`.
pub fn age(seconds: i64) -> String {
    let two = |big: i64, unit: char, small: i64, sub: char| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{sub}")
        }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..0 => "<invalid>".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, 'd', hours % 24, 'h'),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_from_a_cluster_cannot_break_the_lines() {
        let mut table = Table::new(&["NAME", "MESSAGE"]);
        table.row(["a", "two\nlines\x1b[31m"]);
        assert_eq!(
            table.to_text(false),
            "NAME   MESSAGE\na      two lines [31m\n"
        );
    }

    #[test]
    fn an_empty_cell_is_named_none() {
        let mut table = Table::new(&["NAME", "READY"]);
        table.row(["a", ""]);
        assert_eq!(table.to_text(false), "NAME   READY\na      <none>\n");
    }

    #[test]
    fn ages_read_as_kubectls() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (190, "3m10s"),
            (180, "3m"),
            (1020, "17m"),
            (4 * 3600 + 300, "4h5m"),
            (10 * 3600, "10h"),
            (2 * 86_400 + 3 * 3600, "2d3h"),
            (12 * 86_400, "12d"),
            (3 * 365 * 86_400, "3y"),
            (-5, "<invalid>"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(seconds), text);
        }
    }
}
