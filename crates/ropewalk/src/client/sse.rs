//! Server-sent events, as a client reads them.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: String,
}

/// Puts events together from bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Events that are whole with these bytes. Only `\n` ends a line: our server writes no other.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut whole = vec![];
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.line.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            whole.extend(self.take(&line));
        }
        self.line.extend_from_slice(rest);
        whole
    }

    fn take(&mut self, line: &[u8]) -> Option<Event> {
        let line = std::str::from_utf8(line).ok()?;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.into()),
            "event" => self.event.name = value.into(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b": hello\n\nid: 3\nevent: log\ndata: {\"a\":\ndata: 1}\n\nevent: end\ndata:x\n\nevent: lost\n\n";

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let whole = Events::default().feed(STREAM);
        assert_eq!(
            whole,
            [
                Event { id: Some("3".into()), name: "log".into(), data: "{\"a\":\n1}".into() },
                Event { id: None, name: "end".into(), data: "x".into() },
            ]
        );
        for cut in 1..STREAM.len() {
            let mut events = Events::default();
            let parts: Vec<Event> = STREAM.chunks(cut).flat_map(|part| events.feed(part)).collect();
            assert_eq!(parts, whole, "cut every {cut} bytes");
        }
    }
}
