//! Package repositories and packages, by the image's own package manager.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::failed;
use crate::backend::Place;
use ropewalk_model::manifest::script::{packages, repository};
use ropewalk_model::status::Cause;

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
