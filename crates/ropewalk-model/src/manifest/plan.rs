//! From what was meant to what is run.

use super::types::Manifest;
use crate::limits::BuildLimits;
use crate::plan::{Backend, PLAN_VERSION, Plan};

/// What a submission decides beside the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Whether the build may have secrets. Without them it gets no token either.
    pub secrets: bool,
    /// What it may use.
    pub limits: BuildLimits,
}

/// The plan of a manifest. Triggers and `submitter` are no part of it: the one is done by the server after the end,
/// the other was done before the submission.
pub fn plan(manifest: &Manifest, options: &PlanOptions) -> Plan {
    let (secrets, oauth) = match options.secrets {
        true => (manifest.secrets.clone(), manifest.oauth.clone()),
        false => (Vec::new(), None),
    };
    Plan {
        version: PLAN_VERSION,
        backend: Backend::Sandbox,
        image: manifest.image.clone(),
        arch: manifest.arch.clone(),
        packages: manifest.packages.clone(),
        repositories: manifest.repositories.clone(),
        sources: manifest.sources.clone(),
        environment: manifest.environment.clone(),
        secrets,
        oauth,
        shell: manifest.shell,
        steps: manifest.tasks.clone(),
        artifacts: manifest.artifacts.clone(),
        nix: None,
        limits: options.limits.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ManifestLimits, parse};
    use super::*;

    const TEXT: &str = "{image: a/b, arch: c, packages: [d], repositories: {e: f}, sources: [https://h/i#j], \
        environment: {K: 1}, secrets: [llll], oauth: builds.sr.ht/JOBS, shell: true, artifacts: [m], \
        tasks: [{n: o}, {p: q}], triggers: [{action: webhook, condition: always, url: https://r}]}";

    fn plan_of(secrets: bool) -> Plan {
        let manifest = parse(TEXT, &ManifestLimits::default()).unwrap();
        plan(&manifest, &PlanOptions { secrets, limits: BuildLimits::default() })
    }

    #[test]
    fn carries_everything_that_runs() {
        let json = serde_json::to_value(plan_of(true)).unwrap();
        let mut expected = serde_json::json!({
            "version": PLAN_VERSION, "backend": "sandbox", "image": "a/b", "arch": "c", "packages": ["d"],
            "repositories": {"e": "f"}, "environment": [["K", {"bare": "1"}]], "secrets": ["llll"],
            "sources": [{"scm": "git", "url": "https://h/i", "reference": "j", "directory": "i"}],
            "oauth": "builds.sr.ht/JOBS", "shell": true, "artifacts": ["m"],
            "steps": [{"name": "n", "script": "o"}, {"name": "p", "script": "q"}],
        });
        expected["limits"] = serde_json::to_value(BuildLimits::default()).unwrap();
        assert_eq!(json, expected);
    }

    #[test]
    fn without_secrets_there_is_neither_secret_nor_token() {
        let plan = plan_of(false);
        assert_eq!((plan.secrets, plan.oauth), (vec![], None));
    }
}
