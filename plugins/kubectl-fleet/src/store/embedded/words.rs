//! How the engine is given words so that writing does not slow down with the number of objects.
//!
//! A segment that is written to walks through the whole list of a word for each point that is added to it (it keeps, for
//! each entry, the highest weight of those after it). So a word has [`PARTS`] lists instead of one: which of them a point is
//! in follows from its id, and who asks for a word asks for all of its lists. The scores stay what they are, except that the
//! engine would take a list's length for the word's frequency; so frequencies are counted here, by the formula that
//! Qdrant's `idf` modifier uses.
//!
//! Two words may share a list by accident; [`is_meant`] tells what was found only because of that.

use std::collections::{BTreeMap, HashMap};

use qdrant_edge::SparseVector;
use rustc_hash::FxBuildHasher;
use uuid::Uuid;

use crate::text::Sparse;

/// How many lists a word has.
const PARTS: u32 = 128;

/// Spreads the lists of a word over all numbers: 2³² divided by the golden ratio, odd.
const STEP: u32 = 0x9e37_79b1;

/// What is added to a word's number for the points of an id's part.
fn offset(id: Uuid) -> u32 {
    // The last byte of a UUIDv5 is part of a digest.
    let part = u32::from(id.as_bytes()[15]) % PARTS;
    part.wrapping_mul(STEP)
}

/// The words of a point as they are stored.
pub(super) fn stored(id: Uuid, words: Sparse) -> SparseVector {
    let offset = offset(id);
    let mut moved: Vec<(u32, f32)> = words
        .indices
        .into_iter()
        .map(|word| word.wrapping_add(offset))
        .zip(words.values)
        .collect();
    moved.sort_unstable_by_key(|(index, _)| *index);
    let (indices, values) = moved.into_iter().unzip();
    SparseVector { indices, values }
}

/// Whether a point that was found has one of the question's words.
pub(super) fn is_meant(question: &Sparse, id: Uuid, stored: &SparseVector) -> bool {
    let offset = offset(id);
    stored.indices.iter().any(|index| {
        let word = index.wrapping_sub(offset);
        question.indices.binary_search(&word).is_ok()
    })
}

/// In how many points each word is.
#[derive(Debug, Default)]
pub(super) struct Frequencies {
    points: u32,
    words: HashMap<u32, u32, FxBuildHasher>,
}

impl Frequencies {
    /// A point is there that was not.
    pub(super) fn add(&mut self, id: Uuid, stored: &SparseVector) {
        if stored.indices.is_empty() {
            return;
        }
        let offset = offset(id);
        self.points += 1;
        for index in &stored.indices {
            *self.words.entry(index.wrapping_sub(offset)).or_default() += 1;
        }
    }

    /// A point goes, or is written anew.
    pub(super) fn remove(&mut self, id: Uuid, stored: &SparseVector) {
        if stored.indices.is_empty() {
            return;
        }
        let offset = offset(id);
        self.points = self.points.saturating_sub(1);
        for index in &stored.indices {
            let word = index.wrapping_sub(offset);
            if let Some(count) = self.words.get_mut(&word) {
                *count -= 1;
                if *count == 0 {
                    self.words.remove(&word);
                }
            }
        }
    }

    /// What the engine is asked for a question. Words that nothing has are left out.
    pub(super) fn question(&self, question: &Sparse) -> SparseVector {
        let mut asked: BTreeMap<u32, f32> = BTreeMap::new();
        for (word, value) in question.indices.iter().zip(&question.values) {
            let Some(&frequency) = self.words.get(word) else {
                continue;
            };
            let weight = value * self.rarity(frequency);
            for part in 0..PARTS {
                let slot = asked
                    .entry(word.wrapping_add(part.wrapping_mul(STEP)))
                    .or_default();
                *slot = slot.max(weight);
            }
        }
        let (indices, values) = asked.into_iter().unzip();
        SparseVector { indices, values }
    }

    /// Qdrant's inverse document frequency.
    fn rarity(&self, frequency: u32) -> f32 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "as the engine does it; beyond 16 million points one more or less is nothing"
        )]
        let (all, frequency) = (self.points as f32, frequency as f32);
        ((all - frequency + 0.5) / (frequency + 0.5) + 1.0).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn id(last: u8) -> Uuid {
        Uuid::from_u128(u128::from(last))
    }

    #[test]
    fn a_question_asks_for_every_list_that_a_word_can_be_in() {
        let words = text::plain("postgres");
        let mut frequencies = Frequencies::default();
        frequencies.add(id(9), &stored(id(9), words.clone()));
        let asked = frequencies.question(&text::question(["postgres"]));
        for last in 0..=u8::MAX {
            let stored = stored(id(last), words.clone());
            assert!(asked.indices.binary_search(&stored.indices[0]).is_ok());
        }
        assert_eq!(asked.indices.len(), PARTS as usize);
    }

    #[test]
    fn what_is_stored_is_sorted_and_as_long_as_before() {
        let words = text::plain("a long text of many different words, all of which are kept");
        for last in [0, 1, 77, 127, 128, 255] {
            let stored = stored(id(last), words.clone());
            assert!(stored.indices.is_sorted_by(|a, b| a < b));
            assert_eq!(stored.indices.len(), words.indices.len());
        }
    }

    #[test]
    fn who_shares_a_list_by_accident_is_not_meant() {
        let question = text::question(["postgres"]);
        // A word whose number is that of another list of the word that is asked for.
        let other = Sparse {
            indices: vec![question.indices[0].wrapping_add(STEP)],
            values: vec![1.0],
        };
        let found = stored(id(0), other);
        let mut frequencies = Frequencies::default();
        frequencies.add(id(0), &stored(id(0), text::plain("postgres")));
        let asked = frequencies.question(&question);
        assert!(asked.indices.binary_search(&found.indices[0]).is_ok());
        assert!(!is_meant(&question, id(0), &found));
        assert!(is_meant(
            &question,
            id(1),
            &stored(id(1), text::plain("a postgres"))
        ));
    }

    #[test]
    fn points_that_go_leave_no_trace_in_the_frequencies() {
        let (web, both) = (text::plain("web"), text::plain("web database"));
        let mut frequencies = Frequencies::default();
        frequencies.add(id(2), &stored(id(2), web));
        frequencies.add(id(3), &stored(id(3), both.clone()));
        assert_eq!(
            frequencies.question(&text::question(["database"])).values[0].to_bits(),
            (1.5f32 / 1.5 + 1.0).ln().to_bits()
        );
        frequencies.remove(id(3), &stored(id(3), both));
        assert_eq!((frequencies.points, frequencies.words.len()), (1, 1));
        let nothing = frequencies.question(&text::question(["database"]));
        assert!(nothing.indices.is_empty());
    }

    #[test]
    fn rare_words_count_more() {
        let mut frequencies = Frequencies::default();
        for text in ["web a1", "web b2", "web c3"] {
            frequencies.add(id(0), &stored(id(0), text::plain(text)));
        }
        assert!(frequencies.rarity(1) > frequencies.rarity(3));
    }
}
