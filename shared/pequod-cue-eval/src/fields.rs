//! What a struct or list has beside its value: its arcs, its constraints, the literals it was made of.
//!
//! Most nodes are scalars, so all of it stands behind one pointer. Elements are found by their position; other arcs one by
//! one, or, when there are many, by a table.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::kind::Label;
use crate::session::{Node, Pattern, Session, Shape};
use crate::value::NodeId;

/// How many arcs are searched one by one.
const LINEAR: usize = 8;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Fields and elements in the order they came.
    pub arcs: SmallVec<[NodeId; 4]>,
    /// Finds them by label.
    pub index: ArcIndex,
    /// What fields must satisfy.
    pub patterns: Vec<Pattern>,
    /// The literals it was made of.
    pub shapes: SmallVec<[Shape; 1]>,
}

/// Where the arcs are that are no elements at their own position.
#[derive(Debug, Clone, Default)]
pub struct ArcIndex {
    /// How many there are.
    elsewhere: u32,
    /// All of them, once there are many arcs.
    table: Option<Box<FxHashMap<Label, NodeId>>>,
}

impl ArcIndex {
    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Node {
    /// Fields and elements in the order they came.
    pub fn arcs(&self) -> &[NodeId] {
        self.fields.as_deref().map_or(&[], |fields| &fields.arcs)
    }

    /// What its fields must satisfy.
    pub fn patterns(&self) -> &[Pattern] {
        self.fields
            .as_deref()
            .map_or(&[], |fields| &fields.patterns)
    }

    /// The literals it was made of.
    pub fn shapes(&self) -> &[Shape] {
        self.fields.as_deref().map_or(&[], |fields| &fields.shapes)
    }

    /// All three, to be changed.
    pub fn fields_mut(&mut self) -> &mut Fields {
        self.fields.get_or_insert_default()
    }

    /// Forgets the arcs.
    pub fn clear_arcs(&mut self) {
        if let Some(fields) = self.fields.as_deref_mut() {
            fields.arcs = SmallVec::new();
            fields.index.clear();
        }
    }
}

impl Session<'_> {
    /// An arc by its label.
    pub(crate) fn arc(&self, node: NodeId, label: Label) -> Option<NodeId> {
        let fields = self[node].fields.as_deref()?;
        if label.is_index()
            && let Some(arc) = fields.arcs.get(label.index() as usize)
            && self[*arc].label == label
        {
            return Some(*arc);
        }
        if fields.index.elsewhere == 0 {
            return None;
        }
        if let Some(table) = &fields.index.table {
            return table.get(&label).copied();
        }
        fields
            .arcs
            .iter()
            .copied()
            .find(|arc| self[*arc].label == label)
    }

    pub(crate) fn push_arc(&mut self, node: NodeId, arc: NodeId) {
        let label = self[arc].label;
        let fields = self[node].fields_mut();
        let in_place = label.is_index() && label.index() as usize == fields.arcs.len();
        fields.arcs.push(arc);
        if !in_place {
            fields.index.elsewhere += 1;
            if let Some(table) = &mut fields.index.table {
                table.insert(label, arc);
                return;
            }
        }
        if fields.arcs.len() > LINEAR && fields.index.elsewhere > 0 && fields.index.table.is_none()
        {
            let labels: FxHashMap<_, _> = self[node]
                .arcs()
                .iter()
                .enumerate()
                .map(|(at, arc)| (at, self[*arc].label, *arc))
                .filter(|(at, label, _)| !label.is_index() || label.index() as usize != *at)
                .map(|(_, label, arc)| (label, arc))
                .collect();
            self[node].fields_mut().index.table = Some(Box::new(labels));
        }
    }

    /// Keeps the arcs that satisfy a condition.
    pub(crate) fn retain_arcs(&mut self, node: NodeId, keep: impl Fn(&Node) -> bool) {
        if self[node].arcs().iter().all(|arc| keep(&self[*arc])) {
            return;
        }
        let arcs = std::mem::take(&mut self[node].fields_mut().arcs);
        self[node].fields_mut().index.clear();
        for arc in arcs {
            if keep(&self[arc]) {
                self.push_arc(node, arc);
            }
        }
    }

    pub(crate) fn clear_arcs(&mut self, node: NodeId) {
        self[node].clear_arcs();
    }
}
