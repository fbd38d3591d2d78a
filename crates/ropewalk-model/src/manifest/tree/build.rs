//! From the YAML library's events to nodes.

use super::super::limits::ManifestLimits;
use super::super::problem::{Place, Problems};
use super::super::scalar::Scalar;
use super::stop::{Stop, place, scan_error, too_deep, unknown_tag};
use super::{Entry, Kind, Node};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, Tag};
use std::collections::{HashMap, HashSet};

/// Reads one document, counting what it costs.
pub(super) struct Builder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    limits: &'a ManifestLimits,
    problems: &'a mut Problems,
    /// Finished nodes that an alias may name.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    scalar_bytes: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, limits: &'a ManifestLimits, problems: &'a mut Problems) -> Builder<'a> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: limits.depth + 1,
            block_nesting_limit: limits.depth + 1,
        };
        let parser = Parser::new_from_str_with_options(text, options);
        Builder { parser, limits, problems, anchors: HashMap::new(), nodes: 0, scalar_bytes: 0 }
    }

    pub(super) fn document(&mut self) -> Result<Node, Stop> {
        let root = loop {
            match self.event()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => {
                    return Err(Stop::new(
                        Place::START,
                        "the manifest is empty",
                        "write at least `image:` and `tasks:`",
                    ));
                }
                (event, span) => break self.node(event, span, 0)?,
            }
        };
        loop {
            match self.event()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(..), span) => {
                    return Err(Stop::new(
                        place(span.start),
                        "a manifest is one YAML document, here a second one begins",
                        "remove the line `---`, or submit the documents as manifests of their own",
                    ));
                }
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(scan_error(&error, self.limits)),
            // The parser ends with an event of its own; this is never reached with a sound one.
            None => Err(Stop::new(Place::START, "the manifest ends too early", "complete it")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let at = place(span.start);
        if depth > self.limits.depth {
            return Err(too_deep(at, self.limits));
        }
        let (anchor, kind) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, text.len(), at)?;
                (anchor, Kind::Scalar(self.scalar(&text, style, tag.as_deref(), at)?))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.count(1, 0, at)?;
                collection_tag(tag.as_deref(), "seq", at)?;
                (anchor, Kind::List(self.list(depth)?))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.count(1, 0, at)?;
                collection_tag(tag.as_deref(), "map", at)?;
                (anchor, Kind::Map(self.map(depth)?))
            }
            _ => return Err(Stop::new(at, "a value is missing here", "write one, or remove the line")),
        };
        let node = Node { place: at, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: Place) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Stop::new(
                at,
                "this alias stands inside the node that it names",
                "a manifest cannot contain itself: write the value out",
            ));
        };
        let (nodes, bytes) = size(&node);
        self.count(nodes, bytes, at)?;
        Ok(Node { place: at, kind: node.kind })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, span) = match self.event()? {
                (Event::MappingEnd, _) => break,
                other => other,
            };
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let text = match &event {
                Event::Scalar(text, ..) => Some(text.to_string()),
                _ => None,
            };
            let node = self.node(event, span, depth + 1)?;
            let key = key_text(text, &node)?;
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            match seen.get(&key) {
                Some(first) => self.problems.error(
                    node.place,
                    format!("the key `{key}` is written twice, first on line {}", first.line),
                    "keep one of them: a parser that takes the last would silently drop the other",
                ),
                None => {
                    seen.insert(key.clone(), node.place);
                    entries.push(Entry { place: node.place, key, value, merge });
                }
            }
        }
        self.merge(entries)
    }

    /// Takes over the entries of `<<`; a key of the map itself wins, then the earlier of several maps.
    fn merge(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Stop> {
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.merge);
        let mut known: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
        for merge in merges {
            let maps = match merge.value.kind {
                Kind::List(items) => items,
                _ => vec![merge.value],
            };
            for map in maps {
                let Kind::Map(inherited) = map.kind else {
                    return Err(Stop::new(
                        map.place,
                        format!("`<<` merges maps, but this is {}", map.name()),
                        "write `<<: *NAME` with the anchor of a map, or quote the key: \"<<\"",
                    ));
                };
                for entry in inherited {
                    if known.insert(entry.key.clone()) {
                        own.push(entry);
                    }
                }
            }
        }
        Ok(own)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Place,
    ) -> Result<Scalar, Stop> {
        if text.contains('\0') {
            return Err(Stop::new(at, "a NUL character", "no shell can hold it: remove it"));
        }
        match tag {
            None if style == ScalarStyle::Plain => Ok(Scalar::plain(text)),
            None => Ok(Scalar::Text(text.into())),
            Some(tag) if is_non_specific(tag) => Ok(Scalar::Text(text.into())),
            Some(tag) => match tag.core_suffix() {
                Some(suffix) => Scalar::tagged(suffix, text).ok_or_else(|| {
                    Stop::new(at, format!("`{text}` is no {suffix}"), "remove the tag, or correct the value")
                }),
                None => Err(unknown_tag(tag, at)),
            },
        }
    }

    fn count(&mut self, nodes: usize, scalar_bytes: usize, at: Place) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.scalar_bytes = self.scalar_bytes.saturating_add(scalar_bytes);
        let limits = self.limits;
        if self.nodes > limits.nodes {
            return Err(Stop::new(
                at,
                format!("more than {} YAML nodes, aliases written out", limits.nodes),
                "use fewer aliases, or move lists into a script",
            ));
        }
        if self.scalar_bytes > limits.scalar_bytes {
            return Err(Stop::new(
                at,
                format!("more than {} bytes of values, aliases written out", limits.scalar_bytes),
                "use fewer aliases, or move the text into a script",
            ));
        }
        Ok(())
    }
}

/// A key's text: as written for a scalar; an alias may stand for a text.
fn key_text(written: Option<String>, node: &Node) -> Result<String, Stop> {
    match (written, &node.kind) {
        (Some(text), _) => Ok(text),
        (None, Kind::Scalar(Scalar::Text(text) | Scalar::Number(text))) => Ok(text.clone()),
        _ => Err(Stop::new(node.place, format!("{} as a key", node.name()), "write a plain word as the key")),
    }
}

fn size(node: &Node) -> (usize, usize) {
    let sum = |(nodes, bytes): (usize, usize), (n, b): (usize, usize)| (nodes + n, bytes + b);
    match &node.kind {
        Kind::Scalar(Scalar::Text(text) | Scalar::Number(text)) => (1, text.len()),
        Kind::Scalar(_) => (1, 0),
        Kind::List(items) => items.iter().map(size).fold((1, 0), sum),
        Kind::Map(entries) => {
            entries.iter().map(|entry| sum((1, entry.key.len()), size(&entry.value))).fold((1, 0), sum)
        }
    }
}

fn collection_tag(tag: Option<&Tag>, expected: &str, at: Place) -> Result<(), Stop> {
    match tag {
        Some(tag) if !is_non_specific(tag) && !tag.is_yaml_core_schema_tag(expected) => {
            Err(unknown_tag(tag, at))
        }
        _ => Ok(()),
    }
}

fn is_non_specific(tag: &Tag) -> bool {
    tag.parts() == ("", "!") || tag.parts() == ("!", "")
}
