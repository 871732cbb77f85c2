//! The order in which fields are written must not matter; where it does to the reference, it must in
//! the same way to us.
//!
//! The declarations of each archive's file are put into other orders: all of them if there are up to
//! four, and a few seeded ones of more. The same is done inside every struct that the archive
//! itself marks with `@test(permute)`. Both sides answer every order; what counts is whether they
//! differ in an order though they agree in the written one.

use std::io;

use pequod_cue_syntax::ast::{Attribute, Decl, Expr};
use pequod_cue_syntax::{FileId, Span, parse_file};

use crate::fuzz::random::Random;

/// How many orders of more than four declarations are tried.
pub const SEEDED: usize = 24;

/// The text with its declarations in other orders; the written one is not among them.
pub fn reordered(text: &str, seeded: usize) -> Vec<String> {
    let Ok(file) = parse_file(FileId(0), "in.cue", text) else {
        return Vec::new();
    };
    let mut groups = vec![&file.decls[..]];
    marked(&file.decls, &mut groups);
    let mut texts = Vec::new();
    for group in groups {
        let spans: Vec<Span> = group
            .iter()
            .filter(|decl| !matches!(decl, Decl::Attribute(_)))
            .map(|decl| whole_lines(text, decl))
            .collect();
        let apart = spans.windows(2).all(|pair| pair[0].end <= pair[1].start);
        if spans.len() < 2 || !apart {
            continue;
        }
        for order in orders(spans.len(), seeded) {
            texts.push(arranged(text, &spans, &order));
        }
    }
    texts
}

/// The structs in which `@test(permute)` stands, or whose field has it.
fn marked<'a>(decls: &'a [Decl], groups: &mut Vec<&'a [Decl]>) {
    for decl in decls {
        let Decl::Field(field) = decl else {
            continue;
        };
        let Expr::Struct(inner) = &field.value else {
            continue;
        };
        let inside = inner.decls.iter().filter_map(|decl| match decl {
            Decl::Attribute(attribute) => Some(&**attribute),
            _ => None,
        });
        let here = field.attributes.iter().chain(inside).any(permutes)
            || inner.decls.iter().any(|decl| match decl {
                Decl::Field(field) => field.attributes.iter().any(permutes),
                _ => false,
            });
        if here {
            groups.push(&inner.decls);
        }
        marked(&inner.decls, groups);
    }
}

fn permutes(attribute: &Attribute) -> bool {
    &*attribute.name == "test"
        && attribute
            .arguments()
            .first()
            .is_some_and(|first| first.text.trim().starts_with("permute"))
}

/// A declaration with the attributes behind it.
pub(crate) fn whole_lines(text: &str, decl: &Decl) -> Span {
    let mut span = decl.span();
    if let Decl::Field(field) = decl {
        for attribute in &field.attributes {
            span.end = span.end.max(attribute.span.end);
        }
    }
    span.end = span.end.min(u32::try_from(text.len()).unwrap_or(u32::MAX));
    span
}

/// All orders but the first if there are few, and else seeded ones.
fn orders(count: usize, seeded: usize) -> Vec<Vec<usize>> {
    let written: Vec<usize> = (0..count).collect();
    if count <= 4 {
        let mut all = Vec::new();
        permutations(&mut written.clone(), 0, &mut all);
        all.retain(|order| *order != written);
        return all;
    }
    (0..seeded)
        .map(|case| Random::new(count as u64, case as u64).order(count))
        .filter(|order| *order != written)
        .collect()
}

fn permutations(order: &mut [usize], from: usize, all: &mut Vec<Vec<usize>>) {
    if from == order.len() {
        all.push(order.to_vec());
        return;
    }
    for at in from..order.len() {
        order.swap(from, at);
        permutations(order, from + 1, all);
        order.swap(from, at);
    }
}

/// The text with other declarations at the places of these.
pub(crate) fn arranged(text: &str, spans: &[Span], order: &[usize]) -> String {
    let slice = |span: &Span| &text[span.start as usize..span.end as usize];
    let mut out = String::new();
    let mut end = 0;
    for (place, from) in spans.iter().zip(order) {
        out.push_str(&text[end..place.start as usize]);
        out.push_str(slice(&spans[*from]));
        end = place.end as usize;
    }
    out.push_str(&text[end..]);
    out
}

/// What came of the orders.
#[derive(Debug, Default)]
pub struct Orders {
    /// Files of archives that were put in other orders.
    pub files: usize,
    /// Orders in all.
    pub orders: usize,
    /// Orders in which both sides agree as well as in the written one.
    pub agreeing: usize,
    /// The others: archive, number of the order, how it differs.
    pub differing: Vec<(String, usize, String)>,
    /// Files that differ in the written order: of these, only what is graver counts.
    pub differing_as_written: usize,
}

impl Orders {
    /// Judges an archive's orders by a function that compares both sides' answers to a text: how
    /// grave the difference is, and what it is.
    pub fn add<V: Ord + Default>(
        &mut self,
        name: &str,
        text: &str,
        mut judge: impl FnMut(&str) -> io::Result<(V, String)>,
    ) -> io::Result<()> {
        let texts = reordered(text, SEEDED);
        if texts.is_empty() {
            return Ok(());
        }
        let (written, _) = judge(text)?;
        self.files += 1;
        self.differing_as_written += usize::from(written > V::default());
        for (at, text) in texts.iter().enumerate() {
            let (verdict, detail) = judge(text)?;
            self.orders += 1;
            if verdict <= written {
                self.agreeing += 1;
            } else {
                self.differing.push((name.to_owned(), at, detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Orders, reordered};

    #[test]
    fn few_declarations_are_put_in_all_orders() {
        let texts = reordered(
            "import \"list\"\n\na: 1\nb: {x: 2} @z()\nc: list.Max([a])\n",
            24,
        );
        assert_eq!(texts.len(), 5);
        assert!(
            texts.contains(
                &"import \"list\"\n\nc: list.Max([a])\na: 1\nb: {x: 2} @z()\n".to_owned()
            )
        );
        let many = "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n";
        assert_eq!(reordered(many, 24).len(), 24);
    }

    #[test]
    fn marked_structs_are_put_in_other_orders_too() {
        let texts = reordered("a: {\n\tx: 1\n\ty: 2\n\t@test(permute)\n}\n", 24);
        assert_eq!(texts, ["a: {\n\ty: 2\n\tx: 1\n\t@test(permute)\n}\n"]);
    }

    #[test]
    fn an_order_that_matters_to_one_side_is_found() {
        let mut orders = Orders::default();
        // As if the sides differed wherever `b` stands first.
        let judge = |text: &str| Ok((u8::from(text.starts_with('b')), String::new()));
        orders.add("t", "a: 1\nb: 2\n", judge).unwrap();
        assert_eq!((orders.orders, orders.agreeing), (1, 0));
        assert_eq!(orders.differing.len(), 1);
    }
}
