//! The grammar of one entry of `sources`: `[DIR::][SCM+]URL[#REF]`.

use crate::plan::{Scm, Source};

/// Why a source cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No address.
    #[error("the source has no URL")]
    NoUrl,
    /// Line breaks and the like.
    #[error("the source contains a control character")]
    Control,
    /// Neither git nor hg.
    #[error("Unknown scm: {0}")]
    UnknownScm(String),
    /// A part that the program would read as an option.
    #[error("`{0}` begins with a dash and would be read as an option")]
    OptionLike(String),
    /// git's `helper::address`, which runs a program of that name.
    #[error("`{0}` asks for a git transport helper")]
    Helper(String),
    /// The URL ends without a name for the folder.
    #[error("no folder name can be taken from `{0}`")]
    NoDirectory(String),
    /// A folder that is not below home.
    #[error("the folder `{0}` is not below the home folder")]
    Outside(String),
}

impl SourceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            SourceError::NoUrl => {
                "write the address of a repository, such as https://git.example.org/~me/project"
            }
            SourceError::Control => "write the source on one line",
            SourceError::UnknownScm(_) => "use git (the default) or hg: hg+https://…",
            SourceError::OptionLike(_) => "write the address or reference without the leading dash",
            SourceError::Helper(_) => "use an https, ssh or git address; name a folder with one `::` only",
            SourceError::NoDirectory(_) => "name the folder: project::https://…",
            SourceError::Outside(_) => "name a folder relative to home, without `..`",
        }
    }
}

impl Source {
    /// Reads an entry. `#` and `::` divide only when there is exactly one of them, as on builds.sr.ht.
    ///
    /// ```
    /// use ropewalk_model::plan::{Scm, Source};
    /// let source = Source::parse("lib::hg+https://hg.example.org/~me/x#v1").unwrap();
    /// assert_eq!((source.scm, source.directory.as_str()), (Scm::Hg, "lib"));
    /// ```
    pub fn parse(text: &str) -> Result<Source, SourceError> {
        if text.chars().any(char::is_control) {
            return Err(SourceError::Control);
        }
        let (location, reference) = split_reference(text);
        let (directory, location) = split_directory(location);
        let (scm, url) = split_scm(location)?;
        refuse_options(scm, &url, reference)?;
        let directory = match directory {
            Some(directory) => below_home(directory)?,
            None => last_component(scm, &url)?,
        };
        Ok(Source { scm, url, reference: reference.map(Into::into), directory })
    }
}

fn split_reference(text: &str) -> (&str, Option<&str>) {
    match text.split_once('#') {
        Some((location, reference)) if !reference.contains('#') => {
            (location, Some(reference).filter(|reference| !reference.is_empty()))
        }
        _ => (text, None),
    }
}

/// An IPv6 address in brackets has colons of its own.
fn split_directory(location: &str) -> (Option<&str>, &str) {
    let bracket = location.find('[').unwrap_or(location.len());
    let (free, _) = location.split_at(bracket);
    match free.split_once("::") {
        Some((directory, rest)) if !rest.contains("::") => {
            let start = directory.len() + "::".len();
            (Some(directory).filter(|directory| !directory.is_empty()), location.split_at(start).1)
        }
        _ => (None, location),
    }
}

fn split_scm(location: &str) -> Result<(Scm, String), SourceError> {
    let Some((scheme, rest)) = split_scheme(location) else { return Ok((Scm::Git, location.into())) };
    match scheme.split_once('+') {
        None => Ok((Scm::Git, location.into())),
        Some(("git", transport)) => Ok((Scm::Git, format!("{transport}://{rest}"))),
        Some(("hg", transport)) => Ok((Scm::Hg, format!("{transport}://{rest}"))),
        Some((scm, _)) => Err(SourceError::UnknownScm(scm.into())),
    }
}

