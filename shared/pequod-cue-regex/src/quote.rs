//! Texts made into expressions that match exactly them.

/// A text with a backslash before each character that has a meaning in an expression.
///
/// ```
/// assert_eq!(pequod_cue_regex::quote_meta("[a.b]"), r"\[a\.b\]");
/// ```
pub fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}
