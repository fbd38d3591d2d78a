//! Targets: what is built again and again.

use super::repos::taken;
use super::{LIST_MAX, words};
use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{StoreError, Target, TargetFields, TargetFilter, TargetKind, Window};
use ropewalk_model::grant::Mode;
use ropewalk_model::time::Time;

/// Tries to change a target that others change too.
const TRIES: u32 = 5;

/// A target to be made.
#[derive(Clone, Debug)]
pub struct TargetWish {
    /// What it is.
    pub fields: TargetFields,
    /// Comma list of architectures; empty: the server's own.
    pub archs: String,
}

/// What is to be changed of a target; none stays.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields of a target")]
pub struct TargetChange {
    pub kind: Option<TargetKind>,
    pub url: Option<String>,
    pub branch: Option<String>,
    pub repo: Option<String>,
    pub schedule: Option<String>,
    pub path: Option<String>,
    /// Comma list.
    pub archs: Option<String>,
}

impl Farm {
    /// Makes a target. Its repository is made with it, if it is new.
    pub async fn create_target(&self, by: &Caller, wish: TargetWish) -> Result<Target, Error> {
        access::packages(by, Mode::Rw)?;
        let owner = access::owner(by)?.id;
        let next = self.check_target(&wish.fields)?;
        let archs = words::archs(&wish.archs, &self.settings.arch)?;
        let any_repo = access::administers_packages(by);
        self.store.create_target(owner, any_repo, wish.fields, archs, next).await.map_err(taken)
    }

    /// A target.
    pub async fn target(&self, by: &Caller, id: i64) -> Result<Target, Error> {
        access::packages(by, Mode::Ro)?;
        let target = self.store.target(id).await?;
        let target = target.ok_or_else(|| Error::missing(format_args!("target {id}")))?;
        Ok(shown_to(by, target))
    }

    /// Targets by number, at most [`LIST_MAX`]; a limit of 0 is none.
    pub async fn targets(
        &self,
        by: &Caller,
        filter: &TargetFilter,
        window: Window,
    ) -> Result<Vec<Target>, Error> {
        access::packages(by, Mode::Ro)?;
        if [&filter.repo, &filter.arch, &filter.query].into_iter().any(|text| is_nowhere(text)) {
            return Ok(vec![]);
        }
        let targets = self.store.targets(filter, bounded(window)).await?;
        Ok(targets.into_iter().map(|target| shown_to(by, target)).collect())
    }

    /// Changes a target. Its queued builds are dropped; those that were handed out go on.
    pub async fn update_target(&self, by: &Caller, id: i64, change: TargetChange) -> Result<Target, Error> {
        access::packages(by, Mode::Rw)?;
        let mut tries = 0;
        loop {
            let before = self.target(by, id).await?;
            access::change_packages(by, before.owner)?;
            let fields = changed(&before, &change);
            let next = self.check_target(&fields)?;
            let archs = change.archs.as_deref().map(|list| words::archs(list, &self.settings.arch));
            // Builds of the target publish as its owner, whoever changes it.
            let is_own = access::owner(by).is_ok_and(|user| user.id == before.owner);
            let (at, any_repo) = ((id, before.revision), is_own && access::administers_packages(by));
            tries += 1;
            match self.store.update_target(at, any_repo, fields, archs.transpose()?, next).await {
                Err(StoreError::Conflict(_)) if tries < TRIES => {}
                updated => return updated.map_err(taken),
            }
        }
    }

    /// Removes a target and its queued builds. Its logs stay. Nothing if there is none.
    pub async fn delete_target(&self, by: &Caller, id: i64) -> Result<(), Error> {
        access::packages(by, Mode::Rw)?;
        if let Some(target) = self.store.target(id).await? {
            access::change_packages(by, target.owner)?;
            self.store.delete_target(id).await?;
        }
        Ok(())
    }

    /// When a target with these fields is built next.
    fn check_target(&self, fields: &TargetFields) -> Result<Time, Error> {
        let settings = &self.settings.arch;
        for (name, text) in [("url", &fields.url), ("repo", &fields.repo)] {
            if text.is_empty() {
                return Err(Error::malformed(format!("Missing parameter: {name}.")));
            }
        }
        words::text("url", &fields.url)?;
        words::text("path", &fields.path)?;
        words::branch(&fields.branch)?;
        words::repository(&fields.repo, settings)?;
        Ok(words::schedule(&fields.schedule, settings)?.next(self.clock.now()))
    }
}

fn changed(before: &Target, change: &TargetChange) -> TargetFields {
    let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let old = &before.fields;
    TargetFields {
        kind: change.kind.unwrap_or(old.kind),
        url: or(&change.url, &old.url),
        branch: or(&change.branch, &old.branch),
        repo: or(&change.repo, &old.repo),
        schedule: or(&change.schedule, &old.schedule),
        path: or(&change.path, &old.path),
    }
}

/// A target as others than its owner see it: without the password that its address may hold.
fn shown_to(by: &Caller, mut target: Target) -> Target {
    if !access::owns(by, target.owner) {
        target.fields.url = without_password(&target.fields.url);
    }
    target
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest.get(..host).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}://***{}", rest.get(at..).unwrap_or_default()),
        None => url.into(),
    }
}

/// Texts that nothing stored holds, so that no engine need be asked; not every one could be.
pub(super) fn is_nowhere(text: &str) -> bool {
    text.chars().any(char::is_control)
}

pub(super) fn bounded(window: Window) -> Window {
    let limit = if window.limit == 0 { LIST_MAX } else { window.limit.min(LIST_MAX) };
    Window { limit, ..window }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_to_others_without_its_password() {
        for (url, shown) in [
            ("https://ann:secret@git.example.org/p.git", "https://***@git.example.org/p.git"),
            ("https://token@git.example.org", "https://***@git.example.org"),
            ("https://a:b@c@host/x@y", "https://***@host/x@y"),
            ("https://git.example.org/p@1.git", "https://git.example.org/p@1.git"),
            ("git@example.org:p.git", "git@example.org:p.git"),
            ("U", "U"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
