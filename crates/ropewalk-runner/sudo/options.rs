//! What the command line asks for, before the command.

use crate::call::{exit, fail};
use crate::lists::Strings;

pub(crate) struct Options {
    pub(crate) user: &'static [u8],
    pub(crate) keep_environment: bool,
    pub(crate) login: bool,
    pub(crate) shell: bool,
    /// Where the command, or the first assignment, is.
    pub(crate) next: usize,
}

pub(crate) fn options(arguments: Strings) -> Options {
    let mut options = Options { user: b"root", keep_environment: false, login: false, shell: false, next: 1 };
    while let Some(word) = arguments.get(options.next) {
        if word == b"--" {
            options.next += 1;
            break;
        }
        if let Some(long) = word.strip_prefix(b"--") {
            options.next += 1;
            long_option(&mut options, long, arguments);
            continue;
        }
        let Some(flags) = word.strip_prefix(b"-").filter(|flags| !flags.is_empty()) else { break };
        options.next += 1;
        for (at, flag) in flags.iter().enumerate() {
            let rest = flags.get(at + 1..).unwrap_or_default();
            match flag {
                b'E' => options.keep_environment = true,
                b'i' => options.login = true,
                b's' => options.shell = true,
                b'n' | b'H' | b'S' | b'k' | b'K' | b'P' | b'A' | b'B' | b'b' => {}
                // There is nothing to validate or to forget.
                b'v' => exit(0),
                b'u' | b'g' | b'p' | b'C' | b'h' | b'T' | b'R' | b'D' => {
                    let value = value(rest, &mut options, arguments);
                    if *flag == b'u' {
                        options.user = value;
                    }
                    break;
                }
                _ => fail(&[b"unknown option -", &[*flag]]),
            }
        }
    }
    options
}

pub(crate) fn value(rest: &'static [u8], options: &mut Options, arguments: Strings) -> &'static [u8] {
    if !rest.is_empty() {
        return rest;
    }
    options.next += 1;
    arguments.get(options.next - 1).unwrap_or_else(|| fail(&[b"an option needs a value"]))
}

pub(crate) fn long_option(options: &mut Options, long: &'static [u8], arguments: Strings) {
    match long {
        b"user" => options.user = value(b"", options, arguments),
        b"preserve-env" => options.keep_environment = true,
        b"login" => options.login = true,
        b"shell" => options.shell = true,
        b"non-interactive" | b"set-home" | b"stdin" | b"reset-timestamp" => {}
        b"validate" => exit(0),
        _ => match (long.strip_prefix(b"user="), long.starts_with(b"preserve-env=")) {
            (Some(user), _) => options.user = user,
            (None, true) => options.keep_environment = true,
            (None, false) => fail(&[b"unknown option --", long]),
        },
    }
}
