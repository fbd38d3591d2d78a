//! Logs of others, compared with what another renderer made of them. They are no part of this repository: each stands
//! in `../shared/corpora/logs` as `NAME.raw` beside `NAME.rendered.html`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use super::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A visible character: how it looks (as the names of ours), and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    c: char,
    look: Vec<String>,
    link: Option<String>,
}

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/logs");
    if !folder.is_dir() {
        println!("NOT RUN here: logs of the corpus: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path, ending: &str) -> BTreeMap<String, Vec<u8>> {
    let of = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        Some((name, std::fs::read(&path).unwrap()))
    };
    let found: BTreeMap<_, _> =
        std::fs::read_dir(folder).unwrap().filter_map(|entry| of(entry.unwrap().path())).collect();
    assert!(!found.is_empty(), "{} holds no *{ending}", folder.display());
    found
}

/// What we make of a log.
fn ours(log: &[u8]) -> Vec<Vec<Seen>> {
    let mut terminal = Terminal::default();
    let mut rows = BTreeMap::new();
    let lines = log.strip_suffix(b"\n").unwrap_or(log).split(|byte| *byte == b'\n');
    for (number, line) in (1..).zip(lines) {
        let written = terminal.lines(Place { number, offset: number }, line);
        rows.extend(written.into_iter().map(|(place, shown)| (place.number, seen(&shown.html, our_look))));
    }
    rows.into_values().collect()
}

/// What the other renderer made of it. It shows times that Buildkite's agent wrote between the lines' sequences, and
/// keeps empty lines by a space.
fn theirs(html: &str) -> Vec<Vec<Seen>> {
    let line = |line: &str| {
        let line = match line.strip_prefix("<time") {
            Some(rest) => rest.split_once("</time>").unwrap().1,
            None => line,
        };
        if line == "&nbsp;" { vec![] } else { seen(line, their_look) }
    };
    html.trim_end_matches('\n').split('\n').map(line).collect()
}

/// Takes a line of HTML apart; trailing blanks that look like nothing are not seen.
fn seen(html: &str, look: fn(&str) -> Option<String>) -> Vec<Seen> {
    let (mut cells, mut looks, mut link, mut rest) = (vec![], Vec::<Vec<String>>::new(), None, html);
    while let Some(c) = rest.chars().next() {
        if let Some(tag) = rest.strip_prefix('<') {
            let (tag, after) = tag.split_once('>').unwrap();
            let value =
                |name: &str| tag.split_once(&format!("{name}=\"")).map(|(_, v)| v.split('"').next().unwrap());
            match tag.split(' ').next().unwrap() {
                "span" => looks.push(value("class").unwrap().split(' ').filter_map(look).collect()),
                "/span" => drop(looks.pop()),
                "a" => link = Some(plain(value("href").unwrap())),
                "/a" => link = None,
                other => panic!("<{other}>"),
            }
            rest = after;
            continue;
        }
        let (c, length) = match rest.split_once(';').filter(|_| c == '&') {
            Some((name, _)) => (plain(&format!("{name};")).chars().next().unwrap(), name.len() + 1),
            None => (c, c.len_utf8()),
        };
        let mut look: Vec<String> = looks.concat();
        look.sort();
        cells.push(Seen { c, look, link: link.clone() });
        rest = &rest[length..];
    }
    while cells
        .last()
        .is_some_and(|last: &Seen| last.c == ' ' && !last.look.iter().any(|look| look.starts_with('b')))
    {
        cells.pop();
    }
    // Spaces look the same in any ink and weight.
    for cell in cells.iter_mut().filter(|cell| cell.c == ' ') {
        cell.look.retain(|look| !look.starts_with('f') && look != "t1" && look != "t2" && look != "t3");
    }
    cells
}

fn plain(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#47;", "/"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (name, c)| text.replace(name, c))
}

fn our_look(class: &str) -> Option<String> {
    Some(class.to_owned())
}

/// Their names, as we call the same. Blinking is not shown by us.
fn their_look(class: &str) -> Option<String> {
    let name = class.strip_prefix("term-").unwrap();
    let sixteen = |rest: &str, first: u8| rest.parse::<u8>().unwrap() - first;
    Some(if let Some(number) = name.strip_prefix("fgx") {
        format!("f{number}")
    } else if let Some(number) = name.strip_prefix("bgx") {
        format!("b{number}")
    } else if let Some(number) = name.strip_prefix("fgi") {
        format!("f{}", sixteen(number, 90) + 8)
    } else if let Some(number) = name.strip_prefix("bgi") {
        format!("b{}", sixteen(number, 100) + 8)
    } else if let Some(number) = name.strip_prefix("bg") {
        format!("b{}", sixteen(number, 40))
    } else {
        match name.strip_prefix("fg").unwrap().parse::<u8>().unwrap() {
            5 => return None,
            number @ 0..=9 => format!("t{number}"),
            number => format!("f{}", number - 30),
        }
    })
}

