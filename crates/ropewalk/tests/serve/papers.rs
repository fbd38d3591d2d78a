//! Completions and manual pages say what the help says.

use crate::server::program;
use std::process::Command;

fn printed(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = program(home.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help of a command names.
fn commands(of: &[&str]) -> Vec<String> {
    let help = printed(&[of, &["--help"]].concat());
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let names = list.lines().take_while(|line| !line.is_empty());
    names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned)).collect()
}

/// What bash offers after these words.
fn offers(words: &[&str]) -> String {
    let script = printed(&["completions", "bash"]);
    let last = words.len() - 1;
    let ask = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}; _ropewalk ropewalk '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[last],
        words[last - 1],
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_string()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(offers(&["ropewalk", "sub"]), "submit");
    assert_eq!(offers(&["ropewalk", "submit", "--fol"]), "--follow");
    assert!(!offers(&["ropewalk", "s"]).contains("supervise"));
}

#[test]
fn every_shell_gets_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for name in commands(&[]) {
            assert!(script.contains(&name), "{name} for {shell}");
        }
    }
}

#[test]
fn every_command_of_the_help_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    printed(&["man", "--output", folder.path().to_str().unwrap()]);
    let mut wanted = vec!["ropewalk.1".to_string()];
    for name in commands(&[]) {
        wanted.extend(commands(&[&name]).iter().map(|below| format!("ropewalk-{name}-{below}.1")));
        wanted.push(format!("ropewalk-{name}.1"));
    }
    let names = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    wanted.sort();
    assert_eq!(names, wanted);
    let page = std::fs::read_to_string(folder.path().join("ropewalk-submit.1")).unwrap();
    assert!(page.contains("\\-\\-follow"), "{page}");
    assert!(printed(&["man"]).contains(".TH ropewalk 1"));
}
