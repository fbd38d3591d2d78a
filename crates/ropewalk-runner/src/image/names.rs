//! The images of builds.sr.ht by name, and what stands for each here.

use super::{ImageName, Named, Source, bootstrap};

/// Name, repository, and releases with their tags there.
type Family = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Families whose releases are tags of one repository.
const FAMILIES: &[Family] = &[
    (
        "alpine",
        "docker.io/library/alpine",
        &[
            ("edge", "edge"),
            ("latest", "latest"),
            ("3.23", "3.23"),
            ("3.22", "3.22"),
            ("3.21", "3.21"),
            ("3.20", "3.20"),
            ("old", "3.22"),
            ("older", "3.21"),
            ("oldest", "3.20"),
        ],
    ),
    (
        "debian",
        "docker.io/library/debian",
        &[
            ("sid", "sid"),
            ("unstable", "unstable"),
            ("testing", "testing"),
            ("stable", "stable"),
            ("oldstable", "oldstable"),
            ("forky", "forky"),
            ("trixie", "trixie"),
            ("bookworm", "bookworm"),
            ("bullseye", "bullseye"),
        ],
    ),
    (
        "fedora",
        "docker.io/library/fedora",
        &[("rawhide", "rawhide"), ("latest", "latest"), ("44", "44"), ("43", "43"), ("42", "42")],
    ),
    ("rockylinux", "docker.io/rockylinux/rockylinux", &[("latest", "9"), ("9", "9"), ("8", "8")]),
    (
        "ubuntu",
        "docker.io/library/ubuntu",
        &[
            ("lts", "resolute"),
            ("oldlts", "noble"),
            ("resolute", "resolute"),
            ("noble", "noble"),
            ("jammy", "jammy"),
            ("26.04", "resolute"),
            ("24.04", "noble"),
            ("22.04", "jammy"),
        ],
    ),
];
/// It has no releases. With the tools that every PKGBUILD takes for granted; also by the name that Vieter gives it.
const ARCH: ([&str; 2], &str) =
    (["archlinux", "archlinux:base-devel"], "docker.io/library/archlinux:base-devel");

/// Where the image of this name comes from. A third part of the name is an architecture, which must be this machine's.
pub(super) fn source(name: &str) -> Option<Source> {
    let name = of_this_machine(name)?;
    if ARCH.0.contains(&name) {
        return registry(ARCH.1);
    }
    let (family, release) = name.split_once('/')?;
    let (_, repository, releases) = FAMILIES.iter().find(|(known, ..)| *known == family)?;
    let (_, tag) = releases.iter().find(|(known, _)| *known == release)?;
    // The packages of this machine's own mirror are nearer than any registry.
    if let Some(suite) = bootstrap::suite(family, tag) {
        return Some(Source::Bootstrap(suite));
    }
    registry(&format!("{repository}:{tag}"))
}

/// All names of the table with what stands for them on this machine.
pub(super) fn all() -> Vec<Named> {
    let releases = FAMILIES.iter().flat_map(|(family, _, releases)| {
        releases.iter().map(move |(release, _)| format!("{family}/{release}"))
    });
    let names = releases.chain(ARCH.0.map(String::from));
    names
        .filter_map(|name| Some(Named { name: ImageName::parse(&name).ok()?, source: source(&name)? }))
        .collect()
}

/// The name without the architecture, if that is this machine's in the words of any family.
fn of_this_machine(name: &str) -> Option<&str> {
    let (own, debian) = match std::env::consts::ARCH {
        "x86_64" => ("x86_64", "amd64"),
        "aarch64" => ("aarch64", "arm64"),
        other => (other, other),
    };
    let parts = name.split('/').count();
    match name.rsplit_once('/') {
        Some((rest, arch)) if [own, debian].contains(&arch) => Some(rest),
        _ => (parts <= 2).then_some(name),
    }
}

fn registry(reference: &str) -> Option<Source> {
    format!("docker://{reference}").parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_name_of_the_table_has_a_source() {
        let count: usize = FAMILIES.iter().map(|(.., releases)| releases.len()).sum();
        assert_eq!(all().len(), count + ARCH.0.len());
    }

    #[test]
    fn what_can_come_from_packages_is_called_as_archives_call_it() {
        for (family, _, releases) in
            FAMILIES.iter().filter(|(family, ..)| ["debian", "ubuntu"].contains(family))
        {
            for (release, suite) in *releases {
                assert!(suite.parse::<crate::image::Suite>().is_ok(), "{family}/{release}: {suite}");
            }
        }
        let lts = source("ubuntu/24.04").unwrap();
        match bootstrap::suite("ubuntu", "noble") {
            Some(_) => assert_eq!(lts.to_string(), "bootstrap:noble"),
            None => assert_eq!(lts.to_string(), "docker://docker.io/library/ubuntu:noble"),
        }
    }

    #[test]
    fn names_are_found_with_and_without_this_machines_architecture() {
        let found = |name: &str| source(name).map(|source| source.to_string());
        assert_eq!(found("archlinux").as_deref(), Some("docker://docker.io/library/archlinux:base-devel"));
        assert_eq!(found("alpine/older").as_deref(), Some("docker://docker.io/library/alpine:3.21"));
        assert_eq!(found("rockylinux/latest").as_deref(), Some("docker://docker.io/rockylinux/rockylinux:9"));
        let own = std::env::consts::ARCH;
        assert_eq!(found(&format!("alpine/edge/{own}")), found("alpine/edge"));
        assert_eq!(found(&format!("archlinux/{own}")), found("archlinux"));
        for unknown in ["alpine", "alpine/1", "alpine/edge/riscv64", "openbsd/latest", "x", "a/b/c/d"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn debian_comes_from_packages_where_this_machine_is_debian() {
        let debian = source("debian/bookworm").unwrap().to_string();
        match bootstrap::suite("debian", "bookworm") {
            Some(_) => assert_eq!(debian, "bootstrap:bookworm"),
            None => assert_eq!(debian, "docker://docker.io/library/debian:bookworm"),
        }
    }
}
