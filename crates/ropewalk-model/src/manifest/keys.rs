//! The table of manifest keys. The parser's known keys, its hints and the manual all come from here.

use super::fields;
use super::read::Reader;
use super::tree::Node;
use strum::Display;

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
pub enum KeyType {
    /// One text.
    #[strum(serialize = "a string")]
    Text,
    /// `true` or `false`.
    #[strum(serialize = "true or false")]
    Bool,
    /// Texts in order.
    #[strum(serialize = "a list of strings")]
    Texts,
    /// Names to texts.
    #[strum(serialize = "a map of strings")]
    TextMap,
    /// Names to values.
    #[strum(serialize = "a map")]
    Map,
    /// One-key maps in order.
    #[strum(serialize = "a list of `name: script`")]
    Tasks,
    /// Maps in order.
    #[strum(serialize = "a list of maps")]
    Maps,
}

/// One key of the manifest.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub takes: KeyType,
    /// When it must be there; empty when it never must.
    pub required: &'static str,
    /// What it is for, and its rules.
    pub help: &'static str,
    /// A valid value, in flow style.
    pub example: &'static str,
    pub(super) read: fn(&mut Reader<'_>, &Key, &Node),
}

/// All keys, in the order in which a manifest is usually written.
pub static KEYS: &[Key] = &[
    Key {
        name: "image",
        takes: KeyType::Text,
        required: "always",
        help: "Name of the image to build on, `name` or `name/release`. An image that is not there fails the build when it starts, not the submission.",
        example: "debian/stable",
        read: fields::image,
    },
    Key {
        name: "arch",
        takes: KeyType::Text,
        required: "",
        help: "Machine architecture in the image's own word (`x86_64`, `amd64`). Without it, the image's default.",
        example: "x86_64",
        read: fields::arch,
    },
    Key {
        name: "packages",
        takes: KeyType::Texts,
        required: "",
        help: "Packages to install before the sources are cloned, in the image's package names.",
        example: "[make, libssl-dev]",
        read: fields::packages,
    },
    Key {
        name: "repositories",
        takes: KeyType::TextMap,
        required: "",
        help: "Extra package repositories. alpine: `URL KEYURL KEYNAME`; archlinux: `URL#KEYID`; debian and ubuntu: `URL DISTRO COMPONENT [KEYID]`; fedora and rocky: the URL of a `.repo` file, the name being the repository's id.",
        example: "{extra: https://packages.example.org stable main}",
        read: fields::repositories,
    },
    Key {
        name: "sources",
        takes: KeyType::Texts,
        required: "",
        help: "Repositories to clone into the home folder: `[FOLDER::][git+|hg+]URL[#REF]`. The folder is the URL's last component when it is not named.",
        example: "[\"https://git.example.org/~me/project#main\"]",
        read: fields::sources,
    },
    Key {
        name: "environment",
        takes: KeyType::Map,
        required: "",
        help: "Variables for every task: strings, numbers, booleans, nothing, or lists of strings. A list becomes a bash array, which bash cannot export.",
        example: "{CFLAGS: -O2, DEBUG: true}",
        read: fields::environment,
    },
    Key {
        name: "secrets",
        takes: KeyType::Texts,
        required: "",
        help: "Secrets to put into the build, each by its UUID or its name.",
        example: "[046ad4a7-2b44-4c4b-a1a2-5e8f0f2f9d52]",
        read: fields::secrets,
    },
    Key {
        name: "oauth",
        takes: KeyType::Text,
        required: "",
        help: "Grants of a token that the build gets as OAUTH2_TOKEN: `SERVICE/SCOPE[:RO|:RW]`, divided by spaces.",
        example: "builds.sr.ht/JOBS:RO",
        read: fields::oauth,
    },
    Key {
        name: "shell",
        takes: KeyType::Bool,
        required: "",
        help: "Keep the build open after its tasks, until its deadline, so that one can log in. Tasks may then be missing.",
        example: "true",
        read: fields::shell,
    },
    Key {
        name: "artifacts",
        takes: KeyType::Texts,
        required: "",
        help: "Files to publish when the build succeeds, relative to the home folder or absolute; no two with the same file name.",
        example: "[project/build/project.tar.gz]",
        read: fields::artifacts,
    },
    Key {
        name: "tasks",
        takes: KeyType::Tasks,
        required: "unless `shell` is true",
        help: "The scripts, run in order, each with the home folder as its working directory. Names are made of a-z, 0-9, `_` and `-`, at most 128 characters, each once; one that begins with `_` is left out of mails.",
        example: "[{build: make -C project}]",
        read: fields::tasks,
    },
    Key {
        name: "triggers",
        takes: KeyType::Maps,
        required: "",
        help: "What to do after the end. `action` is email (with `to`, `cc`, `in_reply_to`) or webhook (with `url`); `condition` is always, success or failure.",
        example: "[{action: email, condition: failure, to: me@example.org}]",
        read: super::triggers::read,
    },
    Key {
        name: "submitter",
        takes: KeyType::Map,
        required: "",
        help: "Rules for programs that submit manifests after a push; nothing to a build.",
        example: "{git.sr.ht: {enabled: false}}",
        read: fields::submitter,
    },
];

/// The table as Markdown, for the manual.
pub fn markdown() -> String {
    let mut text = String::from("| key | takes | required | what it is |\n|---|---|---|---|\n");
    for Key { name, takes, required, help, .. } in KEYS {
        let help = help.replace('|', "\\|");
        text.push_str(&format!("| `{name}` | {takes} | {required} | {help} |\n"));
    }
    text
}

/// The known word that `unknown` most likely stands for.
pub(super) fn nearest(unknown: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let lower = unknown.to_lowercase();
    known
        .map(|word| (strsim::damerau_levenshtein(&lower, word), word))
        .filter(|(distance, word)| *distance * 3 <= word.len().max(lower.len()))
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let nearest = |text| nearest(text, KEYS.iter().map(|key| key.name));
        for (written, meant) in [
            ("pacakges", "packages"),
            ("pacakge", "packages"),
            ("screts", "secrets"),
            ("Image", "image"),
            ("task", "tasks"),
            ("env", ""),
            ("matrix", ""),
            ("enviroment", "environment"),
        ] {
            assert_eq!(nearest(written).unwrap_or_default(), meant, "{written}");
        }
    }
}
