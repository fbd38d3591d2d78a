//! What of the machine's `/etc` goes into the image.

/// Files and folders that tools and package scripts need and that say nothing about the machine's
/// people or secrets. Not among them, though tools read them: what administrators write settings of
/// their own into, keys to services too (`default`, `environment`, `opt`, `profile.d`).
pub(super) const COPIED: &[&str] = &[
    "adduser.conf",
    "alternatives",
    "apt",
    "bash.bashrc",
    "bash_completion.d",
    "bindresvport.blacklist",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debconf.conf",
    "debian_version",
    "default/locale",
    "default/useradd",
    "deluser.conf",
    "dpkg",
    "emacs",
    "ethertypes",
    "fonts",
    "gai.conf",
    "gnutls",
    "gprofng.rc",
    "host.conf",
    "init.d",
    "inputrc",
    "issue",
    "kernel",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libaudit.conf",
    "locale.alias",
    "locale.conf",
    "locale.gen",
    "localtime",
    "login.defs",
    "logrotate.d",
    "lsb-release",
    "magic",
    "magic.mime",
    "mailcap",
    "makepkg.conf",
    "mime.types",
    "mke2fs.conf",
    "networks",
    "nsswitch.conf",
    "os-release",
    "pacman.conf",
    "pacman.d",
    "pam.conf",
    "pam.d",
    "perl",
    "pki",
    "profile",
    "protocols",
    "python",
    "python2.7",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "rc0.d",
    "rc1.d",
    "rc2.d",
    "rc3.d",
    "rc4.d",
    "rc5.d",
    "rc6.d",
    "rcS.d",
    "resolv.conf",
    "rmt",
    "rpc",
    "security",
    "selinux",
    "services",
    "sgml",
    "shells",
    "skel",
    "ssl",
    "terminfo",
    "timezone",
    "ucf.conf",
    "update-motd.d",
    "vim",
    "xattr.conf",
    "xdg",
    "xml",
];

/// Folders and files below those that stay out, by their path below `/etc`.
const LEFT_OUT: &[&str] = &["apt/auth.conf", "apt/auth.conf.d", "ssl/private", "pki/tls/private"];

/// Whether a path below `/etc` stays out whatever is in it.
pub(super) fn stays_out(path: &str) -> bool {
    LEFT_OUT.contains(&path) || path.ends_with(".key")
}

/// Whether a file has a secret in it: a private key, or a password in a URL.
pub(super) fn has_secret(bytes: &[u8]) -> bool {
    contains(bytes, b"PRIVATE KEY-----") || bytes.split(|b| b.is_ascii_whitespace()).any(has_password)
}

fn has_password(word: &[u8]) -> bool {
    let Some(at) = word.windows(3).position(|w| w == b"://") else { return false };
    let authority = word.get(at + 3..).unwrap_or_default().split(|b| *b == b'/').next().unwrap_or_default();
    authority.contains(&b'@')
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The lines of a passwd or group file that belong to the system: numbers below 1000, and nobody.
/// Group lines lose their members, who are people.
pub(super) fn system_accounts(text: &str, members: bool) -> String {
    const NOBODY: u32 = 65_534;
    let mut kept = String::new();
    for line in text.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        let number = fields.get(2).and_then(|n| n.parse::<u32>().ok());
        if number.is_some_and(|n| n < 1000 || n == NOBODY) {
            if members && let Some(last) = fields.get_mut(3) {
                *last = "";
            }
            kept += &fields.join(":");
            kept.push('\n');
        }
    }
    kept
}

/// A shadow file in which nobody has a password.
pub(super) fn locked(passwd: &str) -> String {
    passwd
        .lines()
        .filter_map(|line| line.split(':').next())
        .map(|name| format!("{name}:*:19000:0:99999:7:::\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_stay_out() {
        let passwd = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n_apt:x:42:65534::/:/x\nnobody:x:65534:65534::/:/x\nlxd:x:100000:1::/:/x\n+:::\n";
        let kept = system_accounts(passwd, false);
        assert_eq!(kept, "root:x:0:0::/root:/bin/sh\n_apt:x:42:65534::/:/x\nnobody:x:65534:65534::/:/x\n");
        assert_eq!(system_accounts("sudo:x:27:anna,otto\nanna:x:1000:\n", true), "sudo:x:27:\n");
        assert_eq!(locked(&kept).lines().count(), 3);
        assert!(!locked(&kept).contains('$'));
    }

    #[test]
    fn secrets_are_recognised() {
        assert!(has_secret(b"x\n-----BEGIN RSA PRIVATE KEY-----\n"));
        assert!(has_secret(b"deb https://user:word@example.org/debian stable main\n"));
        assert!(has_secret(b"machine \"http://token@proxy:3128\";"));
        assert!(!has_secret(b"deb http://mirror.example.org/debian stable main # a@b\n"));
        assert!(!has_secret(b"-----BEGIN CERTIFICATE-----"));
        for settings in ["default", "environment", "opt", "profile.d"] {
            assert!(!COPIED.contains(&settings), "{settings}");
        }
        assert!(stays_out("apt/auth.conf.d") && stays_out("ssl/x.key") && !stays_out("ssl/certs"));
    }
}
