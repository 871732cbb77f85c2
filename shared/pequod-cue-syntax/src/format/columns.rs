//! Lines whose cells stand in columns.
//!
//! A cell ends at a tab. Cells of lines that follow each other and have the same indentation make a column, as wide
//! as the widest of them and a blank; what follows the last tab of a line belongs to none. A line that says so begins
//! new columns.

/// A line that is being written.
#[derive(Debug, Default)]
struct Line {
    indent: usize,
    cells: Vec<String>,
    text: String,
    /// Whether columns end before it.
    apart: bool,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.text.is_empty()
    }
}

/// Lines that are being written.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    line: Line,
}

impl Lines {
    pub(super) fn push(&mut self, text: &str) {
        self.line.text.push_str(text);
    }

    /// Ends a cell.
    pub(super) fn tab(&mut self) {
        let cell = std::mem::take(&mut self.line.text);
        self.line.cells.push(cell);
    }

    /// Begins a line.
    pub(super) fn line(&mut self, indent: usize, apart: bool) {
        let line = Line {
            indent,
            apart,
            ..Line::default()
        };
        self.lines.push(std::mem::replace(&mut self.line, line));
    }

    /// Whether nothing stands on the line yet.
    pub(super) fn at_start(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether nothing was written at all.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.line.is_empty()
    }

    /// What was written last.
    pub(super) fn last(&self) -> Option<char> {
        self.line.text.chars().next_back()
    }

    /// Everything as text, with an end of line behind the last.
    pub(super) fn into_text(mut self) -> String {
        if !self.line.is_empty() {
            self.line(0, true);
        }
        let mut rest = &mut self.lines[..];
        while let Some(first) = rest.first() {
            let (indent, empty) = (first.indent, first.is_empty());
            let same = rest[1..]
                .iter()
                .take_while(|line| {
                    !empty && !line.apart && !line.is_empty() && line.indent == indent
                })
                .count();
            let (block, after) = rest.split_at_mut(1 + same);
            align(block, 0);
            rest = after;
        }
        let mut text = String::new();
        for line in &self.lines {
            if !line.is_empty() {
                text.extend(std::iter::repeat_n('\t', line.indent));
            }
            for cell in &line.cells {
                text.push_str(cell);
            }
            if line.text.is_empty() {
                // Nothing follows the last column. Blanks at the end of a text belong to it.
                let kept = text.trim_end_matches(' ').len();
                text.truncate(kept);
            }
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }
}

/// Fills up the cells of a column, then those of the columns behind it.
fn align(lines: &mut [Line], column: usize) {
    for block in lines.chunk_by_mut(|a, b| (a.cells.len() > column) == (b.cells.len() > column)) {
        let widths = block
            .iter()
            .filter_map(|line| Some(line.cells.get(column)?.chars().count()));
        let Some(widest) = widths.max() else {
            continue;
        };
        let width = if widest == 0 { 0 } else { widest + 1 };
        for line in &mut *block {
            if let Some(cell) = line.cells.get_mut(column) {
                let missing = width - cell.chars().count();
                cell.extend(std::iter::repeat_n(' ', missing));
            }
        }
        align(block, column + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn cells_of_neighbouring_lines_stand_in_columns() {
        let mut lines = Lines::default();
        for (cells, apart) in [
            (&["a:", "1", "// x"][..], false),
            (&["bbb:", "22", "// y"], false),
            (&["cc:", "3"], false),
            (&["ddddd:", "4"], true),
        ] {
            if !lines.is_empty() {
                lines.line(1, apart);
            }
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    lines.tab();
                }
                lines.push(cell);
            }
        }
        assert_eq!(
            lines.into_text(),
            "a: 1 // x\n\tbbb: 22 // y\n\tcc:  3\n\tddddd: 4\n"
        );
    }
}
