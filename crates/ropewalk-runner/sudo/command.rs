//! The command: its arguments and its start.

use crate::accounts::Account;
use crate::call::{call, fail, number};
use crate::environment::SECURE_PATH;
use crate::lists::{Arena, List, Strings, lookup};
use crate::options::Options;
use core::ptr::null;

pub(crate) const NOT_FOUND: isize = -2;

pub(crate) const NO_ACCESS: isize = -13;

pub(crate) const NOT_EXECUTABLE: isize = -8;

pub(crate) const NOT_A_FOLDER: isize = -20;

/// Fills the new arguments; the command's name.
pub(crate) fn fill_arguments(
    list: &mut List,
    arena: &mut Arena,
    arguments: Strings,
    from: usize,
    options: &Options,
    target: &Account,
) -> &'static [u8] {
    let command = arguments.get(from);
    if options.login || options.shell {
        list.push(arena.join(&[if options.login { b"-" } else { b"" }, target.shell]));
        if command.is_some() {
            list.push(arena.join(&[b"-c", b""]));
            list.push(quoted(arena, arguments, from));
        }
        return target.shell;
    }
    let Some(command) = command else {
        fail(&[b"usage: sudo [-EHn] [-u USER] [NAME=VALUE...] COMMAND [ARGUMENT...]"])
    };
    let mut at = from;
    while let Some(argument) = arguments.get(at) {
        list.push(argument.as_ptr());
        at += 1;
    }
    command
}

/// All words as one line for a shell, with what it would take as its own escaped.
pub(crate) fn quoted(arena: &mut Arena, arguments: Strings, from: usize) -> *const u8 {
    let start = arena.used;
    let mut at = from;
    while let Some(word) = arguments.get(at) {
        if at > from {
            arena.join(&[b" "]);
            arena.used -= 1;
        }
        for byte in word {
            let plain = byte.is_ascii_alphanumeric() || b"_-$".contains(byte);
            arena.join(&[if plain { b"" } else { b"\\" }, &[*byte]]);
            arena.used -= 1;
        }
        at += 1;
    }
    arena.join(&[]);
    arena.bytes.get(start..).map_or(null(), <[u8]>::as_ptr)
}

pub(crate) fn execute(
    command: &'static [u8],
    arguments: &mut List,
    environment: &List,
    arena: &mut Arena,
) -> ! {
    let run = |path: *const u8, arguments: &List| {
        let (arguments, environment) = (arguments.items.as_ptr(), environment.items.as_ptr());
        call(number::EXECVE, path as usize, arguments as usize, environment as usize, 0)
    };
    let mut refused = None;
    let search: &[u8] =
        if command.contains(&b'/') { b"" } else { lookup(environment, b"PATH").unwrap_or(SECURE_PATH) };
    for folder in search.split(|byte| *byte == b':') {
        let path =
            if folder.is_empty() { arena.join(&[command]) } else { arena.join(&[folder, b"/", command]) };
        match run(path, arguments) {
            NOT_FOUND | NOT_A_FOLDER => {}
            NOT_EXECUTABLE => {
                // A script without a first line that names its interpreter.
                let rest = arguments.used.min(arguments.items.len() - 2);
                arguments.items.copy_within(0..rest, 1);
                arguments.items[0] = c"sh".as_ptr().cast();
                arguments.items[1] = path;
                run(c"/bin/sh".as_ptr().cast(), arguments);
            }
            error => refused = Some(error),
        }
    }
    match refused {
        Some(NO_ACCESS) => fail(&[command, b": permission denied"]),
        Some(_) => fail(&[command, b": cannot be executed"]),
        None => fail(&[command, b": command not found"]),
    }
}
