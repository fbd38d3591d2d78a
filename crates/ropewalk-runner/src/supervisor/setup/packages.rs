//! Package repositories and packages, by the image's own package manager.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::failed;
use crate::backend::Place;
use ropewalk_model::manifest::script::{packages, repository};
use ropewalk_model::status::Cause;

/// The folders of `host` belong to root, whom the id range of an ordinary account does not hold.
const NO_PACKAGES: &str = "packages cannot be installed into the image host by a runner that is an ordinary account: \
    use image debian/stable (add it with: ropewalk image import debian/stable PATH), or let root run it";

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
