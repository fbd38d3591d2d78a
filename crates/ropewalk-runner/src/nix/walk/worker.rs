//! `nix repl` as an evaluator that survives every error but fatal ones.
//!
//! It is told one line at a time. What it prints for a value and after it begins with a word that nobody else knows, so
//! that no trace and no message of an expression can be taken for it. The word is sent in two parts: some versions
//! repeat what they are sent. And it hands what it is told to a line editor, which obeys control characters whether or not
//! it has a terminal: nothing but visible characters of ASCII is ever sent.

use crate::nix::cell::{Cell, Order, Spec};
use crate::nix::overseer::Overseer;
use crate::nix::quote;
use crate::nix::run::{Call, Stream, pipe, text};
use crate::supervisor::Stop;
use ropewalk_model::status::Cause;
use rustix::fd::{AsFd, OwnedFd};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PROMPT: &str = "nix-repl> ";
/// Bytes of an answer.
const MAX_ANSWER: usize = 16 << 20;

/// A running one.
pub(crate) struct Worker {
    cell: Cell,
    input: OwnedFd,
    output: Stream,
    /// The two parts of the word.
    word: [String; 2],
    /// Questions so far.
    pub(crate) asked: u64,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The string that the expression stands for.
    Value(String),
    /// It cannot be evaluated; what was said.
    Error(String),
    /// The evaluator is gone: its last words, and how it ended.
    Died { said: String, code: i32 },
    /// It took longer than it may, and was ended.
    TimedOut,
}

impl Worker {
    pub(crate) fn start(overseer: &mut dyn Overseer, spec: &Spec, call: Call) -> Result<Worker, Stop> {
        let (output, output_end) = pipe()?;
        let (input_end, input) = std::io::pipe()
            .map_err(|error| Stop::new(Cause::Infrastructure, format_args!("cannot make a pipe: {error}")))?;
        let copied = output_end.try_clone();
        let errors = copied
            .map_err(|error| Stop::new(Cause::Infrastructure, format_args!("cannot copy a pipe: {error}")))?;
        let Call { program, arguments, environment } = call;
        let order = Order {
            program,
            arguments,
            environment,
            folder: PathBuf::from("/tmp"),
            input: Some(input_end.into()),
            output: output_end,
            errors,
        };
        let cell = Cell::start(spec, order, &mut |first| overseer.take_in(first))?;
        let random = || format!("{:016x}", RandomState::new().hash_one(0));
        let word = [random(), random()];
        Ok(Worker { cell, input: input.into(), output: Stream::new(output), word, asked: 0 })
    }

    /// Binds a variable. What is wrong with its value shows when it is asked for.
    pub(crate) fn bind(&mut self, variable: &str, value: &str) -> bool {
        self.tell(&format!("{variable} = {value}\n"))
    }

    /// Asks for the string that an expression stands for.
    pub(crate) fn ask(
        mut self,
        overseer: &mut dyn Overseer,
        expression: &str,
        time: Duration,
    ) -> Result<(Answer, Option<Worker>), Stop> {
        self.asked += 1;
        if !is_obeyed_by_nobody(expression) {
            return Ok((Answer::Error("error: it cannot be asked for".into()), Some(self)));
        }
        let (first, second) = (quote::text(&self.word[0]), &self.word[1]);
        let number = self.asked;
        self.tell(&format!("{first} + \"{second}v\" + ({expression})\n{first} + \"{second}e{number}\"\n"));
        let until = Instant::now() + time;
        let mut said = Said::default();
        loop {
            while let Some(line) = self.next_line() {
                if said.take(&line, &self.word.concat(), number) {
                    let answer = said.value.map_or(Answer::Error(said.text), Answer::Value);
                    return Ok((answer, Some(self)));
                }
            }
            if said.text.len() > MAX_ANSWER || self.output.bytes.len() > MAX_ANSWER {
                let message = format!("error: what is said about it is longer than {MAX_ANSWER} bytes");
                return Ok((Answer::Error(message), None));
            }
            let left = until.saturating_duration_since(Instant::now());
            let Some(fd) = &self.output.fd else {
                let code = self.cell.wait();
                return Ok((Answer::Died { said: said.text, code }, None));
            };
            if left.is_zero() {
                return Ok((Answer::TimedOut, None));
            }
            overseer.sleep(&[fd.as_fd()])?;
            self.output.take()?;
        }
    }

