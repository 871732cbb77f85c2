//! How every part of Pequod reports a problem.
//!
//! A [`Diagnostic`] says *what* is wrong (a sentence naming the value), *where* (a place in a text
//! or a path in a document), *which kind* of problem it is (a stable [`Code`]) and *what to do*
//! (a hint, where there is one). It is plain data: a command prints it for people or as JSON, the
//! webhook puts it into an admission `Status`, and a controller into a condition.
//!
//! Only codes steer control flow; texts are for people and may change.

mod diagnostic;
mod exit;
mod path;
mod render;
mod secret;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Label, Place, Severity};
pub use exit::Exit;
pub use path::{Path, Step};
pub use render::{Style, render};
pub use secret::Secret;
