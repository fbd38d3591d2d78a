//! A work: a thing to be run once for whoever needs it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a work asks of a runner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// Which backend runs it (`sandbox`, `nix`, `agent`).
    pub kind: String,
    /// Machine architecture in Rust's words (`x86_64`); none means any.
    pub arch: Option<String>,
    /// Image family or name that a runner must be able to provide; none means any.
    pub image: Option<String>,
    /// Further labels that all must be there.
    pub features: BTreeSet<String>,
}

/// What a runner offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Backends it can run.
    pub kinds: BTreeSet<String>,
    /// Architectures it can run, in Rust's words.
    pub archs: BTreeSet<String>,
    /// Image families or names that it is limited to; empty means that it can fetch any.
    pub images: BTreeSet<String>,
    /// Further labels.
    pub features: BTreeSet<String>,
}

impl Requirement {
    /// The class's one text: equal requirements have equal texts.
    pub fn class(&self) -> String {
        let any = |o: &Option<String>| o.clone().unwrap_or_else(|| "*".into());
        let features: Vec<_> = self.features.iter().map(String::as_str).collect();
        format!("{} {} {} {}", self.kind, any(&self.arch), any(&self.image), features.join(","))
    }

    /// Reads a class's text back.
    pub fn from_class(class: &str) -> Option<Requirement> {
        let mut words = class.split(' ');
        let kind = words.next()?.to_string();
        let mut option = || words.next().map(|w| (w != "*").then(|| w.to_string()));
        let (arch, image) = (option()?, option()?);
        let features = words.next()?.split(',').filter(|f| !f.is_empty()).map(String::from).collect();
        Some(Requirement { kind, arch, image, features })
    }
}

impl Labels {
    /// Whether a runner with these labels can serve the requirement.
    pub fn serve(&self, need: &Requirement) -> bool {
        self.kinds.contains(&need.kind)
            && need.arch.as_ref().is_none_or(|arch| self.archs.contains(arch))
            && need.image.as_ref().is_none_or(|image| self.images.is_empty() || self.images.contains(image))
            && need.features.is_subset(&self.features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn a_class_is_read_as_it_is_written() {
        for need in [
            Requirement { kind: "sandbox".into(), arch: None, image: None, features: set(&[]) },
            Requirement {
                kind: "nix".into(),
                arch: Some("x86_64".into()),
                image: Some("debian".into()),
                features: set(&["big", "kvm"]),
            },
        ] {
            assert_eq!(Requirement::from_class(&need.class()), Some(need));
        }
    }

    #[test]
    fn labels_serve_what_they_contain() {
        let labels = Labels {
            kinds: set(&["sandbox"]),
            archs: set(&["x86_64"]),
            images: set(&[]),
            features: set(&["big"]),
        };
        let need = Requirement {
            kind: "sandbox".into(),
            arch: Some("x86_64".into()),
            image: Some("host".into()),
            features: set(&["big"]),
        };
        assert!(labels.serve(&need));
        assert!(!labels.serve(&Requirement { arch: Some("riscv64".into()), ..need.clone() }));
        assert!(!labels.serve(&Requirement { features: set(&["kvm"]), ..need.clone() }));
        assert!(!Labels { images: set(&["debian"]), ..labels }.serve(&need));
    }
}
