//! What derivations this machine can build: words that runners offer and works ask for.

use super::Tools;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// The system of 32 bits that Nix takes for granted on x86-64.
const SMALL: &str = "i686-linux";
/// An ELF program of 32 bits for x86 that does nothing but `exit(0)`: its header, one segment, nine bytes of code.
const PROGRAM: [u8; 93] = [
    0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 4, 8, 52,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0,
    0, // ELF header; entry at 0x08048054
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 8, 0, 0x80, 4, 8, 93, 0, 0, 0, 93, 0, 0, 0, 5, 0, 0, 0, 0, 16, 0, 0,
    0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80, // mov eax, 1; xor ebx, ebx; int 0x80
];

/// Nix does not say what it can build.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask Nix for its configuration: {0}")]
pub struct LabelsError(String);

/// The systems and the system features of the machine, in Nix's words.
///
/// # Errors
/// When Nix does not answer.
pub fn features(tools: &Tools) -> Result<BTreeSet<String>, LabelsError> {
    let mut command = tools.command("nix");
    command.args(["--extra-experimental-features", "nix-command", "show-config"]).stdin(Stdio::null());
    let output = command.output().map_err(|error| LabelsError(error.to_string()))?;
    if !output.status.success() {
        return Err(LabelsError(output.stderr.trim_ascii().escape_ascii().to_string()));
    }
    let shown = String::from_utf8(output.stdout).map_err(|error| LabelsError(error.to_string()))?;
    let mut found = words(&shown);
    if found.contains(SMALL) && !runs_small_programs() {
        found.remove(SMALL);
    }
    Ok(found)
}

fn words(shown: &str) -> BTreeSet<String> {
    const KEYS: [&str; 3] = ["system", "extra-platforms", "system-features"];
    let settings = shown.lines().filter_map(|line| line.split_once('='));
    let known = settings.filter(|(key, _)| KEYS.contains(&key.trim()));
    let found = known.flat_map(|(_, value)| value.split_whitespace());
    // A class of works is a text of such words, divided by commas and blanks.
    found.filter(|word| !word.contains(',')).map(str::to_owned).collect()
}

/// Whether this kernel runs programs of 32 bits.
fn runs_small_programs() -> bool {
    let run = || {
        let fd = rustix::fs::memfd_create("small", rustix::fs::MemfdFlags::empty())?;
        let mut file = std::fs::File::from(fd);
        file.write_all(&PROGRAM)?;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        Command::new(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    run().is_ok_and(|status: std::process::ExitStatus| status.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn systems_and_features_are_read() {
        let shown = "sandbox = true\nsystem = x86_64-linux\nsystem-features = kvm big-parallel\nextra-platforms = i686-linux\nextra-system = x\n";
        let expected = ["big-parallel", "i686-linux", "kvm", "x86_64-linux"].map(str::to_owned);
        assert_eq!(words(shown), expected.into());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_program_of_32_bits_runs_where_the_kernel_says_so() {
        // The kernel names the calls of such programs only where it runs them.
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        if !symbols.contains("do_int80_syscall_32") && !symbols.contains("entry_INT80_compat") {
            return println!(
                "NOT RUN here: a program of 32 bits: the kernel does not say whether it runs them"
            );
        }
        assert!(runs_small_programs());
    }
}
