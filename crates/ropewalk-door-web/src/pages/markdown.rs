//! Notes: markdown of a stranger as harmless HTML.

use askama::filters::HtmlSafe;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, html};
use std::fmt;

/// HTML that was made here.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(String);

impl HtmlSafe for Note {}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Raw HTML becomes text, pictures become their descriptions, links lead to pages or mail addresses only, and headings
/// become strong lines, so that the page keeps its own.
pub(super) fn render(markdown: &str) -> Note {
    let events = Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH).filter_map(harmless);
    let mut text = String::new();
    html::push_html(&mut text, events);
    Note(text)
}

/// The words of one line, without its marks; the line as it is if it has marks only.
pub(super) fn words(line: &str) -> String {
    let text = Parser::new_ext(line, Options::ENABLE_STRIKETHROUGH).filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
            Some(text.into_string())
        }
        _ => None,
    });
    let text: String = text.collect();
    let words = if text.trim().is_empty() { line } else { &text };
    words.trim().to_string()
}

fn harmless(event: Event<'_>) -> Option<Event<'_>> {
    Some(match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Heading { .. }) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let is_mail = link_type == LinkType::Email;
            let dest_url = if is_mail || is_safe(&dest_url) { dest_url } else { "#".into() };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        event => event,
    })
}

/// Web, mail, or an address of this server.
fn is_safe(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    let is_own = address.starts_with('/') && !address.starts_with("//") && !address.contains('\\');
    is_own || ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_read_without_its_marks() {
        assert_eq!(words("Resubmission of build [#1](/~ann/job/1)"), "Resubmission of build #1");
        assert_eq!(words("# Parser: *accept* `a<b>`"), "Parser: accept a<b>");
        assert_eq!(words("a <b>c</b> & d"), "a <b>c</b> & d");
        assert_eq!(words(" --- "), "---");
    }

    fn html(markdown: &str) -> String {
        render(markdown).to_string().trim().to_string()
    }

    #[test]
    fn notes_may_be_marked_up() {
        assert_eq!(
            html("Resubmission of build [#3](/~ann/job/3)"),
            "<p>Resubmission of build <a href=\"/~ann/job/3\">#3</a></p>"
        );
        assert_eq!(html("*a* **b** `c`"), "<p><em>a</em> <strong>b</strong> <code>c</code></p>");
        assert_eq!(html("# big"), "<p>big</p>");
    }

    #[test]
    fn a_strangers_note_runs_nothing_and_loads_nothing() {
        assert_eq!(html("<script>x</script>"), "<p>&lt;script&gt;x&lt;/script&gt;</p>");
        assert_eq!(html("a <b onclick=x>b</b>"), "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>");
        assert_eq!(html("![alt](http://evil/x.png)"), "<p>alt</p>");
        for address in
            ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "//evil", "/\\evil", "vbscript:x"]
        {
            assert!(html(&format!("[a]({address})")).contains("href=\"#\""), "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_note_makes_a_tag_of_its_own(text in "[a-z<>\"'\\[\\]()!#*`:/ =\n]{0,80}") {
            let html = html(&text);
            for tag in html.split('<').skip(1) {
                let name: String = tag.trim_start_matches('/').chars().take_while(|c| c.is_alphanumeric()).collect();
                let known = ["p", "a", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "del"];
                prop_assert!(known.contains(&name.as_str()), "{}", html);
            }
        }
    }
}
