//! `~/.tasks/NAME` and `~/.buildenv`.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::failed;
use super::secrets::SecretFile;
use crate::backend::Place;
use ropewalk_model::manifest::script::{BUILDENV, TASKS, buildenv, quote, task};
use ropewalk_model::status::Cause;

const EXECUTABLE: u32 = 0o755;

impl Attempt<'_> {
    pub(super) fn send_files(&mut self, place: &dyn Place) -> Result<(), Stop> {
        self.say("Sending tasks")?;
        let tasks = self.plan.steps.iter().map(|step| {
            let path = format!("{TASKS}/{}", step.name);
            write_file(&path, &task(&step.script))
        });
        let script = format!("umask 022\nmkdir -p {TASKS}\n{}", tasks.collect::<String>());
        self.write_files(place, &script)?;
        self.say("Sending build environment")?;
        let text = buildenv(&self.plan.environment, &self.values);
        if self.values.oauth2_token.is_none() {
            return self.write_files(place, &write_file(BUILDENV, text.reveal()));
        }
        let path = format!("~/{BUILDENV}");
        let file = SecretFile { path: &path, mode: EXECUTABLE, bytes: text.reveal().as_bytes() };
        self.secret_file(place, &file)?;
        self.send_client_configuration(place)
    }

    fn write_files(&mut self, place: &dyn Place, script: &str) -> Result<(), Stop> {
        match self.script(place, "files", script)? {
            0 => Ok(()),
            exit => Err(failed(Cause::SetupFailed, "cannot write the tasks into the home folder", exit)),
        }
    }
}

/// Shell text that writes an executable file below the working directory.
fn write_file(path: &str, text: &str) -> String {
    let (path, text) = (quote(&format!("./{path}")), quote(text));
    format!("printf %s {text} >{path}\nchmod 755 {path}\n")
}
