//! Package repositories and packages, by the image's own package manager.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::failed;
use crate::backend::Place;
use ropewalk_model::manifest::script::{packages, repository, tools};
use ropewalk_model::plan::Scm;
use ropewalk_model::status::Cause;

/// The folders of `host` belong to root, whom the id range of an ordinary account does not hold.
const NO_PACKAGES: &str = "packages cannot be installed into the image host by a runner that is an ordinary account: \
    use image debian/stable (add it with: ropewalk image pull debian/stable), or let root run it";

impl Attempt<'_> {
    pub(super) fn add_repositories(&mut self, place: &dyn Place) -> Result<(), Stop> {
        for (name, value) in self.plan.repositories.clone() {
            self.say(format_args!("Adding repository {name}"))?;
            let exit = self.root_script(place, "repository", &repository(&name, &value))?;
            if exit != 0 {
                return Err(failed(
                    Cause::SetupFailed,
                    format_args!("cannot add the repository {name}"),
                    exit,
                ));
            }
        }
        Ok(())
    }

    /// Images of registries are bare: what every task and the sources take for granted.
    pub(super) fn install_tools(&mut self, place: &dyn Place) -> Result<(), Stop> {
        if !place.takes_packages() {
            return Ok(());
        }
        let uses = |scm: Scm| self.plan.sources.iter().any(|source| source.scm == scm);
        let mut needed = vec![("bash", "bash")];
        needed.extend(uses(Scm::Git).then_some(("git", "git")));
        needed.extend(uses(Scm::Hg).then_some(("hg", "mercurial")));
        match self.root_script(place, "tools", &tools(&needed))? {
            0 => Ok(()),
            exit => {
                let what = format!("cannot install what the image {} lacks", self.plan.image);
                Err(failed(Cause::SetupFailed, what, exit))
            }
        }
    }

    pub(super) fn install_packages(&mut self, place: &dyn Place) -> Result<(), Stop> {
        let Some(script) = packages(&self.plan.packages) else { return Ok(()) };
        self.say("Installing packages")?;
        if !place.takes_packages() {
            return Err(Stop::new(Cause::SetupFailed, NO_PACKAGES));
        }
        match self.root_script(place, "packages", &script)? {
            0 => Ok(()),
            exit => {
                let (names, image) = (self.plan.packages.join(" "), &self.plan.image);
                let what = format!("cannot install {names} in the image {image}");
                Err(failed(Cause::SetupFailed, what, exit))
            }
        }
    }
}
