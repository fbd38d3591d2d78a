//! Pages of repositories and targets, for people.

use super::packages::{archive, package, zstd};
use super::{Farm, answer, now, on_both_engines};
use crate::server::Engine;
use crate::web::visitor::Visitor;

on_both_engines! {
    people_find_repositories_and_targets_from_any_page_on
    people_look_at_a_repository_of_many_packages
    people_let_a_target_be_built_and_see_how_it_went
}

/// A row of a list begins with this.
const ROW: &str = "<td class=\"c-main\">";

async fn publish(farm: &Farm, repo: &str, bytes: Vec<u8>) {
    let published = farm.send(&format!("/{repo}/publish"), bytes).await;
    assert_eq!(published.status, 200, "{}", published.text());
}

async fn people_find_repositories_and_targets_from_any_page_on(engine: Engine) {
    let farm = Farm::start(engine).await;
    let (admin, stranger) = (Visitor::admin(&farm.server).await, Visitor::stranger(&farm.server));
    stranger.get("/").await.holds(&["href=\"/-/repositories\""]);
    let none = stranger.get("/-/repositories").await;
    none.holds(&["There are no repositories yet.", "/NAME/publish", "href=\"/-/targets\""]);
    let led = stranger.get("/-/targets").await;
    assert_eq!((led.status, led.header("location")), (303, "/login?next=%2F-%2Ftargets"));
    admin.get("/-/targets").await.holds(&["There are no targets yet.", "/api/v1/targets?kind=git"]);

    let info = "pkgname = odd\npkgver = 1:2.0-3\npkgdesc = <b>bold</b> \u{202e}and turned\narch = x86_64\nsize = 5\nbuilddate = 1700000000\npackager = T\n";
    publish(&farm, "own", zstd(&archive(&[(".PKGINFO", info.as_bytes()), ("usr/share/odd", b"bytes")])))
        .await;
    let query = "kind=git&url=https://ann:s3cret@example.org/p.git&branch=main&repo=later&path=libs/%3Cb%3E";
    let target = farm.target(query).await;

    let list = stranger.get("/-/repositories").await;
    list.holds(&["href=\"/-/repositories/own\"", "x86_64", "href=\"/~admin\""]);
    list.holds_not(&["later"]);
    let own = stranger.get("/-/repositories/own").await;
    own.holds(&["1:2.0-3", "&lt;b&gt;bold&lt;/b&gt; [U+202E]and turned", "[own]\n", "/$repo/$arch\n"]);
    own.holds_not(&["<b>bold", "\u{202e}", "id=\"r-t\""]);
    let file = "/own/x86_64/odd-1%3A2.0-3-x86_64.pkg.tar.zst";
    own.holds(&[&format!("href=\"{file}\"")]);
    assert_eq!(stranger.get(file).await.status, 200);
    for nothing in ["/-/repositories/later", "/-/repositories/own?arch=i686", "/-/repositories/UP"] {
        assert_eq!(stranger.get(nothing).await.status, 404, "{nothing}");
    }

    // Whoever may look at targets is shown what they are built into, and no password.
    admin.get("/-/repositories").await.holds(&["href=\"/-/repositories/later\"", "nothing published"]);
    let address = format!("/-/targets/{target}");
    let link = format!("href=\"{address}\"");
    admin.get("/-/repositories/later").await.holds(&["Nothing was published yet.", &link]);
    let ann = Visitor::newcomer(&farm.server, "ann").await;
    for visitor in [&admin, &ann] {
        let targets = visitor.get("/-/targets").await;
        targets.holds(&[
            &link,
            "&lt;b&gt;",
            "https://example.org/p.git",
            "branch <bdi>main</bdi>",
            "none yet",
        ]);
        let shown = visitor.get(&address).await;
        shown.holds(&[
            "It was not built yet.",
            "href=\"https://example.org/p.git\"",
            "the server&#39;s own",
            "x86_64",
        ]);
        for page in [targets, shown] {
            page.holds_not(&["s3cret", "<b>"]);
        }
    }
    admin.get("/-/targets?repo=later").await.holds(&[&link, ", remove"]);
    admin.get("/-/targets?repo=own").await.holds(&["Nothing is built into this repository."]);
    for nothing in ["/-/targets/99", "/-/targets/x", "/-/targets?repo=%00"] {
        assert!([400, 404].contains(&admin.get(nothing).await.status), "{nothing}");
    }
}

