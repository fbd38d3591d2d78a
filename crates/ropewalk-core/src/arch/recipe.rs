//! What our own runner does with a target. Agents bring a script of their own and do the same.

use super::BuildConfig;
use crate::port::TargetKind;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::manifest::script::quote;
use ropewalk_model::plan::{Plan, PlanStep};

/// Name of the one step.
pub(super) const STEP: &str = "build";
/// What the token of a build allows: to publish into the target's repository, while the build runs.
const GRANTS: &str = "PUBLISH:RW";
/// Its commands are shown by itself, in Vieter's way.
const UNTRACED: &str = "{ set +x; } 2>/dev/null\n";
/// The assignments of its variables come before it.
const SCRIPT: &str = include_str!("build.sh");

/// The plan of a build. The image's own `makepkg` and `pacman` build it in the order of Vieter's agents.
pub(super) fn plan(config: &BuildConfig, arch: &str, limits: BuildLimits) -> Plan {
    let kind = match config.kind {
        TargetKind::Git => "git",
        TargetKind::Url => "url",
    };
    let force = if config.force { "1" } else { "" };
    let variables: String = [
        ("kind", kind),
        ("url", &config.url),
        ("branch", &config.branch),
        ("path", &config.path),
        ("repo", &config.repo),
        ("arch", arch),
        ("force", force),
    ]
    .map(|(name, value)| format!("{name}={}\n", quote(value)))
    .concat();
    let step = PlanStep { name: STEP.into(), script: format!("{UNTRACED}{variables}{SCRIPT}") };
    let limits = BuildLimits { build_time: config.timeout, ..limits };
    Plan { oauth: Some(GRANTS.into()), ..Plan::of_steps(&config.base_image, vec![step], limits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_target_says_is_a_command() {
        let config = BuildConfig {
            target_id: 1,
            kind: TargetKind::Git,
            url: "$(id); 'x".into(),
            branch: "main".into(),
            path: "a b'; id #".into(),
            repo: "r".into(),
            base_image: "archlinux".into(),
            force: false,
            timeout: 60,
        };
        let plan = plan(&config, "x86_64", BuildLimits::default());
        let script = &plan.steps.first().unwrap().script;
        let head = script.strip_suffix(SCRIPT).unwrap();
        let output = std::process::Command::new("bash")
            .args(["-c", &format!("{head}printf '%s|' \"$kind\" \"$url\" \"$path\" \"$force\"")])
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"git|$(id); 'x|a b'; id #||");
        assert_eq!(plan.limits.build_time, 60);
    }

    #[test]
    fn the_script_is_one_that_bash_reads() {
        let output = std::process::Command::new("bash").args(["-n", "-c", SCRIPT]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
