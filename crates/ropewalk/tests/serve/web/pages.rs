//! What people do all day.

use super::idle;
use super::visitor::Visitor;
use crate::server::{Engine, Server};

const MANIFEST: &str = "image: host\ntasks:\n  - hello: echo hello from the page\n  - fails: |\n      echo 'src/a.rs:1:2: error: it is wrong' >&2\n      exit 3\n  - never: 'true'\n";

async fn submitted(visitor: &Visitor, fields: &[(&str, &str)]) -> String {
    let page = visitor.submit("/submit", "/submit", fields).await;
    assert_eq!(page.status, 303, "{}", page.text);
    page.header("location").to_string()
}

#[tokio::test]
async fn a_manifest_is_submitted_and_its_failure_explained() {
    let server = Server::start(Engine::Sqlite).await;
    let visitor = Visitor::admin(&server).await;
    let fields =
        [("manifest", MANIFEST), ("note", "Try *this*"), ("tags", "demo/main"), ("visibility", "public")];
    let job = submitted(&visitor, &fields).await;
    assert_eq!(job, "/~admin/job/1");
    server.wait_for(1, "failed");
    let page = visitor.get(&job).await;
    page.holds(&[
        "<em>this</em>",
        "First error",
        "<span class=\"hit\">src/a.rs:1:2: error: it is wrong</span>",
        "exit code 3",
        "id=\"log.task-fails\"",
        "id=\"task-hello-2\"",
        "hello from the page",
        "not run",
        "Resubmit",
    ]);
    page.holds_not(&["Cancel</button>", "http-equiv"]);
    // Strangers see a public job, and can do nothing to it.
    let seen = Visitor::stranger(&server).get(&job).await;
    seen.holds(&["First error", "demo"]);
    seen.holds_not(&["Resubmit", "name=\"key\""]);
    visitor.get("/").await.holds(&["Failed lately", "demo/main"]);
    visitor.get("/~admin/job/1/manifest").await.holds(&["hello from the page"]);
    assert_eq!(visitor.get("/~nobody/job/1").await.status, 404);
}

#[tokio::test]
async fn a_waiting_job_says_why_and_is_cancelled() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let job = submitted(&visitor, &[("manifest", MANIFEST), ("visibility", "private")]).await;
    let page = visitor.get(&job).await;
    page.holds(&["It waits.", "No runner is here", "Cancel</button>", "Reload every 5 s"]);
    assert_eq!(Visitor::stranger(&server).get(&job).await.status, 404);
    visitor.get(&format!("{job}?refresh=5")).await.holds(&["http-equiv=\"refresh\" content=\"5\""]);
    visitor.get(&format!("{job}?refresh=1")).await.holds_not(&["http-equiv"]);
    let cancelled = visitor.submit(&job, "/cancel/1", &[]).await;
    assert_eq!((cancelled.status, cancelled.header("location")), (303, job.as_str()));
    visitor.get(&job).await.holds(&["cancelled"]);
    assert_eq!(visitor.submit(&job, "/cancel/1", &[]).await.status, 409);
}

#[tokio::test]
async fn a_job_is_held_then_started_then_submitted_again() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let job = submitted(&visitor, &[("manifest", MANIFEST), ("tags", "a/b"), ("go", "later")]).await;
    visitor.get(&job).await.holds(&["pending", "Start</button>"]);
    assert_eq!(visitor.submit(&job, "/-/start/1", &[]).await.status, 303);
    visitor.get(&job).await.holds(&["queued"]);
    let form = visitor.get("/resubmit/1").await;
    form.holds(&["Edit and resubmit", "hello from the page", "value=\"a/b\""]);
    let again = visitor.submit(&job, "/resubmit/1", &[]).await;
    assert_eq!(again.header("location"), "/~admin/job/2");
    visitor.get("/~admin/job/2").await.holds(&["Resubmission of build <a href=\"/~admin/job/1\">#1</a>"]);
}

