//! A build in the sandbox.

use super::{BackendError, Facts, Passed, Place, Run, in_memory};
use crate::image::{Catalog, Fetching, ImageError, ImageName, Source};
use crate::sandbox::{Answer, Breach, Limits, Order, Sandbox, SandboxError, Spec, range};
use crate::spool::Spool;
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};

/// An open sandbox.
struct Open {
    sandbox: Sandbox,
    env: Vec<(String, String)>,
    takes_packages: bool,
}

/// Begins to fetch what the place needs and this machine does not have, and says from where.
pub(crate) fn fetch(spool: &Spool, plan: &Plan) -> Result<Option<(Source, Fetching)>, BackendError> {
    let settings = &spool.head.settings;
    match Catalog::new(&settings.data, range::find()?).resolve(&plan.image) {
        Err(ImageError::Missing { .. }) if settings.origins.fetch => {}
        // What is wrong otherwise shows when it is opened.
        _ => return Ok(None),
    }
    let name = ImageName::parse(&plan.image)?;
    let Some(source) = settings.origins.source(&name) else { return Ok(None) };
    let origins = settings.origins.clone();
    let fetching = Fetching::start(settings.data.clone(), name.as_str(), source.clone(), origins)?;
    Ok(Some((source, fetching)))
}

/// Opens the place that the plan asks for.
pub(crate) fn open(spool: &Spool, plan: &Plan) -> Result<(Box<dyn Place>, Facts), BackendError> {
    let limits = &plan.limits;
    let settings = &spool.head.settings;
    // Before the range is entered, which may not read the host's files.
    let image = Catalog::new(&settings.data, range::find()?).pin(&plan.image)?;
    let rootfs = image.rootfs().clone();
    if rootfs.usr.is_none() {
        look_at(&plan.image, image.folder())?;
    }
    range::enter()?;
    let spec = Spec {
        name: spool.name(),
        image,
        layer: spool.layer(),
        network: settings.network.clone().for_build(plan.oauth.is_some()),
        hostname: "build".into(),
        binds: vec![],
        limits: Limits {
            memory: limits.memory,
            processes: limits.processes,
            disk: limits.disk,
            cpus: limits.cpus,
        },
    };
    let sandbox = Sandbox::open(&spec)?;
    let takes_packages = rootfs.takes_packages();
    let facts = vec![("image.digest".into(), rootfs.digest)];
    Ok((Box::new(Open { sandbox, env: rootfs.env, takes_packages }), facts))
}

impl From<Breach> for Passed {
    fn from(breach: Breach) -> Passed {
        let (cause, key) = match breach {
            Breach::Memory { .. } | Breach::Starved { .. } => (Cause::MemoryLimit, "limits.memory"),
            Breach::Disk { .. } | Breach::Full { .. } => (Cause::DiskLimit, "limits.disk"),
        };
        Passed { cause, message: format!("{breach} ({key})") }
    }
}

/// Tells what every build needs of an image and this one does not have. What cannot be looked at shows later.
fn look_at(name: &str, root: &Path) -> Result<(), BackendError> {
    for folder in ["proc", "sys", "dev"] {
        let found = std::fs::symlink_metadata(root.join(folder));
        if found.is_ok_and(|found| !found.is_dir()) {
            let why =
                format!("the image `{name}` cannot be used: its /{folder} is no folder but a link or a file");
            return Err(BackendError::ImageFailed(why));
        }
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let shell = rustix::fs::open(root, flags | OFlags::DIRECTORY, Mode::empty())
        .and_then(|root| openat2(&root, "bin/sh", flags, Mode::empty(), ResolveFlags::IN_ROOT));
    match shell {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Err(BackendError::ImageFailed(format!(
            "the image `{name}` cannot be used: it has no /bin/sh, which runs the steps"
        ))),
        _ => Ok(()),
    }
}

impl From<ImageError> for BackendError {
    fn from(error: ImageError) -> BackendError {
        match error {
            ImageError::Missing { .. } => BackendError::ImageMissing(error.to_string()),
            ImageError::Range(error) => error.into(),
            _ => BackendError::ImageFailed(error.to_string()),
        }
    }
}

impl AsFd for Open {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sandbox.as_fd()
    }
}

impl Place for Open {
    fn start(&self, run: Run<'_>, output: BorrowedFd<'_>) -> Result<(), BackendError> {
        let order = Order::Run { name: run.name.into(), env: self.env.clone(), root: run.root };
        let script = in_memory(run.script)?;
        let fds = [Some(output), Some(script.as_fd()), run.input.as_ref().map(AsFd::as_fd)];
        Ok(self.sandbox.order(&order, &fds.into_iter().flatten().collect::<Vec<_>>())?)
    }

    fn exit(&self) -> Result<i32, BackendError> {
        match self.sandbox.answer()?.0 {
            Answer::Exit(status) if libc::WIFSIGNALED(status) => Ok(128 + libc::WTERMSIG(status)),
            Answer::Exit(status) => Ok(libc::WEXITSTATUS(status)),
            Answer::Failed(why) => Err(SandboxError::Refused(why).into()),
            other => Err(SandboxError::Message(format!("{other:?} instead of an exit")).into()),
        }
    }

    fn file(&self, path: &str) -> Result<File, BackendError> {
        self.sandbox.order(&Order::Collect(PathBuf::from(path)), &[])?;
        let (answer, fds) = self.sandbox.answer()?;
        match (answer, fds.into_iter().next()) {
            (Answer::Done, Some(fd)) => Ok(File::from(fd)),
            (Answer::Failed(why), _) => Err(SandboxError::Refused(why).into()),
            (other, _) => Err(SandboxError::Message(format!("{other:?} instead of a file")).into()),
        }
    }

    fn takes_packages(&self) -> bool {
        self.takes_packages
    }

    fn pid(&self) -> i32 {
        self.sandbox.pid()
    }

    fn passed_limit(&self) -> Option<Passed> {
        self.sandbox.breach().map(Passed::from)
    }

    fn broken(&self) -> Option<String> {
        self.sandbox.lost_network()
    }

    fn close(&mut self) {
        self.sandbox.kill();
    }
}
