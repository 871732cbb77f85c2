//! One copy of each text.

use std::collections::HashSet;

use super::Text;

/// Gives equal texts the same storage. Lives as long as one decoding does.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Text>,
}

impl Interner {
    /// The shared form of `text`.
    pub fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.seen.get(text) {
            return Text::clone(known);
        }
        let new: Text = text.into();
        self.seen.insert(Text::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_storage() {
        let mut interner = Interner::default();
        let (one, two) = (interner.text("tank/k8s"), interner.text("tank/k8s"));
        assert!(Text::ptr_eq(&one, &two));
    }
}
