//! Texts that a runner reports: what a build printed may be in them.

use ropewalk_model::link::{AttemptFact, Outcome, Report};

/// Characters of a text that is kept; longer ones lose their middle.
const TEXT_MAX: usize = 8192;

/// The same report with texts that every database can hold. Refusing one would only bring it again.
pub(super) fn storable(report: &Report) -> Report {
    let mut report = report.clone();
    match &mut report.fact {
        AttemptFact::Resolved { key, value } => {
            tidy(key);
            tidy(value);
        }
        AttemptFact::Ended { outcome: Outcome::Failure { message, .. } } => tidy(message),
        _ => {}
    }
    report
}

fn tidy(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
    let count = text.chars().count();
    if count > TEXT_MAX {
        let half = TEXT_MAX / 2;
        let head: String = text.chars().take(half).collect();
        let tail: String = text.chars().skip(count - half).collect();
        *text = format!("{head}…{tail}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_ends_and_no_nul_stays() {
        let mut text = format!("begin\0{}end", "é".repeat(TEXT_MAX));
        tidy(&mut text);
        assert!(text.starts_with("begin\u{fffd}é") && text.ends_with("éend"));
        assert_eq!(text.chars().count(), TEXT_MAX + 1);
        let mut short = "as it was\n".to_string();
        tidy(&mut short);
        assert_eq!(short, "as it was\n");
    }
}
