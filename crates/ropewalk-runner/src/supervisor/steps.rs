//! Running the steps of a plan, in order.

use super::attempt::Attempt;
use super::stop::Stop;
use crate::backend::{Place, Run};
use ropewalk_model::link::{AttemptFact, LogName};
use ropewalk_model::manifest::script::{COMPLETE, TASKS};
use ropewalk_model::status::Cause;
use std::io::Read;

/// Exit code of a step that was ended from outside: 128 + SIGKILL.
const KILLED: i32 = 137;

impl Attempt<'_> {
    /// Stops at the first step that fails; the later ones stay pending.
    pub(crate) fn run_steps(&mut self, place: &dyn Place) -> Result<(), Stop> {
        for position in 0..self.plan.steps.len() {
            self.run_step(place, position)?;
            if is_completed(place) {
                return self.skip_from(position + 1);
            }
        }
        Ok(())
    }

    fn run_step(&mut self, place: &dyn Place, position: usize) -> Result<(), Stop> {
        let Some(name) = self.plan.steps.get(position).map(|step| step.name.clone()) else { return Ok(()) };
        let step = number(position);
        self.say(format_args!("Running task {name}"))?;
        self.events.append(AttemptFact::StepStarted { step }, false)?;
        let script = format!("exec ./{TASKS}/{name}\n");
        let file = format!("step-{step}");
        let run = Run { name: &file, script: script.as_bytes(), input: None, root: false };
        self.running = Some(step);
        let exit = self.run(place, LogName::Step(step), run)?;
        self.step_ended(exit)?;
        if exit == 0 {
            return Ok(());
        }
        Err(Stop::new(Cause::StepFailed, format_args!("task {name} {}", ended(exit))))
    }

    /// Reports the end of the step that was running, after its log is on disk.
    fn step_ended(&mut self, exit: i32) -> Result<(), Stop> {
        let Some(step) = self.running.take() else { return Ok(()) };
        self.logs.sync()?;
        Ok(self.events.append(AttemptFact::StepEnded { step, exit }, true)?)
    }

    /// The same for a step that the end of the build took along.
    pub(crate) fn step_was_killed(&mut self) -> Result<(), Stop> {
        self.step_ended(KILLED)
    }

    fn skip_from(&mut self, first: usize) -> Result<(), Stop> {
        self.say("The build was completed early; the remaining tasks are skipped")?;
        for position in first..self.plan.steps.len() {
            self.events.append(AttemptFact::StepSkipped { step: number(position) }, false)?;
        }
        Ok(())
    }
}

/// A plan comes from a manifest of 16 KiB: it has far fewer steps.
fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn is_completed(place: &dyn Place) -> bool {
    let mut text = String::new();
    let read = place.file(COMPLETE).is_ok_and(|file| file.take(16).read_to_string(&mut text).is_ok());
    read && text.trim() == "1"
}

fn ended(exit: i32) -> String {
    match exit.checked_sub(128) {
        Some(signal @ 1..=64) => format!("was ended by signal {signal}"),
        _ => format!("exited with {exit}"),
    }
}
