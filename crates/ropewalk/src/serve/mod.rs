//! `ropewalk serve`: doors, farm and, unless told otherwise, a runner, in one process.

mod agent;
mod first_run;
mod listen;
pub(crate) mod lock;
mod nix_files;
pub(crate) mod parts;
mod roots;

use crate::config::{Config, Loaded};
use crate::exit::Exit;
use crate::tls::Serving;
use anyhow::Context;
use parts::Parts;
use ropewalk_http::session::Cookies;
use std::io::{IsTerminal, Write};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Serve the APIs and run builds
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address and port [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Leave builds to other runners
    #[arg(long)]
    no_runner: bool,
}

impl Arguments {
    /// The keys that these flags set.
    pub(crate) fn keys(&self) -> Vec<(&'static str, String)> {
        let listen = self.listen.clone().map(|listen| ("listen", listen));
        let runner = self.no_runner.then(|| ("runner.embedded", "false".into()));
        listen.into_iter().chain(runner).collect()
    }
}

/// Serves until it is told to stop.
pub(crate) fn serve(loaded: &Loaded, data: &Path) -> anyhow::Result<Exit> {
    let config = &loaded.config;
    log_to_standard_error(&config.log)?;
    for name in &loaded.strange {
        tracing::warn!("the variable {name} looks like a key of the configuration and is none");
    }
    let _lock = lock::take(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_here(config, data))
}

async fn serve_here(config: &Config, data: &Path) -> anyhow::Result<Exit> {
    let signals = Signals::new()?;
    let tcp = listen::bind(config.listen).await?;
    // Port 0 has become a real one.
    let config = &Config { listen: tcp.local_addr()?, ..config.clone() };
    let tls = Serving::open(&config.tls, &config.origin())?;
    let parts = Parts::open(config, data).await?;
    let admin = listen::AdminSocket::bind(data)?;
    let first = first_run::first_run(&parts.farm, config, data).await?;
    let (stop, stopping) = watch::channel(false);
    let doors = parts.doors(config, stopping.clone())?;
    let agent = match config.runner.embedded {
        true => Some(agent::start(&parts, config, data, stopping.clone())),
        false => None,
    };
    let tending = tokio::spawn({
        let farm = parts.farm.clone();
        async move { tokio::join!(farm.tend(), farm.tend_packages(), farm.tend_jobsets()) }
    });
    welcome(config, data, first)?;

    let limits = listen::Limits::new(config);
    let serving = tokio::spawn(listen::serve(tcp, admin, doors, limits, tls.clone(), stopping));
    let watching = tls.clone().map(|tls| tokio::spawn(tls.watch()));
    signals.until_told(tls.as_ref()).await;
    stop.send_replace(true);
    watching.inspect(JoinHandle::abort);
    let running = match agent {
        Some(agent) => agent.leave().await,
        None => 0,
    };
    serving.await.context("the server broke down")?;
    tending.abort();
    parts.close().await;
    match running {
        0 => tracing::info!("stopped; no build was running"),
        n => tracing::info!("stopped; {n} builds go on by themselves, the next start takes them up again"),
    }
    Ok(Exit::Success)
}

/// What the server is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    on_terminal: bool,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            on_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// Returns when the server is to stop. A hangup reads the certificate again, unless the terminal is gone that the
    /// server was started on.
    async fn until_told(mut self, tls: Option<&Serving>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => match tls {
                    _ if self.on_terminal && !std::io::stdin().is_terminal() => return,
                    Some(tls) => tls.read_again(),
                    None => tracing::info!("a hangup: without tls.cert there is nothing to read again"),
                },
            }
        }
    }
}

fn welcome(config: &Config, data: &Path, first: Option<String>) -> anyhow::Result<()> {
    if !config.listen.ip().is_loopback() && !config.tls.is_on() && !config.insecure {
        tracing::warn!(
            "listening on {} without TLS: passwords and tokens can be read on the way; set `tls.cert` and `tls.key`, put a proxy with TLS in front, or set `insecure = true` to be silent about it",
            config.listen
        );
    }
    let mut out = std::io::stdout();
    if let Some(first) = first {
        writeln!(out, "{first}")?;
        out.flush()?;
        first_run::told(data)?;
    }
    writeln!(out, "Ropewalk serves {} from {}", config.origin(), data.display())?;
    match parts::cookies(config) {
        Cookies::Refused => writeln!(
            out,
            "Nobody can log in on the pages, which needs TLS here: set `tls.cert` and `tls.key`, or `origin` to the https address of a proxy. Tokens work."
        )?,
        Cookies::Plain | Cookies::Secure => writeln!(out, "Log in at {}/login", config.origin())?,
    }
    writeln!(out, "API {}/api/n1/openapi.json", config.origin())?;
    Ok(out.flush()?)
}

/// Sends the log of this process to standard error, from a level on.
pub(crate) fn log_to_standard_error(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
        crate::exit::Failure::usage(format_args!("`log` = {filter:?} cannot be used: {error}"))
    })?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    Ok(())
}
