//! Stands in for sudo in images that have none: the build account may run anything as anyone. It is
//! setuid and belongs to the sandbox's root, so what it gives away is the sandbox and no more.
//!
//! Usage: sudo [-EHniskS] [-u USER] [NAME=VALUE...] [--] COMMAND [ARGUMENT...]
//!
//! Without a C library (see build.rs): system calls, fixed buffers, no memory allocation.

#![no_std]
#![no_main]
#![no_builtins]

use core::arch::{asm, global_asm};
use core::ffi::CStr;
use core::ptr::null;

/// The account that may use this, besides root.
const BUILD_ID: usize = 1000;
const SECURE_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables that survive without -E; one that ends in `_` stands for all that begin with it.
const KEPT: [&[u8]; 7] = [b"PATH", b"TERM", b"COLORTERM", b"LANG", b"LANGUAGE", b"LC_", b"TZ"];
const NOT_FOUND: isize = -2;
const NO_ACCESS: isize = -13;
const NOT_EXECUTABLE: isize = -8;
const NOT_A_FOLDER: isize = -20;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const EXECVE: usize = 59;
    pub const CHDIR: usize = 80;
    pub const EXIT: usize = 60;
    pub const GETUID: usize = 102;
    pub const GETEUID: usize = 107;
    pub const GETGID: usize = 104;
    pub const SETGROUPS: usize = 116;
    pub const SETRESUID: usize = 117;
    pub const SETRESGID: usize = 119;
    pub const OPENAT: usize = 257;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const CLOSE: usize = 57;
    pub const EXECVE: usize = 221;
    pub const CHDIR: usize = 49;
    pub const EXIT: usize = 93;
    pub const GETUID: usize = 174;
    pub const GETEUID: usize = 175;
    pub const GETGID: usize = 176;
    pub const SETGROUPS: usize = 159;
    pub const SETRESUID: usize = 147;
    pub const SETRESGID: usize = 149;
    pub const OPENAT: usize = 56;
}

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {main}", "brk #1", main = sym main);

fn call(nr: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: callers pass pointers that live through the call.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") nr.cast_signed() => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") nr, inlateout("x0") a.cast_signed() => result, in("x1") b, in("x2") c,
            in("x3") d, options(nostack));
    }
    result
}

fn exit(code: usize) -> ! {
    loop {
        call(number::EXIT, code, 0, 0, 0);
    }
}

fn say(parts: &[&[u8]]) {
    for part in parts {
        call(number::WRITE, 2, part.as_ptr() as usize, part.len(), 0);
    }
}

fn fail(parts: &[&[u8]]) -> ! {
    say(&[b"sudo: "]);
    say(parts);
    say(&[b"\n"]);
    exit(1)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail(&[b"internal error"])
}

/// Arguments or environment as the kernel gives them.
#[derive(Clone, Copy)]
struct Strings(*const *const u8);

impl Strings {
    fn get(self, at: usize) -> Option<&'static [u8]> {
        // SAFETY: the kernel ends the list with a null pointer, and nobody asks past it.
        let text = unsafe { *self.0.add(at) };
        // SAFETY: as above; every string ends with a zero byte and lives as long as the process.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()) }.to_bytes())
    }
}

/// Space for strings that the kernel will read.
struct Arena {
    bytes: [u8; 131_072],
    used: usize,
}

impl Arena {
    /// The parts as one string that ends with a zero byte.
    fn join(&mut self, parts: &[&[u8]]) -> *const u8 {
        let start = self.used;
        for byte in parts.iter().flat_map(|part| part.iter()).chain(&[0]) {
            match self.bytes.get_mut(self.used) {
                Some(place) => *place = *byte,
                None => fail(&[b"environment too long"]),
            }
            self.used += 1;
        }
        self.bytes.get(start..).map_or(null(), <[u8]>::as_ptr)
    }
}

/// A list of strings for the kernel.
struct List {
    items: [*const u8; 4096],
    used: usize,
}

impl List {
    fn push(&mut self, item: *const u8) {
        // One place is left for the null pointer at the end.
        match self.items.get_mut(self.used..).filter(|left| left.len() > 1) {
            Some([place, ..]) => *place = item,
            _ => fail(&[b"too many arguments or variables"]),
        }
        self.used += 1;
    }
}

struct Account {
    name: &'static [u8],
    uid: usize,
    gid: usize,
    home: &'static [u8],
    shell: &'static [u8],
}

struct Options {
    user: &'static [u8],
    keep_environment: bool,
    login: bool,
    shell: bool,
    /// Where the command, or the first assignment, is.
    next: usize,
}

struct Memory {
    passwd: [u8; 262_144],
    group: [u8; 262_144],
    arena: Arena,
    environment: List,
    arguments: List,
}

