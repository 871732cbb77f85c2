//! Go-syntax regular expressions, as CUE uses them.
//!
//! CUE's `=~` and its `regexp` package take the syntax of Go's `regexp/syntax` in its Perl mode
//! (<https://pkg.go.dev/regexp/syntax>). The engines of `regex-automata` have the same matching rules
//! (leftmost-first, linear time) but the usual front-end of Rust reads another language: it takes `a**`,
//! `(?x)` and `[a&&b]`, and its `\d` knows all of Unicode. So the text is parsed here, by Go's rules, into the
//! engine's high-level form.
//!
//! * `parse`: the grammar, one function per production;
//! * `class`: what stands in brackets and after `\p`;
//! * [`Error`]: Go's texts, since CUE shows them to people.
//!
//! Most expressions of a schema see a few short texts. An automaton that is fast on long ones takes longer to build than
//! those take to search, so it is built only when a good deal of text has come; the engine before it needs no more than
//! the program of states. Both give the same answers.
//!
//! Differences that are known: the Unicode tables are those of `regex-syntax`, which may be a version apart from
//! those of a given Go release.
//!
//! ```
//! use pequod_cue_regex::Regex;
//!
//! let name = Regex::new("^[a-z]+$")?;
//! assert!(name.is_match("web"));
//! assert!(!name.is_match("web\n"));
//! assert_eq!(
//!     Regex::new("a**").unwrap_err().to_string(),
//!     "error parsing regexp: invalid nested repetition operator: `**`"
//! );
//! # Ok::<(), pequod_cue_regex::Error>(())
//! ```

mod class;
mod error;
mod parse;
mod quote;

pub use error::{Error, ErrorKind};
pub use quote::quote_meta;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use regex_automata::Input;
use regex_automata::meta;

/// The most memory that a compiled program may take, in bytes.
const PROGRAM_SIZE_LIMIT: usize = 16 << 20;

/// From what size on a program is taken to be searched state by state, in bytes.
const LARGE_PROGRAM: u64 = 32 << 10;

/// After how many bytes of text the automaton is built. A text counts for some bytes by itself, as a search does.
const MUCH_TEXT: usize = 4096;
const A_SEARCH: usize = 16;

/// A compiled regular expression. Cheap to clone, and safe to share between threads.
#[derive(Debug, Clone)]
pub struct Regex {
    source: Arc<str>,
    names: Arc<[Option<String>]>,
    engine: meta::Regex,
    automaton: Arc<Automaton>,
}

/// The engine for much text.
#[derive(Debug, Default)]
struct Automaton {
    searched: AtomicUsize,
    engine: OnceLock<meta::Regex>,
}

/// Where the groups of one match lie, group 0 being the whole; `None` for a group that took no part.
pub type Groups = Vec<Option<Range<usize>>>;

impl Regex {
    /// Compiles a text.
    ///
    /// # Errors
    /// [`ErrorKind`] lists what can be wrong with one; the messages are Go's.
    pub fn new(source: &str) -> Result<Self, Error> {
        let (hir, names) = parse::parse(source)?;
        let simple = config()
            .auto_prefilter(false)
            .onepass(false)
            .hybrid(false)
            .dfa(false);
        let engine = meta::Builder::new()
            .configure(simple)
            .build_from_hir(&hir)
            .map_err(|_| Error::new(ErrorKind::TooLarge, source))?;
        Ok(Self {
            source: source.into(),
            names: names.into(),
            engine,
            automaton: Arc::default(),
        })
    }

    /// The engine to search a text with.
    fn engine(&self, text: &str) -> &meta::Regex {
        let automaton = &*self.automaton;
        if let Some(engine) = automaton.engine.get() {
            return engine;
        }
        let bytes = text.len().saturating_add(A_SEARCH);
        let searched = automaton.searched.fetch_add(bytes, Ordering::Relaxed);
        if searched.saturating_add(bytes) <= MUCH_TEXT {
            return &self.engine;
        }
        automaton.engine.get_or_init(|| {
            let hir = parse::parse(&self.source).ok().map(|(hir, _)| hir);
            let built = hir.and_then(|hir| {
                let mut builder = meta::Builder::new();
                builder.configure(config()).build_from_hir(&hir).ok()
            });
            // An automaton that is too large is done without.
            built.unwrap_or_else(|| self.engine.clone())
        })
    }

    /// The text it was compiled from.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// How much memory its program takes, in bytes: what compiling it cost.
    pub fn size(&self) -> usize {
        self.engine.memory_usage()
    }

    /// What a search in so many bytes may take, in units of about 50 ns. A program of many states can be about as many of
    /// them at every byte, and then remembers the groups of each; a small one is nearly always an automaton after some text.
    pub fn work(&self, bytes: usize, groups: bool) -> u64 {
        let (bytes, size) = (bytes as u64, self.size() as u64);
        let search = if size < LARGE_PROGRAM {
            (bytes / 64).saturating_mul(1 + size / 8192)
        } else {
            bytes.saturating_mul(size / 1024)
        };
        let groups = if groups { self.names.len() as u64 } else { 0 };
        search.saturating_mul(1 + groups / 4)
    }

    /// The same of all matches. To look for the end of each may lead to the end of the text.
    pub fn work_of_all(&self, bytes: usize, groups: bool) -> u64 {
        let again = (bytes as u64).saturating_mul(bytes as u64) / 1024;
        self.work(bytes, groups).saturating_add(again)
    }

    /// Whether it matches anywhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.engine(text).is_match(text)
    }

    /// Where it matches first.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.engine(text).find(text).map(|found| found.range())
    }

    /// Where it matches, from left to right and not overlapping; an empty match does not touch the match before it.
    pub fn find_all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        self.engine(text).find_iter(text).map(|found| found.range())
    }

    /// The groups of the first match.
    pub fn captures(&self, text: &str) -> Option<Groups> {
        let engine = self.engine(text);
        let mut captures = engine.create_captures();
        engine.captures(Input::new(text), &mut captures);
        captures.is_match().then(|| groups(&captures))
    }

    /// The groups of every match.
    pub fn captures_all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Groups> + 't {
        self.engine(text)
            .captures_iter(text)
            .map(|captures| groups(&captures))
    }

    /// The names of the groups by number; group 0 and unnamed groups have none.
    pub fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.names.iter().map(Option::as_deref)
    }
}

fn config() -> meta::Config {
    meta::Config::new().nfa_size_limit(Some(PROGRAM_SIZE_LIMIT))
}

/// Two expressions are equal when their texts are.
impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Regex {}

fn groups(captures: &regex_automata::util::captures::Captures) -> Groups {
    captures
        .iter()
        .map(|span| span.map(|span| span.range()))
        .collect()
}

#[cfg(test)]
mod tests;
