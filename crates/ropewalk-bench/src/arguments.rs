//! What is measured, and how much of it.

use crate::engine::Engine;
use crate::measures::Measure;
use clap::Parser;
use std::path::PathBuf;

/// Measure a built ropewalk beside the floors of this machine
#[derive(Parser)]
#[command(name = "ropewalk-bench", version)]
pub(crate) struct Arguments {
    /// The program to measure.
    #[arg(long, value_name = "PATH", default_value = "target/release/ropewalk")]
    pub(crate) program: PathBuf,
    /// Folder for data folders, on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub(crate) folder: PathBuf,
    /// Jobs whose times are taken, of each database.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) jobs: usize,
    /// Finished jobs that databases hold before anything is measured.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [0, 1_000_000])]
    pub(crate) history: Vec<u64>,
    /// Databases.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_values_t = [Engine::Sqlite, Engine::Postgres])]
    pub(crate) engines: Vec<Engine>,
    /// Network of builds, and of the bare sandbox.
    #[arg(long, value_name = "KIND", default_value = "nat")]
    pub(crate) network: Network,
    /// Only these.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<Measure>,
    /// Also write all figures there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// A tenth of everything: to see that it runs, not for figures.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What of the network builds see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Network {
    Nat,
    None,
}

impl Network {
    /// As the configuration says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Network::Nat => "nat",
            Network::None => "none",
        }
    }
}

impl Arguments {
    /// That many, or a tenth of it.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        if self.quick { count.div_ceil(10) } else { count }
    }

    /// Whether this is to be measured.
    pub(crate) fn wants(&self, measure: Measure) -> bool {
        self.only.is_empty() || self.only.contains(&measure)
    }
}
