//! Classic BPF programs, as system call filters and packet filters use them.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_MSH,
    BPF_RET, BPF_W, sock_filter,
};

#[allow(clippy::cast_possible_truncation, reason = "instruction codes are 16 bits")]
pub(super) const fn op(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// Load the 32 bits at `offset`.
pub(super) const fn load(offset: u32) -> sock_filter {
    op(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// Load the 16 bits at `offset`.
pub(super) const fn load_half(offset: u32) -> sock_filter {
    op(BPF_LD | BPF_H | BPF_ABS, offset, 0, 0)
}

/// Load the byte at `offset`.
pub(super) const fn load_byte(offset: u32) -> sock_filter {
    op(BPF_LD | BPF_B | BPF_ABS, offset, 0, 0)
}

/// Load the 16 bits at `offset` past the index register.
pub(super) const fn load_half_indexed(offset: u32) -> sock_filter {
    op(BPF_LD | BPF_H | BPF_IND, offset, 0, 0)
}

/// Set the index register to four times the low half of the byte at `offset` (an IPv4 header's
/// length).
pub(super) const fn index_header(offset: u32) -> sock_filter {
    op(BPF_LDX | BPF_B | BPF_MSH, offset, 0, 0)
}

/// Keep the bits of `mask`.
pub(super) const fn mask(mask: u32) -> sock_filter {
    op(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0)
}

/// End with `k`.
pub(super) const fn ret(k: u32) -> sock_filter {
    op(BPF_RET | BPF_K, k, 0, 0)
}

/// Go on to the next instruction if the test holds, jump over it otherwise.
pub(super) const fn when(test: u32, k: u32) -> sock_filter {
    op(BPF_JMP | test | BPF_K, k, 0, 1)
}

/// Skip the next `skip` instructions unless the value is `k`.
pub(super) const fn skip_unless(k: u32, skip: u8) -> sock_filter {
    op(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip)
}

#[cfg(test)]
pub(super) mod interpreter {
    #![allow(clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use libc::{BPF_JGT, BPF_JSET, sock_filter};

    /// Byte order of loads: packets are big-endian, `seccomp_data` is the machine's.
    #[derive(Clone, Copy, PartialEq)]
    pub(in super::super) enum ByteOrder {
        Network,
        Machine,
    }

    /// Runs a program over data as the kernel does: a load past the end ends it with 0.
    pub(in super::super) fn run(program: &[sock_filter], data: &[u8], order: ByteOrder) -> u32 {
        let (mut at, mut a, mut x) = (0usize, 0u32, 0u32);
        loop {
            let i = program[at];
            at += 1;
            let code = u32::from(i.code);
            let load = |offset: u32, size: usize| -> Option<u32> {
                let bytes = data.get(offset as usize..offset as usize + size)?;
                let mut value = [0; 4];
                if order == ByteOrder::Network {
                    value[4 - size..].copy_from_slice(bytes);
                    Some(u32::from_be_bytes(value))
                } else {
                    value[..size].copy_from_slice(bytes);
                    Some(u32::from_le_bytes(value))
                }
            };
            let loaded = match code {
                0x20 => load(i.k, 4),
                0x28 => load(i.k, 2),
                0x30 => load(i.k, 1),
                0x48 => load(i.k + x, 2),
                0xb1 => {
                    let Some(byte) = load(i.k, 1) else { return 0 };
                    x = 4 * (byte & 15);
                    continue;
                }
                0x54 => Some(a & i.k),
                0x06 => return i.k,
                _ if code & 7 == libc::BPF_JMP => {
                    let holds = match code & 0xf0 {
                        libc::BPF_JEQ => a == i.k,
                        BPF_JGT => a > i.k,
                        BPF_JSET => a & i.k != 0,
                        other => panic!("jump {other:x}"),
                    };
                    at += usize::from(if holds { i.jt } else { i.jf });
                    continue;
                }
                other => panic!("instruction {other:x}"),
            };
            match loaded {
                Some(value) => a = value,
                None => return 0,
            }
        }
    }
}
