//! System calls, and what is said when one fails.

use core::arch::asm;

#[cfg(target_arch = "x86_64")]
pub(crate) mod number {
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
pub(crate) mod number {
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

pub(crate) fn call(nr: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
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

pub(crate) fn exit(code: usize) -> ! {
    loop {
        call(number::EXIT, code, 0, 0, 0);
    }
}

pub(crate) fn say(parts: &[&[u8]]) {
    for part in parts {
        call(number::WRITE, 2, part.as_ptr() as usize, part.len(), 0);
    }
}

pub(crate) fn fail(parts: &[&[u8]]) -> ! {
    say(&[b"sudo: "]);
    say(parts);
    say(&[b"\n"]);
    exit(1)
}

pub(crate) fn read_file(path: &[u8], buffer: &'static mut [u8]) -> &'static [u8] {
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
