//! In which order fields are output.
//!
//! Every struct literal that was unified into a node lists its fields in the order they are
//! written: an edge from each to the next. Literals that meet *implicitly* — the same field declared
//! twice, embedding — also follow each other in the order of their places; those of an explicit
//! `a & b` do not: neither comes first. What results is a graph; its strongly connected components
//! are sorted topologically, ties by name.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use pequod_cue_syntax::Pos;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::kind::Label;
use crate::program::{Decl, DeclId, Expr, ExprId};
use crate::session::{Elem, Session, Shape, ShapeSource};
use crate::value::NodeId;

/// A struct that has a say in the order.
struct Meta {
    shape: Shape,
    pos: Option<Pos>,
    explicit: bool,
}

/// What a struct can be found by.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key {
    Lit(u32),
    Decl(DeclId),
    Expr(ExprId),
}

/// Where structs stand: what was said last counts. What is said of all that a reference brought in is noted once, since
/// those may be as many as the fields that say so.
struct Places {
    said: u32,
    /// When a struct's place was said, and which.
    of_each: Vec<(u32, Option<Pos>)>,
    of_all: FxHashMap<Key, (u32, Pos)>,
}

impl Places {
    fn of(metas: &[Meta]) -> Self {
        Self {
            said: 0,
            of_each: metas.iter().map(|meta| (0, meta.pos)).collect(),
            of_all: FxHashMap::default(),
        }
    }

    fn put(&mut self, structs: &[usize], pos: Pos) {
        self.said += 1;
        for at in structs {
            self.of_each[*at] = (self.said, Some(pos));
        }
    }

    /// Of all that are found by a key, those included that will be.
    fn put_all(&mut self, key: Key, pos: Pos) {
        self.said += 1;
        self.of_all.insert(key, (self.said, pos));
    }

    fn settle(mut self, by_key: &FxHashMap<Key, Few>, metas: &mut [Meta]) {
        for (key, (said, pos)) in &self.of_all {
            for at in by_key.get(key).into_iter().flatten() {
                if self.of_each[*at].0 < *said {
                    self.of_each[*at] = (*said, Some(*pos));
                }
            }
        }
        for (meta, (_, pos)) in metas.iter_mut().zip(self.of_each) {
            meta.pos = pos;
        }
    }
}

/// Places in a list: mostly one or two.
type Few = SmallVec<[usize; 2]>;

struct Graph {
    /// Each label, with the struct that placed it.
    nodes: Vec<(Label, Option<usize>)>,
    index: FxHashMap<Label, usize>,
    edges: FxHashSet<(usize, usize)>,
    outgoing: Vec<Few>,
}

impl Graph {
    fn with_room(labels: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(labels),
            index: FxHashMap::with_capacity_and_hasher(labels, FxBuildHasher),
            edges: FxHashSet::with_capacity_and_hasher(labels, FxBuildHasher),
            outgoing: Vec::with_capacity(labels),
        }
    }

    fn node(&mut self, label: Label) -> usize {
        *self.index.entry(label).or_insert_with(|| {
            self.nodes.push((label, None));
            self.outgoing.push(Few::new());
            self.nodes.len() - 1
        })
    }

    fn edge(&mut self, from: Label, to: Label) {
        let (from, to) = (self.node(from), self.node(to));
        if self.edges.insert((from, to)) {
            self.outgoing[from].push(to);
        }
    }
}

/// Orders that were worked out, by what they depend on: structs made of the same literals in the same way are many.
#[derive(Debug, Default)]
pub(crate) struct Orders(FxHashMap<Vec<u32>, Rc<[Label]>>);