fn split_scheme(url: &str) -> Option<(&str, &str)> {
    url.split_once("://").filter(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

fn refuse_options(scm: Scm, url: &str, reference: Option<&str>) -> Result<(), SourceError> {
    if url.is_empty() {
        return Err(SourceError::NoUrl);
    }
    let host = split_scheme(url).map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    let host = host.rsplit('@').next().unwrap_or(host);
    if let Some(part) =
        [Some(url), Some(host), reference].into_iter().flatten().find(|part| part.starts_with('-'))
    {
        return Err(SourceError::OptionLike(part.into()));
    }
    if scm == Scm::Git && url.split('[').next().is_some_and(|free| free.contains("::")) {
        return Err(SourceError::Helper(url.into()));
    }
    Ok(())
}

fn below_home(directory: &str) -> Result<String, SourceError> {
    let outside = || SourceError::Outside(directory.into());
    if directory.starts_with(['/', '~']) {
        return Err(outside());
    }
    let parts: Vec<&str> = directory.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(outside());
    }
    Ok(parts.join("/"))
}

fn last_component(scm: Scm, url: &str) -> Result<String, SourceError> {
    let missing = || SourceError::NoDirectory(url.into());
    let path = match split_scheme(url) {
        Some((_, rest)) => rest.split_once('/').map(|(_host, path)| path).ok_or_else(missing)?,
        None => scp_path(url),
    };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = match scm {
        Scm::Git => name.strip_suffix(".git").unwrap_or(name),
        Scm::Hg => name,
    };
    match name {
        "" | "." | ".." => Err(missing()),
        name => Ok(name.into()),
    }
}

/// `host:path` has its path after the first colon, unless a slash comes before.
fn scp_path(url: &str) -> &str {
    match url.split_once(':') {
        Some((host, path)) if !host.contains('/') => path,
        _ => url,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (Scm, String, Option<String>, String) {
        let source = Source::parse(text).unwrap();
        (source.scm, source.url, source.reference, source.directory)
    }

    fn git(url: &str, reference: Option<&str>, directory: &str) -> (Scm, String, Option<String>, String) {
        (Scm::Git, url.into(), reference.map(Into::into), directory.into())
    }

    #[test]
    fn takes_the_folder_from_the_last_component() {
        let h = "https://git.example.org/~me";
        assert_eq!(parts(&format!("{h}/rope")), git(&format!("{h}/rope"), None, "rope"));
        assert_eq!(parts(&format!("{h}/rope.git")), git(&format!("{h}/rope.git"), None, "rope"));
        assert_eq!(parts(&format!("{h}/rope.git/")), git(&format!("{h}/rope.git/"), None, "rope"));
        assert_eq!(parts(&format!("{h}/c++")), git(&format!("{h}/c++"), None, "c++"));
        assert_eq!(parts("git@h:~me/rope"), git("git@h:~me/rope", None, "rope"));
        assert_eq!(parts("git@h:rope.git"), git("git@h:rope.git", None, "rope"));
        assert_eq!(parts("/srv/git/rope.git"), git("/srv/git/rope.git", None, "rope"));
        assert_eq!(parts("./a:b"), git("./a:b", None, "a:b"));
        assert_eq!(parts("file:///srv/rope"), git("file:///srv/rope", None, "rope"));
        assert_eq!(parts("https://[::1]:8000/rope"), git("https://[::1]:8000/rope", None, "rope"));
    }

    #[test]
    fn hg_keeps_its_suffix() {
        let (scm, url, reference, directory) = parts("hg+https://hg.example.org/rope.git#tip");
        assert_eq!((scm, url.as_str()), (Scm::Hg, "https://hg.example.org/rope.git"));
        assert_eq!((reference.as_deref(), directory.as_str()), (Some("tip"), "rope.git"));
    }

    #[test]
    fn git_plus_ssh_is_ssh() {
        assert_eq!(
            parts("git+ssh://git@git.example.org/~me/rope"),
            git("ssh://git@git.example.org/~me/rope", None, "rope")
        );
    }

    #[test]
    fn divides_only_at_a_single_mark() {
        assert_eq!(parts("https://h/a#b"), git("https://h/a", Some("b"), "a"));
        assert_eq!(parts("https://h/a#b#c"), git("https://h/a#b#c", None, "a#b#c"));
        assert_eq!(parts("https://h/a#"), git("https://h/a", None, "a"));
        assert_eq!(parts("d::https://h/a"), git("https://h/a", None, "d"));
        assert_eq!(parts("::https://h/a"), git("https://h/a", None, "a"));
        assert_eq!(parts("x/./y/::https://h/a"), git("https://h/a", None, "x/y"));
        assert_eq!(parts("hg+https://h/a::b::c").1, "https://h/a::b::c");
        assert_eq!(parts("https://h/a#n::m"), git("https://h/a", Some("n::m"), "a"));
    }

    #[test]
    fn one_mark_before_ext_names_a_folder_and_no_transport() {
        assert_eq!(parts("ext::sh -c id"), git("sh -c id", None, "ext"));
        assert!(matches!(Source::parse("d::ext::sh -c id"), Err(SourceError::Helper(_))));
        assert!(matches!(Source::parse("::ext::sh"), Err(SourceError::Helper(_))));
    }

    #[test]
    fn refuses_what_would_be_an_option() {
        for text in [
            "--upload-pack=touch x",
            "-u",
            "d::--upload-pack=x",
            "https://h/a#-b",
            "https://h/a#--orphan",
            "ssh://-oProxyCommand=x/a",
            "ssh://git@-oProxyCommand=x/a",
            "git@-oProxyCommand=x:a",
            "git+ssh://-oProxyCommand=x/a",
            "hg+ssh://-oProxyCommand=x/a",
        ] {
            assert!(matches!(Source::parse(text), Err(SourceError::OptionLike(_))), "{text}");
        }
    }

    #[test]
    fn refuses_folders_outside_home() {
        for text in [
            "/a::https://h/a",
            "../a::https://h/a",
            "a/../..::https://h/a",
            "~/a::https://h/a",
            ".::https://h/a",
        ] {
            assert!(matches!(Source::parse(text), Err(SourceError::Outside(_))), "{text}");
        }
    }

    #[test]
    fn refuses_what_names_nothing() {
        assert_eq!(Source::parse(""), Err(SourceError::NoUrl));
        assert_eq!(Source::parse("#main"), Err(SourceError::NoUrl));
        assert_eq!(Source::parse("a\nb"), Err(SourceError::Control));
        assert_eq!(Source::parse("svn+ssh://h/a"), Err(SourceError::UnknownScm("svn".into())));
        for text in ["https://h", "https://h/", "https://h/..", "git@h:", "https://h/.git"] {
            assert!(matches!(Source::parse(text), Err(SourceError::NoDirectory(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_below_home(text in "\\PC{0,60}|[a-z:#+/.@~\\[\\]-]{0,40}") {
            if let Ok(source) = Source::parse(&text) {
                prop_assert!(!source.directory.starts_with('/') && !source.directory.is_empty());
                prop_assert!(source.directory.split('/').all(|part| !matches!(part, "" | "." | "..")));
                prop_assert!(!source.url.starts_with('-'));
                prop_assert!(source.reference.is_none_or(|r| !r.starts_with('-') && !r.is_empty()));
            }
        }

        #[test]
        fn reads_back_what_was_composed(
            directory in proptest::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,8}(/[a-z0-9_]{1,5})?"),
            scm in proptest::sample::select(vec![("", Scm::Git), ("git+", Scm::Git), ("hg+", Scm::Hg)]),
            transport in proptest::sample::select(vec!["https", "ssh", "git", "file"]),
            path in "[a-z0-9.@]{1,8}(/[a-z0-9~+_-]{1,8}){1,3}",
            reference in proptest::option::of("[a-zA-Z0-9_.][a-zA-Z0-9/_.-]{0,12}"),
        ) {
            let url = format!("{transport}://{path}");
            let text = format!(
                "{}{}{url}{}",
                directory.as_ref().map(|d| format!("{d}::")).unwrap_or_default(),
                scm.0,
                reference.as_ref().map(|r| format!("#{r}")).unwrap_or_default(),
            );
            let source = Source::parse(&text).unwrap();
            let name = path.rsplit('/').next().unwrap();
            prop_assert_eq!(source.scm, scm.1);
            prop_assert_eq!(source.url, url);
            prop_assert_eq!(source.reference, reference);
            prop_assert_eq!(source.directory, directory.unwrap_or_else(|| name.to_owned()));
        }
    }
}
