//! What is run when the process ends at a point.

use ropewalk_model::fault::Point;

/// A manifest and how it must end.
pub(crate) struct Story {
    pub(crate) manifest: String,
    /// It is cancelled while it runs.
    pub(crate) cancels: bool,
    pub(crate) ends: &'static str,
    /// Each step's log, byte for byte.
    pub(crate) logs: Vec<(&'static str, String)>,
    /// The supervisor itself dies, so that another attempt must do it again.
    pub(crate) may_repeat: bool,
}

const SHORT: &str = "image: host
artifacts: [out]
tasks:
- first: |
    set +x
    sleep MARK &
    seq 1 3000
- second: |
    set +x
    sleep 0.3
    echo done > out
    seq 5000 6000
";

/// Longer than a lease goes without renewal.
const LONG: &str = "image: host
tasks:
- first: |
    set +x
    sleep MARK &
    sleep 11
    seq 1 10
";

const ENDLESS: &str = "image: host
tasks:
- first: |
    set +x
    sleep MARK
";

impl Story {
    /// `mark` are the seconds for which a process of the build would sleep if nothing ended it.
    pub(crate) fn about(point: Point, mark: &str) -> Story {
        let name = point.to_string();
        let may_repeat = name.starts_with("supervisor-") || name.starts_with("spool-");
        let story = |manifest: &str, cancels, ends, logs| {
            let manifest = manifest.replace("MARK", mark);
            Story { manifest, cancels, ends, logs, may_repeat }
        };
        match point {
            Point::CancelBeforeCommit | Point::CancelAfterCommit => story(ENDLESS, true, "cancelled", vec![]),
            Point::RenewBeforeCommit | Point::RenewAfterCommit => {
                story(LONG, false, "success", vec![("first", traced(1..=10))])
            }
            _ => {
                let logs = vec![("first", traced(1..=3000)), ("second", traced(5000..=6000))];
                story(SHORT, false, "success", logs)
            }
        }
    }
}

fn traced(numbers: std::ops::RangeInclusive<u32>) -> String {
    let lines: String = numbers.map(|number| format!("{number}\n")).collect();
    format!("+ set +x\n{lines}")
}