impl Session<'_> {
    /// The labels of a struct in output order, worked out once for structs made alike.
    pub(crate) fn known_order(&self, node: NodeId, orders: &mut Orders) -> Rc<[Label]> {
        if let Some(labels) = self.order_of_one_literal(node) {
            return labels.into();
        }
        let Some(key) = self.made_of(node) else {
            return self.ordered_labels(node).into();
        };
        if let Some(known) = orders.0.get(&key) {
            return known.clone();
        }
        let labels: Rc<[Label]> = self.ordered_labels(node).into();
        orders.0.insert(key, labels.clone());
        labels
    }

    /// Everything that the order of a struct's fields depends on; none if that is more than literals.
    fn made_of(&self, node: NodeId) -> Option<Vec<u32>> {
        let mut key = Vec::new();
        let mut comps: Vec<u32> = Vec::new();
        for shape in self[node].shapes() {
            let ShapeSource::Lit(lit) = shape.source else {
                return None;
            };
            let comp = match comps.iter().position(|comp| *comp == shape.comp) {
                _ if shape.comp == 0 => 0,
                Some(at) => at + 1,
                None => {
                    comps.push(shape.comp);
                    comps.len()
                }
            };
            key.extend([lit.0, u32::try_from(comp).ok()?, shape.repeats]);
        }
        key.push(u32::MAX);
        for c in &self[node].conjuncts {
            if let crate::conjunct::Content::Expr(expr) = self.content(c.elem) {
                key.push(expr.0);
            }
        }
        for arc in self[node].arcs() {
            key.extend([u32::MAX, self[*arc].label.bits()]);
            for c in &self[*arc].conjuncts {
                let Elem::Decl(decl) = c.elem else { continue };
                if matches!(self.program.decl(decl), Decl::Dynamic { .. }) {
                    return None;
                }
                key.extend([
                    decl.0,
                    self.refs[c.close.refs as usize].first.0,
                    c.close.refs.min(1),
                ]);
            }
        }
        Some(key)
    }

    /// The labels of a struct in output order.
    pub(crate) fn ordered_labels(&self, node: NodeId) -> Vec<Label> {
        if let Some(labels) = self.order_of_one_literal(node) {
            return labels;
        }
        let mut graph = Graph::with_room(self[node].arcs().len());
        let mut dynamic: FxHashMap<DeclId, VecDeque<Label>> = FxHashMap::default();
        for arc in self[node].arcs() {
            for c in &self[*arc].conjuncts {
                if let Elem::Decl(decl) = c.elem
                    && matches!(self.program.decl(decl), Decl::Dynamic { .. })
                {
                    dynamic.entry(decl).or_default().push_back(self[*arc].label);
                }
            }
        }
        let mut metas = self.analyse(node, &mut graph);
        metas.sort_by(|a, b| {
            let has_dynamic = |m: &Meta| match m.shape.source {
                ShapeSource::Lit(lit) if !dynamic.is_empty() => self.program.structs[lit.at()]
                    .decls
                    .iter()
                    .any(|decl| dynamic.contains_key(decl)),
                ShapeSource::Lit(_) | ShapeSource::Data(_) => false,
            };
            a.pos
                .cmp(&b.pos)
                .then_with(|| has_dynamic(a).cmp(&has_dynamic(b)))
        });
        let batches = batches(self, &mut metas, &dynamic);
        let mut previous: Vec<Label> = Vec::new();
        let mut before: Option<usize> = None;
        for batch in &batches {
            let explicit = batch.len() > 1 || metas[batch[0]].explicit;
            let file = |at: usize| metas[at].pos.map(|pos| pos.file);
            if before.is_some_and(|before| file(before) != file(batch[0])) {
                previous.clear();
            }
            let mut next = Vec::new();
            for at in batch {
                metas[*at].explicit = explicit;
                next.extend(self.add_edges(
                    *at,
                    &metas,
                    previous.clone(),
                    &mut graph,
                    &mut dynamic,
                ));
            }
            previous = next;
            before = Some(batch[0]);
        }
        self.sort_graph(&graph)
    }

    /// Whether a struct's fields came in the order of output: one literal says it all, and brought all of them.
    pub(crate) fn is_in_order(&self, node: NodeId) -> bool {
        let n = &self[node];
        if n.arcs().len() < 2 {
            return true;
        }
        let [
            Shape {
                source: ShapeSource::Lit(lit),
                repeats: 0,
                ..
            },
        ] = n.shapes()
        else {
            return n.data && n.shapes().is_empty();
        };
        let mut arcs = n.arcs().iter();
        let in_order = self.program.structs[lit.at()].decls.iter().all(|decl| {
            match self.program.decl(*decl) {
                Decl::Field { label, .. } | Decl::Let { label, .. } => {
                    arcs.next().is_some_and(|arc| self[*arc].label == *label)
                }
                Decl::Dynamic { .. } => false,
                _ => true,
            }
        });
        in_order && arcs.next().is_none()
    }

    /// The common case: one literal says it all.
    fn order_of_one_literal(&self, node: NodeId) -> Option<Vec<Label>> {
        let n = &self[node];
        if n.arcs().len() < 2 {
            return Some(n.arcs().iter().map(|arc| self[*arc].label).collect());
        }
        let [
            Shape {
                source, repeats: 0, ..
            },
        ] = n.shapes()
        else {
            return n
                .shapes()
                .is_empty()
                .then(|| n.arcs().iter().map(|arc| self[*arc].label).collect())
                .filter(|_| n.data);
        };
        let mut labels = Vec::with_capacity(n.arcs().len());
        let mut seen = FxHashSet::default();
        match source {
            ShapeSource::Data(data) => {
                labels.extend(
                    self[*data]
                        .arcs()
                        .iter()
                        .map(|arc| self[*arc].label)
                        .filter(|l| seen.insert(*l)),
                );
            }
            ShapeSource::Lit(lit) => {
                for decl in &self.program.structs[lit.at()].decls {
                    match self.program.decl(*decl) {
                        Decl::Field { label, .. }
                            if self.arc(node, *label).is_some() && seen.insert(*label) =>
                        {
                            labels.push(*label);
                        }
                        Decl::Dynamic { .. } => return None,
                        _ => {}
                    }
                }
            }
        }
        for arc in n.arcs() {
            let label = self[*arc].label;
            if label.is_let() && seen.insert(label) {
                labels.push(label);
            }
        }
        (labels.len() == n.arcs().len()).then_some(labels)
    }

    fn analyse(&self, node: NodeId, graph: &mut Graph) -> Vec<Meta> {
        let mut metas = Vec::new();
        let room = self[node].arcs().len();
        let mut by_key: FxHashMap<Key, Few> =
            FxHashMap::with_capacity_and_hasher(room, FxBuildHasher);
        let mut to_inspect = Vec::new();
        for shape in self[node].shapes() {
            let at = metas.len();
            let pos = match shape.source {
                ShapeSource::Data(_) => None,
                ShapeSource::Lit(lit) => {
                    let literal = &self.program.structs[lit.at()];
                    by_key.entry(Key::Lit(lit.0)).or_default().push(at);
                    for decl in &literal.decls {
                        by_key.entry(Key::Decl(*decl)).or_default().push(at);
                        if let Decl::Embed(expr) = self.program.decl(*decl) {
                            by_key.entry(self.key_of(*expr)).or_default().push(at);
                        }
                    }
                    Some(literal.span.pos())
                }
            };
            metas.push(Meta {
                shape: *shape,
                pos,
                explicit: false,
            });
        }
        let mut places = Places::of(&metas);
        for arc in self[node].arcs() {
            graph.node(self[*arc].label);
            for c in &self[*arc].conjuncts {
                let Elem::Decl(decl) = c.elem else { continue };
                let Some(found) = by_key.get(&Key::Decl(decl)) else {
                    continue;
                };
                if let Some(pos) = self.elem_pos(c.elem) {
                    places.put(found, pos);
                }
                // The reference that brought the struct in, from the outside, decides its place.
                if c.close.refs == 0 {
                    continue;
                }
                let reference = self.refs[c.close.refs as usize].first;
                let key = self.key_of(reference);
                let found: SmallVec<[usize; 4]> = SmallVec::from_slice(found);
                by_key.entry(key).or_default().extend(found);
                places.put_all(key, self.program.span(reference).pos());
            }
        }
        places.settle(&by_key, &mut metas);
        for c in &self[node].conjuncts {
            if let crate::conjunct::Content::Expr(expr) = self.content(c.elem) {
                to_inspect.push(expr);
            }
        }
        for meta in &metas {
            if let ShapeSource::Lit(lit) = meta.shape.source {
                for decl in &self.program.structs[lit.at()].decls {
                    if let Decl::Embed(expr) = self.program.decl(*decl) {
                        to_inspect.push(*expr);
                    }
                }
            }
        }
        while let Some(expr) = to_inspect.pop() {
            if let Expr::And(x, y) = self.program.expr(expr) {
                for side in [*x, *y] {
                    for at in by_key.get(&self.key_of(side)).into_iter().flatten() {
                        metas[*at].explicit = true;
                    }
                    to_inspect.push(side);
                }
            }
        }
        metas
    }

    fn key_of(&self, expr: ExprId) -> Key {
        match self.program.expr(expr) {
            Expr::Struct(lit) => Key::Lit(lit.0),
            _ => Key::Expr(expr),
        }
    }

    /// Adds a struct's fields behind what came before. Gives what the next comes behind.
    fn add_edges(
        &self,
        at: usize,
        metas: &[Meta],
        mut previous: Vec<Label>,
        graph: &mut Graph,
        dynamic: &mut FxHashMap<DeclId, VecDeque<Label>>,
    ) -> Vec<Label> {
        let meta = &metas[at];
        let mut place = |label: Label, previous: &mut Vec<Label>| {
            let known = graph.index.get(&label).map(|node| graph.nodes[*node].1);
            if let Some(owner) = known {
                if owner == Some(at) {
                    return;
                }
                let same_file = owner.is_some_and(|owner| {
                    metas[owner].pos.map(|pos| pos.file) == meta.pos.map(|pos| pos.file)
                });
                if !meta.explicit && meta.pos.is_some() && same_file {
                    return;
                }
            }
            let node = graph.node(label);
            graph.nodes[node].1 = Some(at);
            for before in previous.drain(..) {
                graph.edge(before, label);
            }
            previous.push(label);
        };
        match meta.shape.source {
            ShapeSource::Data(data) => {
                for arc in self[data].arcs() {
                    place(self[*arc].label, &mut previous);
                }
            }
            ShapeSource::Lit(lit) => {
                for decl in &self.program.structs[lit.at()].decls {
                    match self.program.decl(*decl) {
                        Decl::Field { label, .. } => place(*label, &mut previous),
                        Decl::Dynamic { .. } => {
                            if let Some(labels) = dynamic.get_mut(decl)
                                && let Some(label) = labels.pop_front()
                            {
                                place(label, &mut previous);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        previous
    }

    fn sort_graph(&self, graph: &Graph) -> Vec<Label> {
        let components = components(&graph.outgoing);
        let mut of = vec![0; graph.nodes.len()];
        for (at, component) in components.iter().enumerate() {
            for node in component {
                of[*node] = at;
            }
        }
        let mut waiting = vec![0u32; components.len()];
        // Where several edges lead from one component to another, it is waited for each of them.
        let mut next = vec![Few::new(); components.len()];
        for (from, outgoing) in graph.outgoing.iter().enumerate() {
            for to in outgoing {
                if of[from] != of[*to] {
                    next[of[from]].push(of[*to]);
                    waiting[of[*to]] += 1;
                }
            }
        }
        let name = |node: usize| {
            let label = graph.nodes[node].0;
            (
                !label.is_index(),
                label.is_index().then(|| label.index()),
                self.label_name(label),
            )
        };
        let sorted: Vec<Few> = components
            .into_iter()
            .map(|mut nodes| {
                nodes.sort_by_key(|node| name(*node));
                nodes
            })
            .collect();
        let mut ready: BinaryHeap<Reverse<_>> = (0..sorted.len())
            .filter(|at| waiting[*at] == 0)
            .map(|at| Reverse((name(sorted[at][0]), at)))
            .collect();
        let mut labels = Vec::with_capacity(graph.nodes.len());
        while let Some(Reverse((_, at))) = ready.pop() {
            labels.extend(sorted[at].iter().map(|node| graph.nodes[*node].0));
            for to in &next[at] {
                waiting[*to] -= 1;
                if waiting[*to] == 0 {
                    ready.push(Reverse((name(sorted[*to][0]), *to)));
                }
            }
        }
        labels
    }
}

/// Groups structs of one place, and explicit ones of one file.
fn batches(
    session: &Session<'_>,
    metas: &mut [Meta],
    dynamic: &FxHashMap<DeclId, VecDeque<Label>>,
) -> Vec<Vec<usize>> {
    let has_dynamic = |m: &Meta| match m.shape.source {
        ShapeSource::Lit(lit) if !dynamic.is_empty() => session.program.structs[lit.at()]
            .decls
            .iter()
            .any(|decl| dynamic.contains_key(decl)),
        ShapeSource::Lit(_) | ShapeSource::Data(_) => false,
    };
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut batch: Vec<usize> = Vec::new();
    let close = |all: &mut Vec<Vec<usize>>, batch: Vec<usize>, metas: &[Meta]| {
        if batch.is_empty() {
            return;
        }
        let explicit = |b: &[usize]| b.len() > 1 || metas[b[0]].explicit;
        let file = |b: &[usize]| metas[b[0]].pos.map(|pos| pos.file);
        match all.last_mut() {
            Some(last) if explicit(&batch) && explicit(last) && file(&batch) == file(last) => {
                last.extend(batch);
            }
            _ => all.push(batch),
        }
    };
    let mut at = 0;
    while at < metas.len() {
        let mut end = at + 1;
        let comp = metas[at].shape.comp;
        while comp != 0 && end < metas.len() && metas[end].shape.comp == comp {
            end += 1;
        }
        for _ in 0..=metas[at].shape.repeats {
            for j in at..end {
                if batch.is_empty()
                    || (metas[batch[0]].pos == metas[j].pos && !has_dynamic(&metas[j]))
                {
                    batch.push(j);
                } else {
                    close(&mut all, std::mem::take(&mut batch), metas);
                    batch = vec![j];
                }
            }
        }
        at = end;
    }
    close(&mut all, batch, metas);
    all
}

/// Strongly connected components (Tarjan's algorithm, with an explicit stack).
fn components(outgoing: &[Few]) -> Vec<Few> {
    const UNSEEN: usize = usize::MAX;
    let count = outgoing.len();
    let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut calls, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let mut counter = 0;
    for start in 0..count {
        if index[start] != UNSEEN {
            continue;
        }
        calls.push((start, 0));
        while let Some((node, edge)) = calls.pop() {
            if edge == 0 {
                index[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
                on_stack[node] = true;
            } else {
                let child = outgoing[node][edge - 1];
                if on_stack[child] {
                    low[node] = low[node].min(low[child]);
                }
            }
            match outgoing[node].get(edge) {
                Some(child) => {
                    calls.push((node, edge + 1));
                    if index[*child] == UNSEEN {
                        calls.push((*child, 0));
                    }
                }
                None if low[node] == index[node] => {
                    let mut component = Few::new();
                    while let Some(member) = stack.pop() {
                        on_stack[member] = false;
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    found.push(component);
                }
                None => {}
            }
        }
    }
    found
}
