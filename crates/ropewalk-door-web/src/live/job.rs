//! A whole job, live: its logs in the order in which a reader expects them, its steps and its status.

mod mark;
mod position;

use super::text::{Piece, encode, log_name, whole};
use super::{EVENT_MAX, answer, event};
use crate::Web;
use crate::n1::view::{JobView, StepView};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::{StreamExt, stream};
use mark::{before_mark, through_mark};
pub(crate) use position::Position;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::jobs::PAGE_MAX;
use ropewalk_core::logs::{OpenLog, PACE};
use ropewalk_http::metrics::StreamCount;
use ropewalk_model::event::Fact;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::StepStatus;
use std::time::Duration;
use tokio::time::Instant;

/// How often the status is looked at while no log grows.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Streams a job from a position on.
pub(crate) async fn stream(web: &Web, by: Caller, job: JobId, from: Position) -> Result<Response, Error> {
    let follower = Follower::open(web, by.clone(), job, from).await?;
    let batches = stream::unfold(follower, async |mut follower| {
        let news = follower.next().await?;
        let events: Vec<Event> = news.into_iter().map(|told| told.event(&follower.web)).collect();
        Some((stream::iter(events), follower))
    });
    Ok(answer(web, by, job, batches.flatten()))
}

/// What there is to tell, and where the reader is after it.
pub(crate) struct Told {
    pub(crate) news: JobUpdate,
    /// A [`Position`].
    pub(crate) id: String,
}

/// Something new about a job.
pub(crate) enum JobUpdate {
    /// The job, when something happened to it.
    Job(Box<Job>),
    /// A step that is not as it was.
    Step(Step),
    /// Bytes of a log.
    Log {
        /// Which.
        open: OpenLog,
        /// Where the first of them stands.
        offset: u64,
        /// Not empty.
        bytes: Vec<u8>,
    },
    /// The job has ended, and all its logs were told.
    End(Box<Job>),
}

impl Told {
    /// As `/api/n1` says it.
    fn event(self, web: &Web) -> Event {
        let view = |job: Job| {
            let url = web.farm.job_url(&job.owner_name, job.id);
            JobView::new(job, url)
        };
        let event = match self.news {
            JobUpdate::Job(job) => event("job", &view(*job)),
            JobUpdate::Step(step) => event("step", &StepView::from(step)),
            JobUpdate::Log { open, offset, bytes } => {
                event("log", &Piece { log: log_name(open), offset, bytes: encode(&bytes) })
            }
            JobUpdate::End(job) => event("end", &view(*job)),
        };
        event.id(self.id)
    }
}

/// Reads a job's news in the order in which a reader expects them.
pub(crate) struct Follower {
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
    /// The setup log was read up to the current step's mark.
    is_announced: bool,
    has_looked: bool,
    is_final: bool,
    ended: bool,
    sent: Option<Instant>,
    _count: StreamCount,
}

