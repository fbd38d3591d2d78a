//! What is left of builds and images, and how it goes.

use crate::account::IMAGE;
use crate::adoption::{COUNT, orphan};
use crate::bench::{Bench, Ran, ran};
use crate::farm::{Farm, cause, plan_of};
use crate::leftovers::{Leftovers, supervisors};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::RunValues;
use ropewalk_model::status::Cause;
use rustix::process::{Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Stdio;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("control_groups_are_found_by_their_note", groups),
    ("half_a_spool_with_files_of_a_build_is_swept", swept),
    ("folders_of_any_depth_are_removed", deep),
    ("images_of_any_depth_are_removed", deep_image),
    ("all_works_under_a_tight_umask", tight_umask),
    ("open_files_are_limited_inside_and_not_outside", open_files),
];

fn spool(bench: &Bench, id: i64) -> PathBuf {
    bench.folder.join(format!("spools/{id}-{id}"))
}

/// No agent may run: kills the supervisor, which leaves its spool as it is.
fn kill_supervisor(bench: &Bench, farm: &mut Farm<'_>, id: i64) {
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::KILL).unwrap();
    }
    farm.wait("the end of the supervisor", |_| supervisors(&bench.folder, id).is_empty());
}

fn groups(bench: &Bench) {
    let (mut farm, id) = orphan(bench, COUNT);
    // Groups of an agent that was elsewhere in the hierarchy: an empty folder is removed as an empty group is.
    bench.folder("elsewhere");
    bench.folder("elsewhere/ropewalk-group");
    let group = bench.folder.join("elsewhere/ropewalk-group");
    let path = spool(bench, id).join("supervisor.json");
    let mut note: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let noted = note["groups"].as_array_mut().unwrap();
    assert!(noted.iter().all(|g| g.as_str().unwrap().contains(&format!("ropewalk-{id}-"))), "{noted:?}");
    noted.push(group.display().to_string().into());
    std::fs::write(&path, note.to_string()).unwrap();
    kill_supervisor(bench, &mut farm, id);
    farm.start_agent();
    assert_eq!(cause(&farm.ended(id)), Some(Cause::RunnerLost));
    assert!(!group.exists());
    Leftovers::assert_none(&bench.mark(), id);
}

fn swept(bench: &Bench) {
    let manifest = "tasks:\n- one: mkdir -p a/b && touch a/b/c && sudo touch /etc/mine && sleep 2\n";
    let (mut farm, id) = orphan(bench, manifest);
    let file = spool(bench, id).join("layer/upper/home/build/a/b/c");
    let mine = spool(bench, id).join("layer/upper/etc/mine");
    farm.wait("the build's files", |_| file.exists() && mine.exists());
    kill_supervisor(bench, &mut farm, id);
    assert_ne!(owner(&mine), owner(&bench.folder), "the file does not belong to the range");
    std::fs::rename(spool(bench, id), bench.folder.join(format!("spools/.new-{id}-{id}"))).unwrap();
    farm.start_agent();
    farm.wait("the removal", |farm| !farm.has_spool(id));
    // The work was lost with its spool and runs again.
    assert_eq!(cause(&farm.ended(id + 1)), None);
}

fn owner(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap())
}

fn deep(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let digs = dig(10_000);
    let manifest = format!("tasks:\n- dig: perl -e '{digs}'\n");
    let id = farm.offer(&plan_of(&manifest, BuildLimits::default()), RunValues::default());
    farm.start_agent();
    let outcome = farm.ended(id);
    assert_eq!(cause(&outcome), None, "{outcome:?}");
    // The agent removes what a killed supervisor leaves.
    let manifest =
        format!("tasks:\n- dig: |\n    sudo perl -e 'chdir \"/srv\" or die; {digs}'\n- two: sleep 60\n");
    let (mut farm, id) = orphan(bench, &manifest);
    let log = spool(bench, id).join("logs/step-1.log");
    farm.wait("the second step", |_| log.exists());
    kill_supervisor(bench, &mut farm, id);
    farm.start_agent();
    assert_eq!(cause(&farm.ended(id)), Some(Cause::RunnerLost));
}

