//! Data on standard output: as tables for people, as JSON for programs.

use serde_json::Value;
use std::io::Write;

/// How a command prints what it got.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Form {
    /// Prints JSON, or what `lines` makes of it.
    pub(crate) fn print(
        self,
        value: &Value,
        lines: impl FnOnce(&Value) -> Vec<String>,
    ) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
        } else {
            for line in lines(value) {
                writeln!(out, "{}", printable(&line))?;
            }
        }
        Ok(out.flush()?)
    }
}

/// A field as text; nothing as the empty text.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), String::from))
            .collect::<Vec<_>>()
            .join("/"),
        Some(other) => other.to_string(),
    }
}

/// Rows with their columns in line.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    all.iter()
        .map(|row| {
            let cells =
                row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at).unwrap_or(0)));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
        })
        .collect()
}

/// A line that cannot steer a terminal: names and notes are other people's text.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line() {
        let rows =
            [vec!["1".into(), "queued".into(), "x".into()], vec!["23".into(), "ok".into(), String::new()]];
        assert_eq!(table(&["id", "status", "note"], &rows), ["id  status  note", "1   queued  x", "23  ok"]);
    }

    #[test]
    fn other_peoples_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