impl Follower {
    /// Begins at a position.
    pub(crate) async fn open(web: &Web, by: Caller, job: JobId, at: Position) -> Result<Follower, Error> {
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
            is_announced: false,
            has_looked: false,
            is_final: false,
            ended: false,
            sent: None,
            _count: web.metrics.stream(),
            web: web.clone(),
        })
    }

    /// The next batch; none after the end, and when the farm fails: the client comes back.
    pub(crate) async fn next(&mut self) -> Option<Vec<Told>> {
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

    fn told(&self, news: JobUpdate) -> Told {
        Told { news, id: self.at.to_string() }
    }

    /// All that is new since the last batch.
    async fn batch(&mut self) -> Result<Vec<Told>, Error> {
        let mut events = self.news().await?;
        self.drain_in_order(&mut events).await?;
        if self.is_final && events.is_empty() && self.drain_all(&mut events).await? {
            self.ended = true;
            let job = self.web.farm.job(&self.by, self.job).await?;
            events.push(self.told(JobUpdate::End(Box::new(job))));
        }
        Ok(events)
    }

    /// What happened to the job and its steps.
    async fn news(&mut self) -> Result<Vec<Told>, Error> {
        let happened = self.web.farm.events(&self.by, self.job, self.at.event, PAGE_MAX).await?;
        if happened.is_empty() && self.has_looked {
            return Ok(vec![]);
        }
        self.has_looked = true;
        if let Some(last) = happened.last() {
            self.at.event = last.number;
        }
        if happened.iter().any(|event| matches!(event.fact, Fact::Lost { .. })) {
            // Another attempt writes behind what the one before wrote, from the first step on.
            (self.current, self.is_announced) = (0, false);
        }
        let job = self.web.farm.job(&self.by, self.job).await?;
        self.is_final = job.status.is_final();
        let mut events = vec![self.told(JobUpdate::Job(Box::new(job)))];
        let steps = self.web.farm.steps(&self.by, self.job).await?;
        for (position, step) in steps.iter().enumerate() {
            if self.steps.get(position) != Some(step) {
                events.push(self.told(JobUpdate::Step(step.clone())));
            }
        }
        self.steps = steps;
        Ok(events)
    }

    /// New bytes in the order in which they were printed: the setup log up to the mark of a step, that step's log,
    /// the setup log up to the next mark. Where no mark can be found only the order suffers, never a byte.
    async fn drain_in_order(&mut self, events: &mut Vec<Told>) -> Result<(), Error> {
        while let Some(open) = self.logs.get(self.current).copied() {
            let (name, status) = match self.steps.get(self.current) {
                Some(step) => (step.name.clone(), step.status),
                None => return Ok(()),
            };
            if !self.is_announced {
                let (_, found) =
                    self.drain_some(self.setup, events, |bytes| through_mark(bytes, &name)).await?;
                self.is_announced = found || status != StepStatus::Pending;
                if !self.is_announced {
                    return Ok(());
                }
            }
            let at_end = self.drain(open, events).await?.0;
            if !at_end || !has_ended(status) {
                let next = self.steps.get(self.current + 1).map(|step| step.name.clone());
                let before = |bytes: &[u8]| next.as_deref().and_then(|next| before_mark(bytes, next));
                self.drain_some(self.setup, events, before).await?;
                return Ok(());
            }
            self.current += 1;
            self.is_announced = false;
        }
        self.drain(self.setup, events).await?;
        Ok(())
    }

    /// Appends what is new in any log; true if nothing is and nothing will be.
    async fn drain_all(&mut self, events: &mut Vec<Told>) -> Result<bool, Error> {
        let mut ended = self.drain(self.setup, events).await?.1;
        for open in self.logs.clone() {
            ended &= self.drain(open, events).await?.1;
        }
        Ok(ended && events.is_empty())
    }

    /// Appends a log's new bytes; answers whether its present end was reached, and whether it is the last one.
    async fn drain(&mut self, open: OpenLog, events: &mut Vec<Told>) -> Result<(bool, bool), Error> {
        self.drain_some(open, events, |_| None).await.map(|(at_end, _)| at_end)
    }

    /// The same, up to where `limit` says; also answers whether it said so.
    async fn drain_some(
        &mut self,
        open: OpenLog,
        events: &mut Vec<Told>,
        limit: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Result<((bool, bool), bool), Error> {
        let at = self.at.of(open.name());
        let slice = self.web.farm.read_log(open, at, EVENT_MAX).await?;
        let limit = limit(&slice.bytes);
        let length = limit.unwrap_or_else(|| whole(&slice.bytes));
        let bytes = slice.bytes.get(..length).unwrap_or_default();
        if !bytes.is_empty() {
            let bytes = bytes.to_vec();
            self.at.advance(open.name(), bytes.len() as u64);
            events.push(self.told(JobUpdate::Log { open, offset: at, bytes }));
        }
        let at_end = self.at.of(open.name()) >= slice.size;
        Ok(((at_end, at_end && slice.complete), limit.is_some()))
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

fn has_ended(status: StepStatus) -> bool {
    matches!(status, StepStatus::Success | StepStatus::Failed | StepStatus::Skipped)
}
