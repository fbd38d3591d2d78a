//! `ropewalk completions` and `ropewalk man`: written from the same table as the help, so that they say the same.

use crate::exit::Exit;
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

/// Print what a shell needs to complete this program's commands and options
#[derive(clap::Args)]
pub(crate) struct Completions {
    shell: clap_complete::Shell,
}

/// Print the manual page, or write the pages of all commands
#[derive(clap::Args)]
pub(crate) struct Man {
    /// Folder for the pages of all commands; without it the first page goes to standard output
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn completions(arguments: &Completions, mut program: clap::Command) -> anyhow::Result<Exit> {
    let mut script = vec![];
    clap_complete::generate(arguments.shell, &mut program, "ropewalk", &mut script);
    print(&script)
}

pub(crate) fn man(arguments: &Man, program: clap::Command) -> anyhow::Result<Exit> {
    let Some(folder) = &arguments.output else {
        let mut page = vec![];
        clap_mangen::Man::new(program).render(&mut page)?;
        return print(&page);
    };
    let cannot = || format!("cannot write the manual pages to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    clap_mangen::generate_to(program, folder).with_context(cannot)?;
    Ok(Exit::Success)
}

fn print(bytes: &[u8]) -> anyhow::Result<Exit> {
    std::io::stdout().write_all(bytes).context("cannot write to standard output")?;
    Ok(Exit::Success)
}
