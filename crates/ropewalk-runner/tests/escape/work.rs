//! What a build must be able to do.

use crate::world::{World, step};
use ropewalk_runner::sandbox::{Answer, Order};
use std::io::Read;
use std::path::{Path, PathBuf};

pub(crate) fn sudo_gives_root(home: &Path) {
    let world = World::new(home, "base");
    assert_eq!(world.step("id -un; sudo id -u; pwd"), (0, "build\n0\n/home/build\n".into()));
}

pub(crate) fn sudo_works_in_an_image_without_it(home: &Path) {
    let world = World::new(home, "bare");
    let sandbox = world.open();
    let says = |script: &str| step(&sandbox, script);
    assert_eq!(says("ls /usr/bin/sudo 2>/dev/null"), (2, String::new()));
    assert_eq!(says("sudo id -u; sudo -n sh -c 'exit 7'"), (7, "0\n".into()));
    assert_eq!(says("sudo -u nobody id -un; sudo -nu '#1234' id -u"), (0, "nobody\n1234\n".into()));
    assert_eq!(says("export KEEP=1; sudo printenv KEEP || sudo -E printenv KEEP"), (0, "1\n".into()));
    assert_eq!(says("sudo A=b printenv A; sudo printenv HOME SUDO_USER"), (0, "b\n/root\nbuild\n".into()));
    assert_eq!(says("sudo touch /usr/bin/new && stat -c %u /usr/bin/new"), (0, "0\n".into()));
    let refused = "sudo -u nobody sudo id -u 2>&1";
    assert_eq!(says(refused), (1, "sudo: only root and the build account may use it\n".into()));
    assert_eq!(says("sudo nosuch 2>&1"), (1, "sudo: nosuch: command not found\n".into()));
}

pub(crate) fn a_daemon_of_one_step_lives_in_the_next_and_dies_with_the_sandbox(home: &Path) {
    let world = World::new(home, "base");
    let mut sandbox = world.open();
    // A number that only this scenario's processes have.
    let marked = format!("sleep 4{}", std::process::id());
    let daemon = format!("setsid sh -c 'trap \"\" TERM HUP; {marked}' & sudo setsid {marked} &");
    assert_eq!(step(&sandbox, &daemon).0, 0);
    let both = format!("timeout 9 sh -c 'until [ $(pgrep -fc \"^{marked}\") = 2 ]; do sleep 0.02; done'");
    assert_eq!(step(&sandbox, &both).0, 0);
    let cmdline = format!("{}\0", marked.replace(' ', "\0"));
    let outside = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let is_ours = |cmd: Vec<u8>| cmd == cmdline.as_bytes();
        processes.filter(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(is_ours)).count()
    };
    assert_eq!(outside(), 2);
    sandbox.kill();
    assert_eq!(outside(), 0);
}

pub(crate) fn a_sandbox_opened_ahead_of_time_takes_its_name_later(home: &Path) {
    let world = World::new(home, "base");
    let sandbox = world.open();
    sandbox.order(&Order::Hostname("renamed".into()), &[]).unwrap();
    assert_eq!(sandbox.answer().unwrap().0, Answer::Done);
    assert_eq!(step(&sandbox, "hostname; getent hosts renamed >/dev/null"), (0, "renamed\n".into()));
}

