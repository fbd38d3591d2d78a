//! What the walker says about attributes.

use serde::Deserialize;

/// A job as the walker found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// Names of the attributes that lead to it.
    pub(crate) path: Vec<String>,
    pub(crate) drv_path: String,
    pub(crate) meta: Meta,
    pub(crate) aggregate: Option<Aggregate>,
    /// Names of the jobs that an aggregate consists of, once all jobs are known.
    #[serde(skip)]
    pub(crate) constituents: Option<Vec<String>>,
}

/// What a job says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) description: Option<String>,
    pub(crate) homepage: Option<String>,
    pub(crate) license: Option<Vec<String>>,
    pub(crate) maintainers: Option<Vec<String>>,
    pub(crate) priority: Option<i64>,
    pub(crate) timeout: Option<i64>,
    pub(crate) max_silent: Option<i64>,
    pub(crate) is_channel: Option<bool>,
}

/// What an aggregate consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Aggregate {
    /// Its names are patterns.
    pub(crate) globs: bool,
    /// Names of jobs.
    pub(crate) names: Vec<String>,
    /// Paths of derivations, and perhaps other paths of the store.
    pub(crate) derivations: Vec<String>,
}

/// An attribute of the whole run: a job, or one that threw.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Visited {
    Failed {
        path: Vec<String>,
        #[expect(dead_code, reason = "tells it from a job")]
        failed: bool,
    },
    Job(Box<Record>),
}

/// One attribute by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Looked {
    Job(Box<Record>),
    Set {
        attributes: Vec<String>,
    },
    /// Anything else is no job.
    Nothing {},
}

/// The job's name: attribute names joined by dots, those with a dot in quotes.
pub(crate) fn name(path: &[String]) -> String {
    let quoted = |part: &String| if part.contains('.') { format!("\"{part}\"") } else { part.clone() };
    path.iter().map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn jobs_sets_and_other_values_are_told_apart() {
        let job =
            r#"{"path":["a"],"drvPath":"/s/a.drv","meta":{"priority":3,"license":["MIT"]},"aggregate":null}"#;
        let Looked::Job(record) = serde_json::from_str(job).unwrap() else { panic!("no job") };
        assert_eq!((record.meta.priority, record.meta.license), (Some(3), Some(vec!["MIT".into()])));
        let set = serde_json::from_str(r#"{"attributes":["b"]}"#).unwrap();
        assert!(matches!(set, Looked::Set { attributes } if attributes == ["b"]));
        assert!(matches!(serde_json::from_str("{}").unwrap(), Looked::Nothing {}));
        let failed = serde_json::from_str(r#"{"path":["a"],"failed":true}"#).unwrap();
        assert!(matches!(failed, Visited::Failed { .. }));
    }

    #[test]
    fn a_name_with_a_dot_is_quoted() {
        assert_eq!(name(&["a".into(), "b.c".into()]), "a.\"b.c\"");
    }
}
