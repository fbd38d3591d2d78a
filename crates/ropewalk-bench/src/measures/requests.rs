//! Questions for a job's status, by 32 clients at the same time that ask again when they were answered.

use super::{Bench, finished_job, query};
use crate::floors::BareAnswer;
use crate::http::Client;
use crate::report::Figure;
use crate::samples::Samples;
use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 32;
/// Of one round and kind.
const TIME: Duration = Duration::from_millis(1500);

/// A question that is asked again and again.
struct Question {
    name: &'static str,
    aim: f64,
    method: &'static str,
    path: String,
    body: Bytes,
    /// Without a token.
    is_visitor: bool,
    rates: Samples,
}

impl Question {
    fn get(name: &'static str, path: String) -> Question {
        let (body, rates) = (Bytes::new(), Samples::default());
        Question { name, aim: 0.5, method: "GET", path, body, is_visitor: false, rates }
    }
}

fn questions(job: i64) -> Vec<Question> {
    let graphql = Question::get("GraphQL, 20 fields", "/query".into());
    let page = Question::get("the job's page", format!("/~admin/job/{job}"));
    vec![
        Question::get("/api/n1/jobs/N", format!("/api/n1/jobs/{job}")),
        Question::get("REST /api/jobs/N", format!("/api/jobs/{job}")),
        Question { aim: 0.3, method: "POST", body: query(&twenty_fields(job)), ..graphql },
        Question { is_visitor: true, ..page },
    ]
}

fn twenty_fields(job: i64) -> String {
    format!(
        "query {{ job(id: {job}) {{ id created updated status manifest note tags visibility image runner \
         owner {{ id canonicalName }} tasks {{ id created updated name status }} }} }}"
    )
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("Questions a second, 32 connections")?;
    let mut asked = vec![];
    for stage in &bench.stages {
        asked.push(questions(finished_job(stage).await?));
    }
    let first = bench.stages.first().context("there is no server")?;
    let shown = asked.first().and_then(|all| all.first()).context("there is no question")?;
    let answer: Value = first.client()?.get_json(&shown.path).await?;
    let bare = BareAnswer::start(&answer)?;
    let mut floor = Question::get("bare axum", "/".into());
    let time = TIME.mul_f64(if bench.arguments.quick { 0.1 } else { 1.0 });
    for _ in 0..bench.arguments.scaled(ROUNDS) {
        let rate = load(&floor, || Ok(Client::new(bare.origin(), None)), time).await?;
        floor.rates.push(rate);
        for (stage, questions) in bench.stages.iter().zip(&mut asked) {
            for question in questions {
                let client = || if question.is_visitor { stage.visitor() } else { stage.client() };
                let rate = load(question, client, time).await?;
                question.rates.push(rate);
            }
        }
    }
    let bare = floor.rates.median();
    bench.report.add(Figure::new(floor.name, bare, "/s"))?;
    for (stage, questions) in bench.stages.iter().zip(&asked) {
        for question in questions {
            let figure = Figure::new(question.name, question.rates.median(), "/s").of(stage);
            bench.report.add(figure.beside(floor.name, bare).at_least_times(question.aim))?;
        }
    }
    Ok(())
}

/// How often a second a question is answered.
async fn load(question: &Question, client: impl Fn() -> Result<Client>, time: Duration) -> Result<f64> {
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut client = client()?;
        let (method, path, body) = (question.method, question.path.clone(), question.body.clone());
        clients.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < time {
                client.ask(method, &path, body.clone()).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0.0;
    while let Some(done) = clients.join_next().await {
        count += f64::from(done.context("a client broke down")??);
    }
    Ok(count / began.elapsed().as_secs_f64())
}
