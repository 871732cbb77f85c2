//! Paths as text: `graph.nodes."my-db".object`, `items[0]`.

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `a`, `#a`, `_a`
    Name(String),
    /// `"a"`: always a regular field.
    Quoted(String),
    /// `[0]`
    Index(u32),
}

/// Reads a path; `None` if it is none. The empty text is the root.
pub(crate) fn parse_path(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            steps.push(match index.strip_prefix('"') {
                Some(name) => Step::Quoted(name.strip_suffix('"')?.to_owned()),
                None => Step::Index(index.parse().ok()?),
            });
            rest = after;
        } else {
            let body = if steps.is_empty() {
                rest
            } else {
                rest.strip_prefix('.')?
            };
            if body.starts_with('"') {
                let mut stream = serde_json::Deserializer::from_str(body).into_iter::<String>();
                let name = stream.next()?.ok()?;
                rest = body.get(stream.byte_offset()..)?;
                steps.push(Step::Quoted(name));
            } else {
                let end = body.find(['.', '[']).unwrap_or(body.len());
                let (name, after) = body.split_at(end);
                if name.is_empty() {
                    return None;
                }
                steps.push(Step::Name(name.to_owned()));
                rest = after;
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::{Step, parse_path};

    #[test]
    fn paths_have_names_quotes_and_indices() {
        let name = |text: &str| Step::Name(text.into());
        assert_eq!(parse_path(""), Some(vec![]));
        assert_eq!(
            parse_path(r#"a."b.c"[2].#D"#),
            Some(vec![
                name("a"),
                Step::Quoted("b.c".into()),
                Step::Index(2),
                name("#D")
            ])
        );
        assert_eq!(parse_path("a..b"), None);
        assert_eq!(parse_path("a[x]"), None);
    }
}
