//! A whole job, live: its logs in the order in which a reader expects them, its steps and its status.

mod position;

use super::text::{Piece, encode, log_name, whole};
use super::{EVENT_MAX, answer, event};
use crate::Web;
use crate::n1::view::{JobView, StepView};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::{StreamExt, stream};
use position::Position;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::jobs::PAGE_MAX;
use ropewalk_core::logs::{OpenLog, PACE};
use ropewalk_http::metrics::StreamCount;
use ropewalk_model::event::Fact;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::Step;
use ropewalk_model::status::StepStatus;
use std::time::Duration;
use tokio::time::Instant;

/// How often the status is looked at while no log grows.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Streams a job from a position on.
pub(crate) async fn stream(web: &Web, by: Caller, job: JobId, from: Position) -> Result<Response, Error> {
    let follower = Follower::open(web, by, job, from).await?;
    let batches = stream::unfold(follower, async |mut follower| {
        let events = follower.next().await?;
        Some((stream::iter(events), follower))
    });
    Ok(answer(batches.flatten(), web.stopping.clone()))
}

struct Follower {
    web: Web,
    by: Caller,
    job: JobId,
    at: Position,
    setup: OpenLog,
    /// Logs of the steps, by position.
    logs: Vec<OpenLog>,
    /// Steps as they were told last.
    steps: Vec<Step>,
    /// The step whose log is read now; those before it were read to their ends.
    current: usize,
    is_final: bool,
    ended: bool,
    sent: Option<Instant>,
    _count: StreamCount,
}

impl Follower {
    async fn open(web: &Web, by: Caller, job: JobId, at: Position) -> Result<Follower, Error> {
        let mut logs = web.farm.open_logs(&by, job).await?.into_iter();
        let setup = logs.next().ok_or_else(|| Error::missing(format_args!("log of job {job}")))?;
        Ok(Follower {
            by,
            job,
            at,
            setup,
            logs: logs.collect(),
            steps: vec![],
            current: 0,
            is_final: false,
            ended: false,
            sent: None,
            _count: web.metrics.stream(),
            web: web.clone(),
        })
    }

    /// The next batch; none after the end, and when the farm fails: the client comes back.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(sent) = self.sent {
                tokio::time::sleep_until(sent + PACE).await;
            }
            match self.batch().await {
                Ok(events) if events.is_empty() => self.wait().await,
                Ok(events) => {
                    self.sent = Some(Instant::now());
                    return Some(events);
                }
                Err(error) => {
                    tracing::warn!(job = %self.job, "a live job broke off: {error}");
                    return None;
                }
            }
        }
    }

    /// All that is new since the last batch. Steps' output comes before what the setup log says about the next step,
    /// although the setup log is read in between: what it says was written after that output.
    async fn batch(&mut self) -> Result<Vec<Event>, Error> {
        let mut events = self.news().await?;
        self.drain_steps(&mut events).await?;
        let mut marks = vec![];
        let setup_ended = self.drain(self.setup, &mut marks).await?;
        self.drain_steps(&mut events).await?;
        events.append(&mut marks);
        if self.is_final && events.is_empty() && setup_ended && self.drain_all(&mut events).await? {
            self.ended = true;
            let job = self.web.farm.job(&self.by, self.job).await?;
            let url = self.web.farm.job_url(&job.owner_name, job.id);
            events.push(event("end", &JobView::new(job, url)).id(self.at.to_string()));
        }
        Ok(events)
    }

    /// What happened to the job and its steps.
    async fn news(&mut self) -> Result<Vec<Event>, Error> {
        let happened = self.web.farm.events(&self.by, self.job, self.at.event, PAGE_MAX).await?;
        let Some(last) = happened.last() else { return Ok(vec![]) };
        self.at.event = last.number;
        if happened.iter().any(|event| matches!(event.fact, Fact::Lost { .. } | Fact::Status { .. })) {
            // Another attempt writes behind what the one before wrote, from the first step on.
            self.current = 0;
        }
        let job = self.web.farm.job(&self.by, self.job).await?;
        self.is_final = job.status.is_final();
        let url = self.web.farm.job_url(&job.owner_name, job.id);
        let mut events = vec![event("job", &JobView::new(job, url)).id(self.at.to_string())];
        let steps = self.web.farm.steps(&self.by, self.job).await?;
        for (position, step) in steps.iter().enumerate() {
            if self.steps.get(position) != Some(step) {
                events.push(event("step", &StepView::from(step.clone())).id(self.at.to_string()));
            }
        }
        self.steps = steps;
        Ok(events)
    }

    /// Reads the current step's log, and goes on to the next step when this one has ended.
    async fn drain_steps(&mut self, events: &mut Vec<Event>) -> Result<(), Error> {
        while let Some(open) = self.logs.get(self.current).copied() {
            self.drain(open, events).await?;
            if !self.steps.get(self.current).is_some_and(has_ended) {
                break;
            }
            self.current += 1;
        }
        Ok(())
    }

    /// Appends what is new in any log; true if nothing is and nothing will be.
    async fn drain_all(&mut self, events: &mut Vec<Event>) -> Result<bool, Error> {
        let mut ended = true;
        for open in self.logs.clone() {
            ended &= self.drain(open, events).await?;
        }
        Ok(ended && events.is_empty())
    }

    /// Appends a log's new bytes; true if it is complete and was read to its end.
    async fn drain(&mut self, open: OpenLog, events: &mut Vec<Event>) -> Result<bool, Error> {
        let at = self.at.of(open.name());
        let slice = self.web.farm.read_log(open, at, EVENT_MAX).await?;
        let bytes = slice.bytes.get(..whole(&slice.bytes)).unwrap_or_default();
        if !bytes.is_empty() {
            let piece = Piece { log: log_name(open), offset: at, bytes: encode(bytes) };
            self.at.advance(open.name(), bytes.len() as u64);
            events.push(event("log", &piece).id(self.at.to_string()));
        }
        Ok(slice.complete && self.at.of(open.name()) >= slice.size)
    }

    /// Until one of the logs that are written now may have grown.
    async fn wait(&self) {
        let setup = self.web.farm.log_grown(self.setup, self.at.of(self.setup.name()));
        let second = tokio::time::sleep(LOOK_EVERY);
        match self.logs.get(self.current) {
            Some(open) => tokio::select! {
                () = setup => {}
                () = self.web.farm.log_grown(*open, self.at.of(open.name())) => {}
                () = second => {}
            },
            None => tokio::select! { () = setup => {} () = second => {} },
        }
    }
}

fn has_ended(step: &Step) -> bool {
    matches!(step.status, StepStatus::Success | StepStatus::Failed | StepStatus::Skipped)
}