#[tokio::test]
async fn a_copy_of_somebody_elses_job_gets_no_secrets() {
    const GIVEN: &str = "name=\"secrets\" value=\"1\" checked";
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let manifest = "image: host\noauth: JOBS:RO\ntasks: [{a: x}]\n";
    let fields = [("manifest", manifest), ("secrets", "1"), ("sent", "1"), ("visibility", "PUBLIC")];
    let job = submitted(&visitor, &fields).await;
    visitor.get("/resubmit/1").await.holds(&[GIVEN]);
    let other = Visitor::newcomer(&server, "ann").await;
    other.get("/resubmit/1").await.holds_not(&[GIVEN]);
    let again = other.submit(&job, "/resubmit/1", &[]).await;
    assert_eq!(again.header("location"), "/~ann/job/2");
    other.get("/resubmit/2").await.holds_not(&[GIVEN]);
    let again = visitor.submit(&job, "/resubmit/1", &[]).await;
    assert_eq!(again.header("location"), "/~admin/job/3");
    visitor.get("/resubmit/3").await.holds(&[GIVEN]);
}

#[tokio::test]
async fn srht_74_submit_is_prefilled_and_makes_the_job() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let link = "/submit?manifest=image%3A+host%0Atasks%3A+%5B%7Ba%3A+x%7D%5D&note=from+a+link&tags=x%2Fy";
    let form = visitor.get(link).await;
    form.holds(&["image: host", "from a link", "value=\"x/y\"", "What would run", "<b>a</b>"]);
    let fields = [
        ("key", form.key()),
        ("manifest", "image: host\r\ntasks: [{a: x}]\r\n".into()),
        ("note", "from a link".into()),
        ("visibility", "UNLISTED".into()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let made = visitor.post("/submit", &fields).await;
    assert_eq!((made.status, made.header("location")), (303, "/~admin/job/1"));
    assert_eq!(server.json(&["show", "--json", "1"])["note"], "from a link");
    let client = server.client();
    let manifest =
        client.request("GET", "/api/n1/jobs/1/manifest", Some(&server.token())).send().await.unwrap();
    assert_eq!(manifest.text().await.unwrap(), "image: host\ntasks: [{a: x}]\n");
    // Who has not logged in is led to where they can.
    let stranger = Visitor::stranger(&server).get(link).await;
    assert!(stranger.header("location").starts_with("/login?next=%2Fsubmit%3Fmanifest"), "{stranger:?}");
}

#[tokio::test]
async fn a_broken_manifest_is_explained_and_kept() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let broken = "image: host\ntasks:\n  - Not A Name: x\n";
    let page = visitor.submit("/submit", "/submit", &[("manifest", broken), ("note", "keep me")]).await;
    assert_eq!(page.status, 400);
    page.holds(&["1 error, 0 remarks", "line 3", "Not A Name: x", "keep me", "class=\"mk-bad\""]);
    let checked = visitor.submit("/submit", "/submit", &[("manifest", MANIFEST), ("go", "check")]).await;
    assert_eq!(checked.status, 200);
    checked.holds(&["What would run", "<b>never</b>"]);
    assert_eq!(
        visitor.submit("/submit", "/submit", &[("manifest", MANIFEST), ("visibility", "x")]).await.status,
        400
    );
    visitor.get("/-/jobs").await.holds(&["There are no jobs here yet."]);
}

#[tokio::test]
async fn jobs_are_found_by_what_people_type() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    for (tags, note, visibility) in
        [("slug/main", "Parser", "public"), ("slug/next", "Lexer", "private"), ("gannet", "Mail", "public")]
    {
        let fields = [("manifest", MANIFEST), ("tags", tags), ("note", note), ("visibility", visibility)];
        submitted(&visitor, &fields).await;
    }
    let finds = async |path: &str, yes: &[&str], no: &[&str]| {
        let page = visitor.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        page.holds(yes);
        page.holds_not(no);
    };
    finds("/-/jobs", &["slug/main", "slug/next", "gannet", ">Parser<"], &[]).await;
    finds("/-/jobs?q=parser", &["slug/main"], &["slug/next", "gannet"]).await;
    finds("/-/jobs?q=tags%3Aslug+!lexer", &["slug/main"], &["slug/next", "gannet"]).await;
    finds("/-/jobs?q=visibility%3Aprivate", &["slug/next"], &["slug/main"]).await;
    finds("/-/jobs?q=status%3Arunning", &["No job matches."], &["slug/main"]).await;
    finds("/-/jobs?q=x%3Ay", &["Invalid search key &#39;x&#39;"], &["slug/main"]).await;
    finds("/~admin", &["slug/main", "gannet"], &[]).await;
    finds("/~admin/slug", &["slug/main", "slug/next"], &["gannet"]).await;
    finds("/~admin/slug/main", &["slug/main"], &["slug/next"]).await;
    let stranger = Visitor::stranger(&server);
    stranger.get("/~admin").await.holds_not(&["slug/next"]);
    assert_eq!(stranger.get("/~nobody").await.status, 404);
}

