//! Folds: what a command printed, under the line in which the shell traced the command; and groups that scripts mark.
//!
//! A task runs under `set -x`, so the shell writes `+ command` before each command. GitHub's `::group::TITLE` and
//! `::endgroup::` are taken too; within such a group traces are lines like any other. Buildkite's `---`, `+++` and `~~~`
//! are not: diffs and tests of Go begin lines with them.

use std::ops::Range;

/// Lines that a command printed of which no fold is made. The script has the same number.
const SHORT: usize = 10;

/// What a line means for folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `+ command`.
    Trace,
    /// `::group::TITLE`.
    Group,
    /// `::endgroup::`.
    End,
    /// Any other line.
    Text,
}

impl Role {
    /// Of a line without mark-up. An added line of a diff is indented by more than one space, or by none.
    pub(crate) fn of(line: &str) -> Role {
        match line.strip_prefix("+ ").and_then(|rest| rest.chars().next()) {
            Some(c) if !c.is_whitespace() => return Role::Trace,
            _ => {}
        }
        match line.trim_end() {
            "::endgroup::" => Role::End,
            line if line.starts_with("::group::") => Role::Group,
            _ => Role::Text,
        }
    }

    /// Class of the line, for the style sheet and the script.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Role::Trace => " trace",
            Role::Group => " group",
            Role::End => " endgroup",
            Role::Text => "",
        }
    }
}

/// Lines that belong together, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Lines that stand for themselves, heads of folds too.
    Loose(Range<usize>),
    /// What stands below the head before it.
    Fold(Range<usize>),
}

/// Divides lines into parts, each line into one, in order.
pub(crate) fn parts(roles: &[Role]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    // Of the part that begins at `start`.
    let mut head = None;
    for (at, role) in roles.iter().copied().enumerate() {
        let begins = match role {
            Role::Group => true,
            Role::Trace => head != Some(Role::Group),
            Role::End | Role::Text => false,
        };
        if begins {
            push(&mut parts, start..at, head);
            (start, head) = (at, Some(role));
        } else if role == Role::End && head == Some(Role::Group) {
            push(&mut parts, start..at + 1, head);
            (start, head) = (at + 1, None);
        }
    }
    push(&mut parts, start..roles.len(), head);
    parts
}

fn push(parts: &mut Vec<Part>, lines: Range<usize>, head: Option<Role>) {
    let below = lines.len().saturating_sub(1);
    let is_fold = match head {
        Some(Role::Group) => below > 0,
        Some(_) => below > SHORT,
        None => false,
    };
    let loose = if is_fold { lines.start..lines.start + 1 } else { lines.clone() };
    match parts.last_mut() {
        _ if loose.is_empty() => {}
        Some(Part::Loose(before)) => before.end = loose.end,
        _ => parts.push(Part::Loose(loose)),
    }
    if is_fold {
        parts.push(Part::Fold(lines.start + 1..lines.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts_of(log: &str) -> Vec<Part> {
        parts(&log.lines().map(Role::of).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_folds_what_it_printed_if_that_is_long() {
        use Part::{Fold, Loose};
        let (long, short) = ("x\n".repeat(11), "x\n".repeat(10));
        let log = format!("before\n+ cd x\n+ make\n{long}+ true\n{short}+ false\n++ g\n{long}");
        assert_eq!(parts_of(&log), [Loose(0..3), Fold(3..14), Loose(14..26), Fold(26..38)]);
        assert_eq!(parts_of("a\nb"), [Loose(0..2)]);
        assert_eq!(parts_of(""), []);
    }

    #[test]
    fn a_marked_group_holds_traces_and_ends() {
        use Part::{Fold, Loose};
        let log = "+ ./ci\n::group::Build\n+ make\nx\n::endgroup::\nbetween\n::group::A\na\n::group::B\nb";
        let expected = [Loose(0..2), Fold(2..5), Loose(5..7), Fold(7..8), Loose(8..9), Fold(9..10)];
        assert_eq!(parts_of(log), expected);
        assert_eq!(parts_of("::endgroup::\nx"), [Loose(0..2)]);
    }

    #[test]
    fn diffs_and_headings_are_no_commands() {
        for line in [
            "+",
            "+ ",
            "+    indented",
            "++ nested",
            "+x",
            "--- a/x",
            "+++ b/x",
            "~~~ y",
            " + x",
            "::grouping",
        ] {
            assert_eq!(Role::of(line), Role::Text, "{line:?}");
        }
        assert_eq!(Role::of("+ make -j2"), Role::Trace);
        assert_eq!(Role::of("::endgroup:: "), Role::End);
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_part(lines in prop::collection::vec(0..16usize, 0..80)) {
            let of = |at: usize| [Role::Trace, Role::Group, Role::End].get(at).copied().unwrap_or(Role::Text);
            let roles: Vec<Role> = lines.into_iter().map(of).collect();
            let mut next = 0;
            for part in parts(&roles) {
                let (Part::Loose(lines) | Part::Fold(lines)) = part;
                prop_assert_eq!(lines.start, next);
                prop_assert!(lines.end > lines.start);
                next = lines.end;
            }
            prop_assert_eq!(next, roles.len());
        }
    }
}
