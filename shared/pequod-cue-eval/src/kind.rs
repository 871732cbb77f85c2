//! Sets of types, labels, and what a field says about its presence.

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr};

/// A set of types. Unification of types is intersection, disjunction is union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// No type: an error.
    pub const BOTTOM: Self = Self(0);
    /// `null`
    pub const NULL: Self = Self(1);
    /// `bool`
    pub const BOOL: Self = Self(1 << 1);
    /// `int`
    pub const INT: Self = Self(1 << 2);
    /// `float`
    pub const FLOAT: Self = Self(1 << 3);
    /// `string`
    pub const STRING: Self = Self(1 << 4);
    /// `bytes`
    pub const BYTES: Self = Self(1 << 5);
    /// A builtin function.
    pub const FUNC: Self = Self(1 << 6);
    /// Lists.
    pub const LIST: Self = Self(1 << 7);
    /// Structs.
    pub const STRUCT: Self = Self(1 << 8);
    /// `number`
    pub const NUMBER: Self = Self(Self::INT.0 | Self::FLOAT.0);
    /// Structs and lists.
    pub const COMPOSITE: Self = Self(Self::LIST.0 | Self::STRUCT.0);
    /// `_`
    pub const TOP: Self = Self((1 << 9) - 1);

    /// Whether the two share a type.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no type is left.
    pub const fn is_bottom(self) -> bool {
        self.0 == 0
    }

    /// The types of this one that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitAnd for Kind {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitAndAssign for Kind {
    fn bitand_assign(&mut self, other: Self) {
        self.0 &= other.0;
    }
}

impl BitOr for Kind {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BOTTOM => return f.write_str("_|_"),
            Self::TOP => return f.write_str("_"),
            Self::NUMBER => return f.write_str("number"),
            _ => {}
        }
        let names = [
            (Self::NULL, "null"),
            (Self::BOOL, "bool"),
            (Self::INT, "int"),
            (Self::FLOAT, "float"),
            (Self::STRING, "string"),
            (Self::BYTES, "bytes"),
            (Self::FUNC, "func"),
            (Self::LIST, "list"),
            (Self::STRUCT, "struct"),
        ];
        // The two together have a name of their own, which stands last.
        let number = self.0 & Self::NUMBER.0 == Self::NUMBER.0;
        let mut left = if number {
            self.without(Self::NUMBER)
        } else {
            *self
        };
        let mut parts = Vec::new();
        for (kind, name) in names {
            if left.0 & kind.0 == kind.0 {
                parts.push(name);
                left = left.without(kind);
            }
        }
        if number {
            parts.push("number");
        }
        match parts.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "({})", many.join("|")),
        }
    }
}

/// The name of a field or the index of an element, in four bytes: kind and index into the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(u32);

/// The kinds of label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    /// `a`, `"a b"`
    Regular,
    /// An element of a list.
    Index,
    /// `#a`
    Definition,
    /// `_a`
    Hidden,
    /// `_#a`
    HiddenDefinition,
    /// A `let`; each clause has a label of its own.
    Let,
    /// No label at all.
    None,
}

impl Label {
    /// No label.
    pub const NONE: Self = Self(6 << 29);
    /// `_` as in `a._`, which no field is called.
    pub const BLANK: Self = Self(6 << 29 | 1);
    const MASK: u32 = (1 << 29) - 1;

    /// A label of a kind; the index is that of the name (or the element).
    pub const fn new(kind: LabelKind, index: u32) -> Self {
        Self(((kind as u32) << 29) | (index & Self::MASK))
    }

    /// As a number.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Which kind of label.
    pub const fn kind(self) -> LabelKind {
        match self.0 >> 29 {
            0 => LabelKind::Regular,
            1 => LabelKind::Index,
            2 => LabelKind::Definition,
            3 => LabelKind::Hidden,
            4 => LabelKind::HiddenDefinition,
            5 => LabelKind::Let,
            _ => LabelKind::None,
        }
    }

    /// The index of the name, or the element's.
    pub const fn index(self) -> u32 {
        self.0 & Self::MASK
    }

    /// A name that is output: `a`.
    pub const fn is_string(self) -> bool {
        matches!(self.kind(), LabelKind::Regular)
    }

    /// An element.
    pub const fn is_index(self) -> bool {
        matches!(self.kind(), LabelKind::Index)
    }

    /// A name that is output, or an element.
    pub const fn is_regular(self) -> bool {
        matches!(self.kind(), LabelKind::Regular | LabelKind::Index)
    }

    /// `#a` or `_#a`.
    pub const fn is_definition(self) -> bool {
        matches!(
            self.kind(),
            LabelKind::Definition | LabelKind::HiddenDefinition
        )
    }

    /// A `let`.
    pub const fn is_let(self) -> bool {
        matches!(self.kind(), LabelKind::Let)
    }

    /// Allowed in every closed struct: everything that is not output.
    pub const fn is_always_allowed(self) -> bool {
        !self.is_regular() && self.0 != Self::BLANK.0
    }
}

/// What is known about a field's presence. Lower wins when two meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// `a: x`
    Member,
    /// `a!: x`
    Required,
    /// `a?: x`
    Optional,
    /// Somebody asked for it, or a comprehension may still bring it.
    Pending,
    /// It will never be there.
    Absent,
}
