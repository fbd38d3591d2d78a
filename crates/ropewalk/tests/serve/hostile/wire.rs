//! Requests as bytes, and their answers.

use super::SOON;
use crate::server::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Bytes of an answer that are looked at.
const ENOUGH: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn is_stream(&self) -> bool {
        self.head.contains("content-type: text/event-stream")
    }
}

/// Sends bytes on a connection of their own and reads what comes back. None if the connection is closed without a word.
pub(super) fn send(server: &Server, what: &str, request: &[u8]) -> Option<Answer> {
    let begun = Instant::now();
    let address = server.origin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{what}: {e}"));
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    // A server that has seen enough answers and stops reading.
    let mut writing = stream.try_clone().unwrap();
    let request = request.to_vec();
    let writer = std::thread::spawn(move || drop(writing.write_all(&request)));
    let mut bytes = vec![];
    let mut piece = vec![0; 64 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{what}: no answer within {SOON:?}")
            }
            // What was answered before the connection was cut counts.
            Err(_) => break,
        }
        assert!(begun.elapsed() < SOON + SOON, "{what}: the answer does not end");
        if bytes.len() > ENOUGH || parse(&bytes).is_some_and(|answer| answer.is_stream()) {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    writer.join().unwrap();
    if bytes.is_empty() {
        return None;
    }
    Some(parse(&bytes).unwrap_or_else(|| panic!("{what}: no HTTP: {}", String::from_utf8_lossy(&bytes))))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.strip_prefix("http/1.")?.get(2..5)?.parse().ok()?;
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(Answer { status, head, body })
}

/// What is wrong with a head whatever the address is: lines of it. Each is answered 400.
pub(super) const LINES: &[(&str, &[u8])] = &[
    ("two lengths", b"Content-Length: 1\r\nContent-Length: 2\r\n"),
    ("a length of words", b"Content-Length: x\r\n"),
    ("a length below nothing", b"Content-Length: -1\r\n"),
    ("a length past 64 bits", b"Content-Length: 99999999999999999999999\r\n"),
    ("an unknown encoding", b"Transfer-Encoding: gzip\r\n"),
    ("chunks that are not the last encoding", b"Transfer-Encoding: chunked, gzip\r\n"),
    ("a folded line", b"X: a\r\n b\r\n"),
    ("a NUL", b"X: a\0b\r\n"),
    ("a carriage return in a value", b"X: a\rb\r\n"),
    ("a blank before the colon", b"X : a\r\n"),
    ("a name with a blank", b"X Y: a\r\n"),
    ("no colon", b"X\r\n"),
    ("no name", b": a\r\n"),
    ("a second host", b"Host: other\r\n"),
];
