//! Tables in docs/benchmarks.md that their commands write.

use std::fs;

use pequod_testkit::{Error, Result, workspace_root};

const PAGE: &str = "docs/benchmarks.md";

/// Puts a table and what is said about it by figures in the place of the former one.
///
/// # Errors
/// A page that cannot be read or written, or has no such table.
pub(super) fn write(table: &str, after: &str) -> Result<()> {
    let path = workspace_root().join(PAGE);
    let page =
        fs::read_to_string(&path).map_err(Error::while_doing(format!("could not read {PAGE}")))?;
    let Some(page) = replaced(&page, table, after) else {
        return Err(Error::new(format!("{PAGE} has no such table")));
    };
    fs::write(&path, page).map_err(Error::while_doing(format!("could not write {PAGE}")))
}

/// The page with another table in the place of the one that has the same first line; what follows it goes up to the
/// paragraph that begins with some words.
fn replaced(page: &str, table: &str, after: &str) -> Option<String> {
    let heading = table.lines().next()?;
    let begin = page.find(heading)?;
    let length = page.get(begin..)?.find(&format!("\n\n{after}"))?;
    let rest = page.get(begin + length..)?;
    Some(format!("{}{}{rest}", page.get(..begin)?, table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_table_takes_the_place_of_the_one_with_its_heading() {
        let page = "# A\n\n| a | b |\n| 1 | 2 |\n\nMeans: 3.\n\nThe targets are set.\n\n| c |\n";
        let table = "| a | b |\n| 4 | 5 |\n\nMeans: 6.\n";
        assert_eq!(
            replaced(page, table, "The targets").as_deref(),
            Some("# A\n\n| a | b |\n| 4 | 5 |\n\nMeans: 6.\n\nThe targets are set.\n\n| c |\n")
        );
        assert_eq!(replaced(page, "| d |\n", "The targets"), None);
        assert_eq!(replaced(page, table, "No such"), None);
    }
}
