//! Where things are in a text, in few bytes.
//!
//! A [`Pos`] is a file's number and a byte offset: eight bytes, cheap to keep on every node and to
//! compare. Lines and columns are worked out from the [`Source`] when somebody wants to read them.

use std::sync::Arc;

use pequod_diag::Place;

/// A file's number among the files that are looked at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A point in a file: the byte offset counts from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pos {
    /// Which file.
    pub file: FileId,
    /// How many bytes lie before the point.
    pub offset: u32,
}

/// A stretch of a file, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The stretch from `start` to before `end`.
    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// Where the stretch begins.
    pub const fn pos(self) -> Pos {
        Pos {
            file: self.file,
            offset: self.start,
        }
    }

    /// The smallest stretch that holds both; they lie in one file.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self {
            file: self.file,
            start: self.start.min(last.start),
            end: self.end.max(last.end),
        }
    }
}

/// A file's name and text, and where its lines begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    id: FileId,
    name: Arc<str>,
    text: Arc<str>,
    line_starts: Box<[u32]>,
}

impl Source {
    /// Registers a text under a name. Texts of 4 GiB and more are cut; the parser refuses far
    /// smaller ones.
    pub fn new(id: FileId, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let starts = text
            .bytes()
            .zip(1u32..)
            .filter_map(|(byte, next)| (byte == b'\n').then_some(next));
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self {
            id,
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// The file's number.
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// The name it was given.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text of a stretch; empty if the stretch lies outside the text.
    pub fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Line and column of an offset, both from 1, the column in bytes.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        (u32::try_from(line).unwrap_or(u32::MAX), offset - start + 1)
    }

    /// The offset of a line's first byte, lines counting from 1.
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.line_starts
            .get((line as usize).checked_sub(1)?)
            .copied()
    }

    /// The offset as a place for a diagnostic.
    pub fn place(&self, offset: u32) -> Place {
        let (line, column) = self.line_column(offset);
        Place::Text {
            file: self.name.to_string(),
            line,
            column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileId, Source, Span};

    #[test]
    fn lines_and_columns_count_from_one() {
        let source = Source::new(FileId(0), "a.cue", "ab\n\ncd");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(2), (1, 3));
        assert_eq!(source.line_column(3), (2, 1));
        assert_eq!(source.line_column(5), (3, 2));
        assert_eq!(source.line_start(3), Some(4));
        assert_eq!(source.slice(Span::new(FileId(0), 4, 6)), "cd");
    }
}
