//! What people type to find jobs: words of the note, and `key:value` as on builds.sr.ht.

use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use std::time::Duration;

/// Characters of a query.
const LENGTH_MAX: usize = 512;
/// Words of a search.
const WORDS_MAX: usize = 32;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    is_negated: bool,
    key: Key,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// A part of the note, the tags or the number.
    Word(String),
    /// A part of the tags, joined by slashes.
    Tags(String),
    /// The beginning of the tags, joined by slashes.
    TagPath(String),
    Image(String),
    Runner(String),
    Status(JobStatus),
    Cause(Cause),
    Owner(String),
    Visibility(Visibility),
    Since(Time),
    /// Has come to its end, whichever.
    Ended,
}

impl Query {
    /// Jobs of one user.
    pub(super) fn of(owner: &str) -> Query {
        Query::one(Key::Owner(owner.into()))
    }

    /// Jobs whose tags, joined by slashes, begin so.
    pub(super) fn below(path: &str) -> Query {
        Query::one(Key::TagPath(path.to_lowercase()))
    }

    /// Jobs that have come to their end.
    pub(super) fn ended() -> Query {
        Query::one(Key::Ended)
    }

    /// Whether a status is asked for, or asked to be left out.
    pub(super) fn asks_for_status(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition.key, Key::Status(_)))
    }

    fn one(key: Key) -> Query {
        Query { conditions: vec![Condition { is_negated: false, key }] }
    }

    /// Jobs that both match.
    pub(super) fn and(mut self, other: Query) -> Query {
        self.conditions.extend(other.conditions);
        self
    }

    /// Reads what somebody typed, or says what is wrong with it.
    pub(super) fn read(text: &str, now: Time) -> Result<Query, String> {
        if text.chars().count() > LENGTH_MAX {
            return Err(format!("A search has at most {LENGTH_MAX} characters."));
        }
        let words = words(text);
        if words.len() > WORDS_MAX {
            return Err(format!("A search has at most {WORDS_MAX} words."));
        }
        let conditions = words.iter().map(|word| condition(word, now)).collect::<Result<_, _>>()?;
        Ok(Query { conditions })
    }

    /// The one owner that is asked for.
    pub(super) fn owner(&self) -> Option<&str> {
        self.plain().find_map(|key| match key {
            Key::Owner(owner) => Some(owner.as_str()),
            _ => None,
        })
    }

    /// The one status that is asked for.
    pub(super) fn status(&self) -> Option<JobStatus> {
        self.plain().find_map(|key| match key {
            Key::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Whether [`Query::owner`] and [`Query::status`] say all.
    pub(super) fn is_indexed(&self) -> bool {
        let said = usize::from(self.owner().is_some()) + usize::from(self.status().is_some());
        self.conditions.len() == said
    }

    fn plain(&self) -> impl Iterator<Item = &Key> {
        self.conditions.iter().filter(|condition| !condition.is_negated).map(|condition| &condition.key)
    }

    pub(super) fn matches(&self, job: &Job) -> bool {
        self.conditions.iter().all(|condition| condition.key.holds(job) != condition.is_negated)
    }
}

impl Key {
    fn holds(&self, job: &Job) -> bool {
        let has =
            |text: Option<&str>, part: &str| text.is_some_and(|text| text.to_lowercase().contains(part));
        let tags = || job.tags.join("/").to_lowercase();
        match self {
            Key::Word(part) => {
                has(job.note.as_deref(), part)
                    || tags().contains(part)
                    || part.strip_prefix('#').unwrap_or(part) == job.id.to_string()
            }
            Key::Tags(part) => tags().contains(part),
            Key::TagPath(start) => tags().starts_with(start),
            Key::Image(part) => has(job.image.as_deref(), part),
            Key::Runner(part) => has(job.runner.as_deref(), part),
            Key::Status(status) => job.status == *status,
            Key::Cause(cause) => job.cause == Some(*cause),
            Key::Owner(owner) => job.owner_name == *owner,
            Key::Visibility(visibility) => job.visibility == *visibility,
            Key::Since(since) => job.created >= *since,
            Key::Ended => job.status.is_final(),
        }
    }
}

fn condition(word: &str, now: Time) -> Result<Condition, String> {
    let (is_negated, rest) = match word.strip_prefix('!') {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, word),
    };
    let Some((key, value)) =
        rest.split_once(':').filter(|(key, _)| key.bytes().all(|b| b.is_ascii_alphabetic()))
    else {
        return Ok(Condition { is_negated, key: Key::Word(rest.to_lowercase()) });
    };
    let lower = value.to_lowercase();
    let key = match key {
        "status" => Key::Status(lower.parse().map_err(|_| format!("Invalid status: '{value}'"))?),
        "cause" => Key::Cause(lower.parse().map_err(|_| format!("Invalid cause: '{value}'"))?),
        "visibility" => Key::Visibility(lower.parse().map_err(|_| format!("Invalid visibility: '{value}'"))?),
        "image" => Key::Image(lower),
        "runner" => Key::Runner(lower),
        "tag" | "tags" => Key::Tags(lower),
        "owner" => Key::Owner(value.trim_start_matches('~').into()),
        "since" => Key::Since(now.minus(
            span(&lower).ok_or_else(|| format!("Invalid time: '{value}'. Write 30m, 12h, 7d or 4w."))?,
        )),
        _ => return Err(format!("Invalid search key '{key}'")),
    };
    Ok(Condition { is_negated, key })
}

/// `30m`, `12h`, `7d`, `4w`.
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u32>().ok().map(u64::from)? * seconds))
}

