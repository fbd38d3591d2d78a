//! The file of a derivation, as far as queue and build need to know it.

use std::collections::BTreeMap;

/// Bytes of a file of a derivation.
pub const SIZE: u64 = 16 << 20;
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
    /// Nix's word for the machine, or `builtin`.
    pub system: String,
    /// What its builder gets.
    pub environment: BTreeMap<String, String>,
    /// The hash of every output is known before the build.
    pub is_fixed: bool,
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
            let mut fields = texts(output)?.into_iter();
            let (name, path) = (fields.next()?, fields.next()?);
            let hash = fields.nth(1)?;
            derivation.is_fixed = !hash.is_empty() && (derivation.is_fixed || derivation.outputs.is_empty());
            derivation.outputs.insert(name, path);
        }
        for input in many(parts.next()?)? {
            let mut fields = many(input)?.into_iter();
            derivation.inputs.insert(text_of(fields.next()?)?, texts(fields.next()?)?);
        }
        derivation.sources = texts(parts.next()?)?;
        derivation.system = text_of(parts.next()?)?;
        // Between them are the builder and its arguments.
        for pair in many(parts.nth(2)?)? {
            let mut fields = texts(pair)?.into_iter();
            derivation.environment.insert(fields.next()?, fields.next()?);
        }
        Some(derivation)
    }

    /// Output name to store path, where that is known.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, String> {
        let known = self.outputs.iter().filter(|(_, path)| !path.is_empty());
        known.map(|(name, path)| (name.clone(), path.clone())).collect()
    }

    /// `requiredSystemFeatures`, however they were written.
    #[must_use]
    pub fn features(&self) -> Vec<String> {
        const NAME: &str = "requiredSystemFeatures";
        if let Some(json) = self.environment.get("__json") {
            let attributes: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let listed = attributes.get(NAME).and_then(serde_json::Value::as_array);
            return listed.into_iter().flatten().filter_map(|f| f.as_str().map(String::from)).collect();
        }
        let words = self.environment.get(NAME).map_or("", String::as_str);
        words.split_whitespace().map(String::from).collect()
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
        assert_eq!((read.system.as_str(), read.environment["name"].as_str()), ("x86_64-linux", "a"));
        let empty = br#"Derive([],[],[],"","",[],[])"#;
        assert_eq!(DerivationFile::read(empty), Some(DerivationFile::default()));
    }

    #[test]
    fn only_a_hash_for_each_output_fixes_it() {
        let fixed = |outputs: &str| {
            let text = format!(r#"Derive([{outputs}],[],[],"s","b",[],[])"#);
            DerivationFile::read(text.as_bytes()).unwrap().is_fixed
        };
        let [known, unknown] = [r#"("out","/s/a","r:sha256","00ff")"#, r#"("dev","/s/b","","")"#];
        assert!(fixed(known) && !fixed(unknown) && !fixed(""));
        assert!(!fixed(&format!("{known},{unknown}")) && !fixed(&format!("{unknown},{known}")));
    }

    #[test]
    fn features_are_read_however_they_are_written() {
        let of = |name: &str, value: &str| DerivationFile {
            environment: [(name.to_owned(), value.to_owned())].into(),
            ..DerivationFile::default()
        };
        assert_eq!(of("requiredSystemFeatures", "kvm  big").features(), ["kvm", "big"]);
        assert_eq!(of("__json", r#"{"requiredSystemFeatures":["kvm",1]}"#).features(), ["kvm"]);
        assert!(of("__json", "{").features().is_empty());
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
