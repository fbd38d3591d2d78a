//! Stands in for sudo in images that have none: the build account may run anything as anyone. It is
//! setuid and belongs to the sandbox's root, so what it gives away is the sandbox and no more.
//!
//! Usage: sudo [-EHniskS] [-u USER] [NAME=VALUE...] [--] COMMAND [ARGUMENT...]
//!
//! Without a C library (see build.rs): system calls, fixed buffers, no memory allocation.

#![no_std]
#![no_main]
#![no_builtins]

mod accounts;
mod call;
mod command;
mod compiler;
mod environment;
mod lists;
mod options;

use crate::accounts::{become_account, find_account, find_by_id};
use crate::call::{call, fail, number, read_file};
use crate::command::{execute, fill_arguments};
use crate::environment::{fill_environment, is_assignment};
use crate::lists::{Arena, List, Strings, replace};
use crate::options::options;
use core::arch::global_asm;
use core::ptr::null;

/// The account that may use this, besides root.
const BUILD_ID: usize = 1000;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {main}", "ud2", main = sym main);

#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {main}", "brk #1", main = sym main);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail(&[b"internal error"])
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
