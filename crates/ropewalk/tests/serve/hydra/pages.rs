//! Pages at the addresses of this dialect, for people.

use super::builds::World;
use super::{Answer, Farm, answer, good_jobset, on_both_engines};
use crate::server::Engine;
use serde_json::json;

on_both_engines! {
    people_find_projects_from_the_start_page_on
    people_look_at_a_jobset_its_evaluations_and_builds
}

/// One that makes and measures something, one that fails, one that cannot be evaluated, and more than a page of those
/// that no runner here can build.
const RELEASE: &str = r#"
{ src ? null }:
let
  sh = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
  foreign = n: { name = "foreign${toString n}"; value = derivation { name = "foreign-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; }; };
in builtins.listToAttrs (map foreign (builtins.genList (n: n) 101)) // {
  product = sh "product-1.0" ''
    echo made it; mkdir -p $out/nix-support; echo data > $out/disk.iso
    echo "file iso $out/disk.iso" > $out/nix-support/hydra-build-products
    echo 'coverage 87.5 %' > $out/nix-support/hydra-metrics
  '' // { meta = { description = "<i>turns</i> RLO"; homepage = "javascript:alert(1)"; }; };
  failure = sh "failure-1.0" "exit 1";
  evalError = throw "no <b>thing</b>";
}
"#;

async fn page(farm: &Farm, session: &str, path: &str) -> Answer {
    let request = farm.request("GET", path).header("Accept", "text/html,*/*;q=0.8");
    answer(if session.is_empty() { request } else { request.header("Cookie", session) }).await
}

/// The text of a page that is there.
async fn text(farm: &Farm, session: &str, path: &str) -> String {
    let page = page(farm, session, path).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{path}");
    let is_ours_alone = ["/-/", "/~", "/job/"].iter().any(|ours| path.starts_with(ours));
    assert!(is_ours_alone || page.header("vary").contains("Accept"), "{path}: {:?}", page.headers);
    page.text()
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[track_caller]
fn holds_not(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(!text.contains(part), "{part:?} in {text}");
    }
}

async fn people_find_projects_from_the_start_page_on(engine: Engine) {
    let farm = Farm::start(engine).await;
    let link = "href=\"/-/projects\"";
    for session in ["", farm.bob.as_str()] {
        holds(&text(&farm, session, "/").await, &[link]);
    }
    holds(&text(&farm, "", "/-/projects").await, &["There are no projects yet."]);
    let hidden = json!({ "displayname": "Hidden", "enabled": true, "visible": false });
    assert_eq!(farm.put(&farm.bob, "/project/hidden", hidden).await.status, 201);
    holds(&text(&farm, "", "/-/projects").await, &["There are no projects yet."]);
    let shown = json!({
        "displayname": "<b>P</b>\u{202e}", "description": "does & is", "enabled": true, "visible": true,
        "homepage": "https://example.org/?a=1&b=2",
    });
    assert_eq!(farm.put(&farm.bob, "/project/p", shown).await.status, 201);
    for session in ["", farm.carol.as_str()] {
        holds(&text(&farm, session, "/").await, &[link]);
        let list = text(&farm, session, "/-/projects").await;
        holds(&list, &["href=\"/project/p\"", "&#60;b&#62;P&#60;/b&#62;[U+202E]", "href=\"/~bob\""]);
        holds_not(&list, &["/project/hidden", "<b>P", "\u{202e}"]);
    }
    for session in [&farm.bob, &farm.alice] {
        holds(&text(&farm, session, "/-/projects").await, &["href=\"/project/hidden\""]);
    }
    // As JSON has it: whoever knows its name may look.
    assert_eq!(farm.get("/project/hidden").await.status, 200);
    holds(&text(&farm, "", "/project/hidden").await, &["It has none yet."]);

    let mut quiet = good_jobset();
    quiet["visible"] = json!(false);
    assert_eq!(farm.jobset("p", "quiet", quiet).await.status, 201);
    for number in 0..101 {
        assert_eq!(farm.jobset("p", &format!("j{number:03}"), good_jobset()).await.status, 201);
    }
    let first = text(&farm, "", "/project/p").await;
    holds(&first, &["href=\"/jobset/p/j000\"", "href=\"/jobset/p/j099\"", "href=\"/project/p?after=j099\""]);
    holds(&first, &["does &#38; is", "href=\"https://example.org/?a=1&#38;b=2\""]);
    holds_not(&first, &["/jobset/p/j100", "/jobset/p/quiet"]);
    let second = text(&farm, "", "/project/p?after=j099").await;
    holds(&second, &["href=\"/jobset/p/j100\"", "href=\"/project/p\""]);
    holds_not(&second, &["/jobset/p/j099", "/jobset/p/quiet", "rel=\"next\""]);
    let own = text(&farm, &farm.bob, "/project/p?after=j099").await;
    holds(&own, &["href=\"/jobset/p/quiet\"", ">hidden<"]);

    let fresh = text(&farm, "", "/jobset/p/j000").await;
    holds(&fresh, &["None had new builds yet.", "release.nix in src", "https://example.org/p.git main"]);
    let mut renamed = good_jobset();
    renamed["name"] = json!("new");
    assert_eq!(farm.jobset("p", "j000", renamed).await.status, 200);
    let moved = page(&farm, "", "/jobset/p/j000").await;
    assert_eq!((moved.status, moved.header("location")), (301, "/jobset/p/new"));
    for nothing in
        ["/project/nosuch", "/project/9bad", "/jobset/p/nosuch", "/jobset/no/j", "/eval/9", "/eval/x"]
    {
        let missing = page(&farm, &farm.alice, nothing).await;
        assert_eq!((missing.status, missing.header("content-type")), (404, "text/html; charset=utf-8"));
    }
    for nothing in ["/build/99999", "/build/x", "/build/-1"] {
        assert_eq!(page(&farm, &farm.alice, nothing).await.status, 404, "{nothing}");
    }
}

async fn people_look_at_a_jobset_its_evaluations_and_builds(engine: Engine) {
    let world = World::of(engine, &RELEASE.replace("RLO", "\u{202e}"), 2).await;
    let (farm, evaluation) = (&world.farm, world.evaluation().await["id"].as_i64().unwrap());
    let (product, failure) = (world.build("product").await, world.build("failure").await);

    let project = text(farm, "", "/project/p").await;
    holds(&project, &["href=\"/jobset/p/j\"", "</svg> success</span> 1", "</svg> failed</span> 1"]);
    holds(&project, &["</svg> queued</span> 101", "errors"]);

    let address = format!("/eval/{evaluation}");
    for path in ["/jobset/p/j", "/jobset/p/j/evals"] {
        let jobset = text(farm, "", path).await;
        holds(
            &jobset,
            &[&format!("href=\"{address}\""), "no &#60;b&#62;thing&#60;/b&#62;", "release.nix in src"],
        );
        holds_not(&jobset, &["<b>thing", "rel=\"next\""]);
    }
    holds(&text(farm, "", "/jobset/p/j?before=1").await, &["There are no older ones."]);

    // Of an evaluation's builds a page of a hundred, then the rest.
    let first = text(farm, "", &address).await;
    assert_eq!(first.matches("<td class=\"c-st\">").count(), 100);
    let next = first.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap();
    assert!(next.starts_with(&format!("{address}?after=")), "{next}");
    let second = text(farm, "", next).await;
    assert_eq!(second.matches("<td class=\"c-st\">").count(), 3);
    holds_not(&second, &["rel=\"next\""]);
    let both = format!("{first}{second}");
    for build in [product, failure] {
        assert_eq!(both.matches(&format!("class=\"name\" href=\"/build/{build}\"")).count(), 1);
    }
    let of_input =
        world.evaluation().await["jobsetevalinputs"]["src"]["revision"].as_str().unwrap().to_owned();
    holds(&first, &["<bdi>src</bdi>", &of_input]);

    let json = farm.get(&format!("/build/{product}")).await.data();
    let output = json["buildoutputs"]["out"]["path"].as_str().unwrap();
    let made = text(farm, "", &format!("/build/{product}")).await;
    let evaluated = format!("href=\"{address}\"");
    holds(&made, &["</svg> success</span>", output, "disk.iso", "coverage", "87.5 %", &evaluated]);
    holds(&made, &["&#60;i&#62;turns&#60;/i&#62; [U+202E]", "x86_64-linux"]);
    holds_not(&made, &["javascript:", "\u{202e}", "<i>", "/restart\"", "/cancel\""]);
    let log = format!("/~bob/job/{product}");
    holds(&made, &[&format!("href=\"{log}\"")]);
    holds(&text(farm, "", &log).await, &["made it"]);
    let file = format!("/build/{product}/download/1");
    holds(&made, &[&format!("href=\"{file}\"")]);
    let led = page(farm, "", &file).await;
    let to = led.header("location").strip_prefix(farm.origin()).unwrap();
    assert_eq!(page(farm, "", to).await.text(), "data\n");
    // The evaluation is a job, too, and no build.
    let other = page(farm, "", "/build/1").await;
    assert_eq!((other.status, other.header("location")), (302, "/~bob/job/1"));
    farm.get("/build/1").await.is_refused(404);

    // Who may, restarts and cancels by the forms of the page.
    let address = format!("/build/{failure}");
    let restart = format!("/-{address}/restart");
    let form = format!("action=\"{restart}\"");
    for not in ["", farm.carol.as_str()] {
        let failed = text(farm, not, &address).await;
        holds(&failed, &["</svg> failed</span>", "It did not succeed."]);
        holds_not(&failed, &[&form]);
    }
    holds(&text(farm, &farm.bob, &address).await, &[&form]);
    let send = async |session: &str, page: &str, path: &str| {
        let shown = text(farm, session, page).await;
        let key = shown.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        post(farm, session, path, key).await
    };
    assert_eq!(post(farm, &farm.bob, &restart, "").await, (403, String::new()));
    assert_eq!(send(&farm.carol, "/", &restart).await, (403, String::new()));
    assert_eq!(send(&farm.bob, &address, &restart).await, (303, address.clone()));
    let waits = first.split("<tr>").find(|row| row.contains("foreign-1.0")).unwrap();
    let waiting = waits.split("class=\"name\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let [cancel, bump] = ["cancel", "bump"].map(|order| format!("/-{waiting}/{order}"));
    let before = text(farm, &farm.bob, waiting).await;
    holds(&before, &["</svg> queued</span>", &format!("action=\"{cancel}\""), &format!("action=\"{bump}\"")]);
    assert_eq!(send(&farm.bob, waiting, &bump).await, (303, waiting.into()));
    let queue = farm.get("/queue").await.data();
    assert_eq!(format!("/build/{}", queue[0]["id"]), waiting);
    assert_eq!(send(&farm.bob, waiting, &cancel).await, (303, waiting.into()));
    world
        .until("a page that says so", async || {
            text(farm, &farm.bob, waiting).await.contains("</svg> cancelled</span>")
        })
        .await;
    holds(&text(farm, &farm.bob, waiting).await, &[&format!("action=\"/-{waiting}/restart\"")]);
    people_see_the_whole_farm(&world, product).await;

    // All that waits, at once; and the jobset once more.
    let evaluation = format!("/eval/{evaluation}");
    assert_eq!(
        send(&farm.bob, &evaluation, &format!("/-{evaluation}/cancel")).await,
        (303, evaluation.clone())
    );
    world.until("an empty queue", async || farm.get("/api/nrqueue").await.data() == json!(0)).await;
    holds(&text(farm, "", "/queue").await, &["Nothing waits."]);
    let evaluate = "/-/jobset/p/j/evaluate";
    holds_not(&text(farm, &farm.carol, "/jobset/p/j").await, &[evaluate]);
    assert_eq!(send(&farm.carol, "/", evaluate).await, (403, String::new()));
    let before = farm.get("/jobset/p/j").await.data()["lastcheckedtime"].as_i64();
    assert_eq!(send(&farm.bob, "/jobset/p/j", evaluate).await, (303, "/jobset/p/j".into()));
    let again = async || farm.get("/jobset/p/j").await.data()["lastcheckedtime"].as_i64() > before;
    world.until("another evaluation", again).await;
    assert_eq!(send(&farm.bob, "/jobset/p/j", "/-/jobset/p/nosuch/evaluate").await.0, 404);
}

/// Sends a form; answers the status and where it leads.
async fn post(farm: &Farm, session: &str, path: &str, key: &str) -> (u16, String) {
    let request = farm.request("POST", path).header("Accept", "text/html").header("Cookie", session);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let done = answer(request.body(format!("key={key}"))).await;
    (done.status, done.header("location").to_owned())
}

/// Pages that Hydra has, too: for people they show jobs of all kinds where that makes sense.
async fn people_see_the_whole_farm(world: &World, product: i64) {
    let farm = &world.farm;
    let link = format!("href=\"/build/{product}\"");
    let job = text(farm, "", "/job/p/j/product").await;
    holds(&job, &[&link, "Newest success", "href=\"/job/p/j/product/shield\""]);
    holds(&text(farm, "", "/job/p/j/failure").await, &["None has succeeded yet."]);
    holds(&text(farm, "", "/job/p/j/product?before=1").await, &["There are no older ones."]);
    for nothing in ["/job/p/j/nosuch", "/job/p/nosuch/product", "/job/no/j/product"] {
        assert_eq!(page(farm, "", nothing).await.status, 404, "{nothing}");
    }

    let evals = text(farm, "", "/evals").await;
    holds(&evals, &["href=\"/eval/1\"", "href=\"/jobset/p/j\"", "<bdi>p:j</bdi>"]);
    holds(&text(farm, "", "/evals?before=1").await, &["There are no older ones."]);
    holds(&text(farm, "", "/search?query=product-1").await, &[&link]);
    holds(&text(farm, "", "/search?query=p").await, &["href=\"/project/p\""]);
    holds(&text(farm, "", "/search?query=j").await, &["href=\"/jobset/p/j\""]);
    holds(&text(farm, "", "/search?query=%3Cb%3E").await, &["Nothing was found.", "&#60;b&#62;"]);
    holds_not(&text(farm, "", "/search").await, &["Nothing was found."]);
    assert!(page(farm, "", "/search?query=%00").await.status < 500);

    let queue = text(farm, "", "/queue").await;
    assert_eq!(queue.matches("<td class=\"c-st\">").count(), 25);
    let next = queue.split("href=\"/queue?before=").nth(1).unwrap().split('"').next().unwrap();
    holds(
        &text(farm, "", &format!("/queue?before={next}")).await,
        &["</svg> queued</span>", "href=\"/queue\""],
    );
    holds(&text(farm, "", "/status").await, &["href=\"/machines\""]);
    assert_eq!(page(farm, "", "/machines").await.status, 303);
    holds(&text(farm, &farm.carol, "/machines").await, &["x86_64", "<span class=\"tag\">nix</span>"]);
    for list in ["/queue", "/status", "/evals"] {
        assert!(farm.get(list).await.data().is_array(), "{list}");
    }
}
