//! Addresses and words that several of these pages have.

use crate::pages::addresses::{self, segment};
use crate::pages::show::{self, Status, When};
use ropewalk_core::access::{self, Caller};
use ropewalk_core::port::{TargetBuild, TargetFields};
use ropewalk_model::time::Time;

/// Address of a repository's page.
pub(super) fn repository(name: &str) -> String {
    format!("/-/repositories/{}", segment(name))
}

/// Address of a target's page.
pub(super) fn target(number: i64) -> String {
    format!("/-/targets/{number}")
}

/// Address of the targets that are built into a repository.
pub(super) fn targets_of(repository: &str) -> String {
    format!("/-/targets?repo={}", segment(repository))
}

/// Address of a package's file, as `pacman` asks for it.
pub(super) fn file(repository: &str, arch: &str, file: &str) -> String {
    format!("/{}/{}/{}", segment(repository), segment(arch), segment(file))
}

/// What a target is called: its folder, else the last part of its address that says something.
pub(super) fn title(fields: &TargetFields) -> String {
    let last = |text: &str| text.split('/').rfind(|part| !part.is_empty()).map(String::from);
    let from_address = || {
        let address = fields.url.split(['?', '#']).next().unwrap_or_default();
        let address = address.strip_suffix("/PKGBUILD").unwrap_or(address);
        last(address.strip_suffix(".git").unwrap_or(address))
    };
    last(&fields.path).or_else(from_address).unwrap_or_else(|| fields.url.clone())
}

/// An address without the name and password that it may hold.
pub(super) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@').and_then(|at| rest.get(at + 1..)) {
        Some(host) => format!("{scheme}://{host}"),
        None => address.into(),
    }
}

/// A point in time that is told in seconds.
pub(super) fn when(seconds: i64, now: Time) -> When {
    When::new(Time(seconds.saturating_mul(1_000_000)), now)
}

/// A build in a list.
pub(super) struct Row {
    pub(super) number: i64,
    /// Page of its job, for those who may look at it.
    pub(super) address: Option<String>,
    pub(super) status: Status,
    pub(super) cause: Option<String>,
    pub(super) arch: String,
    pub(super) took: Option<String>,
    pub(super) when: When,
    /// Number of its log.
    pub(super) log: Option<i64>,
}

impl Row {
    pub(super) fn new(by: &Caller, build: &TargetBuild, now: Time) -> Row {
        let job = &build.job;
        Row {
            number: job.id.0,
            address: access::seen(by, job).is_ok().then(|| addresses::of_job(job)),
            status: Status::of(job.status.into()),
            cause: job.cause.map(show::cause),
            arch: build.arch.clone(),
            took: job.started.map(|started| show::clock(job.ended.unwrap_or(now).since(started))),
            when: When::new(job.ended.unwrap_or(job.created), now),
            log: build.log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropewalk_core::port::TargetKind;

    #[test]
    fn a_target_is_called_by_its_folder_or_its_address() {
        let title = |url: &str, path: &str| {
            let (url, path) = (url.to_string(), path.to_string());
            let (branch, repo, schedule) = Default::default();
            title(&TargetFields { kind: TargetKind::Git, url, path, branch, repo, schedule })
        };
        assert_eq!(title("https://example.org/packages.git", "libs/foo/"), "foo");
        assert_eq!(title("https://example.org/foo.git", ""), "foo");
        assert_eq!(title("https://example.org/foo/PKGBUILD?h=main", ""), "foo");
        assert_eq!(title("x", "//"), "x");
        assert_eq!(title("///", ""), "///");
    }

    #[test]
    fn no_password_is_shown() {
        for (address, shown) in [
            ("https://ann:s3cret@example.org/x@y.git", "https://example.org/x@y.git"),
            ("https://a@b@example.org?c@d", "https://example.org?c@d"),
            ("https://example.org/x@y", "https://example.org/x@y"),
            ("git@example.org:x", "git@example.org:x"),
            ("https://", "https://"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn nothing_leads_out_of_its_segment() {
        assert_eq!(file("r", "a b", "x-1:2+3-1-any.pkg.tar.zst"), "/r/a%20b/x-1%3A2%2B3-1-any.pkg.tar.zst");
        assert_eq!(targets_of("a@b+c"), "/-/targets?repo=a%40b%2Bc");
    }
}
