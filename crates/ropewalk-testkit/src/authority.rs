//! A private issuer of certificates, made by `openssl` as the manual says.

#![allow(clippy::expect_used, clippy::panic, reason = "for tests: without openssl there is nothing to show")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// An issuer with files of its own below one folder.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A certificate that an [`Authority`] issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of the private key, for its owner only.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an issuer; its files are in `folder`, which must be there.
    pub fn new(folder: &Path) -> Authority {
        let authority = Authority { folder: folder.into() };
        let (key, cert) = (folder.join("ca.key"), authority.cert());
        let mut command = request(&key);
        openssl(command.args(["-x509", "-subj", "/CN=Test CA", "-days", "30", "-out"]).arg(&cert));
        authority
    }

    /// PEM file of the issuer's own certificate: what clients trust.
    pub fn cert(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Issues a certificate in files that begin with `name`, for these names, each `DNS:…` or `IP:…`.
    pub fn issue(&self, name: &str, names: &[&str]) -> Issued {
        self.issue_for(name, names, 30)
    }

    /// The same for so many days from now; one that has ended when they are negative.
    pub fn issue_for(&self, name: &str, names: &[&str], days: i32) -> Issued {
        let file = |kind: &str| self.folder.join(format!("{name}.{kind}"));
        let (cert, key, asked, extensions) = (file("pem"), file("key"), file("csr"), file("ext"));
        let more = format!("subjectAltName={}\n", names.join(","));
        std::fs::write(&extensions, more).expect("a folder that can be written to");
        openssl(request(&key).args(["-subj", "/CN=Test server", "-out"]).arg(&asked));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-CAcreateserial", "-days"]).arg(days.to_string());
        sign.arg("-in").arg(&asked).arg("-CA").arg(self.cert()).arg("-CAkey").arg(self.folder.join("ca.key"));
        openssl(sign.arg("-extfile").arg(&extensions).arg("-out").arg(&cert));
        Issued { cert, key }
    }
}

fn request(key: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]);
    command.arg(key);
    command
}

fn openssl(command: &mut Command) {
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{command:?}: {}", output.stderr.escape_ascii());
}
