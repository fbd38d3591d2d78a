//! Fields of a body, with what is wrong with them: all of it at once, as upstream tells it.

use crate::answer::{Failed, Fault};
use crate::body::Body;
use ropewalk_core::error::Error;
use serde_json::Value;

/// Reads fields one by one and collects faults. Unknown ones are nobody's business; null is the same as nothing.
pub(crate) struct Fields {
    body: Body,
    faults: Vec<Fault>,
}

impl Fields {
    pub(crate) fn new(body: Body) -> Fields {
        Fields { body, faults: vec![] }
    }

    /// Says what is wrong with a field.
    pub(crate) fn fault(&mut self, field: &'static str, reason: impl Into<String>) {
        self.faults.push(Fault { field: Some(field), reason: reason.into() });
    }

    /// Passes if nothing was wrong.
    pub(crate) fn done(self) -> Result<(), Failed> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Failed::Fields(self.faults)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.body.values.remove(name).filter(|value| !value.is_null())
    }

    fn wrong<T>(&mut self, name: &'static str, kind: &str) -> Option<T> {
        self.fault(name, format!("{name} should be a {kind}"));
        None
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => self.wrong(name, "str"),
        }
    }

    /// One that must be there and not be empty.
    pub(crate) fn required_text(&mut self, name: &'static str) -> String {
        let before = self.faults.len();
        let text = self.text(name).unwrap_or_default();
        if text.is_empty() && self.faults.len() == before {
            self.fault(name, format!("{name} is required"));
        }
        text
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let is_form = self.body.is_form;
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if is_form => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Some(true),
                "false" | "0" | "off" | "no" | "" => Some(false),
                _ => self.wrong(name, "bool"),
            },
            _ => self.wrong(name, "bool"),
        }
    }

    fn list(&mut self, name: &'static str) -> Option<Vec<Value>> {
        let is_form = self.body.is_form;
        match self.take(name)? {
            Value::Array(list) => Some(list),
            one @ Value::String(_) if is_form => Some(vec![one]),
            _ => self.wrong(name, "list"),
        }
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let list = self.list(name).unwrap_or_default();
        let texts = list.into_iter().map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        match texts.collect() {
            Some(texts) => texts,
            None => self.wrong(name, "list of str").unwrap_or_default(),
        }
    }

    /// Numbers, at least one.
    pub(crate) fn required_numbers(&mut self, name: &'static str) -> Vec<i64> {
        let before = self.faults.len();
        let is_form = self.body.is_form;
        let list = self.list(name).unwrap_or_default();
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) if is_form => text.parse().ok(),
            _ => None,
        };
        let Some(numbers) = list.iter().map(number).collect::<Option<Vec<i64>>>() else {
            return self.wrong(name, "list of int").unwrap_or_default();
        };
        if numbers.is_empty() && self.faults.len() == before {
            self.fault(name, format!("{name} is required"));
        }
        numbers
    }

    /// Whether a list is there and holds anything.
    pub(crate) fn has_any(&mut self, name: &'static str) -> bool {
        self.list(name).is_some_and(|list| !list.is_empty())
    }
}

/// `?start=`: the number of the first item of the part that is asked for; none for the first part.
pub(crate) fn start(query: Option<&str>) -> Result<Option<i64>, Error> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, start)) = pairs.find(|(name, _)| name == "start") else { return Ok(None) };
    let start = start.parse().map_err(|_| {
        Error::malformed("start should be the `next` of the part before, a number").about("start")
    });
    start.map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn fields(value: Value, is_form: bool) -> Fields {
        let Value::Object(values) = value else { panic!("an object") };
        Fields::new(Body { values, is_form })
    }

    fn reasons(fields: Fields) -> Vec<String> {
        match fields.done() {
            Err(Failed::Fields(faults)) => faults.into_iter().map(|fault| fault.reason).collect(),
            Err(other) => panic!("{other:?}"),
            Ok(()) => vec![],
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut fields =
            fields(json!({ "note": 5, "tags": "a", "execute": "true", "jobs": [1, "2"] }), false);
        fields.required_text("manifest");
        fields.text("note");
        fields.texts("tags");
        fields.flag("execute");
        fields.required_numbers("jobs");
        assert_eq!(
            reasons(fields),
            [
                "manifest is required",
                "note should be a str",
                "tags should be a list",
                "execute should be a bool",
                "jobs should be a list of int"
            ]
        );
    }

    #[test]
    fn null_is_the_same_as_nothing() {
        let mut fields =
            fields(json!({ "note": null, "tags": null, "execute": null, "triggers": null }), false);
        assert_eq!((fields.text("note"), fields.flag("execute")), (None, None));
        assert!(fields.texts("tags").is_empty() && !fields.has_any("triggers"));
        assert!(reasons(fields).is_empty());
    }

    #[test]
    fn forms_have_words_for_what_json_has_types_for() {
        let mut fields =
            fields(json!({ "execute": "False", "secrets": "maybe", "tags": "a", "jobs": ["1", "2"] }), true);
        assert_eq!((fields.flag("execute"), fields.texts("tags")), (Some(false), vec!["a".to_string()]));
        assert_eq!(fields.required_numbers("jobs"), [1, 2]);
        assert_eq!(fields.flag("secrets"), None);
        assert_eq!(reasons(fields), ["secrets should be a bool"]);
    }

    #[test]
    fn a_part_begins_where_the_one_before_said() {
        assert_eq!(start(None).ok(), Some(None));
        assert_eq!(start(Some("a=b&start=17&start=x")).ok(), Some(Some(17)));
        for query in ["start", "start=", "start=x", "start=9223372036854775808"] {
            assert!(start(Some(query)).is_err(), "{query}");
        }
    }
}
