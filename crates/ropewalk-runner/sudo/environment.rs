//! The environment of the command.

use crate::accounts::Account;
use crate::lists::{Arena, List, Strings, lookup, name_of, set};
use crate::options::Options;

pub(crate) const SECURE_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that survive without -E; one that ends in `_` stands for all that begin with it.
pub(crate) const KEPT: [&[u8]; 7] = [b"PATH", b"TERM", b"COLORTERM", b"LANG", b"LANGUAGE", b"LC_", b"TZ"];

pub(crate) fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.len() < word.len() && !name.is_empty() && name.iter().all(legal) && !name[0].is_ascii_digit()
}

pub(crate) fn fill_environment(
    list: &mut List,
    arena: &mut Arena,
    old: Strings,
    options: &Options,
    target: &Account,
    caller: &[u8],
    ids: (usize, usize),
) {
    let kept =
        |name: &[u8]| KEPT.iter().any(|kept| name == *kept || kept.ends_with(b"_") && name.starts_with(kept));
    let mut at = 0;
    while let Some(variable) = old.get(at) {
        if options.keep_environment || kept(name_of(variable)) {
            list.push(variable.as_ptr());
        }
        at += 1;
    }
    if lookup(list, b"PATH").is_none() {
        set(list, arena, b"PATH", SECURE_PATH);
    }
    if !options.keep_environment || options.login || lookup(list, b"HOME").is_none() {
        set(list, arena, b"HOME", target.home);
    }
    let mut digits = [[0; 20]; 2];
    let [uid, gid] = &mut digits;
    for (name, value) in [
        (b"USER".as_slice(), target.name),
        (b"LOGNAME", target.name),
        (b"SHELL", target.shell),
        (b"SUDO_USER", caller),
        (b"SUDO_UID", decimal(ids.0, uid)),
        (b"SUDO_GID", decimal(ids.1, gid)),
    ] {
        set(list, arena, name, value);
    }
}

pub(crate) fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}
