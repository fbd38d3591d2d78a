//! `ropewalk doctor`: every value in effect and its origin, and what this machine can and cannot do.

mod checks;
mod trial;

use crate::client::print::{Form, table};
use crate::config::Loaded;
use crate::exit::Exit;
use checks::{Finding, Verdict};
use serde_json::{Value, json};
use std::path::Path;

/// Show the configuration in effect and check this machine
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    form: Form,
}

/// Succeeds unless something that builds need is missing.
pub(crate) fn run(arguments: &Arguments, loaded: &Loaded, data: &Path) -> anyhow::Result<Exit> {
    let findings = checks::all(&loaded.config, data);
    let report = json!({
        "data": data,
        "configuration": loaded.effective.iter().map(key).collect::<Vec<_>>(),
        "strange_variables": loaded.strange,
        "checks": findings.iter().map(Finding::json).collect::<Vec<_>>(),
    });
    arguments.form.print(&report, |_| lines(loaded, data, &findings))?;
    let broken = findings.iter().any(|finding| finding.verdict == Verdict::Broken);
    Ok(if broken { Exit::Failed } else { Exit::Success })
}

fn key(effective: &crate::config::Effective) -> Value {
    json!({ "key": effective.key, "value": effective.shown(), "origin": effective.origin.to_string() })
}

fn lines(loaded: &Loaded, data: &Path, findings: &[Finding]) -> Vec<String> {
    let mut lines = vec![format!("data folder {}", data.display())];
    lines.push(match &loaded.file {
        Some(file) => format!("configuration {}", file.display()),
        None => "no configuration file: all keys are below".into(),
    });
    lines.push(String::new());
    let rows: Vec<Vec<String>> = loaded
        .effective
        .iter()
        .map(|effective| vec![effective.key.into(), effective.shown(), effective.origin.to_string()])
        .collect();
    lines.extend(table(&["key", "value", "from"], &rows));
    for name in &loaded.strange {
        lines.push(format!("{name} looks like a key's variable and is none"));
    }
    lines.push(String::new());
    for Finding { name, verdict, found, advice } in findings {
        lines.push(format!("[{verdict}] {name}: {found}"));
        if let Some(advice) = advice {
            lines.push(format!("         {advice}"));
        }
    }
    lines
}
