//! Waking when a supervisor has written something.

use crate::spool::Spool;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How long to sleep at most: liveness is looked at this often, and everything where the kernel
/// grants no watches.
const TICK: Duration = Duration::from_secs(1);
/// The same without watches.
const POLL: Duration = Duration::from_millis(100);
/// Writes in quick succession are taken together.
const TOGETHER: Duration = Duration::from_millis(5);

/// Watches a spool.
#[derive(Debug)]
pub(super) struct Wake {
    watch: Option<AsyncFd<OwnedFd>>,
}

impl Wake {
    /// Watches this spool's folder and logs. Must be called before they are read for the first time.
    pub(super) fn on(spool: &Spool) -> Wake {
        Wake { watch: watch(spool) }
    }

    /// Waits until something was written, or a while.
    pub(super) async fn sleep(&self) {
        let Some(watch) = &self.watch else { return tokio::time::sleep(POLL).await };
        if let Ok(Ok(mut ready)) = tokio::time::timeout(TICK, watch.readable()).await {
            tokio::time::sleep(TOGETHER).await;
            let mut events = [0; 4096];
            while rustix::io::read(watch.get_ref(), &mut events).is_ok_and(|count| count > 0) {}
            ready.clear_ready();
        }
    }
}

fn watch(spool: &Spool) -> Option<AsyncFd<OwnedFd>> {
    let fd = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    // The lock's close is the supervisor's end.
    let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::CLOSE_WRITE;
    add_watch(&fd, spool.path(), what).ok()?;
    add_watch(&fd, spool.logs(), what).ok()?;
    // SAFETY: an owned descriptor answers the same number as long as it lives, and nobody closes it before.
    unsafe { AsyncFd::register(fd) }.ok()
}