/// The program with a data folder of the test's own, below which the image lies, run by `script`.
fn shell(bench: &Bench, data: &Path, script: &str) -> Ran {
    let mut command = bench.command("/bin/sh");
    command.args(["-euc", script, "sh"]).arg(bench.program()).arg(data).stdin(Stdio::null());
    ran(command.output().unwrap())
}

fn deep_image(bench: &Bench) {
    let data = bench.folder.join("own-data");
    bench.folder("own-data");
    bench.shell(&format!(
        "mkdir -p root/usr root/bin; cd root; perl -e '{}'; tar -cf ../deep.tar .",
        dig(300)
    ));
    let import = shell(bench, &data, "exec \"$1\" --data \"$2\" image import deep.tar deep");
    import.expect(0);
    let root = roots(&data).pop().unwrap();
    if rustix::process::getuid().is_root() {
        // Deeper than a path in an archive can say.
        let own = owner(&root);
        let script = format!("chdir \"/\"; chdir \"{}\"; {}", root.display(), dig(10_000));
        let script = script.replace("or die;", &format!("and chown({own}, {own}, \"d\") or die;"));
        let dug = std::process::Command::new("perl").args(["-e", &script.replace("\"d\"", "\"f\"")]).status();
        assert!(dug.unwrap().success());
    } else {
        println!(
            "NOT RUN here: an image with 10,000 levels: the tests run as an ordinary account, which may not chown"
        );
    }
    // Few descriptors: none may be needed for each level.
    shell(bench, &data, "ulimit -n 64; exec \"$1\" --data \"$2\" image remove deep").expect(0);
    assert_eq!(roots(&data), Vec::<PathBuf>::new());
}

/// For perl: folders in folders.
fn dig(levels: u32) -> String {
    format!("for (1..{levels}) {{ mkdir(\"d\") or die; chdir(\"d\") or die }}")
}

/// Unpacked images, whole or not.
fn roots(data: &Path) -> Vec<PathBuf> {
    let ranges = std::fs::read_dir(data.join("images")).unwrap().flatten();
    let roots = ranges.flat_map(|range| std::fs::read_dir(range.path().join("roots")).unwrap().flatten());
    let folders = roots.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.path()).collect()
}

fn tight_umask(bench: &Bench) {
    let data = bench.folder.join("own-data");
    bench.folder("own-data");
    bench.write(
        "manifest.yml",
        &format!(
            "image: {IMAGE}\nartifacts: [out/file]\ntasks:\n- one: mkdir out; echo hello >out/file; sudo id -u\n\
             - two: umask; ls /etc/passwd; touch /tmp/x\n"
        ),
    );
    std::os::unix::fs::symlink(bench.image_tar(), bench.folder.join("image.tar")).unwrap();
    let script = format!(
        "umask 077; \"$1\" --data \"$2\" image import image.tar {IMAGE} >import.out; \
         \"$1\" --data \"$2\" run manifest.yml; \"$1\" --data \"$2\" image remove {IMAGE}"
    );
    let ran = shell(bench, &data, &script);
    ran.expect(0);
    assert_eq!(ran.lines(), ["0", "0022", "/etc/passwd"]);
    assert_eq!(std::fs::read_to_string(bench.folder.join("artifacts/file")).unwrap(), "hello\n");
    assert_eq!(roots(&data), Vec::<PathBuf>::new());
    let left: Vec<_> =
        std::fs::read_dir(data.join("run")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

fn open_files(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let manifest = format!("tasks:\n- one: ulimit -Sn; ulimit -Hn; sudo sh -c 'ulimit -Sn'; sleep {mark}\n");
    let id = farm.offer(&plan_of(&manifest, BuildLimits::default()), RunValues::default());
    farm.start_agent();
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) == 1);
    let pid = supervisors(&bench.folder, id)[0].as_raw_nonzero();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    let log = std::fs::read_to_string(spool(bench, id).join("logs/step-0.log")).unwrap();
    let inside: Vec<u64> = log.lines().filter_map(|line| line.parse().ok()).collect();
    let most = words[4].parse().unwrap_or(u64::MAX).min(524_288);
    assert_eq!(inside, [1024.min(most), most, 1024.min(most)], "{log}");
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::TERM).unwrap();
    }
    farm.ended(id);
}
