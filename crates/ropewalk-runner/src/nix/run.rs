//! Running a program in a cell to its end.

use super::Tools;
use super::cell::{Cell, Order, Spec};
use super::overseer::Overseer;
use crate::sandbox::SandboxError;
use crate::supervisor::Stop;
use ropewalk_model::status::Cause;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes that are taken at once.
const PIECE: usize = 64 << 10;
/// Bytes kept of what a program says on standard error: the last ones.
const MAX_ERRORS: usize = 256 << 10;

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// All that it gets.
    pub(crate) environment: Vec<(String, String)>,
}

impl Call {
    /// The same as a command of Nix's, whose environment is the tools' own.
    pub(crate) fn of(command: &Command, tools: &Tools) -> Call {
        Call {
            program: command.get_program().into(),
            arguments: command.get_args().map(|argument| text(argument.as_encoded_bytes())).collect(),
            environment: tools.environment(),
        }
    }
}

/// What it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) time: Duration,
    /// Bytes of standard output.
    pub(crate) output: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// Exit code, or 128 + signal.
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
    /// The end of standard error, as text.
    pub(crate) errors: String,
}

/// It did not come to its end.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The attempt is to end.
    Stop(Stop),
    /// It took longer than it may.
    TimedOut,
    /// It wrote more than it may.
    TooMuch,
}

impl From<Stop> for RunError {
    fn from(stop: Stop) -> RunError {
        RunError::Stop(stop)
    }
}

impl From<SandboxError> for Stop {
    fn from(error: SandboxError) -> Stop {
        Stop::new(Cause::Infrastructure, format_args!("cannot open a cell: {error}"))
    }
}

/// Runs a program to its end, in an empty folder.
pub(crate) fn run(
    overseer: &mut dyn Overseer,
    spec: &Spec,
    call: Call,
    allowance: Allowance,
) -> Result<Ran, RunError> {
    let until = Instant::now() + allowance.time;
    let (output, output_end) = pipe()?;
    let (errors, errors_end) = pipe()?;
    let Call { program, arguments, environment } = call;
    let folder = PathBuf::from("/tmp");
    let order = Order {
        program,
        arguments,
        environment,
        folder,
        input: None,
        output: output_end,
        errors: errors_end,
    };
    let cell = Cell::start(spec, order, &mut |first| overseer.take_in(first))?;
    let mut streams = [Stream::new(output), Stream::new(errors)];
    loop {
        let open: Vec<_> = streams.iter().filter_map(|stream| stream.fd.as_ref()).map(AsFd::as_fd).collect();
        if open.is_empty() {
            break;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(RunError::TimedOut);
        }
        overseer.sleep(&open)?;
        for stream in &mut streams {
            stream.take()?;
        }
        let [output, errors] = &mut streams;
        if output.bytes.len() > allowance.output {
            return Err(RunError::TooMuch);
        }
        let superfluous = errors.bytes.len().saturating_sub(MAX_ERRORS);
        errors.bytes.drain(..superfluous);
    }
    let code = cell.wait();
    let [output, errors] = streams;
    Ok(Ran { code, output: output.bytes, errors: text(&errors.bytes) })
}

/// What a program said; bytes that are no text are written as escapes.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// A pipe whose first end, which is ours, does not block.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Stop> {
    let made = pipe_with(PipeFlags::CLOEXEC).and_then(|(ours, theirs)| {
        fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        Ok((ours, theirs))
    });
    made.map_err(|error| Stop::new(Cause::Infrastructure, format_args!("cannot make a pipe: {error}")))
}

/// What comes out of a program.
pub(super) struct Stream {
    /// None after the end.
    pub(super) fd: Option<OwnedFd>,
    pub(super) bytes: Vec<u8>,
}

impl Stream {
    pub(super) fn new(fd: OwnedFd) -> Stream {
        Stream { fd: Some(fd), bytes: vec![] }
    }

    /// Takes what is there now.
    pub(super) fn take(&mut self) -> Result<(), Stop> {
        let mut piece = vec![0; PIECE];
        while let Some(fd) = &self.fd {
            match rustix::io::read(fd, &mut piece) {
                Ok(0) => self.fd = None,
                Ok(count) => self.bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => {
                    let message = format_args!("cannot read what a program says: {error}");
                    return Err(Stop::new(Cause::Infrastructure, message));
                }
            }
            // The caller looks at lengths and times in between.
            if self.bytes.len() >= PIECE && self.fd.is_some() {
                break;
            }
        }
        Ok(())
    }
}