pub(crate) fn only_plain_files_below_home_come_out(home: &Path) {
    let world = World::new(home, "base");
    let sandbox = world.open();
    let prepare = "echo fine > good; mkdir d; echo deep > d/deep; mkfifo fifo; ln -s good link;
        ln -s /etc dirlink; sudo ln -s /proc/1 proclink; sudo cp /bin/sh suid; sudo chmod 4755 suid;
        sudo mknod node c 1 3 2>/dev/null || true; sudo mount -t tmpfs x d/m 2>/dev/null || true";
    assert_eq!(step(&sandbox, prepare).0, 0);
    let collect = |path: &str| {
        sandbox.order(&Order::Collect(PathBuf::from(path)), &[]).unwrap();
        let (answer, fds) = sandbox.answer().unwrap();
        (answer, fds.into_iter().next())
    };
    for (path, contents) in [("good", "fine\n"), ("d/deep", "deep\n"), ("./good", "fine\n")] {
        let (answer, fd) = collect(path);
        assert_eq!(answer, Answer::Done, "{path}");
        let mut text = String::new();
        std::fs::File::from(fd.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, contents);
    }
    let refused = [
        "fifo",
        "link",
        "dirlink/passwd",
        "proclink/root/etc/passwd",
        "../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "d/../../../etc/passwd",
        "d",
        "nothing",
        "/proc/self/environ",
        "",
        ".",
    ];
    for path in refused {
        let (answer, fd) = collect(path);
        assert!(matches!(answer, Answer::Failed(_)) && fd.is_none(), "{path}: {answer:?}");
    }
}

pub(crate) fn the_machines_own_image_shows_its_programs_and_nobody(home: &Path) {
    let world = World::host(home);
    let sandbox = world.open();
    let says = |script: &str| step(&sandbox, script);
    assert_eq!(
        says("id -un; sudo id -u; ls /home; ls -A /root 2>/dev/null"),
        (2, "build\n0\nbuild\n".into())
    );
    assert_eq!(says("cut -d: -f3 /etc/passwd | awk '$1 > 1000 && $1 != 65534'"), (0, String::new()));
    assert_eq!(says("sudo sh -c 'cut -d: -f2 /etc/shadow' | sort -u"), (0, "*\n".into()));
    assert_eq!(
        says("sudo grep -rl 'PRIVATE KEY-----' /etc 2>/dev/null || true; ls /var/lib/dpkg/status"),
        (0, "/var/lib/dpkg/status\n".into())
    );
    assert_eq!(
        says("sudo sh -c 'echo new > /usr/bin/ropewalk-new' && cat /usr/bin/ropewalk-new"),
        (0, "new\n".into())
    );
    assert!(!Path::new("/usr/bin/ropewalk-new").exists());
    assert_eq!(
        says("gcc --version >/dev/null && echo 'int main(){return 0;}' > a.c && gcc a.c && ./a.out").0,
        0
    );
}

pub(crate) fn no_folder_of_the_host_is_named(home: &Path) {
    // The machine's own image first: after it this process can open it no more.
    for world in [World::host(home), World::new(home, "base")] {
        let read = "for f in cmdline environ mountinfo mounts mountstats cgroup; do
            sudo cat /proc/1/$f /proc/self/$f 2>/dev/null || true; done | tr '\\0' '\\n'";
        let (_, text) = step(&world.open(), read);
        assert!(text.contains("ropewalk-init") && text.contains("overlay"), "{text}");
        for name in [home, &world.work, &world.image.folder] {
            let name = name.to_str().unwrap();
            assert!(!text.contains(name), "{name}: {text}");
        }
    }
}

pub(crate) fn the_machines_own_image_takes_packages_as_root_only(home: &Path) {
    let world = World::host(home);
    let takes = world.image.takes_packages();
    let sandbox = world.open();
    // What installing a new version of a package does to a file of the machine.
    let upgrade = "sudo cp /usr/bin/gzip /usr/bin/gzip.new && sudo mv /usr/bin/gzip.new /usr/bin/gzip &&
        sudo chmod 700 /usr/bin/zgrep && sudo rm /usr/bin/zless && sudo dpkg --audit";
    let (code, text) = step(&sandbox, upgrade);
    assert_eq!(code == 0, takes, "{text}");
    assert!(Path::new("/usr/bin/zless").exists());
    // Since the sandbox was opened this process is called OWN, whoever it is.
    assert_eq!(
        takes,
        rustix::process::getuid().as_raw() == ropewalk_runner::sandbox::range::OWN
            && home.ends_with("ropewalk-test-0-root")
    );
}
