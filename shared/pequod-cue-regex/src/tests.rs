//! Behaviour against tables that were made with Go (`testdata/`), and properties.

use proptest::prelude::*;

use super::{Regex, quote_meta};

/// `accept<TAB>expression<TAB>text<TAB>spans of the first match and its groups`, or
/// `reject<TAB>expression<TAB>message`; texts are JSON strings' insides.
const CASES: &str = include_str!("../testdata/go.tsv");

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(other) => plain.push(other),
                None => {}
            },
            _ => plain.push(character),
        }
    }
    plain
}

/// The groups of the first match, of both engines.
fn searched_twice(regex: &Regex, text: &str) -> Option<super::Groups> {
    let groups = regex.captures(text);
    regex.is_match(&"x".repeat(super::MUCH_TEXT));
    assert_eq!(
        regex.captures(text),
        groups,
        "after much text: {}",
        regex.as_str()
    );
    assert!(regex.automaton.engine.get().is_some());
    groups
}

#[test]
fn agrees_with_go_on_every_case() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in CASES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        count += 1;
        let columns: Vec<&str> = line.split('\t').collect();
        let expression = unescape(columns[1]);
        let ours = match Regex::new(&expression) {
            Err(error) => format!("reject {error}"),
            Ok(_) if columns[0] == "reject" => "accept".to_owned(),
            Ok(regex) => match searched_twice(&regex, &unescape(columns[2])) {
                None => "accept none".to_owned(),
                Some(groups) => {
                    let spans: Vec<String> = groups
                        .iter()
                        .map(|span| {
                            span.as_ref().map_or("-".to_owned(), |span| {
                                format!("{}:{}", span.start, span.end)
                            })
                        })
                        .collect();
                    format!("accept {}", spans.join(" "))
                }
            },
        };
        let official = match columns[0] {
            "reject" => format!("reject {}", unescape(columns[2])),
            _ => format!("accept {}", columns[3]),
        };
        if ours != official {
            wrong.push(format!("{expression:?}: ours {ours}, Go {official}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 150, "the table is complete: {count}");
}

#[test]
fn group_names_come_by_number() {
    let regex = Regex::new(r"(a)(?P<second>b)(?<third>c)").unwrap();
    let names: Vec<_> = regex.group_names().collect();
    assert_eq!(names, [None, None, Some("second"), Some("third")]);
}

#[test]
fn empty_matches_do_not_touch_the_match_before() {
    let regex = Regex::new("a*").unwrap();
    let found: Vec<_> = regex.find_all("baaac").collect();
    assert_eq!(found, [0..0, 1..4, 5..5]);
}

#[test]
fn a_program_over_its_size_limit_is_refused() {
    let error = Regex::new(r"\pL{1000}\pL{1000}\pL{1000}").unwrap_err();
    assert_eq!(error.kind(), super::ErrorKind::TooLarge);
}

proptest! {
    #[test]
    fn never_panics(text in r"[\PC\n\\(){}\[\]*+?|^$.,:<>P0-9a-zQE-]{0,40}") {
        if let Ok(regex) = Regex::new(&text) {
            let _ = regex.is_match(&text);
        }
    }

    #[test]
    fn a_quoted_text_matches_itself_whole(text in r"\PC{0,20}") {
        let regex = Regex::new(&quote_meta(&text)).unwrap();
        prop_assert_eq!(regex.find(&text), Some(0..text.len()));
    }
}

#[test]
fn the_work_of_a_search_is_by_text_program_and_groups() {
    let small = Regex::new("^[a-z]+$").unwrap();
    assert_eq!(small.work(63, false), 0, "names are searched for nothing");
    assert_eq!(small.work(640, false), 10);
    // Some thousand states, each of which may be alive at every byte.
    let large = Regex::new("(a|b)*a(a|b){900}").unwrap();
    assert!(large.work(640, false) > 1000 * small.work(640, false));
    let groups = Regex::new(&"(a)?".repeat(100)).unwrap();
    assert!(groups.work(640, true) > 20 * groups.work(640, false));
    assert!(small.work_of_all(1 << 20, false) > 1 << 30);
}
