//! A child process that the network cannot do without.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};

/// The running child. Dropping it ends it. Its number is nobody else's before that: only then is it reaped.
#[derive(Debug)]
pub(super) struct Servant(Pid);

/// How a servant ended although nobody asked it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// A signal ended it.
    Signal(i32),
    /// It ended by itself, with this code.
    Exit(i32),
}

impl Servant {
    pub(super) fn new(child: Pid) -> Servant {
        Servant(child)
    }

    /// How it ended, if it has.
    pub(super) fn gone(&self) -> Option<Gone> {
        // It stays a zombie.
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.0), how).ok()??;
        let signal = status.terminating_signal().map(Gone::Signal);
        signal.or_else(|| status.exit_status().map(Gone::Exit))
    }
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gone::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Gone::Exit(code) => write!(f, "ended with exit code {code}"),
        }
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
        let _ = waitpid(Some(self.0), WaitOptions::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    #[allow(clippy::zombie_processes, reason = "the servant waits")]
    fn a_servant_that_is_gone_can_be_asked_again_and_again() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let servant = Servant::new(pid);
        assert_eq!(servant.gone(), None);
        kill_process(pid, Signal::KILL).unwrap();
        while servant.gone().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(servant.gone(), Some(Gone::Signal(9)));
        drop(servant);
        assert!(waitpid(Some(pid), WaitOptions::NOHANG).is_err(), "it is reaped");
    }
}
