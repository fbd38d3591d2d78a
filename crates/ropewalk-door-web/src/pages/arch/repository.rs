//! A repository: its packages, and how a machine comes by them.

use super::parts;
use crate::Web;
use crate::pages::addresses::{self, segment};
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{self, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::Error;
use ropewalk_core::port::{PackageRow, Repository, TargetFilter, Window};
use ropewalk_http::parts::Address;
use ropewalk_model::grant::Mode;
use ropewalk_model::time::Time;

/// Packages of one page.
const ROWS: u32 = 100;
/// Targets that are named.
const TARGETS: u32 = 20;

#[derive(Template)]
#[template(path = "arch-repository.html")]
struct RepositoryPage {
    frame: Frame,
    /// Address of this server.
    origin: String,
    repository: Repository,
    owner_address: String,
    archs: Vec<Arch>,
    /// The part that is shown; none if nothing was published.
    shown: Option<Shown>,
    targets: Targets,
}

/// An architecture that can be chosen.
struct Arch {
    name: String,
    packages: String,
    link: String,
    is_shown: bool,
}

struct Shown {
    arch: String,
    /// Address of the list's beginning.
    link: String,
    changed: When,
    rows: Vec<Package>,
    is_first: bool,
    /// Address of the next part.
    next: Option<String>,
}

struct Package {
    name: String,
    file: String,
    about: Option<String>,
    version: String,
    arch: String,
    size: String,
    published: When,
}

/// What is built into the repository.
#[derive(Default)]
struct Targets {
    /// Titles and addresses.
    some: Vec<(String, String)>,
    /// Address of all, if there are more.
    all: Option<String>,
    /// Whether the one who looks may know of targets.
    is_known: bool,
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(name): Address<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let farm = &web.farm;
    let repository = farm.repository(&frame.by, &name).await?;
    let counts = farm.package_counts(&repository).await?;
    let chosen = choose(&repository, fields.text("arch"), &farm.settings().arch.default_arch)?;
    let shown = match chosen {
        Some(chosen) => Some(packages(&web, &repository, chosen, fields.text("after")).await?),
        None => None,
    };
    let archs = repository.archs.iter().map(|(arch, _)| Arch {
        name: arch.clone(),
        packages: show::number(counts.get(arch).copied().unwrap_or(0)),
        link: link(&repository.name, arch),
        is_shown: shown.as_ref().is_some_and(|shown| shown.arch == *arch),
    });
    Ok(page(&RepositoryPage {
        origin: farm.settings().origin.clone(),
        owner_address: addresses::of_person(&repository.owner_name),
        archs: archs.collect(),
        targets: targets(&web, &frame.by, &repository.name).await?,
        shown,
        repository,
        frame: frame.at("packages"),
    }))
}

/// The architecture that is asked for; else the server's own, else the first one.
fn choose<'a>(
    repository: &'a Repository,
    asked: Option<&str>,
    own: &str,
) -> Result<Option<&'a (String, i64)>, Error> {
    let find = |arch: &str| repository.archs.iter().find(|(known, _)| known == arch);
    match asked {
        Some(arch) => {
            let missing = || Error::missing(format_args!("architecture {arch:?} in {}", repository.name));
            find(arch).ok_or_else(missing).map(Some)
        }
        None => Ok(find(own).or(repository.archs.first())),
    }
}

fn link(repository: &str, arch: &str) -> String {
    format!("{}?arch={}", parts::repository(repository), segment(arch))
}

async fn packages(
    web: &Web,
    repository: &Repository,
    (arch, changed): &(String, i64),
    after: Option<&str>,
) -> Result<Shown, Error> {
    let now = web.farm.now();
    let mut found = web.farm.packages(repository, arch, after.unwrap_or_default(), ROWS + 1).await?;
    let has_more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let link = link(&repository.name, arch);
    let next = found.last().filter(|_| has_more).map(|last| format!("{link}&after={}", segment(&last.name)));
    Ok(Shown {
        rows: found.iter().map(|one| package(&repository.name, arch, one, now)).collect(),
        changed: parts::when(*changed, now),
        is_first: after.is_none(),
        arch: arch.clone(),
        link,
        next,
    })
}

fn package(repository: &str, arch: &str, package: &PackageRow, now: Time) -> Package {
    Package {
        name: package.name.clone(),
        file: parts::file(repository, arch, &package.file),
        about: package.about().map(String::from),
        version: package.version().into(),
        arch: package.arch.clone(),
        size: show::size(package.size),
        published: parts::when(package.published, now),
    }
}

async fn targets(web: &Web, by: &Caller, repository: &str) -> Result<Targets, Error> {
    if access::packages(by, Mode::Ro).is_err() {
        return Ok(Targets::default());
    }
    let filter = TargetFilter { repo: repository.into(), ..TargetFilter::default() };
    let mut found = web.farm.targets(by, &filter, Window { limit: TARGETS + 1, offset: 0 }).await?;
    let has_more = found.len() > TARGETS as usize;
    found.truncate(TARGETS as usize);
    Ok(Targets {
        some: found.iter().map(|one| (parts::title(&one.fields), parts::target(one.id))).collect(),
        all: has_more.then(|| parts::targets_of(repository)),
        is_known: true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use ropewalk_model::ids::UserId;

    #[test]
    fn an_architecture_is_chosen_even_where_none_was_asked_for() {
        let of = |archs: &[&str], asked| {
            let archs = archs.iter().map(|arch| (arch.to_string(), 0)).collect();
            let (name, owner_name) = ("r".into(), "ann".into());
            let repository = Repository { id: 1, name, owner: UserId(1), owner_name, archs };
            choose(&repository, asked, "x86_64").map(|found| found.map(|(arch, _)| arch.clone()))
        };
        assert_eq!(of(&["aarch64", "x86_64"], None).unwrap().unwrap(), "x86_64");
        assert_eq!(of(&["aarch64", "riscv64"], None).unwrap().unwrap(), "aarch64");
        assert_eq!(of(&["aarch64", "x86_64"], Some("aarch64")).unwrap().unwrap(), "aarch64");
        assert_eq!(of(&[], None).unwrap(), None);
        assert!(of(&["x86_64"], Some("x")).is_err());
    }
}
