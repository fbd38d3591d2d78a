//! Lists, pages and badges: how long each takes when nobody else asks.

use super::{Bench, finished_job, query};
use crate::floors::BareAnswer;
use crate::http::Client;
use crate::report::Figure;
use crate::samples::Samples;
use crate::stages::Stage;
use anyhow::Result;
use bytes::Bytes;
use serde_json::json;
use std::time::Instant;

const ROUNDS: usize = 50;

/// What is asked for, by which method, where, with which body; by a visitor or with a token.
type Page = (&'static str, &'static str, String, Bytes, bool);

fn pages(job: i64) -> Vec<Page> {
    let page = |name, path: &str| (name, "GET", path.to_string(), Bytes::new(), true);
    let asked = |name, path: &str| (name, "GET", path.to_string(), Bytes::new(), false);
    let list = query("query { jobs { results { id status tags } cursor } }");
    vec![
        asked("/api/n1/jobs/N", &format!("/api/n1/jobs/{job}")),
        asked("/api/n1/jobs", "/api/n1/jobs"),
        asked("/api/n1/jobs of a user", "/api/n1/jobs?owner=admin"),
        asked("/api/n1/jobs that failed", "/api/n1/jobs?status=failed"),
        asked("REST /api/jobs", "/api/jobs"),
        ("GraphQL jobs", "POST", "/query".into(), list, false),
        page("dashboard", "/"),
        page("jobs of a person", "/~admin"),
        page("search by status", "/-/jobs?q=status%3Afailed"),
        page("search by a word", "/-/jobs?q=project%2Fp7"),
        page("badge", "/~admin.svg"),
        page("badge of a tag", "/~admin/bench.svg"),
        page("feed", "/~admin/rss.xml"),
        page("job's page", &format!("/~admin/job/{job}")),
    ]
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("Pages and lists, one after the other")?;
    let bare = BareAnswer::start(&json!({ "answer": "x".repeat(600) }))?;
    let mut bare_client = Client::new(bare.origin(), None);
    let mut floor = Samples::default();
    let mut all: Vec<(&Stage, Vec<(Page, Samples)>)> = vec![];
    for stage in &bench.stages {
        let pages = pages(finished_job(stage).await?).into_iter().map(|page| (page, Samples::default()));
        all.push((stage, pages.collect()));
    }
    // The first round does not count.
    for round in 0..=bench.arguments.scaled(ROUNDS) {
        let began = Instant::now();
        bare_client.get("/").await?;
        push(&mut floor, began, round);
        for (stage, pages) in &mut all {
            let (mut client, mut visitor) = (stage.client()?, stage.visitor()?);
            client.get("/healthz").await?;
            visitor.get("/healthz").await?;
            for ((_, method, path, body, is_visitor), times) in pages {
                let asking = if *is_visitor { &mut visitor } else { &mut client };
                let began = Instant::now();
                asking.ask(method, path, body.clone()).await?;
                push(times, began, round);
            }
        }
    }
    bench.report.add(Figure::new("bare axum, one question", floor.median(), "ms"))?;
    for (stage, pages) in all {
        for ((name, ..), times) in pages {
            let figure = Figure::new(format!("{name}, one question"), times.median(), "ms").of(stage);
            bench.report.add(figure.beside("bare axum", floor.median()))?;
        }
    }
    Ok(())
}

fn push(times: &mut Samples, began: Instant, round: usize) {
    if round > 0 {
        times.push_time(began.elapsed());
    }
}
