//! Builds in the store of a daemon, whose children they are: whoever it does not trust cannot tell it how to isolate them.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::unable;
use crate::nix::Tools;

/// Bytes of Nix's whole configuration.
const CONFIGURATION: usize = 1 << 20;

impl Attempt<'_> {
    /// Makes sure that the daemon isolates what it builds by itself.
    pub(super) fn is_isolated_by_daemon(&mut self, tools: &Tools) -> Result<(), Stop> {
        let mut command = tools.command("nix");
        command.args(["show-config", "--extra-experimental-features", "nix-command"]);
        let shown = self.ask(command, CONFIGURATION)?;
        if isolates(&shown) {
            return Ok(());
        }
        let file = tools.configuration.join("nix.conf");
        Err(unable(format_args!(
            "the daemon of Nix would build without a sandbox: write `sandbox = true` into {}, or leave nix.store out",
            file.display()
        )))
    }
}

/// Whether a configuration, as `nix show-config` prints it, isolates all builds.
fn isolates(shown: &[u8]) -> bool {
    shown.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == b"sandbox = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_must_isolate_all_builds() {
        assert!(isolates(b"cores = 0\nsandbox = true\nsandbox-fallback = false\n"));
        for weak in ["sandbox = relaxed\n", "sandbox = false\nsandbox-fallback = true\n", ""] {
            assert!(!isolates(weak.as_bytes()), "{weak}");
        }
    }
}
