//! Which node of an arm stands for which node of what it was copied from.
//!
//! Arms are many, and most copy a node or a few: those are searched one by one.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::value::NodeId;

/// The copies that an arm made.
#[derive(Debug, Clone, Default)]
pub struct Copies {
    few: SmallVec<[(NodeId, NodeId); 4]>,
    /// All of them, once they are many.
    many: FxHashMap<NodeId, NodeId>,
}

impl Copies {
    /// How many are searched one by one.
    const FEW: usize = 8;

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// What stands for a node.
    pub(crate) fn get(&self, node: NodeId) -> Option<NodeId> {
        if self.few.is_empty() {
            return self.many.get(&node).copied();
        }
        let mut few = self.few.iter();
        few.find(|(original, _)| *original == node)
            .map(|(_, copy)| *copy)
    }

    /// Adds a copy of a node that has none yet.
    pub(crate) fn add(&mut self, node: NodeId, copy: NodeId) {
        if self.many.is_empty() && self.few.len() < Self::FEW {
            self.few.push((node, copy));
            return;
        }
        self.many.extend(self.few.drain(..));
        self.many.insert(node, copy);
    }

    /// These after the others were made: a copy of a copy stands for what the first one stands for, too.
    pub(crate) fn after(self, before: &Self) -> Self {
        let known = before.few.iter().copied();
        let known = known.chain(before.many.iter().map(|(node, copy)| (*node, *copy)));
        let mut all: FxHashMap<_, _> = known
            .map(|(node, copy)| (node, self.get(copy).unwrap_or(copy)))
            .collect();
        all.extend(self.few);
        all.extend(self.many);
        Self {
            few: SmallVec::new(),
            many: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Copies;
    use crate::value::NodeId;

    #[test]
    fn finds_every_copy_whether_few_or_many() {
        let mut copies = Copies::default();
        for at in 0..40 {
            assert_eq!(copies.len(), at as usize);
            copies.add(NodeId::new(at), NodeId::new(100 + at));
            for known in 0..=at {
                assert_eq!(
                    copies.get(NodeId::new(known)),
                    Some(NodeId::new(100 + known))
                );
            }
            assert_eq!(copies.get(NodeId::new(at + 1)), None);
        }
    }

    #[test]
    fn copies_of_copies_stand_for_what_the_first_stand_for() {
        let (mut first, mut second) = (Copies::default(), Copies::default());
        first.add(NodeId::new(1), NodeId::new(11));
        first.add(NodeId::new(2), NodeId::new(12));
        second.add(NodeId::new(11), NodeId::new(21));
        let both = second.after(&first);
        assert_eq!(both.get(NodeId::new(1)), Some(NodeId::new(21)));
        assert_eq!(both.get(NodeId::new(2)), Some(NodeId::new(12)));
        assert_eq!(both.get(NodeId::new(11)), Some(NodeId::new(21)));
    }
}