async fn people_look_at_a_repository_of_many_packages(engine: Engine) {
    let farm = Farm::start(engine).await;
    let stranger = Visitor::stranger(&farm.server);
    for number in 0..101 {
        publish(&farm, "own", package(&format!("p{number:03}"), "1.0-1", "any")).await;
    }
    publish(&farm, "own", package("arm", "2.0-1", "aarch64")).await;
    let address = "/-/repositories/own";
    let first = stranger.get(address).await;
    assert_eq!(first.text.matches(ROW).count(), 100);
    let (arm, x86) = (format!("{address}?arch=aarch64"), format!("{address}?arch=x86_64"));
    first.holds(&["p000", "p099", &format!("href=\"{arm}\""), "<span class=\"n\">102</span>"]);
    first.holds(&[&format!("href=\"{x86}&amp;after=p099\"")]);
    let second = stranger.get(&format!("{x86}&after=p099")).await;
    assert_eq!(second.text.matches(ROW).count(), 1);
    second.holds(&["p100", &format!("href=\"{x86}\"")]);
    second.holds_not(&["rel=\"next\""]);
    // An architecture that comes later has what is made for all of them.
    let arms = stranger.get(&arm).await;
    arms.holds(&["2.0-1", "/own/aarch64/arm-2.0-1-aarch64.pkg.tar.zst", "<bdi>any</bdi>"]);
    assert_eq!(stranger.get(&format!("{x86}&after=zzz")).await.text.matches("There are no more.").count(), 1);

    for number in 0..50 {
        publish(&farm, &format!("r{number:02}"), package("p", "1-1", "any")).await;
    }
    let list = stranger.get("/-/repositories").await;
    assert_eq!(list.text.matches(ROW).count(), 50);
    list.holds(&["href=\"/-/repositories?after=r48\""]);
    stranger.get("/-/repositories?after=r48").await.holds(&["href=\"/-/repositories/r49\""]);
    assert_eq!(farm.ask("DELETE", "/own").await.status, 200);
    assert_eq!(stranger.get(address).await.status, 404);
}

async fn people_let_a_target_be_built_and_see_how_it_went(engine: Engine) {
    let farm = Farm::start(engine).await;
    let admin = Visitor::admin(&farm.server).await;
    let ann = Visitor::newcomer(&farm.server, "ann").await;
    let target =
        farm.target("kind=url&url=https://example.org/hello/PKGBUILD&repo=own&arch=x86_64,riscv64").await;
    let address = format!("/-/targets/{target}");
    let build = format!("{address}/build");
    admin.get(&address).await.holds(&[&format!("action=\"{build}\""), "<option value=\"riscv64\">"]);
    ann.get(&address).await.holds_not(&[&build]);

    // The form of another page, of nobody, and of somebody who may not.
    assert_eq!(admin.post(&build, &[("arch", "x86_64")]).await.status, 403);
    assert_eq!(Visitor::stranger(&farm.server).post(&build, &[("arch", "x86_64")]).await.status, 401);
    assert_eq!(ann.submit("/", &build, &[("arch", "x86_64")]).await.status, 403);
    assert_eq!(admin.submit(&address, &build, &[]).await.status, 400);
    assert!(farm.poll("x86_64", 9).await.is_empty());
    let queued = admin.submit(&address, &build, &[("arch", "x86_64"), ("force", "1")]).await;
    assert_eq!((queued.status, queued.header("location")), (303, address.as_str()));
    admin.get(&address).await.holds(&["</svg> queued</span>"]);
    let polled = farm.poll("x86_64", 9).await;
    assert_eq!((polled.len(), &polled[0]["force"]), (1, &serde_json::json!(true)));
    admin.get(&address).await.holds(&["</svg> running</span>"]);

    let end = now();
    let log = |exit: i32| {
        format!("target={target}&startTime={}&endTime={end}&arch=x86_64&exitCode={exit}", end - 60)
    };
    let number = farm.log(&log(1), b"it did not work").await;
    let content = format!("/api/v1/logs/{number}/content");
    let (own, other) = (admin.get(&address).await, ann.get(&address).await);
    own.holds(&["</svg> failed</span>", "step failed", "href=\"/~admin/job/1\"", &content]);
    // The job is private, its log is for all who may look at targets.
    other.holds(&["</svg> failed</span>", &content]);
    other.holds_not(&["/~admin/job/1"]);
    assert_eq!(ann.get(&content).await.text, "it did not work");
    admin.get("/-/targets").await.holds(&["</svg> failed</span>"]);

    for _ in 0..20 {
        farm.log(&log(0), b"it worked").await;
    }
    let first = admin.get(&address).await;
    assert_eq!(first.text.matches("<td class=\"c-st\">").count(), 20);
    first.holds(&[&format!("href=\"{address}?before=2\"")]);
    first.holds_not(&["/~admin/job/1\""]);
    let second = admin.get(&format!("{address}?before=2")).await;
    second.holds(&["/~admin/job/1\"", &format!("href=\"{address}\"")]);
    second.holds_not(&["rel=\"next\""]);
    let answered = answer(farm.request("GET", &address).header("X-Api-Key", &farm.key)).await;
    assert_eq!(answered.status, 200);
}
