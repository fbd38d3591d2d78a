//! What happens before the steps, in the order of builds.sr.ht: files of the tasks, environment,
//! secrets, package repositories, packages, sources.

mod client;
mod files;
mod packages;
mod secrets;
mod sources;

use super::attempt::Attempt;
use super::stop::Stop;
use crate::backend::{Place, Run};
use ropewalk_model::link::LogName;
use ropewalk_model::manifest::script::quote;
use ropewalk_model::status::Cause;

pub(super) use secrets::decode;

impl Attempt<'_> {
    pub(super) fn set_up(&mut self, place: &dyn Place) -> Result<(), Stop> {
        self.send_files(place)?;
        self.send_secrets(place)?;
        self.install_tools(place)?;
        self.add_repositories(place)?;
        self.install_packages(place)?;
        self.fetch_sources(place)
    }

    /// Runs a script of the set-up as the build account.
    fn script(&mut self, place: &dyn Place, name: &str, script: &str) -> Result<i32, Stop> {
        let run = Run { name, script: script.as_bytes(), input: None, root: false };
        self.run(place, LogName::Setup, run)
    }

    /// Runs a script of the set-up as root of the place.
    fn root_script(&mut self, place: &dyn Place, name: &str, script: &str) -> Result<i32, Stop> {
        let run = Run { name, script: script.as_bytes(), input: None, root: true };
        self.run(place, LogName::Setup, run)
    }
}

/// A script of ours with its arguments.
pub(super) fn with_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>, script: &str) -> String {
    let quoted: Vec<String> = arguments.into_iter().map(quote).collect();
    format!("set -- {}\n{script}", quoted.join(" "))
}

/// The end of a script that failed.
fn failed(cause: Cause, what: impl std::fmt::Display, exit: i32) -> Stop {
    Stop::new(cause, format_args!("{what}: exited with {exit}, see the setup log"))
}
