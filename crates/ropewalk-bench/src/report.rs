//! Figures, as people and as programs read them.

use crate::engine::Engine;
use crate::machine::Machine;
use crate::stages::Stage;
use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What was measured, what the machine itself takes for it, and what is aimed at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    name: String,
    /// Which server; none for the machine itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<StageName>,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<Floor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
}

/// A database, and how many finished jobs it held.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct StageName {
    engine: String,
    history: u64,
}

/// The machine itself, measured in the same rounds, in the same unit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Floor {
    name: String,
    value: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Aim {
    words: String,
    limit: f64,
    is_met: bool,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.into(), stage: None, value, unit, floor: None, aim: None }
    }

    pub(crate) fn of(self, stage: &Stage) -> Figure {
        self.named(stage.engine, stage.history)
    }

    fn named(self, engine: Engine, history: u64) -> Figure {
        Figure { stage: Some(StageName { engine: engine.to_string(), history }), ..self }
    }

    /// Stands beside a floor.
    pub(crate) fn beside(self, name: impl Into<String>, value: f64) -> Figure {
        Figure { floor: Some(Floor { name: name.into(), value }), ..self }
    }

    /// Is to be at most this.
    pub(crate) fn at_most(self, limit: f64) -> Figure {
        let words = format!("at most {}", number(limit));
        let is_met = self.value <= limit;
        Figure { aim: Some(Aim { words, limit, is_met }), ..self }
    }

    /// Is to be at most so many times its floor.
    pub(crate) fn at_most_times(self, times: f64) -> Figure {
        let limit = times * self.floor_value();
        let is_met = self.value <= limit;
        Figure { aim: Some(Aim { words: format!("at most {times} × the floor"), limit, is_met }), ..self }
    }

    /// Is to be at most its floor and so much more.
    pub(crate) fn at_most_more(self, more: f64) -> Figure {
        let limit = self.floor_value() + more;
        let is_met = self.value <= limit;
        let words = format!("at most the floor + {more} {}", self.unit);
        Figure { aim: Some(Aim { words, limit, is_met }), ..self }
    }

    /// Is to be at least so many times its floor.
    pub(crate) fn at_least_times(self, times: f64) -> Figure {
        let limit = times * self.floor_value();
        let is_met = self.value >= limit;
        Figure { aim: Some(Aim { words: format!("at least {times} × the floor"), limit, is_met }), ..self }
    }

    fn floor_value(&self) -> f64 {
        self.floor.as_ref().map_or(f64::NAN, |floor| floor.value)
    }

    fn line(&self) -> String {
        let named = |stage: &StageName| format!("{}, {} jobs", stage.engine, stage.history);
        let stage = self.stage.as_ref().map_or("this machine".into(), named);
        let mut line = format!("{:46} {stage:26} {:>10} {}", self.name, number(self.value), self.unit);
        if let Some(Floor { name, value }) = &self.floor {
            line += &format!("; {name}: {} (× {:.2})", number(*value), self.value / value);
        }
        if let Some(Aim { words, is_met, .. }) = &self.aim {
            line += &format!("; {words}: {}", if *is_met { "met" } else { "NOT MET" });
        }
        line
    }
}

/// With three digits that count, but not fewer than stand before the point.
fn number(value: f64) -> String {
    let before = value.abs().max(1.0).log10() as usize + 1;
    format!("{value:.*}", 3_usize.saturating_sub(before))
}

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    not_run: Vec<String>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

impl Report {
    /// An empty one, which is also kept in a file.
    pub(crate) fn begin(folder: &Path, file: Option<PathBuf>) -> Result<Report> {
        let machine = Machine::here(folder);
        print(&machine.words())?;
        let report = Report { machine, figures: vec![], not_run: vec![], file };
        report.write()?;
        Ok(report)
    }

    /// A line above the figures that follow.
    pub(crate) fn title(&self, title: &str) -> Result<()> {
        print(&format!("\n{title}"))
    }

    pub(crate) fn add(&mut self, figure: Figure) -> Result<()> {
        print(&figure.line())?;
        self.figures.push(figure);
        self.write()
    }

    /// Says what this machine cannot measure.
    pub(crate) fn not_run(&mut self, what: &str, why: &str) -> Result<()> {
        let line = format!("NOT RUN here: {what}: {why}");
        print(&line)?;
        self.not_run.push(line);
        self.write()
    }

    /// Puts each figure of a server with a history beside the same without.
    pub(crate) fn compare_histories(&mut self) -> Result<()> {
        let compared: Vec<Figure> =
            self.figures.iter().filter_map(|with| compare(with, &self.figures)).collect();
        if !compared.is_empty() {
            self.title("With a history, as a multiple of the same without (rates: the other way round)")?;
        }
        compared.into_iter().try_for_each(|figure| self.add(figure))
    }

    fn write(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// How many times worse a figure is with a history.
fn compare(with: &Figure, all: &[Figure]) -> Option<Figure> {
    const WORSE: f64 = 1.3;
    let stage = with.stage.as_ref().filter(|stage| stage.history > 0)?;
    let empty = Some(StageName { history: 0, ..stage.clone() });
    let without = all.iter().find(|other| other.name == with.name && other.stage == empty)?;
    let (now, before) =
        if with.unit.ends_with("/s") { (without.value, with.value) } else { (with.value, without.value) };
    let figure = Figure::new(format!("× {}", with.name), now / before, "");
    Some(Figure { stage: with.stage.clone(), ..figure }.at_most(WORSE))
}

fn print(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Why nothing could be measured, on standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "ropewalk-bench: {error:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_its_floor_and_whether_the_aim_is_met() {
        let figure = Figure::new("accepted", 3.0, "ms").named(Engine::Sqlite, 0).beside("append", 2.0);
        let line = figure.clone().at_most_times(1.3).line();
        assert!(line.contains("append: 2.00 (× 1.50)") && line.ends_with("NOT MET"), "{line}");
        assert!(figure.clone().at_most_more(1.0).line().ends_with(": met"));
        assert!(figure.clone().at_least_times(0.5).line().ends_with(": met"));
        assert!(figure.at_most(2.9).line().ends_with("NOT MET"));
    }

    #[test]
    fn a_history_that_makes_things_slower_is_seen() {
        let rate = |history, value| Figure::new("jobs", value, "/s").named(Engine::Sqlite, history);
        let all = [rate(0, 10.0), rate(5, 5.0), Figure::new("jobs", 1.0, "/s").named(Engine::Postgres, 5)];
        let compared: Vec<Figure> = all.iter().filter_map(|figure| compare(figure, &all)).collect();
        assert_eq!(compared.iter().map(|figure| figure.value).collect::<Vec<_>>(), [2.0]);
        assert!(compared.iter().all(|figure| figure.line().ends_with("NOT MET")));
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (value, text) in [(0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12346")] {
            assert_eq!(number(value), text);
        }
    }
}
