//! Addresses of pages, written once.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use ropewalk_core::farm::job_path;
use ropewalk_model::job::Job;

/// What stays as it is in a segment of an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of an address.
pub(super) fn segment(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, SEGMENT)
}

/// Address of a job's page.
pub(super) fn of_job(job: &Job) -> String {
    job_path(&job.owner_name, job.id)
}

/// Address of a person's jobs.
pub(super) fn of_person(user: &str) -> String {
    format!("/~{}", segment(user))
}

/// The person, then each tag with the address of what is below it.
pub(super) fn trail<'a>(user: &str, tags: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut address = of_person(user);
    let mut trail = vec![(format!("~{user}"), address.clone())];
    for tag in tags.into_iter().filter(|tag| !tag.is_empty()) {
        address = format!("{address}/{}", segment(tag));
        trail.push((tag.to_string(), address.clone()));
    }
    trail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_leads_to_all_above_it_and_itself() {
        let pair = |name: &str, address: &str| (name.to_string(), address.to_string());
        let trail = trail("ann", "a b//x.y-z~/é?".split('/'));
        let expected = [
            pair("~ann", "/~ann"),
            pair("a b", "/~ann/a%20b"),
            pair("x.y-z~", "/~ann/a%20b/x.y-z~"),
            pair("é?", "/~ann/a%20b/x.y-z~/%C3%A9%3F"),
        ];
        assert_eq!(trail, expected);
    }
}