#[tokio::test]
async fn long_lists_are_read_part_by_part() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    for n in 1..=30 {
        let tags = format!("n{n:02}");
        submitted(&visitor, &[("manifest", MANIFEST), ("tags", &tags)]).await;
    }
    let first = visitor.get("/-/jobs").await;
    first.holds(&[">n30<", ">n06<", "Older"]);
    first.holds_not(&[">n05<", "Newest</a>"]);
    let link = first.text.split("href=\"").find(|part| part.starts_with("/-/jobs?before=")).unwrap();
    let second = visitor.get(link.split('"').next().unwrap()).await;
    second.holds(&[">n05<", ">n01<", "Newest</a>"]);
    second.holds_not(&[">n06<", "Older</a>"]);
}

#[tokio::test]
async fn srht_72_badges_say_how_the_newest_job_went() {
    let server = Server::start(Engine::Sqlite).await;
    let visitor = Visitor::admin(&server).await;
    let stranger = Visitor::stranger(&server);
    let badge = async |path: &str| {
        let page = stranger.get(path).await;
        let kind = (page.header("content-type").to_string(), page.header("cache-control").to_string());
        assert_eq!(
            (page.status, kind.0.as_str(), kind.1.as_str()),
            (200, "image/svg+xml", "no-cache"),
            "{path}"
        );
        assert_eq!(page.header("cross-origin-resource-policy"), "cross-origin", "READMEs are on other sites");
        page
    };
    badge("/~admin/no/such.svg").await.holds(&[">unknown<", ">builds<"]);
    let good = "image: host\ntasks:\n  - a: 'true'\n";
    submitted(&visitor, &[("manifest", good), ("tags", "a/b"), ("visibility", "private")]).await;
    server.wait_for(1, "success");
    badge("/~admin/a/b.svg").await.holds(&[">success<"]);
    submitted(&visitor, &[("manifest", MANIFEST), ("tags", "c"), ("visibility", "private")]).await;
    server.wait_for(2, "failed");
    badge("/~admin.svg?name=<b>").await.holds(&[">failure<", "&lt;b&gt;"]);
    badge("/~admin/A.svg").await.holds(&[">success<"]);
    badge("/~admin/zzz.svg").await.holds(&[">unknown<"]);
    is_fetched_once(&stranger, "/~admin.svg", "no-cache").await;
    assert_eq!(stranger.get("/~nobody.svg").await.status, 404);
}

#[tokio::test]
async fn srht_73_feeds_show_what_everybody_may_see() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    for (tags, visibility, note) in
        [("a/b", "public", "first & <best>"), ("a/c", "private", "hidden"), ("d", "unlisted", "unlisted")]
    {
        let fields = [("manifest", MANIFEST), ("tags", tags), ("note", note), ("visibility", visibility)];
        submitted(&visitor, &fields).await;
    }
    let stranger = Visitor::stranger(&server);
    let feed = stranger.get("/~admin/rss.xml").await;
    assert_eq!((feed.status, feed.header("content-type")), (200, "application/rss+xml; charset=utf-8"));
    let link = format!("<link>{}/~admin/job/1</link>", server.origin);
    feed.holds(&[
        "<rss version=\"2.0\">",
        "<title>#1 (queued)</title>",
        &link,
        "first &amp; &lt;best&gt;",
        "+0000</pubDate>",
        "<author>~admin</author>",
    ]);
    feed.holds_not(&["hidden", "unlisted"]);
    is_xml(&feed.text);
    stranger.get("/~admin/a/rss.xml").await.holds(&["#1 (queued)"]);
    stranger.get("/~admin/x/rss.xml").await.holds_not(&["<item>"]);
    // A search without a status is for jobs that have ended.
    stranger.get("/~admin/rss.xml?search=first").await.holds_not(&["<item>"]);
    stranger.get("/~admin/rss.xml?search=first+status%3Aqueued").await.holds(&["#1 (queued)"]);
    assert_eq!(stranger.get("/~nobody/rss.xml").await.status, 404);
    is_fetched_once(&stranger, "/~admin/rss.xml", "no-cache").await;
    is_fetched_once(&visitor, "/~admin/rss.xml", "private, no-cache").await;
    // Whoever has logged in sees their own, and no cache hands that on.
    let own = visitor.get("/~admin/rss.xml").await;
    own.holds(&["hidden"]);
    assert!(own.header("vary").contains("Cookie"), "{own:?}");
    // Another job, another feed.
    let tag = stranger.get("/~admin/rss.xml").await.header("etag").to_string();
    submitted(&visitor, &[("manifest", MANIFEST), ("visibility", "public")]).await;
    let request = stranger.request("GET", "/~admin/rss.xml").header("if-none-match", &tag);
    let again = stranger.send(request).await;
    assert_eq!(again.status, 200);
    assert_ne!(again.header("etag"), tag);
}

