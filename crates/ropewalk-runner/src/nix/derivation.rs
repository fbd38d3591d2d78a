//! The file of a derivation, as far as its build needs to know it.

use std::collections::BTreeMap;

/// Bytes of a file of a derivation.
pub const SIZE: u64 = 64 << 20;
/// Lists and tuples within each other; a derivation has four.
const DEPTH: u32 = 16;

/// What is read of a derivation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivationFile {
    /// Output name to store path; empty where the path is known only after the build.
    pub outputs: BTreeMap<String, String>,
    /// Derivations that it needs, and which of their outputs.
    pub inputs: BTreeMap<String, Vec<String>>,
    /// Store paths that it needs as they are.
    pub sources: Vec<String>,
}

/// What the file consists of.
enum Value {
    Text(String),
    Many(Vec<Value>),
}

impl DerivationFile {
    /// Reads `Derive([outputs],[inputs],[sources],system,builder,arguments,environment)`. None if it is no such thing.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<DerivationFile> {
        let mut rest = text.strip_prefix(b"Derive")?;
        let Value::Many(parts) = value(&mut rest, 0)? else { return None };
        let mut parts = parts.into_iter();
        let mut derivation = DerivationFile::default();
        for output in many(parts.next()?)? {
            let mut fields = many(output)?.into_iter();
            derivation.outputs.insert(text_of(fields.next()?)?, text_of(fields.next()?)?);
        }
        for input in many(parts.next()?)? {
            let mut fields = many(input)?.into_iter();
            derivation.inputs.insert(text_of(fields.next()?)?, texts(fields.next()?)?);
        }
        derivation.sources = texts(parts.next()?)?;
        Some(derivation)
    }
}

fn many(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Many(values) => Some(values),
        Value::Text(_) => None,
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        Value::Many(_) => None,
    }
}

fn texts(value: Value) -> Option<Vec<String>> {
    many(value)?.into_iter().map(text_of).collect()
}

fn value(rest: &mut &[u8], depth: u32) -> Option<Value> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    let end = match first {
        b'"' => return text(rest).map(Value::Text),
        b'(' if depth < DEPTH => b')',
        b'[' if depth < DEPTH => b']',
        _ => return None,
    };
    let mut values = vec![];
    loop {
        match rest.split_first()? {
            (next, after) if *next == end => {
                *rest = after;
                return Some(Value::Many(values));
            }
            (b',', after) if !values.is_empty() => {
                *rest = after;
                values.push(value(rest, depth + 1)?);
            }
            _ if values.is_empty() => values.push(value(rest, depth + 1)?),
            _ => return None,
        }
    }
}

/// The rest of a text, after its first quotation mark.
fn text(rest: &mut &[u8]) -> Option<String> {
    let mut bytes = vec![];
    loop {
        let (first, after) = rest.split_first()?;
        *rest = after;
        match first {
            b'"' => return String::from_utf8(bytes).ok().or(Some(String::new())),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                *rest = after;
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
            }
            byte => bytes.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = r#"Derive([("dev","/s/2-a-dev","",""),("out","/s/1-a","","")],[("/s/3-b.drv",["lib","out"]),("/s/4-c.drv",["out"])],["/s/5-src"],"x86_64-linux","/bin/sh",["-c","echo \"x\"\n"],[("name","a"),("out","/s/1-a")])"#;

    #[test]
    fn outputs_inputs_and_sources_are_read() {
        let read = DerivationFile::read(FILE.as_bytes()).unwrap();
        assert_eq!(read.outputs["dev"], "/s/2-a-dev");
        assert_eq!(read.inputs["/s/3-b.drv"], ["lib", "out"]);
        assert_eq!((read.inputs.len(), read.sources), (2, vec!["/s/5-src".to_owned()]));
        assert_eq!(DerivationFile::read(b"Derive([],[],[])"), Some(DerivationFile::default()));
    }

    #[test]
    fn what_is_no_derivation_is_refused() {
        for text in ["", "Derive", "Derive(", "Derive([],[])", "Derive([\"x\"],[],[])", "Derive([,],[],[])"] {
            assert_eq!(DerivationFile::read(text.as_bytes()), None, "{text}");
        }
        let deep = format!("Derive({}", "[".repeat(1_000_000));
        assert_eq!(DerivationFile::read(deep.as_bytes()), None);
        let cut = &FILE.as_bytes()[..90];
        assert_eq!(DerivationFile::read(cut), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(bytes in prop::collection::vec(prop_oneof![Just(b'('), Just(b'['), Just(b'"'), Just(b','), Just(b']'), any::<u8>()], 0..100)) {
            let _ = DerivationFile::read(&[b"Derive", &bytes[..]].concat());
        }
    }
}
