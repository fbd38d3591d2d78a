//! Opening a sandbox and talking to its init, from the supervisor's side.

use super::message::{receive, send};
use super::network::{Connection, Pump, Router};
use super::watch::{Breach, Watch};
use super::{Answer, Doing, Network, Order, SandboxError, Spec, cgroup, init, range};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, umask};
use std::cell::RefCell;
use std::io::{PipeReader, Write};
use std::time::{Duration, Instant};

/// How long init may take for one answer; steps are waited for with poll. Whatever stops init, it does
/// not stop us.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How long a control group may count processes that are gone.
const EMPTYING: Duration = Duration::from_millis(500);

/// A running sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    pid: Pid,
    socket: OwnedFd,
    pidfd: OwnedFd,
    alive: bool,
    watch: Option<RefCell<Watch>>,
    /// The network's helper process and router; they end before the sandbox counts as ended.
    network: Option<Connection>,
}

impl Sandbox {
    /// Opens a sandbox. The caller must have one thread and be in its range ([`range::enter`]).
    ///
    /// # Errors
    /// When the kernel refuses a namespace or mount, or the image cannot be mounted; nothing is
    /// left running then.
    pub fn open(spec: &Spec) -> Result<Sandbox, SandboxError> {
        prepare_layer(spec)?;
        let router = match &spec.network {
            Network::Nat(outside) => Some(Router::start(&spec.layer, outside)?),
            Network::None | Network::Host => None,
        };
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .doing("make the sandbox's socket")?;
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(ANSWER_LIMIT))
            .doing("limit the wait for the sandbox's init")?;
        let (wait, mut go) = std::io::pipe().doing("make a pipe")?;
        let pid = with_process_limit(spec.limits.processes, || {
            clone_init(spec, [ours.as_fd(), go.as_fd()], theirs.as_fd(), wait)
        })?;
        drop(theirs);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing("open the init's pidfd")?;
        let name = spec.name.clone();
        let mut sandbox = Sandbox { name, pid, socket: ours, pidfd, alive: true, watch: None, network: None };
        write_maps(pid)?;
        let group = cgroup::join(&spec.name, sandbox.pid(), &spec.limits);
        sandbox.watch = Some(RefCell::new(Watch::new(spec, sandbox.pid(), group)?));
        go.write_all(b"!").doing("start the sandbox's init")?;
        let fds = match sandbox.answer()? {
            (Answer::Ready, fds) => fds,
            (Answer::Failed(why), _) => return Err(SandboxError::Refused(why)),
            (other, _) => return Err(SandboxError::Message(format!("{other:?} instead of ready"))),
        };
        let mut fds = fds.into_iter();
        if let Some(mut router) = router {
            let (Some(inside), Some(outside)) = (fds.next(), router.take_frames()) else {
                return Err(SandboxError::Message("ready without a network".into()));
            };
            sandbox.network = Some(Connection::new(Pump::start(inside, outside)?, router));
        }
        if let Some(watch) = &sandbox.watch {
            watch.borrow_mut().add(fds.collect());
        }
        Ok(sandbox)
    }

    /// Process id of the sandbox's init in our pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether the kernel enforces the memory limit here; if not, it is sampled.
    #[must_use]
    pub fn memory_enforced(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.borrow().memory_enforced())
    }

    /// A limit that was passed, for which the caller has to end the sandbox. To be asked every
    /// [`super::WATCH_INTERVAL`] and once more when a step has ended, before it counts as passed.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        self.watch.as_ref()?.borrow_mut().look()
    }

    /// What happened to the network, if the sandbox had one of its own and lost it. Connections cannot be taken over by
    /// another router, so the caller has to end the sandbox. To be asked as often as [`Sandbox::breach`].
    #[must_use]
    pub fn lost_network(&self) -> Option<String> {
        self.network.as_ref()?.lost()
    }

    /// Asks the init for something.
    ///
    /// # Errors
    /// When the init is dead or the message too long.
    pub fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(), SandboxError> {
        send(self.socket.as_fd(), order, fds)
    }

    /// The init's next answer with its descriptors; waits at most 20 s (poll the socket, see
    /// [`AsFd`], for a step's end).
    ///
    /// # Errors
    /// [`SandboxError::Gone`] when the init is dead.
    pub fn answer(&self) -> Result<(Answer, Vec<OwnedFd>), SandboxError> {
        receive(self.socket.as_fd())?.ok_or(SandboxError::Gone)
    }

    /// Ends everything inside. All of it is dead and reaped when this returns: the kernel lets
    /// nobody wait for the init of a pid namespace before all the others in it are gone.
    pub fn kill(&mut self) {
        if std::mem::take(&mut self.alive) {
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            // SAFETY: waits for our own child, whose status nobody wants.
            unsafe { libc::waitpid(self.pid(), std::ptr::null_mut(), 0) };
            self.network = None;
            // Its descriptors hold the sandbox's temporary files.
            self.watch = None;
            let (groups, began) = (cgroup::groups(&self.name), Instant::now());
            // The kernel takes a moment to forget processes that are already gone.
            while !cgroup::remove(&groups) && began.elapsed() < EMPTYING {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl AsFd for Sandbox {
    /// The socket to poll: readable when [`Sandbox::answer`] has something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

fn prepare_layer(spec: &Spec) -> Result<(), SandboxError> {
    // Whatever the caller's is: the range's root must get through, and the build sees the upper folder as `/`.
    let callers = umask(Mode::from_raw_mode(0o022));
    let made = make_folders(spec);
    umask(callers);
    made
}

fn make_folders(spec: &Spec) -> Result<(), SandboxError> {
    let host: &[&str] =
        if spec.image.rootfs().usr.is_some() { &["usr/upper", "usr/work", "usr/below"] } else { &[] };
    for name in ["upper", "work"].iter().chain(host) {
        let path = spec.layer.join(name);
        std::fs::create_dir_all(&path).doing(format_args!("create {}", path.display()))?;
        std::os::unix::fs::chown(&path, Some(0), Some(0))
            .doing(format_args!("give {} to the range", path.display()))?;
    }
    Ok(())
}

/// Runs `make` with a lowered process limit: the limit in force when a user namespace is made holds
/// for all of its ids together.
fn with_process_limit<T>(processes: u64, make: impl FnOnce() -> T) -> T {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both structures outlive the calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NPROC, &raw mut old);
        let capped = libc::rlimit { rlim_cur: processes.min(old.rlim_max), ..old };
        libc::setrlimit(libc::RLIMIT_NPROC, &raw const capped);
        let made = make();
        libc::setrlimit(libc::RLIMIT_NPROC, &raw const old);
        made
    }
}

/// Forks the init into its namespaces. `not_its` are the ends that only the supervisor keeps.
fn clone_init(
    spec: &Spec,
    not_its: [BorrowedFd<'_>; 2],
    socket: BorrowedFd<'_>,
    wait: PipeReader,
) -> Result<Pid, SandboxError> {
    let mut flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    flags |= libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP | libc::SIGCHLD;
    if spec.network != Network::Host {
        flags |= libc::CLONE_NEWNET;
    }
    // SAFETY: a fork with namespaces; single-threaded, so the child may run ordinary code.
    match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) } {
        0 => {
            for fd in not_its {
                use rustix::fd::AsRawFd;
                // SAFETY: the owners live on in the parent only; the child never returns to them.
                unsafe { libc::close(fd.as_raw_fd()) };
            }
            init::run(spec, socket, wait)
        }
        pid => i32::try_from(pid)
            .ok()
            .filter(|pid| *pid > 0)
            .and_then(Pid::from_raw)
            .ok_or_else(std::io::Error::last_os_error)
            .doing("clone the sandbox's init into new namespaces"),
    }
}

fn write_maps(pid: Pid) -> Result<(), SandboxError> {
    let pid = pid.as_raw_nonzero();
    let map = format!("0 0 {}\n", range::COUNT);
    for file in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{pid}/{file}"), &map).doing(format_args!("write {file}"))?;
    }
    // The kernel should end builds before anything else of the host.
    let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), super::OOM_SCORE_ADJ);
    Ok(())
}
