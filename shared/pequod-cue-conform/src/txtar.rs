//! Archives of small text files.
//!
//! A file begins at a line `-- name --` and goes to the next such line; what stands before the
//! first is a comment. The format is that of Go's `txtar`.

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archive {
    /// What stands before the first file.
    pub comment: String,
    /// The files in the order written.
    pub files: Vec<ArchiveFile>,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ArchiveFile {
    /// Its path.
    pub name: String,
    /// Its text.
    pub data: String,
}

impl Archive {
    /// Reads an archive; every text is one.
    pub fn parse(text: &str) -> Self {
        let mut archive = Self::default();
        for line in text.split_inclusive('\n') {
            let name = line
                .trim_end_matches(['\n', '\r'])
                .strip_prefix("-- ")
                .and_then(|rest| rest.strip_suffix(" --"))
                .map(str::trim)
                .filter(|name| !name.is_empty());
            match (name, archive.files.last_mut()) {
                (Some(name), _) => archive.files.push(ArchiveFile {
                    name: name.to_owned(),
                    data: String::new(),
                }),
                (None, Some(file)) => file.data.push_str(line),
                (None, None) => archive.comment.push_str(line),
            }
        }
        archive
    }

    /// The CUE files that are input: not those that hold expected output.
    pub fn sources(&self) -> impl Iterator<Item = &ArchiveFile> {
        self.files.iter().filter(|file| {
            let cue = std::path::Path::new(&file.name)
                .extension()
                .is_some_and(|e| e == "cue");
            cue && !file.name.starts_with("out/")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn files_begin_at_their_header() {
        let archive = Archive::parse("about\n-- a.cue --\nx: 1\n--  --\n-- out/b --\n");
        assert_eq!(archive.comment, "about\n");
        assert_eq!(archive.files[0].data, "x: 1\n--  --\n");
        assert_eq!(archive.files[1].name, "out/b");
        assert_eq!(archive.sources().count(), 1);
    }
}
