//! Requests that no browser sends to pages: each is answered, none with a server error, none hangs.

use super::SOON;
use crate::server::http;
use crate::web::idle;
use crate::web::visitor::Visitor;

/// Every address of the pages, with `{}` where something stranger than a name or a number may stand.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/{}"),
    ("GET", "/login?next={}"),
    ("GET", "/submit?manifest={}&visibility={}"),
    ("GET", "/resubmit/{}"),
    ("GET", "/-/jobs?q={}&before={}"),
    ("GET", "/-/assets/{}/{}"),
    ("GET", "/~{}"),
    ("GET", "/~{}.svg"),
    ("GET", "/~admin/{}"),
    ("GET", "/~admin/{}.svg?name={}"),
    ("GET", "/~admin/{}/rss.xml?search={}"),
    ("GET", "/~admin/job/{}"),
    ("GET", "/~admin/job/1?l={}&refresh={}"),
    ("GET", "/~admin/job/1/live?from={}"),
    ("GET", "/~admin/job/1/log/{}"),
    ("GET", "/~admin/job/1/log/setup?from={}&l={}"),
    ("GET", "/~admin/job/1/log/setup?q={}&at={}&n={}"),
    ("GET", "/-/projects?after={}"),
    ("GET", "/project/{}"),
    ("GET", "/project/p?after={}"),
    ("GET", "/jobset/{}/{}"),
    ("GET", "/jobset/p/j?before={}"),
    ("GET", "/jobset/{}/j/evals"),
    ("GET", "/eval/{}"),
    ("GET", "/eval/1?after={}"),
    ("GET", "/build/{}"),
    ("GET", "/job/{}/{}/{}"),
    ("GET", "/search?query={}"),
    ("GET", "/queue?before={}"),
    ("GET", "/status?before={}"),
    ("GET", "/evals?before={}"),
    ("GET", "/machines?{}"),
    ("GET", "/-/repositories?after={}"),
    ("GET", "/-/repositories/{}?arch={}&after={}"),
    ("GET", "/-/targets?repo={}&after={}"),
    ("GET", "/-/targets/{}?before={}"),
    ("POST", "/-/targets/{}/build"),
    ("POST", "/-/build/{}/{}"),
    ("POST", "/-/eval/{}/{}"),
    ("POST", "/-/jobset/{}/{}/evaluate"),
    ("POST", "/cancel/{}"),
    ("POST", "/-/start/{}"),
    ("POST", "/resubmit/{}"),
    ("POST", "/-/tokens/{}/revoke"),
];

const STRANGE: &[&str] = &[
    "0",
    "-1",
    "9223372036854775808",
    "99999999999999999999999999",
    "%20",
    "%ff",
    "%00",
    "%2F",
    "..",
    "%2e%2e",
    "%3Cscript%3E",
    "%E2%80%AE",
    "%0d%0aSet-Cookie:x",
    "setup-0:99999999999999999999",
    "0.0.4294967295:18446744073709551615",
    "status:dead",
    "!!!!",
    "%22%22%22",
    "~~~~",
];

const BODIES: &[&str] = &[
    "",
    "&&&===",
    "%ff=%ff",
    "manifest=%00&note=%00&tags=%00&visibility=private",
    "manifest=image%3A+host%0Atasks%3A+%5B%7Ba%3A+x%7D%5D&tags=%2F%2F%2F%2F",
    "manifest=%5B%5B%5B%5B%5B%5B%5B%5B%5B%5B",
    "manifest=image%3A+host&note=%F0%9D%84%9E&visibility=PUBLIC&go=check",
    "comment=%00&JOBS=RW&days=65535",
    "comment=a%0d%0ab&everything=1&days=-1",
    "grants=%00",
    "name=%00&password=%00",
    "name=admin&password=wrong&next=%2F%2Fevil",
];

#[tokio::test]
async fn no_address_or_form_breaks_a_page() {
    let server = idle().await;
    server.submit("image: host\ntasks:\n  - a: 'true'\n");
    let visitor = Visitor::admin(&server).await;
    let key = visitor.get("/").await.key();
    let mut count = 0;
    for (method, route) in ROUTES {
        for strange in STRANGE {
            let path = route.replace("{}", strange);
            let form =
                visitor.request(method, &path).header("content-type", "application/x-www-form-urlencoded");
            survives(&format!("{method} {path}"), form.body(format!("key={key}"))).await;
            count += 1;
        }
    }
    let huge = format!("key={key}&manifest={}", "a".repeat(2 << 20));
    let many = format!("key={key}{}", "&a=b".repeat(100_000));
    for path in ["/submit", "/-/tokens", "/session", "/session/end", "/cancel/1"] {
        for body in BODIES.iter().map(|body| format!("key={key}&{body}")).chain([huge.clone(), many.clone()])
        {
            // Logging out would end the test.
            if path == "/session/end" && body.len() < 1 << 20 {
                continue;
            }
            let form =
                visitor.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
            let what = format!("POST {path} {}", &body[..body.len().min(120)]);
            survives(&what, form.body(body)).await;
            count += 1;
        }
        for kind in ["application/json", "multipart/form-data; boundary=x", "", "text/plain"] {
            let form = visitor.request("POST", path).header("content-type", kind).body(format!("key={key}"));
            let status = survives(&format!("POST {path} as {kind}"), form).await;
            assert_eq!(status, 400, "POST {path} as {kind}");
            count += 1;
        }
    }
    for path in ["/", "/-/jobs", "/~admin", "/~admin/job/1", "/submit", "/cancel/1"] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let status = survives(&format!("{method} {path}"), visitor.request(method, path)).await;
            assert_eq!(status, 405, "{method} {path}");
            count += 1;
        }
        for (name, value) in [
            ("cookie", "hydra_session="),
            ("cookie", "hydra_session=\u{e9}"),
            ("cookie", ";;;=;hydra_session;theme=\"><script>"),
            ("last-event-id", "99.99.99:99:99"),
            ("accept", "text/html;q=,,,"),
            ("range", "bytes=0-0"),
            ("authorization", "Bearer"),
            ("host", "evil.example\""),
        ] {
            survives(
                &format!("GET {path} {name}: {value}"),
                visitor.request("GET", path).header(name, value),
            )
            .await;
            count += 1;
        }
    }
    assert!(count >= 400, "{count}");
    assert!(!server.words().contains("a handler of"), "{}", server.words());
    visitor.get("/").await.holds(&["Log out"]);
}

async fn survives(what: &str, request: reqwest::RequestBuilder) -> u16 {
    // What a client cannot even send is no test of the server.
    let Ok(request) = request.build_split().1 else { return 400 };
    let client = http().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent = tokio::time::timeout(SOON, client.execute(request)).await;
    let response =
        sent.unwrap_or_else(|_| panic!("{what}: no answer")).unwrap_or_else(|e| panic!("{what}: {e}"));
    let status = response.status().as_u16();
    assert!(status < 500, "{what}: {status}");
    if response.headers().get("content-type").is_none_or(|kind| kind != "text/event-stream") {
        let text =
            tokio::time::timeout(SOON, response.text()).await.unwrap_or_else(|_| panic!("{what}: no end"));
        assert!(
            !text.unwrap_or_default().contains("<script>"),
            "{what}: markup of the request is in the page"
        );
    }
    status
}
