//! What the program starts of itself: parts that need a process of their own. Nobody else calls them.

mod answer;
mod reap;
mod sandbox;

pub(crate) use sandbox::{Opened, ROUNDS};

use clap::Parser;

/// One file each.
#[derive(Parser)]
pub(crate) enum Own {
    BareSandbox(sandbox::Arguments),
    BareAnswer,
    Reap(reap::Arguments),
}

impl Own {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Own::BareSandbox(arguments) => sandbox::answer_rounds(arguments),
            Own::BareAnswer => answer::serve(),
            Own::Reap(arguments) => reap::reap(arguments),
        }
    }
}