static mut MEMORY: Memory = Memory {
    passwd: [0; 262_144],
    group: [0; 262_144],
    arena: Arena { bytes: [0; 131_072], used: 0 },
    environment: List { items: [null(); 4096], used: 0 },
    arguments: List { items: [null(); 4096], used: 0 },
};

extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: at the start of a process the stack holds the number of arguments, the arguments, a
    // null pointer, and the environment.
    let (arguments, environment) = unsafe {
        let count = *stack;
        (Strings(stack.add(1).cast()), Strings(stack.add(count + 2).cast()))
    };
    let caller = call(number::GETUID, 0, 0, 0, 0).cast_unsigned();
    if call(number::GETEUID, 0, 0, 0, 0) != 0 {
        fail(&[b"it must belong to root and be setuid"]);
    }
    if caller != 0 && caller != BUILD_ID {
        fail(&[b"only root and the build account may use it"]);
    }
    // SAFETY: one thread, and this is the only reference.
    let memory = unsafe { &mut *&raw mut MEMORY };
    let Memory { passwd, group, arena, environment: new_environment, arguments: new_arguments } = memory;
    let passwd = read_file(b"/etc/passwd\0", passwd);
    let group = read_file(b"/etc/group\0", group);

    let options = options(arguments);
    let target = find_account(passwd, options.user);
    let from = find_by_id(passwd, caller);
    let ids = (caller, call(number::GETGID, 0, 0, 0, 0).cast_unsigned());
    fill_environment(new_environment, arena, environment, &options, &target, from.name, ids);
    let mut at = options.next;
    while let Some(assignment) = arguments.get(at).filter(|word| is_assignment(word)) {
        replace(new_environment, arena, assignment);
        at += 1;
    }
    let command = fill_arguments(new_arguments, arena, arguments, at, &options, &target);
    become_account(&target, group);
    if options.login {
        let home = arena.join(&[target.home]);
        call(number::CHDIR, home as usize, 0, 0, 0);
    }
    execute(command, new_arguments, new_environment, arena)
}

