//! System call filter, installed in every step before it gives up its capabilities (so that
//! no_new_privs stays off and sudo works). Unknown calls, foreign architectures and x32 get ENOSYS.

#[allow(clippy::wildcard_imports, reason = "one name per system call")]
use libc::*;

use super::bpf::{load, op, ret, skip_unless, when};

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;
/// Newest call looked at when this list was written (removexattrat).
const NEWEST: i64 = 466;

const DENIED: &[i64] = &[
    SYS_acct,
    SYS_add_key,
    SYS_adjtimex,
    SYS_bpf,
    SYS_clock_adjtime,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_kcmp,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_lookup_dcookie,
    SYS_mbind,
    SYS_memfd_secret,
    SYS_migrate_pages,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_move_pages,
    SYS_nfsservctl,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pivot_root,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_reboot,
    SYS_request_key,
    SYS_set_mempolicy,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_userfaultfd,
    SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    SYS_modify_ldt,
];
/// Calls that make a process and nothing else.
#[cfg(target_arch = "x86_64")]
const FORKS: &[i64] = &[SYS_fork, SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[i64] = &[];
/// Socket families that stay. `AF_VSOCK` above all must go: no network namespace contains it.
const FAMILIES: &[i32] = &[AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;

/// Offsets in `struct seccomp_data`.
const DATA_NR: u32 = 0;
const DATA_ARCH: u32 = 4;
const DATA_ARG0: u32 = 16;
const DATA_ARG1: u32 = 24;

#[allow(clippy::cast_sign_loss, reason = "error numbers are positive")]
const fn errno(e: i32) -> sock_filter {
    ret(SECCOMP_RET_ERRNO | e as u32)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
const fn call(nr: i64) -> u32 {
    nr as u32
}

/// The program, in the kernel's form.
#[must_use]
pub fn filter() -> Vec<sock_filter> {
    let allow = ret(SECCOMP_RET_ALLOW);
    let mut program = vec![
        load(DATA_ARCH),
        op(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        errno(ENOSYS),
        load(DATA_NR),
        // Numbers past the newest include x32 (bit 30). clone3 hides its flags in memory, where no
        // filter can read them: with ENOSYS libc falls back to clone.
        when(BPF_JGT, call(NEWEST)),
        errno(ENOSYS),
        when(BPF_JEQ, call(SYS_clone3)),
        errno(ENOSYS),
    ];
    for nr in DENIED {
        program.extend([when(BPF_JEQ, call(*nr)), errno(EPERM)]);
    }
    for nr in [SYS_clone, SYS_unshare] {
        let new_user = when(BPF_JSET, call(i64::from(CLONE_NEWUSER)));
        program.extend([skip_unless(call(nr), 4), load(DATA_ARG0), new_user, errno(EPERM), allow]);
    }
    program.extend([skip_unless(call(SYS_ioctl), 6), load(DATA_ARG1)]);
    program.extend([when(BPF_JEQ, TIOCSTI), errno(EPERM)]);
    program.extend([when(BPF_JEQ, TIOCLINUX), errno(EPERM), allow]);
    program.extend(families(allow));
    program.push(allow);
    program
}

/// A program for a process that may have threads but no children. It may still become another program.
#[must_use]
pub(crate) fn childless() -> Vec<sock_filter> {
    let allow = ret(SECCOMP_RET_ALLOW);
    let mut program = vec![
        load(DATA_ARCH),
        op(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        errno(ENOSYS),
        load(DATA_NR),
        when(BPF_JGT, call(NEWEST)),
        errno(ENOSYS),
        // As above: libc falls back to clone.
        when(BPF_JEQ, call(SYS_clone3)),
        errno(ENOSYS),
    ];
    for nr in FORKS {
        program.extend([when(BPF_JEQ, call(*nr)), errno(EPERM)]);
    }
    let thread = when(BPF_JSET, call(i64::from(CLONE_THREAD)));
    program.extend([skip_unless(call(SYS_clone), 4), load(DATA_ARG0), thread, allow, errno(EPERM)]);
    program.push(allow);
    program
}

/// `socket` only for the listed families.
fn families(allow: sock_filter) -> Vec<sock_filter> {
    let mut checks = vec![load(DATA_ARG0)];
    for family in FAMILIES {
        checks.extend([when(BPF_JEQ, call(i64::from(*family))), allow]);
    }
    checks.push(errno(EAFNOSUPPORT));
    let skip = u8::try_from(checks.len()).unwrap_or(u8::MAX);
    checks.insert(0, skip_unless(call(SYS_socket), skip));
    checks
}

/// Puts this thread under the filter. Needs `CAP_SYS_ADMIN` in the user namespace (or
/// no_new_privs, which would break sudo).
///
/// # Errors
/// The kernel's refusal.
pub fn install(filter: &[sock_filter]) -> std::io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(std::io::Error::other)?;
    let program = sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program points at `filter`, which outlives the call; the kernel copies it.
    match unsafe { prctl(PR_SET_SECCOMP, c_ulong::from(SECCOMP_MODE_FILTER), &raw const program) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::bpf::interpreter::{ByteOrder, run};
    use super::*;
    use proptest::prelude::*;

    fn verdict(arch: u32, nr: u32, arg0: u64, arg1: u64) -> u32 {
        verdict_of(&filter(), arch, nr, arg0, arg1)
    }

    fn verdict_of(filter: &[sock_filter], arch: u32, nr: u32, arg0: u64, arg1: u64) -> u32 {
        let mut data = [0; 64];
        data[0..4].copy_from_slice(&nr.to_ne_bytes());
        data[4..8].copy_from_slice(&arch.to_ne_bytes());
        data[16..24].copy_from_slice(&arg0.to_ne_bytes());
        data[24..32].copy_from_slice(&arg1.to_ne_bytes());
        run(filter, &data, ByteOrder::Machine)
    }

    fn refused(e: i32) -> u32 {
        SECCOMP_RET_ERRNO | e.cast_unsigned()
    }

    #[test]
    fn ordinary_calls_pass() {
        for nr in [SYS_read, SYS_execve, SYS_chroot, SYS_setresuid, SYS_mmap, SYS_fork] {
            assert_eq!(verdict(ARCH, call(nr), 0, 0), SECCOMP_RET_ALLOW, "{nr}");
        }
    }

    #[test]
    fn every_denied_call_is_refused_whatever_its_arguments() {
        for nr in DENIED {
            assert_eq!(verdict(ARCH, call(*nr), u64::MAX, 7), refused(EPERM), "{nr}");
        }
    }

    #[test]
    fn foreign_architectures_x32_and_newer_calls_do_not_exist() {
        assert_eq!(verdict(0x4000_0003, 1, 0, 0), refused(ENOSYS));
        assert_eq!(verdict(ARCH, 0x4000_0000 + 39, 0, 0), refused(ENOSYS));
        assert_eq!(verdict(ARCH, call(NEWEST) + 1, 0, 0), refused(ENOSYS));
        assert_eq!(verdict(ARCH, call(SYS_clone3), 0, 0), refused(ENOSYS));
    }

    #[test]
    fn a_fork_passes_and_a_user_namespace_does_not() {
        for nr in [SYS_clone, SYS_unshare] {
            let new_user = 0x1000_0000;
            assert_eq!(verdict(ARCH, call(nr), 17, 0), SECCOMP_RET_ALLOW);
            assert_eq!(verdict(ARCH, call(nr), new_user | 17, 0), refused(EPERM));
        }
    }

    #[test]
    fn who_is_childless_has_threads_only() {
        let verdict = |nr: i64, arg0| verdict_of(&childless(), ARCH, call(nr), arg0, 0);
        // As glibc calls it for a thread and for a fork.
        assert_eq!(verdict(SYS_clone, 0x3d_0f00), SECCOMP_RET_ALLOW);
        assert_eq!(verdict(SYS_clone, 0x0120_0011), refused(EPERM));
        assert_eq!(verdict(SYS_clone3, 0), refused(ENOSYS));
        assert!(FORKS.iter().all(|nr| verdict(*nr, 0) == refused(EPERM)));
        for nr in [SYS_execve, SYS_read, SYS_flock] {
            assert_eq!(verdict(nr, 0), SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn input_cannot_be_pushed_into_a_terminal() {
        assert_eq!(verdict(ARCH, call(SYS_ioctl), 0, 0x5401), SECCOMP_RET_ALLOW);
        assert_eq!(verdict(ARCH, call(SYS_ioctl), 0, TIOCSTI.into()), refused(EPERM));
        assert_eq!(verdict(ARCH, call(SYS_ioctl), 0, TIOCLINUX.into()), refused(EPERM));
        // The kernel looks at the low half only: so must we.
        let high = 1 << 32 | u64::from(TIOCSTI);
        assert_eq!(verdict(ARCH, call(SYS_ioctl), 0, high), refused(EPERM));
    }

    proptest! {
        #[test]
        fn only_listed_socket_families_pass(family in 0u32..60) {
            let listed = FAMILIES.iter().any(|f| f.cast_unsigned() == family);
            let expected = if listed { SECCOMP_RET_ALLOW } else { refused(EAFNOSUPPORT) };
            prop_assert_eq!(verdict(ARCH, call(SYS_socket), family.into(), 0), expected);
        }

        #[test]
        fn every_path_ends_in_a_verdict(arch: u32, nr: u32, arg0: u64, arg1: u64) {
            let verdict = verdict(arch, nr, arg0, arg1);
            prop_assert!(verdict == SECCOMP_RET_ALLOW || verdict & 0x7fff_0000 == SECCOMP_RET_ERRNO);
        }
    }
}
