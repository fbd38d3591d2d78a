//! How the newest job of a user went, for badges. READMEs are read by many, and a badge is in each.

use crate::error::Error;
use crate::farm::Farm;
use crate::jobs::PAGE_MAX;
use crate::port::JobFilter;
use ropewalk_model::ids::UserId;
use ropewalk_model::job::Job;
use ropewalk_model::status::JobStatus;
use ropewalk_model::time::Time;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For so long an answer is given again.
const KEPT: Duration = Duration::from_secs(30);
/// Answers that are kept; when there are more, those that are too old go, or all.
const MOST: usize = 4096;

/// Status and last change of the job that a badge shows.
pub type Badge = Option<(JobStatus, Time)>;

/// Answers of the last half minute, by user and tags.
#[derive(Default)]
pub(crate) struct Badges(Mutex<HashMap<(UserId, String), (Time, Badge)>>);

impl Badges {
    fn get(&self, of: &(UserId, String), now: Time) -> Option<Badge> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(of).filter(|(at, _)| is_fresh(*at, now)).map(|(_, badge)| *badge)
    }

    fn keep(&self, of: (UserId, String), now: Time, badge: Badge) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.retain(|_, (at, _)| is_fresh(*at, now));
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(of, (now, badge));
    }
}

fn is_fresh(at: Time, now: Time) -> bool {
    at <= now && now.since(at) < KEPT
}

impl Farm {
    /// How the newest job of a user went that ended by itself, whatever its visibility, and when it changed last; of
    /// those only whose tags, joined by slashes, begin with `tags`, in any case. Looks at the newest jobs only
    /// (`limits.search-jobs`), and twice within half a minute at none.
    pub async fn badge(&self, user: &str, tags: &str) -> Result<Badge, Error> {
        let owner = self.user_named(user).await?;
        let owner = owner.ok_or_else(|| Error::missing(format_args!("user {user:?}")))?.id;
        let (of, now) = ((owner, tags.to_lowercase()), self.clock.now());
        if let Some(badge) = self.badges.get(&of, now) {
            return Ok(badge);
        }
        let badge = self.newest_ended(owner, &of.1).await?;
        self.badges.keep(of, now, badge);
        Ok(badge)
    }

    async fn newest_ended(&self, owner: UserId, tags: &str) -> Result<Badge, Error> {
        let filter = JobFilter { owner: Some(owner), ..JobFilter::default() };
        let counts = |job: &Job| {
            matches!(job.status, JobStatus::Success | JobStatus::Failed | JobStatus::Timeout)
                && job.tags.join("/").to_lowercase().starts_with(tags)
        };
        let (mut before, mut left) = (None, self.settings.requests.search_jobs);
        while left > 0 {
            let page = self.store.jobs(&filter, before, left.min(PAGE_MAX)).await?;
            if let Some(job) = page.items.iter().find(|job| counts(job)) {
                return Ok(Some((job.status, job.updated)));
            }
            left = left.saturating_sub(PAGE_MAX);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        Ok(None)
    }
}
