//! Logs on pages: windows, search, links, live.

use super::visitor::Visitor;
use crate::server::{Engine, Server};
use std::time::{Duration, Instant};

const LONG: &str = "image: host\ntasks:\n  - count: |\n      set +x\n      seq -f 'line %.0f of it' 1 20000\n      printf '\\033[31mred\\033[0m <i>\\n'\n  - last: |\n      set +x\n      head -c 1100000 /dev/zero | tr '\\0' x; echo\n      echo behind\n";

#[tokio::test]
async fn any_part_of_a_log_is_a_page_and_search_goes_through_all_of_it() {
    let server = Server::start(Engine::Sqlite).await;
    let visitor = Visitor::admin(&server).await;
    let job = server.submit(LONG);
    server.wait_for(job, "success");
    let path = format!("/~admin/job/{job}");
    let page = visitor.get(&path).await;
    page.holds(&[
        "lines before",
        "line 20000 of it",
        "behind",
        "<time>",
        "id=\"opt-time\" name=\"time\" value=\"1\">",
    ]);
    visitor.get(&format!("{path}?time=1")).await.holds(&["value=\"1\" checked>"]);
    assert!(page.text.len() < 3 << 20, "{} bytes", page.text.len());
    let page = visitor.get(&format!("{path}/log/task-last?from=1")).await;
    page.holds(&["this line has 1.0 MiB", "behind"]);
    let page = visitor.get(&format!("{path}/log/task-count?from=1")).await;
    page.holds(&["data-name=\"task-count + set +x\" data-pinned open><summary>1,999 lines"]);
    assert!(page.text.len() < 1 << 20, "{} bytes", page.text.len());
    let page = visitor.get(&format!("{path}/log/task-count?from=5")).await;
    page.holds(&["id=\"task-count-5\"", "rel=\"next\"", "Lines 5 to 2,004 of 20,00", "<time>"]);
    page.holds_not(&["id=\"task-count-4\"", "id=\"task-count-2005\""]);
    let page = visitor.get(&format!("{path}/log/count?l=task-count-10000:10002")).await;
    page.holds(&["<span class=\"l sel\" id=\"task-count-10001\">", "id=\"task-count-9950\""]);
    let page = visitor.get(&format!("{path}?l=task-count-17")).await;
    page.holds(&["<span class=\"l sel\" id=\"task-count-17\">", "lines after"]);
    let found = visitor.get(&format!("{path}/log/task-count?q=LINE+12345")).await;
    found.holds(&["1 line holds it.", "line 12345 of it"]);
    visitor.get(&format!("{path}/log/task-count?q=red+%3Ci")).await.holds(&["red &lt;i&gt;"]);
    visitor
        .get(&format!("{path}/log/task-count?q=nothing+like+it"))
        .await
        .holds(&["No line of this log holds it."]);
    let many = visitor.get(&format!("{path}/log/task-count?q=line")).await;
    many.holds(&["200 lines hold it, and maybe more.", "Go on searching"]);
    let next = many
        .text
        .split("href=\"")
        .find(|part| part.contains("&amp;at=") || part.contains("&#38;at="))
        .unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    visitor.get(&next).await.holds(&["line 201 of it"]);
    assert_eq!(visitor.get(&format!("{path}/log/nosuch")).await.status, 404);
    visitor.get(&format!("{path}/log/task-count?from=99999999")).await.holds(&["Nothing is here."]);
}

#[tokio::test]
async fn a_running_job_is_told_line_by_line() {
    let server = Server::start(Engine::Sqlite).await;
    let visitor = Visitor::admin(&server).await;
    let manifest = "image: host\ntasks:\n  - slow: |\n      set +x\n      printf '\\033[32mgreen\\n'\n      until [ -e /tmp/go ]; do sleep 0.1; done\n  - after: echo 'the end'\n";
    let job = server.submit(manifest);
    let path = format!("/~admin/job/{job}");
    let deadline = Instant::now() + crate::server::PATIENCE;
    let page = loop {
        let page = visitor.get(&path).await;
        if page.text.contains(">green<") {
            break page;
        }
        assert!(Instant::now() < deadline, "{}", page.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let live = page.text.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut response = visitor.request("GET", live).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut told = String::new();
    while !told.contains("event: step") {
        told.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(told.contains("event: job\ndata: {\"status\":\"running\"}"), "{told}");
    assert!(!told.contains(">green<"), "what the page has is not told again: {told}");
    assert_eq!(visitor.submit(&path, &format!("/cancel/{job}"), &[]).await.status, 303);
    while !told.contains("event: end") {
        told.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(told.contains("{\"status\":\"cancelled\"}"), "{told}");
    // From the start on, all of it, as a page shows it.
    let all = visitor.send(visitor.request("GET", &format!("{path}/live"))).await;
    all.holds(&["id=\\\"task-slow-", "<span class=\\\"f2\\\">green</span>", "event: end"]);
    assert_eq!(visitor.get(&format!("{path}/live?from=x")).await.status, 400);
    assert_eq!(Visitor::stranger(&server).get("/~nobody/job/1/live").await.status, 404);
}