/// Words divided by blanks; quotes hold several together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (vec![], String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()))
            }
            c => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ropewalk_model::ids::{JobId, UserId};
    use ropewalk_model::job::JobKind;

    const NOW: Time = Time(1_782_900_000_000_000);

    fn job() -> Job {
        Job {
            id: JobId(7),
            kind: JobKind::Srht,
            owner: UserId(1),
            owner_name: "ann".into(),
            group: None,
            round: 1,
            status: JobStatus::Failed,
            cause: Some(Cause::StepFailed),
            visibility: Visibility::Public,
            note: Some("Fix the Parser".into()),
            tags: vec!["slug".into(), "main".into()],
            secrets: true,
            image: Some("freebsd/latest".into()),
            runner: Some("k2".into()),
            created: NOW.minus(Duration::from_secs(3600)),
            updated: NOW,
            queued: None,
            started: None,
            ended: None,
        }
    }

    fn finds(text: &str) -> bool {
        Query::read(text, NOW).unwrap().matches(&job())
    }

    #[test]
    fn every_condition_must_hold() {
        for text in [
            "",
            "parser",
            "PARSER fix",
            "\"the parser\"",
            "#7",
            "7",
            "status:failed",
            "image:bsd",
            "tags:g/m",
            "tag:slug",
            "owner:~ann",
            "owner:ann",
            "cause:step-failed",
            "visibility:public",
            "since:2h",
            "runner:k2",
            "!status:success",
            "!lexer",
            "since:7d image:free !tags:x",
        ] {
            assert!(finds(text), "{text}");
        }
        for text in
            ["lexer", "status:success", "!status:failed", "image:bsd lexer", "since:30m", "owner:an", "8"]
        {
            assert!(!finds(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_said_in_builds_sr_hts_words() {
        let problem = |text| Query::read(text, NOW).unwrap_err();
        assert_eq!(problem("x:1"), "Invalid search key 'x'");
        assert_eq!(problem("status:dead"), "Invalid status: 'dead'");
        assert!(problem("since:ever").starts_with("Invalid time"));
        assert!(problem(&"a".repeat(600)).contains("512"));
    }

    #[test]
    fn tags_are_found_by_the_beginning_of_their_path() {
        for (path, is) in
            [("slug", true), ("SLUG/ma", true), ("slug/main", true), ("main", false), ("slug/mainx", false)]
        {
            assert_eq!(Query::below(path).matches(&job()), is, "{path}");
        }
    }

    #[test]
    fn what_an_index_can_find_is_told_apart() {
        let query = |text| Query::read(text, NOW).unwrap();
        assert!(query("owner:ann status:failed").is_indexed() && query("").is_indexed());
        assert!(!query("!status:failed").is_indexed() && query("!status:failed").status().is_none());
        assert!(!query("owner:ann owner:bob").is_indexed());
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_a_problem(text in "\\PC{0,60}") {
            if let Ok(query) = Query::read(&text, NOW) {
                query.matches(&job());
            }
        }

        #[test]
        fn keys_take_any_value(key in "(status|since|tags|owner|image|cause|visibility|x)", value in "\\PC{0,12}") {
            let _ = Query::read(&format!("{key}:{value}"), NOW);
        }
    }
}
