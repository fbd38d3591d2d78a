//! The GraphQL multipart request protocol: `operations`, `map`, then files.

use super::refusal::Refusal;
use super::request::{BODY_MAX, Operation};
use async_graphql::{Name, Value, Variables};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use multer::{Constraints, Field, Multipart, SizeLimit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be read without a byte of a part coming out: what is between parts, and their heads.
const BETWEEN_MAX: usize = 1 << 20;

/// What is kept of an uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name at the client.
    pub name: Option<String>,
    /// Bytes.
    pub size: u64,
}

/// Reads a multipart request of at most `most` bytes and so many parts.
pub async fn read_multipart<E>(
    content_type: &str,
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    most: u64,
    most_parts: usize,
) -> Result<Operation, Refusal>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let boundary = multer::parse_boundary(content_type)
        .map_err(|error| Refusal::malformed(format!("the multipart body has no boundary: {error}")))?;
    let allowance = Arc::new(AtomicUsize::new(BETWEEN_MAX));
    let whole = u64::try_from(BODY_MAX).unwrap_or(u64::MAX);
    let sizes = SizeLimit::new()
        .whole_stream(most.saturating_add(whole))
        .per_field(most)
        .for_field("operations", whole)
        .for_field("map", whole);
    let constraints = Constraints::new().size_limit(sizes);
    let parts = Multipart::with_constraints(rationed(body, allowance.clone()), boundary, constraints);
    Reader { parts, most_parts, allowance, operation: None, places: None, files: 0 }.read().await
}

/// The parser holds a part's head in memory until it ends: a head without an end must not come this far.
fn rationed<E>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    allowance: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    body.map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let spend = |left: usize| left.checked_sub(piece.len());
        match allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(piece),
            Err(_) => Err(std::io::Error::other("the head of a part has no end")),
        }
    })
}

struct Reader {
    parts: Multipart<'static>,
    most_parts: usize,
    allowance: Arc<AtomicUsize>,
    operation: Option<Operation>,
    /// Where each part goes.
    places: Option<BTreeMap<String, Vec<String>>>,
    files: usize,
}

impl Reader {
    async fn read(mut self) -> Result<Operation, Refusal> {
        let mut count = 0;
        loop {
            self.refill();
            let Some(part) = self.parts.next_field().await.map_err(broken)? else { break };
            count += 1;
            let most = self.most_parts;
            if count > most {
                return Err(Refusal::malformed(format!(
                    "the body has more than {most} parts (limits.upload-parts)"
                )));
            }
            let name = part.name().unwrap_or_default().to_string();
            match name.as_str() {
                "operations" if self.operation.is_none() => {
                    self.operation = Some(Operation::of_json(&self.whole(part).await?)?);
                }
                "map" if self.places.is_none() => {
                    let places = serde_json::from_slice(&self.whole(part).await?);
                    self.places = Some(places.map_err(|error| {
                        Refusal::malformed(format!("the part `map` could not be decoded: {error}"))
                    })?);
                }
                _ => self.file(&name, part).await?,
            }
        }
        self.finish()
    }

    fn finish(self) -> Result<Operation, Refusal> {
        let missing = |what: &str| Refusal::malformed(format!("the multipart body has no part {what}"));
        let places = self.places.ok_or_else(|| missing("`map`"))?;
        if let Some(part) = places.keys().next() {
            return Err(missing(&format!("{part:?}, which `map` names")));
        }
        self.operation.ok_or_else(|| missing("`operations`"))
    }

    fn refill(&self) {
        self.allowance.store(BETWEEN_MAX, Ordering::Relaxed);
    }

