//! Characters that nobody sees, or that turn the text around them.

use super::idle;
use super::visitor::Visitor;
use serde_json::json;

const TAG: &str = "main\u{202e}niam";
const NOTE: &str = "looks\u{200b}right \u{2066}and is not\u{2069}";
const HIDDEN: [char; 4] = ['\u{202e}', '\u{200b}', '\u{2066}', '\u{2069}'];

#[tokio::test]
async fn what_nobody_sees_is_shown_on_every_page_and_in_feeds() {
    let server = idle().await;
    let (client, token, visitor) = (server.client(), server.token(), Visitor::admin(&server).await);
    let manifest = "image: host\ntasks:\n  - a: 'true'\n";
    let body = json!({ "manifest": manifest, "tags": [TAG, "אבג"], "note": NOTE });
    assert_eq!(client.send("POST", "/api/n1/jobs", Some(&token), body).await.0, 201);
    let comment = json!({ "grants": "JOBS:RO", "comment": "for\u{202e}me" });
    assert_eq!(client.send("POST", "/api/n1/users/admin/tokens", Some(&token), comment).await.0, 201);

    let below = "/~admin/main%E2%80%AEniam";
    let settings = "/~admin/job/1/settings/details";
    let pages = [
        "/",
        "/-/jobs",
        "/-/jobs?q=main%E2%80%AEniam",
        "/~admin",
        below,
        "/~admin/job/1",
        settings,
        "/resubmit/1",
        "/~admin/job/1/log/setup?q=x%E2%80%AEy",
        "/-/tokens",
        "/submit?note=a%E2%80%AEb&tags=c%E2%80%AEd",
        "/~admin.svg?name=x%E2%80%AEy",
        "/~admin/rss.xml",
        &format!("{below}/rss.xml"),
        "/~nobody%E2%80%AE",
    ];
    for address in pages {
        let page = visitor.get(address).await;
        for hidden in HIDDEN {
            assert!(!page.text.contains(hidden), "{hidden:?} on {address}: {}", page.text);
        }
        let is_told = ["[U+202E]", "[U+200B]", "&#8238;"].iter().any(|shown| page.text.contains(shown));
        assert!(is_told || page.status == 404, "{address}: {}", page.text);
    }
    let job = visitor.get("/~admin/job/1").await;
    job.holds(&["main[U+202E]niam", "looks[U+200B]right [U+2066]and is not[U+2069]"]);
    // Hebrew stays, and does not turn the number behind it.
    job.holds(&["<bdi>אבג</bdi>"]);
    visitor.get("/-/jobs").await.holds(&["<bdi>main[U+202E]niam/אבג</bdi>"]);

    // A form that is sent back as it came changes nothing.
    let form = visitor.get(settings).await;
    form.holds(&["value=\"main&#8238;niam/אבג\""]);
    let tags = format!("{TAG}/אבג");
    let fields = [("key", form.key()), ("tags", tags), ("visibility", "PUBLIC".into())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(visitor.post(settings, &fields).await.status, 303);
    assert_eq!(server.json(&["show", "--json", "1"])["tags"], json!([TAG, "אבג"]));
}
