//! A registry that answers whatever a scenario wants, on this machine's loopback.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What somebody asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

/// An answer.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    cut: Option<usize>,
    /// The body is repeated for ever, without a length.
    endless: bool,
    /// The body comes byte by byte.
    dripping: bool,
    until: Option<std::path::PathBuf>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply { status, ..Reply::default() }
    }

    pub(crate) fn bytes(body: &[u8]) -> Reply {
        Reply { status: 200, body: body.to_vec(), ..Reply::default() }
    }

    pub(crate) fn with_status(self, status: u16) -> Reply {
        Reply { status, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn cut(self, after: usize) -> Reply {
        Reply { cut: Some(after), ..self }
    }

    /// A connection that is cut stays open until a file is there.
    pub(crate) fn held_until(self, file: &std::path::Path) -> Reply {
        Reply { until: Some(file.into()), ..self }
    }

    pub(crate) fn dripping(self) -> Reply {
        Reply { dripping: true, ..self }
    }

    pub(crate) fn endless(self) -> Reply {
        Reply { endless: true, ..self }
    }

    /// What RFC 9110 has for a range that the question names.
    pub(crate) fn ranged(self, asked: &Asked) -> Reply {
        let from =
            asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let Some(from) = from.and_then(|from| from.parse::<usize>().ok()) else { return self };
        let all = self.body.len();
        let range = format!("bytes {from}-{}/{all}", all - 1);
        Reply { status: 206, body: self.body[from..].to_vec(), ..self }.header("content-range", &range)
    }
}

/// A running registry. It goes on until the process ends.
pub(crate) struct Fake {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn serve(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(vec![]));
        let (answer, log) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                std::thread::spawn(move || converse(stream, &*answer, &log));
            }
        });
        Fake { address, asked }
    }

    /// A registry that has these images.
    pub(crate) fn with(images: &[&Image]) -> Fake {
        let parts: BTreeMap<String, Vec<u8>> = images.iter().flat_map(|image| image.parts()).collect();
        Fake::serve(move |asked| from(&parts, asked))
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often something with this in its path was asked.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.contains(part)).count()
    }
}

/// The plain answer of a registry that has these parts.
pub(crate) fn from(parts: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Reply {
    match parts.get(&asked.path) {
        Some(bytes) => Reply::bytes(bytes).ranged(asked),
        None => Reply::status(404),
    }
}

fn converse(stream: TcpStream, answer: &dyn Fn(&Asked) -> Reply, log: &Mutex<Vec<Asked>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.trim().split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let asked = Asked { path, headers };
        log.lock().unwrap().push(asked.clone());
        if write(&mut stream, answer(&asked)).is_none() {
            return;
        }
    }
}

/// `None` when the connection ends with the answer.
fn write(stream: &mut TcpStream, reply: Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let named = |name: &str| reply.headers.iter().any(|(own, _)| own == name);
    if reply.endless {
        head += "connection: close\r\n";
    } else if !named("content-length") && !named("transfer-encoding") {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if let Some(cut) = reply.cut {
        stream.write_all(&reply.body[..cut.min(reply.body.len())]).ok()?;
        if let Some(file) = &reply.until {
            wait_for(file);
        }
        return None;
    }
    for byte in reply.body.chunks(1).filter(|_| reply.dripping) {
        stream.write_all(byte).ok()?;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    if reply.dripping {
        return Some(());
    }
    stream.write_all(&reply.body).ok()?;
    if !reply.endless {
        return Some(());
    }
    loop {
        stream.write_all(&reply.body).ok()?;
    }
}

pub(crate) fn wait_for(file: &std::path::Path) {
    let began = std::time::Instant::now();
    while !file.exists() && began.elapsed() < std::time::Duration::from_secs(60) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// An image in a registry.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) layers: Vec<Vec<u8>>,
    /// Digests that the configuration claims for the plain layers.
    pub(crate) diff_ids: Vec<String>,
    /// Digests and sizes that the manifest claims for the layers.
    pub(crate) claims: Vec<(String, usize)>,
}

impl Image {
    /// With these plain layers.
    pub(crate) fn new(name: &str, layers: &[Vec<u8>]) -> Image {
        Image {
            name: name.into(),
            tag: "1".into(),
            layers: layers.to_vec(),
            diff_ids: layers.iter().map(|layer| digest(layer)).collect(),
            claims: layers.iter().map(|layer| (digest(layer), layer.len())).collect(),
        }
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        let ids = self.diff_ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"architecture":"{}","os":"linux","config":{{"Env":["FROM=registry"]}},"rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#,
            arch()
        )
        .into_bytes()
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        let config = self.config();
        let layer = |(digest, size): &(String, usize)| {
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{size}}}"#
            )
        };
        let layers = self.claims.iter().map(layer).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{layers}]}}"#,
            digest(&config),
            config.len()
        )
        .into_bytes()
    }

    /// Path and bytes of everything that it is made of.
    pub(crate) fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let manifest = self.manifest();
        let at = |kind: &str, name: &str| format!("/v2/{}/{kind}/{name}", self.name);
        let mut parts = vec![
            (at("manifests", &self.tag), manifest.clone()),
            (at("manifests", &digest(&manifest)), manifest),
            (at("blobs", &digest(&self.config())), self.config()),
        ];
        for (layer, (claimed, _)) in self.layers.iter().zip(&self.claims) {
            parts.push((at("blobs", claimed), layer.clone()));
        }
        parts
    }
}

/// An index with one manifest for each of these architectures.
pub(crate) fn index(manifests: &[(&str, &[u8])]) -> Vec<u8> {
    let one = |(arch, manifest): &(&str, &[u8])| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"platform":{{"architecture":"{arch}","os":"linux"}}}}"#,
            digest(manifest),
            manifest.len()
        )
    };
    let all = manifests.iter().map(one).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{all}]}}"#
    )
    .into_bytes()
}

/// This machine's architecture in the words of registries.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
