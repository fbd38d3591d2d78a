//! What stands in a query.

use form_urlencoded::parse;
use ropewalk_core::error::Error;
use std::collections::BTreeMap;

/// A query by its names; of a repeated name the last one. A name without `=` has the empty value.
pub(crate) struct Asked(BTreeMap<String, String>);

impl Asked {
    pub(crate) fn of(query: Option<&str>) -> Asked {
        Asked(parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value, empty if there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_string()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A number that is not negative; `default` if there is none or it is empty.
    pub(crate) fn count(&self, name: &str, default: u64) -> Result<u64, Error> {
        match self.get(name) {
            None | Some("") => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| Error::malformed(format!("Invalid value for parameter '{name}'.")))
            }
        }
    }

    /// A number; none if there is none, or zero: what clients send for "all".
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(0) => Ok(None),
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Error::malformed(format!("Invalid value for parameter '{name}'."))),
            },
        }
    }
}

/// A number in an address; what is none is 0, which nothing has.
pub(crate) fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn queries_are_read_as_forms_are() {
        let asked = Asked::of(Some("force&url=it%27s+x&a=1&a=2&empty="));
        assert!(asked.has("force") && asked.has("empty") && !asked.has("b"));
        assert_eq!(
            (asked.get("force"), asked.get("url"), asked.get("a")),
            (Some(""), Some("it's x"), Some("2"))
        );
        assert_eq!(asked.count("a", 25).unwrap(), 2);
        assert_eq!((asked.count("empty", 25).unwrap(), asked.count("b", 7).unwrap()), (25, 7));
        assert!(asked.count("url", 0).is_err() && asked.number("url").is_err());
        assert_eq!(Asked::of(Some("t=0&u=-3")).number("t").unwrap(), None);
        assert_eq!(Asked::of(Some("t=0&u=-3")).number("u").unwrap(), Some(-3));
    }
}
