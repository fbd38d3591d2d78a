//! The route table: every address of this door, as data.

use http::Method;
use ropewalk_http::routes::Route;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Health,
    Metrics,
    Targets,
    NewTarget,
    Target,
    ChangeTarget,
    RemoveTarget,
    Queue,
    Poll,
    Logs,
    NewLog,
    Log,
    LogContent,
    RemoveLog,
    Publish,
    RepoFile,
    RemoveFromRepo,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// In capitals; `HEAD` comes with `GET`.
    pub(crate) method: &'static str,
    /// With `{name}` for a variable segment.
    pub(crate) path: &'static str,
    pub(crate) endpoint: Endpoint,
}

const fn row(method: &'static str, path: &'static str, endpoint: Endpoint) -> Row {
    Row { method, path, endpoint }
}

/// The first that fits counts: the words of the interface come before the names of repositories.
const TABLE: &[Row] = &[
    row("GET", "/health", Endpoint::Health),
    row("GET", "/api/v1/metrics", Endpoint::Metrics),
    row("GET", "/api/v1/targets", Endpoint::Targets),
    row("POST", "/api/v1/targets", Endpoint::NewTarget),
    row("GET", "/api/v1/targets/{id}", Endpoint::Target),
    row("PATCH", "/api/v1/targets/{id}", Endpoint::ChangeTarget),
    row("DELETE", "/api/v1/targets/{id}", Endpoint::RemoveTarget),
    row("POST", "/api/v1/jobs/queue", Endpoint::Queue),
    row("GET", "/api/v1/jobs/poll", Endpoint::Poll),
    row("GET", "/api/v1/logs", Endpoint::Logs),
    row("POST", "/api/v1/logs", Endpoint::NewLog),
    row("GET", "/api/v1/logs/{id}", Endpoint::Log),
    row("GET", "/api/v1/logs/{id}/content", Endpoint::LogContent),
    row("DELETE", "/api/v1/logs/{id}", Endpoint::RemoveLog),
    row("POST", "/{repo}/publish", Endpoint::Publish),
    row("GET", "/{repo}/{arch}/{file}", Endpoint::RepoFile),
    row("DELETE", "/{repo}/{arch}/{file}", Endpoint::RemoveFromRepo),
    row("DELETE", "/{repo}/{arch}", Endpoint::RemoveFromRepo),
    row("DELETE", "/{repo}", Endpoint::RemoveFromRepo),
];

/// All rows.
pub(crate) fn routes() -> Vec<Route> {
    let route = |row: &Row| Route { method: row.method.into(), path: row.path.into() };
    TABLE.iter().map(route).collect()
}

/// What answers a method at an address of these words. Nobody's repository is called `api` or `health`.
pub(crate) fn find(method: &Method, words: &[&str]) -> Option<&'static Row> {
    let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
    let is_own_word = matches!(words, ["api", "v1", ..] | ["health"]);
    let fits = |row: &&Row| {
        let is_possible = !is_own_word || !row.path.starts_with("/{repo}");
        row.method == asked && is_possible && matches(row.path, words)
    };
    TABLE.iter().find(fits)
}

fn matches(path: &str, words: &[&str]) -> bool {
    let parts = path.split('/').skip(1);
    parts.clone().count() == words.len()
        && parts.zip(words).all(|(part, word)| part.starts_with('{') || part == *word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn literal_words_come_before_names() {
        let found = |method: &str, path: &str| {
            let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
            find(&method.parse().unwrap(), &words).map(|row| row.endpoint)
        };
        for (method, path, endpoint) in [
            ("GET", "/health", Some(Endpoint::Health)),
            ("HEAD", "/api/v1/logs/1/content", Some(Endpoint::LogContent)),
            ("POST", "/api/publish", Some(Endpoint::Publish)),
            ("GET", "/r/x86_64/r.db", Some(Endpoint::RepoFile)),
            ("DELETE", "/r/x86_64", Some(Endpoint::RemoveFromRepo)),
            ("GET", "/api/v1/nosuch", None),
            ("DELETE", "/api/v1/x", None),
            ("PUT", "/health", None),
            ("DELETE", "/health", None),
            ("GET", "/r", None),
        ] {
            assert_eq!(found(method, path), endpoint, "{method} {path}");
        }
    }

    #[test]
    fn every_row_answers_for_itself() {
        for row in TABLE {
            let words: Vec<&str> = row.path.split('/').skip(1).collect();
            let found = find(&row.method.parse().unwrap(), &words).unwrap();
            assert_eq!((found.endpoint, found.path), (row.endpoint, row.path));
        }
        assert_eq!(routes().len(), 19);
    }
}
