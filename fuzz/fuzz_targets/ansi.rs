//! Any bytes as lines of a log: text between tags of ours, in bounded memory.
#![no_main]

// By its file: the crate around it is large and slow to compile with these flags.
#[allow(dead_code, unused_imports, reason = "the style sheet is for pages")]
#[path = "../../crates/ropewalk-door-web/src/terminal/mod.rs"]
mod terminal;

#[allow(dead_code, reason = "half of it is for templates")]
#[path = "../../crates/ropewalk-door-web/src/visible.rs"]
mod visible;

use libfuzzer_sys::fuzz_target;
use terminal::{COLUMNS_MAX, Place, ROWS_MAX, Shown, Terminal};

fuzz_target!(|bytes: &[u8]| {
    let (mut alone, mut terminal) = (Terminal::default(), Terminal::default());
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        check(&alone.line(line));
        let rows = terminal.lines(Place { number, offset: 0 }, line);
        assert!(rows.len() <= ROWS_MAX + 1);
        assert!(rows.iter().all(|(place, _)| place.number <= number));
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "rows are in order");
        rows.iter().for_each(|(_, shown)| check(shown));
    }
});

fn check(shown: &Shown) {
    assert!(shown.text.chars().count() <= COLUMNS_MAX);
    let mut open = Vec::new();
    for tag in shown.html.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "a stray bracket");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.starts_with("span class=\"") => open.push("span"),
            None if tag.starts_with("a rel=\"nofollow noopener noreferrer\" href=\"http") => open.push("a"),
            None => panic!("<{tag}>"),
        }
    }
    assert!(open.is_empty());
}
