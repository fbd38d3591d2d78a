//! What the expression gets of an input.

use crate::nix::quote::text;
use ropewalk_model::nix::{Input, ResolvedInput};
use std::path::PathBuf;

/// A resolved input.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) input: ResolvedInput,
    /// Its value, as Nix text.
    pub(crate) argument: String,
    /// Its place in the search path, if it has one.
    pub(crate) search: Option<PathBuf>,
}

impl Resolved {
    /// Of an input that needs no fetching.
    pub(crate) fn of(input: &Input) -> Resolved {
        match input {
            Input::String { value } => Resolved::plain("string", value, text(value)),
            Input::Boolean { value } => Resolved::plain("boolean", &value.to_string(), value.to_string()),
            Input::Nix { value } => Resolved::plain("nix", value, format!("(\n{value}\n)")),
            Input::Build { id, path, drv_path, output_name, version } => {
                let mut pairs = vec![("outputName", text(output_name)), ("drvPath", text(drv_path))];
                pairs.extend(version.as_ref().map(|version| ("version", text(version))));
                let input = ResolvedInput { dependency: Some(*id), ..ResolvedInput::default() };
                Resolved::in_store("build", path, input, pairs)
            }
            Input::Eval { id, jobs } => {
                let member = |(name, path): (&String, &String)| {
                    let path = text(path);
                    format!(
                        "{} = builtins.appendContext {path} {{ {path} = {{ path = true; }}; }}; ",
                        text(name)
                    )
                };
                let members: String = jobs.iter().map(member).collect();
                let mut resolved = Resolved::plain("eval", &id.to_string(), format!("{{ {members}}}"));
                resolved.input.dependency = Some(*id);
                resolved
            }
            // These are fetched.
            Input::Git { uri: path, .. } | Input::Path { path, .. } => {
                Resolved::plain("path", path, text(path))
            }
        }
    }

    fn plain(kind: &str, value: &str, argument: String) -> Resolved {
        let input =
            ResolvedInput { kind: kind.into(), value: Some(value.into()), ..ResolvedInput::default() };
        Resolved { input, argument, search: None }
    }

    /// A set with `outPath`, and besides what the pairs say: names and Nix text.
    pub(super) fn in_store(
        kind: &str,
        path: &str,
        input: ResolvedInput,
        pairs: Vec<(&str, String)>,
    ) -> Resolved {
        let own = [("outPath", format!("builtins.storePath {}", text(path))), ("inputType", text(kind))];
        let members: String =
            own.into_iter().chain(pairs).map(|(name, value)| format!("{name} = {value}; ")).collect();
        Resolved {
            input: ResolvedInput { kind: kind.into(), store_path: Some(path.into()), ..input },
            argument: format!("{{ {members}}}"),
            search: Some(path.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_but_for_those_that_are_nix() {
        let of = |input: &Input| Resolved::of(input).argument;
        assert_eq!(of(&Input::String { value: " a${b}\" ".into() }), r#"" a\${b}\" ""#);
        assert_eq!(of(&Input::Boolean { value: true }), "true");
        assert_eq!(of(&Input::Nix { value: "1 + 1 # two".into() }), "(\n1 + 1 # two\n)");
        let build = Input::Build {
            id: 7,
            path: "/s/x-a-1".into(),
            drv_path: "/s/x-a-1.drv".into(),
            output_name: "out".into(),
            version: Some("1".into()),
        };
        let expected = r#"{ outPath = builtins.storePath "/s/x-a-1"; inputType = "build"; outputName = "out"; drvPath = "/s/x-a-1.drv"; version = "1"; }"#;
        assert_eq!(of(&build), expected);
        assert_eq!(Resolved::of(&build).input.dependency, Some(7));
        let eval = Input::Eval { id: 3, jobs: [("a.b".to_owned(), "/s/x".to_owned())].into() };
        let expected = r#"{ "a.b" = builtins.appendContext "/s/x" { "/s/x" = { path = true; }; }; }"#;
        assert_eq!(of(&eval), expected);
    }
}