/// Whoever has the present one is told so, by its tag and by its date; `HEAD` says the same as `GET`.
async fn is_fetched_once(visitor: &Visitor, path: &str, cache: &str) {
    // A date is told once nothing more can happen within it.
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    let whole = loop {
        let whole = visitor.get(path).await;
        if !whole.header("last-modified").is_empty() {
            break whole;
        }
        assert!(std::time::Instant::now() < deadline, "{path} has no date: {whole:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!((whole.status, whole.header("cache-control")), (200, cache), "{path}");
    let head = visitor.send(visitor.request("HEAD", path)).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    for name in ["etag", "last-modified", "content-type", "content-length", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
    }
    for (name, value) in [("if-none-match", "etag"), ("if-modified-since", "last-modified")] {
        let request = visitor.request("GET", path).header(name, whole.header(value));
        let known = visitor.send(request).await;
        assert_eq!((known.status, known.text.as_str()), (304, ""), "{path}: {name}");
        assert_eq!(known.header("etag"), whole.header("etag"), "{path}");
        assert_eq!(known.header("cache-control"), cache, "{path}");
    }
    let request = visitor.request("GET", path).header("if-none-match", "\"another\"");
    assert_eq!(visitor.send(request).await.status, 200, "{path}");
}

#[tokio::test]
async fn an_owner_changes_tags_and_visibility() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let job = submitted(&visitor, &[("manifest", MANIFEST), ("tags", "a/b"), ("visibility", "public")]).await;
    let settings = format!("{job}/settings/details");
    visitor.get(&job).await.holds(&["Change tags or who sees it", "value=\"a/b\"", "everybody"]);
    visitor.get(&settings).await.holds(&["Settings of #1", "value=\"public\" checked", "Only me"]);
    let changed =
        visitor.submit(&settings, &settings, &[("tags", " c / d e/"), ("visibility", "private")]).await;
    assert_eq!((changed.status, changed.header("location")), (303, job.as_str()));
    let shown = server.json(&["show", "--json", "1"]);
    assert_eq!((&shown["tags"], &shown["visibility"]), (&serde_json::json!(["c", "d e"]), &"private".into()));
    visitor.get("/~admin/c/d%20e").await.holds(&["c/d e"]);
    // What cannot be is told, and what was typed is kept.
    let long = "x".repeat(257);
    let refused = visitor.submit(&settings, &settings, &[("tags", &long), ("visibility", "private")]).await;
    assert_eq!(refused.status, 400);
    refused.holds(&["at most 256 characters", &long]);
    assert_eq!(visitor.submit(&settings, &settings, &[("tags", "x")]).await.status, 400);
    // No other site, no stranger and no other user.
    assert_eq!(visitor.post(&settings, &[("tags", "x"), ("visibility", "public")]).await.status, 403);
    let stranger = Visitor::stranger(&server);
    assert_eq!(stranger.get(&settings).await.status, 404);
    visitor.submit(&settings, &settings, &[("tags", "c"), ("visibility", "public")]).await;
    assert!(stranger.get(&settings).await.header("location").starts_with("/login?next="));
    assert_eq!(stranger.post(&settings, &[("visibility", "private")]).await.status, 401);
    let ann = Visitor::newcomer(&server, "ann").await;
    assert_eq!(ann.get(&settings).await.status, 403);
    ann.get(&job).await.holds_not(&["Change tags"]);
    assert_eq!(ann.submit("/submit", &settings, &[("visibility", "private")]).await.status, 403);
    assert_eq!(server.json(&["show", "--json", "1"])["visibility"], "public");
}

/// Python's parser takes it.
fn is_xml(text: &str) {
    use std::io::Write;
    let mut command = std::process::Command::new("python3");
    command.args(["-c", "import sys, xml.etree.ElementTree as e; e.fromstring(sys.stdin.buffer.read())"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
}

#[tokio::test]
async fn tokens_are_made_shown_once_and_revoked() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let fields = [("comment", "for <b>hut</b>"), ("JOBS", "RW"), ("LOGS", "RO"), ("days", "90")];
    let made = visitor.submit("/-/tokens", "/-/tokens", &fields).await;
    assert_eq!(made.status, 201);
    made.holds(&["for &lt;b&gt;hut&lt;/b&gt;", "JOBS:RW", "LOGS:RO"]);
    let secret =
        made.text.split("<code>").map(|part| part.split('<').next().unwrap()).find(|text| text.len() == 43);
    let secret = secret.expect("the secret").to_string();
    assert_eq!(server.client().get("/api/n1/jobs", Some(&secret)).await.0, 200);
    let list = visitor.get("/-/tokens").await;
    list.holds(&["for &lt;b&gt;hut", "made by the first start", "everything you may do"]);
    list.holds_not(&[&secret]);
    let revoke = list.text.split("action=\"").find(|part| part.starts_with("/-/tokens/2")).unwrap();
    let revoked = visitor.submit("/-/tokens", revoke.split('"').next().unwrap(), &[]).await;
    assert_eq!(revoked.status, 303);
    assert_eq!(server.client().get("/api/n1/jobs", Some(&secret)).await.0, 401);
    let nothing = visitor.submit("/-/tokens", "/-/tokens", &[("comment", "x")]).await;
    assert_eq!(nothing.status, 400);
    nothing.holds(&["choose what it may do"]);
}

#[tokio::test]
async fn every_page_says_what_a_browser_may_do_with_it() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    submitted(&visitor, &[("manifest", MANIFEST)]).await;
    let paths = [
        "/",
        "/login",
        "/-/jobs",
        "/~admin",
        "/~admin/job/1",
        "/~admin/job/1/log/setup",
        "/submit",
        "/-/tokens",
        "/resubmit/1",
        "/~admin/job/99",
        "/nowhere",
    ];
    for path in paths {
        let page = visitor.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert!(page.header("cache-control").contains("no-store"), "{path}");
        page.holds_not(&[" style=\"", " onclick=", "<script>", "http://www", "https://"]);
        page.holds(&["<html lang=\"en\"", "<h1"]);
    }
    let page = visitor.get("/").await;
    let sheet = page.text.split("href=\"").find(|part| part.contains("style.css")).unwrap();
    let sheet = visitor.get(sheet.split('"').next().unwrap()).await;
    assert!(sheet.header("cache-control").contains("immutable"));
    sheet.holds(&[".f208{color:"]);
    assert_eq!(visitor.get("/-/assets/0/style.css").await.header("cache-control"), "no-cache");
    assert_eq!(visitor.get("/-/assets/0/../x").await.status, 404);
    let program = visitor.request("GET", "/nowhere").header("accept", "application/json");
    assert_eq!(visitor.send(program).await.status, 404);
}

#[tokio::test]
async fn a_search_and_a_badge_look_at_so_many_jobs() {
    let server =
        Server::start_with_variables(&["--no-runner"], &[("ROPEWALK_LIMITS__SEARCH_JOBS", "2")]).await;
    let visitor = Visitor::admin(&server).await;
    for note in ["the oldest", "second", "third"] {
        submitted(&visitor, &[("manifest", MANIFEST), ("note", note)]).await;
    }
    let page = visitor.get("/-/jobs?q=oldest").await;
    page.holds(&["None of the jobs that were looked at match. Older ones may.", "rel=\"next\""]);
    let older = page.text.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    visitor.get(&older).await.holds(&["the oldest"]);
    visitor.get("/-/jobs?q=third").await.holds(&["#3"]);
}