    /// Tells whole lines. False if nobody listens any more, or a line editor would, which the next answer says too.
    fn tell(&self, lines: &str) -> bool {
        // Whoever sends such a thing has not quoted it.
        if !is_obeyed_by_nobody(lines) {
            return false;
        }
        let mut bytes = lines.as_bytes();
        while !bytes.is_empty() {
            match rustix::io::write(&self.input, bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// A line that is there whole, or what is left at the end of all.
    fn next_line(&mut self) -> Option<String> {
        let bytes = &mut self.output.bytes;
        let end = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.output.fd.is_none() && !bytes.is_empty() => bytes.len(),
            None => return None,
        };
        let line: Vec<u8> = bytes.drain(..end).collect();
        Some(text(&line).trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// Whether a line editor takes lines as they are. A colon at the beginning is a command of `nix repl`.
fn is_obeyed_by_nobody(lines: &str) -> bool {
    lines.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n'))
        && lines.lines().all(|line| !line.trim_start().starts_with([':', '?']))
}

/// What was said since a question.
#[derive(Default)]
struct Said {
    value: Option<String>,
    text: String,
}

impl Said {
    /// Takes a line; true for the one that ends the answer.
    fn take(&mut self, line: &str, word: &str, number: u64) -> bool {
        let mut rest = uncoloured(line);
        let prompted = rest.starts_with(PROMPT);
        while let Some(stripped) = rest.strip_prefix(PROMPT) {
            rest = uncoloured(stripped);
        }
        let ours = rest.strip_prefix('"').and_then(|rest| rest.strip_prefix(word));
        if let Some(ours) = ours {
            let ours = ours.trim_end_matches("\u{1b}[0m");
            let Some(inner) = ours.strip_suffix('"') else { return false };
            if inner.strip_prefix('e').is_some_and(|text| text == number.to_string()) {
                return true;
            }
            self.value = inner.strip_prefix('v').and_then(quote::unquote).or(self.value.take());
        } else if !prompted || rest.starts_with("error") {
            // The other lines with a prompt repeat what was sent.
            self.text.push_str(line.strip_prefix(PROMPT).unwrap_or(line));
            self.text.push('\n');
        }
        false
    }
}

/// Without a colour at its beginning.
fn uncoloured(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("\u{1b}[") else { return line };
    rest.split_once('m').map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_a_command() {
        assert!(is_obeyed_by_nobody("v1 = w.auto a (v0.\"x\")\n"));
        for line in ["\"a\u{15}:b x\"", "\"a\u{7f}\"", "\"\u{9b}\"", "x\t", "x\r", ":q", "1\n  :b x", "?"] {
            assert!(!is_obeyed_by_nobody(line), "{line:?}");
        }
    }

    #[test]
    fn only_who_knows_the_word_gives_an_answer() {
        let mut said = Said::default();
        for line in [
            "nix-repl> \"se\" + \"cretv\" + (1)",
            "trace: \"wrongv5\"",
            "\"wronge1\"",
            "\u{1b}[35;1m\"secretv{\\\"a\\\":\\\"\\$\\\"}\"\u{1b}[0m",
        ] {
            assert!(!said.take(line, "secret", 1), "{line}");
        }
        assert_eq!(said.value.as_deref(), Some("{\"a\":\"$\"}"));
        assert!(!said.take("nix-repl> \"secrete0\"", "secret", 1));
        assert!(said.take("nix-repl> \u{1b}[35;1m\"secrete1\"\u{1b}[0m", "secret", 1));
        assert_eq!(said.text, "trace: \"wrongv5\"\n\"wronge1\"\n");
    }
}
