//! The terminal by example and by property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::prelude::*;

fn html(line: &str) -> String {
    Terminal::default().line(line.as_bytes()).html
}

fn text(line: &[u8]) -> String {
    Terminal::default().line(line).text
}

#[test]
fn colours_are_classes() {
    assert_eq!(html("a\x1b[31mb\x1b[0mc"), r#"a<span class="f1">b</span>c"#);
    assert_eq!(html("\x1b[1;92;44mx"), r#"<span class="f10 b4 t1">x</span>"#);
    assert_eq!(html("\x1b[38;5;208mx"), r#"<span class="f208">x</span>"#);
    assert_eq!(html("\x1b[38;2;255;0;0mx\x1b[39my"), r#"<span class="f196">x</span>y"#);
    assert_eq!(html("\x1b[38:2::255:0:0mx"), r#"<span class="f196">x</span>"#);
    assert_eq!(html("\x1b[48:5:17mx"), r#"<span class="b17">x</span>"#);
    assert_eq!(html("\x1b[3;4;9;2mx\x1b[22;23;24;29my"), r#"<span class="t2 t3 t4 t9">x</span>y"#);
    assert_eq!(html("\x1b[7mx"), r#"<span class="b7">x</span>"#);
    assert_eq!(html("\x1b[38;5mx\x1b[38;9mx\x1b[38;5;999mx\x1b[999mx"), "xxxx");
    assert_eq!(html("\x1b[mx\x1b[;mx"), "xx");
}

#[test]
fn ink_that_cannot_be_read_on_its_paper_is_the_pages_own() {
    assert_eq!(html("\x1b[30;40mx"), r#"<span class="b0">x</span>"#);
    assert_eq!(html("\x1b[97;44mx"), r#"<span class="f15 b4">x</span>"#);
}

#[test]
fn a_style_goes_on_in_the_next_line() {
    let mut terminal = Terminal::default();
    assert_eq!(terminal.line(b"\x1b[32ma").html, r#"<span class="f2">a</span>"#);
    assert_eq!(terminal.line(b"b\x1b[0m").html, r#"<span class="f2">b</span>"#);
    assert_eq!(terminal.line(b"c").html, "c");
}

#[test]
fn a_line_is_written_over_after_a_carriage_return() {
    assert_eq!(text(b" 10%\r 50%\r100%"), "100%");
    assert_eq!(text(b"long line\rnew"), "newg line");
    assert_eq!(text(b"long line\r\x1b[Knew"), "new");
    assert_eq!(text(b"windows\r"), "windows");
    assert_eq!(text(b"abc\x08\x08X"), "aXc");
}

#[test]
fn the_cursor_moves_within_the_line() {
    assert_eq!(text(b"ab\x1b[3Cc"), "ab   c");
    assert_eq!(text(b"abc\x1b[2Dx"), "axc");
    assert_eq!(text(b"abc\x1b[1Gx"), "xbc");
    assert_eq!(text(b"abcdef\x1b[3G\x1b[2P"), "abef");
    assert_eq!(text(b"abc\x1b[2G\x1b[2@"), "a  bc");
    assert_eq!(text(b"abcd\x1b[2G\x1b[2X"), "a  d");
    assert_eq!(text(b"abc\x1b[2G\x1b[1Kx"), " xc");
    assert_eq!(text(b"a\x1b7bc\x1b8X"), "aXc");
    assert_eq!(text(b"a\x1b[sbc\x1b[uX"), "aXc");
    assert_eq!(text(b"up\x1b[5A and down\x1b[2B"), "up and down");
}

/// What a terminal shows of a log: numbers of the lines that made the rows, and texts.
fn screen(log: &str) -> Vec<(u64, String)> {
    let mut terminal = Terminal::default();
    let mut rows = std::collections::BTreeMap::new();
    for (at, line) in log.split('\n').enumerate() {
        let place = Place { number: at as u64 + 1, offset: at as u64 * 100 };
        rows.extend(
            terminal
                .lines(place, line.as_bytes())
                .into_iter()
                .map(|(place, shown)| (place.number, shown.text)),
        );
    }
    rows.into_iter().collect()
}

#[test]
fn the_cursor_moves_among_the_last_lines() {
    let rows =
        |of: &[(u64, &str)]| of.iter().map(|(number, text)| (*number, text.to_string())).collect::<Vec<_>>();
    // A list of downloads that is written over and over takes the numbers of its first lines.
    assert_eq!(
        screen("a 1%\nb 1%\n\x1b[2A\x1b[Ja 9%\nb 9%\nend"),
        rows(&[(1, "a 9%"), (2, "b 9%"), (5, "end")])
    );
    assert_eq!(screen("a\nb\n\x1b[2A\x1b[2K\rA\x1b[1EB\x1b[B\rc"), rows(&[(1, "A"), (2, "B"), (3, "c")]));
    assert_eq!(screen("a\nb\x1b7\x1b[Ax\x1b8y"), rows(&[(1, "ax"), (2, "by")]));
    assert_eq!(screen("a\x1b[9A1\x1b[9B2"), rows(&[(1, "a12")]));
    assert_eq!(
        screen("kept\n\x1b[2J\x1b[Hclear"),
        rows(&[(1, "kept"), (2, "clear")]),
        "clear takes nothing away"
    );
    let far = format!("first\n{}\x1b[500A!", "x\n".repeat(ROWS_MAX + 10));
    assert_eq!(screen(&far)[0], (1, "first".into()));
}

#[test]
fn a_terminal_takes_bounded_memory() {
    let mut terminal = Terminal::default();
    let wide = vec![b'x'; COLUMNS_MAX];
    for number in 1..50 {
        terminal.lines(Place { number, offset: number }, &wide);
    }
    assert!(terminal.oldest().unwrap().number > 40, "{:?}", terminal.oldest());
}

#[test]
fn strings_for_applications_are_not_shown() {
    assert_eq!(text(b"\x1b_bk;t=1\x07a\x1b^x\x1b\\b\x1bXy\x07c"), "abc");
    assert_eq!(text(b"a\x1b_never ended"), "a");
}

#[test]
fn tabs_stay_at_the_end_and_move_elsewhere() {
    assert_eq!(text(b"a\tb"), "a\tb");
    assert_eq!(text(b"0123456789\r\tX"), "01234567X9");
}

#[test]
fn markup_in_a_log_is_text() {
    assert_eq!(
        html("<script>alert('1' & \"2\")</script>"),
        "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;"
    );
}

#[test]
fn links_go_to_pages_only() {
    let link = |address: &str| html(&format!("\x1b]8;;{address}\x1b\\here\x1b]8;;\x07 there"));
    assert_eq!(
        link("https://example.org/a;b?c=1&d=\"<"),
        "<a rel=\"nofollow noopener noreferrer\" href=\"https://example.org/a;b?c=1&amp;d=&quot;&lt;\">here</a> there"
    );
    for bad in
        ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x", "http://x y", "hTtp://x", ""]
    {
        assert_eq!(link(bad), "here there", "{bad}");
    }
    assert_eq!(link(&format!("http://{}", "x".repeat(3000))), "here there");
}

#[test]
fn a_line_of_a_mebibyte_is_cut_at_the_columns() {
    let long = [b"\x1b[31m".to_vec(), vec![b'x'; 1 << 20], b"\rstart".to_vec()].concat();
    let shown = Terminal::default().line(&long);
    assert_eq!(shown.text.len(), COLUMNS_MAX);
    assert!(shown.text.starts_with("startx"), "{}", &shown.text[..9]);
}

#[test]
fn other_sequences_vanish() {
    assert_eq!(text(b"a\x1b]0;title\x07b\x1b(Bc\x1bP1$r0m\x1b\\d\x07\0\x0ee"), "abcde");
    // One that is not ended does not swallow the next line.
    let mut terminal = Terminal::default();
    assert_eq!(terminal.line(b"a\x1b]0;title").text, "a");
    assert_eq!(terminal.line(b"b").text, "b");
}

#[test]
fn what_is_no_text_is_shown_as_such() {
    assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    assert_eq!(text(b"a\xc3"), "a\u{fffd}");
    assert_eq!(text("a\u{202e}b\u{2066}c".as_bytes()), "a\u{fffd}b\u{fffd}c");
    assert_eq!(text("grün \u{1f980}".as_bytes()), "grün \u{1f980}");
}

#[test]
fn concealed_text_is_not_shown() {
    assert_eq!(html("a\x1b[8mhidden\x1b[28mb"), "ab");
}

#[test]
fn a_line_has_so_many_columns_and_no_more() {
    assert_eq!(text(&vec![b'x'; 3 * COLUMNS_MAX]).len(), COLUMNS_MAX);
    assert!(text(b"\x1b[65535Cx\x1b[65535Cx\x1b[65535@y").chars().count() <= COLUMNS_MAX);
    let inserted = [&b"ab\r"[..], &b"\x1b[65535@".repeat(50)].concat();
    assert!(text(&inserted).len() <= COLUMNS_MAX);
}

/// Takes HTML of ours apart; panics at anything that is not text, our two tags, or well nested.
pub(super) fn text_of(html: &str) -> String {
    let (mut text, mut open, mut rest) = (String::new(), vec![], html);
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name.to_owned()), "{html}"),
            None => {
                let (name, attributes) = tag.split_once(' ').expect("attributes");
                let value = match name {
                    "span" => attributes.strip_prefix("class=\"").expect("a class"),
                    "a" => attributes
                        .strip_prefix("rel=\"nofollow noopener noreferrer\" href=\"http")
                        .expect("http"),
                    other => panic!("a tag <{other}>"),
                };
                assert_eq!(value.find('"'), Some(value.len() - 1), "{html}");
                open.push(name.to_owned());
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{html}");
    text.push_str(rest);
    let plain = ["&lt;", "<", "&gt;", ">", "&quot;", "\"", "&#39;", "'", "&amp;", "&"];
    plain.chunks(2).fold(text, |text, pair| text.replace(pair[0], pair[1]))
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~é\u{1f980}]{0,12}".prop_map(String::into_bytes),
        "\x1b\\[[0-9;:]{0,8}[@A-Za-z`]".prop_map(String::into_bytes),
        "\x1b\\]8;;https?://[a-z<\"'&;]{0,9}(\x07|\x1b\\\\)".prop_map(String::into_bytes),
        "[\r\t\x07\x08\x1b\\]]{1,3}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..9),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_is_text_between_our_own_tags(lines in prop::collection::vec(prop::collection::vec(piece(), 0..9), 1..5)) {
        let mut terminal = Terminal::default();
        for line in lines {
            let line = line.concat();
            let line = line.split(|byte| *byte == b'\n').next().unwrap();
            let shown = terminal.line(line);
            prop_assert_eq!(text_of(&shown.html), crate::visible::visible(&shown.text));
            prop_assert!(shown.text.chars().all(|c| c == '\t' || !is_misleading(c)));
            prop_assert!(shown.text.chars().count() <= COLUMNS_MAX);
        }
    }

    #[test]
    fn plain_text_stays_as_it_is(line in "[ -~\täöü€\u{1f980}]{0,80}") {
        prop_assert_eq!(text(line.as_bytes()), line.clone());
        prop_assert_eq!(text_of(&html(&line)), line);
    }
}