fn text(line: &[Seen]) -> String {
    line.iter().map(|cell| cell.c).collect()
}

/// Where the two differ, on purpose: rows that only the other renderer has, and rows that only we have.
const DIFFER: [(&str, usize, usize); 4] = [
    // It keeps a row of a progress list that a terminal writes over.
    ("tth__buildah-build", 1, 0),
    // It breaks lines at 32,000 columns; ours end at COLUMNS_MAX, with a link to all bytes.
    ("tth__huge-line", 2, 1),
    // It makes rows below the last one when the cursor goes down; for us the screen ends there.
    ("tth__itermlinks", 3, 2),
    // It keeps each state of a bar that a program draws at rows of a screen.
    ("tth__pwsh", 16, 0),
];

#[test]
fn logs_of_the_corpus_look_as_another_renderer_shows_them() {
    let Some(folder) = corpus() else { return };
    let (raw, rendered) = (files(&folder, ".raw"), files(&folder, ".rendered.html"));
    let mut same = 0;
    for (name, html) in &rendered {
        let (mut ours, mut theirs) = (ours(&raw[name]), theirs(std::str::from_utf8(html).unwrap()));
        for rows in [&mut ours, &mut theirs] {
            let last = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
            rows.truncate(last);
        }
        let differs = DIFFER.iter().find(|(other, ..)| other == name);
        let Some((_, only_theirs, only_ours)) = differs else {
            for (number, (our, their)) in ours.iter().zip(&theirs).enumerate() {
                assert_eq!(our, their, "{name}, row {}: {:?}", number + 1, text(our));
            }
            assert_eq!(ours.len(), theirs.len(), "rows of {name}");
            same += 1;
            continue;
        };
        let (theirs, ours) = (without(&theirs, &ours), without(&ours, &theirs));
        assert_eq!((theirs.len(), ours.len()), (*only_theirs, *only_ours), "{name}: {theirs:#?} {ours:#?}");
    }
    println!("{same} logs look the same, {} differ where they are meant to", DIFFER.len());
}

/// Texts of the rows that others do not have, each as often as it is missing there.
fn without(rows: &[Vec<Seen>], others: &[Vec<Seen>]) -> Vec<String> {
    let mut others: Vec<&Vec<Seen>> = others.iter().collect();
    let mut left = vec![];
    for row in rows.iter().filter(|row| !row.is_empty()) {
        match others.iter().position(|other| *other == row) {
            Some(at) => drop(others.swap_remove(at)),
            None => left.push(text(row).chars().take(80).collect()),
        }
    }
    left
}

#[test]
fn every_log_of_the_corpus_is_text_between_our_own_tags() {
    let Some(folder) = corpus() else { return };
    let mut looked_at = 0;
    for (name, log) in files(&folder, ".raw").into_iter().chain(files(&folder, ".log")) {
        let mut terminal = Terminal::default();
        for (number, line) in (1..).zip(log.split(|byte| *byte == b'\n')) {
            for (_, shown) in terminal.lines(Place { number, offset: 0 }, line) {
                assert_eq!(super::tests::text_of(&shown.html), shown.text, "{name}");
            }
            let plain = line.strip_suffix(b"\r").unwrap_or(line);
            let is_plain = plain.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
            if is_plain && plain.len() < COLUMNS_MAX {
                assert_eq!(Terminal::default().line(line).text.as_bytes(), plain, "{name}");
            }
        }
        looked_at += 1;
    }
    assert!(looked_at >= 20, "{looked_at} logs");
}

#[test]
fn logs_that_were_made_for_a_feature_show_it() {
    let Some(folder) = corpus() else { return };
    let logs = files(&folder, ".log");
    let page = |name: &str| -> String {
        let mut terminal = Terminal::default();
        let lines = logs[name].split(|byte| *byte == b'\n');
        lines.map(|line| terminal.line(line).html + "\n").collect()
    };
    assert!(
        !page("made__html-injection").contains("<script") && page("made__html-injection").contains("&lt;")
    );
    assert!(page("made__invalid-utf8").contains('\u{fffd}') && page("made__latin1").contains('\u{fffd}'));
    assert!(
        page("made__truecolour-hyperlink").contains("<a rel=\"nofollow noopener noreferrer\" href=\"http")
    );
    assert!(page("made__truecolour-hyperlink").contains("<span class=\"f"));
    // Notes of Jenkins are concealed.
    assert!(page("jenkins__testlog").len() < logs["jenkins__testlog"].len());
}
