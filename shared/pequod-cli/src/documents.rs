//! Reading what a person wrote: YAML and JSON documents from files and stdin, with positions in the errors.

use std::io::Read as _;
use std::path::Path;

use pequod_diag::{Code, Diagnostic, Place};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Failure;

/// The most that is read from one file: no Kubernetes object and no list of them is near it.
pub const MAX_BYTES: u64 = 32 << 20;

/// A text and what its reader calls it.
#[derive(Debug, Clone)]
pub struct Text {
    /// The file's name as it was given, or `<stdin>`.
    pub name: String,
    /// The content.
    pub text: String,
}

/// Reads a file, or stdin for `-`.
pub fn read(file: &Path) -> Result<Text, Failure> {
    let stdin = file == Path::new("-");
    let name = if stdin {
        "<stdin>".to_owned()
    } else {
        file.display().to_string()
    };
    let mut bytes = Vec::new();
    let outcome = if stdin {
        std::io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    let place = || Place::Path {
        document: name.clone(),
        path: String::new(),
    };
    outcome.map_err(|error| {
        Failure::input(
            Diagnostic::error(Code("input/read"), "cannot be read")
                .at(place())
                .caused_by(&error),
        )
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::input(
            Diagnostic::error(
                Code("input/limit"),
                format!("is larger than {MAX_BYTES} bytes"),
            )
            .at(place()),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.split(|&byte| byte == b'\n').count();
        let column = before
            .iter()
            .rev()
            .take_while(|&&byte| byte != b'\n')
            .count()
            + 1;
        Failure::input(
            Diagnostic::error(Code("input/encoding"), "is not UTF-8").at(text_place(
                &name,
                line as u64,
                column as u64,
            )),
        )
    })?;
    Ok(Text { name, text })
}

impl Text {
    /// The documents of the text, without empty ones. JSON is YAML.
    pub fn documents(&self) -> Result<Vec<Value>, Failure> {
        let values: Vec<Value> =
            serde_saphyr::from_multiple(&self.text).map_err(|error| self.syntax(&error))?;
        Ok(values
            .into_iter()
            .filter(|value| !value.is_null())
            .collect())
    }

    /// The one document of the text, as a value.
    pub fn document(&self) -> Result<Value, Failure> {
        let mut documents = self.documents()?;
        match documents.len() {
            1 => Ok(documents.swap_remove(0)),
            0 => Err(self.whole("input/empty", "holds no document")),
            many => Err(self.whole(
                "input/many",
                &format!("holds {many} documents; one is expected"),
            )),
        }
    }

    /// The one document of the text, as the type that is expected; unknown fields and wrong types are errors with
    /// their position wherever the type refuses them.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        self.document()?;
        serde_saphyr::from_str(&self.text).map_err(|error| self.syntax(&error))
    }

    /// A problem of the text as a whole.
    pub fn whole(&self, code: &'static str, message: &str) -> Failure {
        self.problem_at(code, message, "")
    }

    /// A problem at a path of the document.
    pub fn problem_at(&self, code: &'static str, message: &str, path: &str) -> Failure {
        let place = Place::Path {
            document: self.name.clone(),
            path: path.to_owned(),
        };
        Failure::input(Diagnostic::error(Code(code), message).at(place))
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> Failure {
        let message = error.without_snippet().to_string();
        // The library repeats the position in its text; here it has its own place.
        let message = message.split(" at line ").next().unwrap_or(&message).trim();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let mut problem = Diagnostic::error(Code("input/yaml"), message);
        if let Some(location) = error.location() {
            problem = problem.at(text_place(&self.name, location.line(), location.column()));
        } else {
            problem = problem.at(Place::Path {
                document: self.name.clone(),
                path: String::new(),
            });
        }
        Failure::input(problem)
    }
}

fn text_place(file: &str, line: impl TryInto<u32>, column: impl TryInto<u32>) -> Place {
    Place::Text {
        file: file.to_owned(),
        line: line.try_into().unwrap_or(u32::MAX),
        column: column.try_into().unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        #[allow(dead_code, reason = "only parsed")]
        replicas: u32,
    }

    fn text(text: &str) -> Text {
        Text {
            name: "shop.yaml".into(),
            text: text.into(),
        }
    }

    fn first(failure: &Failure) -> String {
        failure.problems.0[0].to_string()
    }

    #[test]
    fn malformed_yaml_is_named_with_line_and_column() {
        let failure = text("a: 1\nb: [1, 2\nc: 3\n").documents().unwrap_err();
        assert_eq!(failure.exit, pequod_diag::Exit::Input);
        assert!(
            first(&failure).starts_with("shop.yaml:"),
            "{}",
            first(&failure)
        );
    }

    #[test]
    fn an_unknown_field_is_named_with_its_position() {
        let failure = text("replicas: 1\nreplica: 2\n")
            .typed::<Shop>()
            .unwrap_err();
        assert!(
            first(&failure).starts_with("shop.yaml:2:"),
            "{}",
            first(&failure)
        );
        assert!(first(&failure).contains("replica"), "{}", first(&failure));
    }

    #[test]
    fn a_duplicate_key_is_refused() {
        let failure = text("a: 1\na: 2\n").documents().unwrap_err();
        assert!(
            first(&failure).starts_with("shop.yaml:2:1"),
            "{}",
            first(&failure)
        );
    }

    #[test]
    fn empty_documents_are_passed_over() {
        assert_eq!(text("---\n---\na: 1\n---\n").documents().unwrap().len(), 1);
        assert_eq!(
            first(&text("").document().unwrap_err()),
            "shop.yaml: holds no document"
        );
    }

    #[test]
    fn json_is_read_too() {
        assert_eq!(text(r#"{"a": [1]}"#).document().unwrap()["a"][0], 1);
    }
}