    async fn whole(&self, mut part: Field<'static>) -> Result<Vec<u8>, Refusal> {
        let mut bytes = vec![];
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            self.refill();
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Nothing that takes a file is built yet, so that its bytes are counted and dropped.
    async fn file(&mut self, key: &str, mut part: Field<'static>) -> Result<(), Refusal> {
        let (Some(operation), Some(places)) = (&mut self.operation, &mut self.places) else {
            return Err(Refusal::malformed("the parts `operations` and `map` must come before all others"));
        };
        let places = places.remove(key);
        let places =
            places.ok_or_else(|| Refusal::malformed(format!("`map` does not name the part {key:?}")))?;
        let mut upload = Upload { name: part.file_name().map(String::from), size: 0 };
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            self.allowance.store(BETWEEN_MAX, Ordering::Relaxed);
            upload.size = upload.size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        for place in places {
            self.files += 1;
            let most = self.most_parts;
            if self.files > most {
                return Err(Refusal::malformed(format!(
                    "`map` names more than {most} places (limits.upload-parts)"
                )));
            }
            put(&mut operation.variables, &place, &upload)?;
        }
        Ok(())
    }
}

/// Puts a file where a path such as `variables.contents` leads; there must be null.
fn put(variables: &mut Variables, place: &str, upload: &Upload) -> Result<(), Refusal> {
    let nowhere =
        || Refusal::malformed(format!("{place:?} in `map` does not lead to a null in the variables"));
    let mut steps = place.split('.');
    let (Some("variables"), Some(name)) = (steps.next(), steps.next()) else { return Err(nowhere()) };
    let name = Name::new(name);
    let mut at = variables.get_mut(&name).ok_or_else(nowhere)?;
    for step in steps {
        at = match at {
            Value::Object(members) => members.get_mut(step),
            Value::List(items) => step.parse::<usize>().ok().and_then(|step| items.get_mut(step)),
            _ => None,
        }
        .ok_or_else(nowhere)?;
    }
    match at {
        Value::Null => *at = Value::Binary(Bytes::from(upload.name.clone().unwrap_or_default())),
        _ => return Err(nowhere()),
    }
    Ok(())
}

fn broken(error: multer::Error) -> Refusal {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Refusal::too_large(format!("{error} (limits.upload)"))
        }
        error => Refusal::malformed(format!("the multipart body could not be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    const TYPE: &str = "multipart/form-data; boundary=B";
    const OPERATIONS: &str =
        r#"{"query":"mutation($f: File!){x}","variables":{"f":null,"g":[null,{"h":null}]}}"#;

    /// As hut writes it: names without quotes, the file's name first.
    fn body(map: &str, files: &[(&str, &str)]) -> String {
        let mut text = format!(
            "--B\r\nContent-Disposition: form-data; name=operations\r\nContent-Type: application/json\r\n\r\n{OPERATIONS}\r\n--B\r\nContent-Disposition: form-data; name=map\r\nContent-Type: application/json\r\n\r\n{map}\r\n"
        );
        for (name, content) in files {
            text += &format!(
                "--B\r\nContent-Disposition: form-data; filename=m.yml; name={name}\r\nContent-Type: application/yaml\r\n\r\n{content}\r\n"
            );
        }
        text + "--B--\r\n"
    }

    async fn read(text: String, piece: usize) -> Result<Operation, Refusal> {
        let pieces: Vec<Result<Bytes, Infallible>> =
            text.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        read_multipart(TYPE, stream::iter(pieces), 10_000, 32).await
    }

    #[tokio::test]
    async fn a_file_goes_where_the_map_says_however_the_bytes_come() {
        for piece in [1, 7, 100_000] {
            let text = body(r#"{"f":["variables.f"],"0":["variables.g.1.h"]}"#, &[("f", "x"), ("0", "y")]);
            let operation = read(text, piece).await.unwrap();
            assert_eq!(operation.variables.get("f"), Some(&Value::Binary("m.yml".into())));
            let Some(Value::List(list)) = operation.variables.get("g") else { unreachable!("a list") };
            assert_eq!(list.first(), Some(&Value::Null));
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_refused() {
        for (map, files) in [
            (r#"{"f":["variables.f"]}"#, &[][..]),
            (r#"{}"#, &[("f", "x")]),
            (r#"{"f":["variables.nothing"]}"#, &[("f", "x")]),
            (r#"{"f":["query"]}"#, &[("f", "x")]),
            (r#"{"f":["variables.g"]}"#, &[("f", "x")]),
            (r#"{"f":["variables.g.7"]}"#, &[("f", "x")]),
            (r#"{"f":["variables.f","variables.f"]}"#, &[("f", "x")]),
            (r#"{"f":5}"#, &[("f", "x")]),
            ("[", &[("f", "x")]),
        ] {
            assert_eq!(read(body(map, files), 50).await.unwrap_err().status, 400, "{map}");
        }
    }

    #[tokio::test]
    async fn sizes_are_bounded() {
        let large = "x".repeat(20_000);
        let refusal = read(body(r#"{"f":["variables.f"]}"#, &[("f", &large)]), 999).await.unwrap_err();
        assert_eq!(refusal.status, 413);
        let endless = stream::iter((0..5000).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[b'a'; 1024]))));
        let head = stream::iter([Ok(Bytes::from_static(b"--B\r\nX-Long: "))]).chain(endless);
        assert_eq!(read_multipart(TYPE, head, 1 << 30, 32).await.unwrap_err().status, 400);
        let many = "--B\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{}\r\n".repeat(100);
        assert_eq!(read(many, 1000).await.unwrap_err().status, 400);
        assert_eq!(
            read_multipart("multipart/form-data", stream::empty::<Result<Bytes, Infallible>>(), 9, 32)
                .await
                .unwrap_err()
                .status,
            400
        );
    }
}
