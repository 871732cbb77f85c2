//! docs/cue-conformance.md, which several commands write a part of each.
//!
//! A part begins at a line `<!-- NAME -->` and goes to the next such line; what stands before the first has no name.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// Replaces a part of the page, or adds it at the end; the part without a name is `""`.
pub fn write(path: &Path, name: &str, text: &str) -> io::Result<()> {
    let page = match fs::read_to_string(path) {
        Ok(page) => page,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    fs::write(path, replaced(&page, name, text))
}

fn replaced(page: &str, name: &str, text: &str) -> String {
    let mut parts: Vec<(&str, String)> = vec![("", String::new())];
    for line in page.split_inclusive('\n') {
        let begins = line
            .trim_end()
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        match (begins, parts.last_mut()) {
            (Some(name), _) => parts.push((name, String::new())),
            (None, Some((_, part))) => part.push_str(line),
            (None, None) => {}
        }
    }
    match parts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, part)) => text.clone_into(part),
        None => parts.push((name, text.to_owned())),
    }
    let mut page = String::new();
    for (name, part) in parts {
        let part = part.trim_matches('\n');
        if !name.is_empty() {
            let _ = write!(page, "\n<!-- {name} -->\n\n");
        }
        if !part.is_empty() {
            page.push_str(part);
            page.push('\n');
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_part_is_replaced_and_the_others_stay() {
        let page = replaced("# a\n\nold\n", "b", "## b\n");
        assert_eq!(page, "# a\n\nold\n\n<!-- b -->\n\n## b\n");
        let page = replaced(&page, "", "# a\n\nnew\n");
        assert_eq!(page, "# a\n\nnew\n\n<!-- b -->\n\n## b\n");
        assert_eq!(replaced(&page, "b", "## b\n"), page);
    }
}