fn read_file(path: &[u8], buffer: &'static mut [u8]) -> &'static [u8] {
    let file = call(number::OPENAT, (-100isize).cast_unsigned(), path.as_ptr() as usize, 0, 0);
    if file < 0 {
        return &[];
    }
    let mut used = 0;
    while let Some(left) = buffer.get_mut(used..).filter(|left| !left.is_empty()) {
        let read = call(number::READ, file.cast_unsigned(), left.as_mut_ptr() as usize, left.len(), 0);
        if read <= 0 {
            break;
        }
        used += read.cast_unsigned();
    }
    call(number::CLOSE, file.cast_unsigned(), 0, 0, 0);
    buffer.get(..used).unwrap_or_default()
}

fn options(arguments: Strings) -> Options {
    let mut options =
        Options { user: b"root", keep_environment: false, login: false, shell: false, next: 1 };
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

fn value(rest: &'static [u8], options: &mut Options, arguments: Strings) -> &'static [u8] {
    if !rest.is_empty() {
        return rest;
    }
    options.next += 1;
    arguments.get(options.next - 1).unwrap_or_else(|| fail(&[b"an option needs a value"]))
}

fn long_option(options: &mut Options, long: &'static [u8], arguments: Strings) {
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

fn fields(line: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    line.split(|byte| *byte == b':')
}

fn parse(digits: &[u8]) -> Option<usize> {
    let value = digits.iter().try_fold(0usize, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    });
    value.filter(|value| !digits.is_empty() && u32::try_from(*value).is_ok())
}

fn account(line: &'static [u8]) -> Option<Account> {
    let mut fields = fields(line);
    let name = fields.next()?;
    let uid = parse(fields.nth(1)?)?;
    let gid = parse(fields.next()?)?;
    let home = fields.nth(1)?;
    let shell = fields.next().filter(|shell| !shell.is_empty()).unwrap_or(b"/bin/sh");
    Some(Account { name, uid, gid, home, shell })
}

fn accounts(passwd: &'static [u8]) -> impl Iterator<Item = Account> {
    passwd.split(|byte| *byte == b'\n').filter_map(account)
}

fn find_account(passwd: &'static [u8], user: &'static [u8]) -> Account {
    if let Some(id) = user.strip_prefix(b"#") {
        let Some(id) = parse(id) else { fail(&[b"not a user id: ", user]) };
        return find_by_id(passwd, id);
    }
    let found = accounts(passwd).find(|account| account.name == user);
    let root = || Account { name: b"root", uid: 0, gid: 0, home: b"/root", shell: b"/bin/sh" };
    match found {
        Some(account) => account,
        None if user == b"root" => root(),
        None => fail(&[b"unknown user ", user]),
    }
}

fn find_by_id(passwd: &'static [u8], id: usize) -> Account {
    let nobody = || Account { name: b"", uid: id, gid: id, home: b"/", shell: b"/bin/sh" };
    accounts(passwd).find(|account| account.uid == id).unwrap_or_else(nobody)
}

fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.len() < word.len() && !name.is_empty() && name.iter().all(legal) && !name[0].is_ascii_digit()
}

fn name_of(assignment: &[u8]) -> &[u8] {
    assignment.split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn fill_environment(
    list: &mut List,
    arena: &mut Arena,
    old: Strings,
    options: &Options,
    target: &Account,
    caller: &[u8],
    ids: (usize, usize),
) {
    let kept = |name: &[u8]| {
        KEPT.iter().any(|kept| name == *kept || kept.ends_with(b"_") && name.starts_with(kept))
    };
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

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
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

fn text(item: *const u8) -> &'static [u8] {
    // SAFETY: every item of a list is a string of the kernel's or of the arena's.
    unsafe { CStr::from_ptr(item.cast()) }.to_bytes()
}

fn lookup(list: &List, name: &[u8]) -> Option<&'static [u8]> {
    let items = list.items.get(..list.used).unwrap_or_default();
    let found = items.iter().map(|item| text(*item)).find(|variable| name_of(variable) == name)?;
    found.get(name.len() + 1..)
}

fn set(list: &mut List, arena: &mut Arena, name: &[u8], value: &[u8]) {
    let new = arena.join(&[name, b"=", value]);
    put(list, name, new);
}

fn replace(list: &mut List, arena: &mut Arena, assignment: &[u8]) {
    let new = arena.join(&[assignment]);
    put(list, name_of(assignment), new);
}

fn put(list: &mut List, name: &[u8], new: *const u8) {
    let used = list.used;
    let items = list.items.get_mut(..used).unwrap_or_default();
    match items.iter_mut().find(|item| name_of(text(**item)) == name) {
        Some(item) => *item = new,
        None => list.push(new),
    }
}

/// Fills the new arguments; the command's name.
fn fill_arguments(
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
    let Some(command) = command else { fail(&[b"usage: sudo [-EHn] [-u USER] [NAME=VALUE...] COMMAND [ARGUMENT...]"]) };
    let mut at = from;
    while let Some(argument) = arguments.get(at) {
        list.push(argument.as_ptr());
        at += 1;
    }
    command
}

/// All words as one line for a shell, with what it would take as its own escaped.
fn quoted(arena: &mut Arena, arguments: Strings, from: usize) -> *const u8 {
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

fn become_account(target: &Account, group: &'static [u8]) {
    let mut groups = [0u32; 64];
    let mut used = 0;
    let mut add = |id: usize| {
        if let (Ok(id), Some(place)) = (u32::try_from(id), groups.get_mut(used)) {
            *place = id;
            used += 1;
        }
    };
    add(target.gid);
    for line in group.split(|byte| *byte == b'\n') {
        let mut fields = fields(line);
        let (_, _, id, members) = (fields.next(), fields.next(), fields.next(), fields.next());
        let member = members.unwrap_or_default().split(|byte| *byte == b',').any(|name| !name.is_empty() && name == target.name);
        if let Some(id) = id.and_then(parse).filter(|id| member && *id != target.gid) {
            add(id);
        }
    }
    let set = call(number::SETGROUPS, used, groups.as_ptr() as usize, 0, 0)
        | call(number::SETRESGID, target.gid, target.gid, target.gid, 0)
        | call(number::SETRESUID, target.uid, target.uid, target.uid, 0);
    if set != 0 {
        fail(&[b"cannot become ", target.name]);
    }
}

fn execute(command: &'static [u8], arguments: &mut List, environment: &List, arena: &mut Arena) -> ! {
    let run = |path: *const u8, arguments: &List| {
        let (arguments, environment) = (arguments.items.as_ptr(), environment.items.as_ptr());
        call(number::EXECVE, path as usize, arguments as usize, environment as usize, 0)
    };
    let mut refused = None;
    let whole: [&[u8]; 1] = [b""];
    let search = if command.contains(&b'/') { whole[0] } else { lookup(environment, b"PATH").unwrap_or(SECURE_PATH) };
    for folder in search.split(|byte| *byte == b':') {
        let path = if folder.is_empty() { arena.join(&[command]) } else { arena.join(&[folder, b"/", command]) };
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

// What the compiler expects of a C library. Volatile, so that it does not make them call themselves.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: the caller's promise.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.cast_const() <= from {
        // SAFETY: the caller's promise; forwards is right when the target is lower.
        return unsafe { memcpy(to, from, count) };
    }
    for at in (0..count).rev() {
        // SAFETY: the caller's promise.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: the caller's promise.
        unsafe { to.add(at).write_volatile(value as u8) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for at in 0..count {
        // SAFETY: the caller's promise.
        let (a, b) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(a, b, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's promise.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}


/// Named by the precompiled core library; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
