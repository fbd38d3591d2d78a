//! The manifest's YAML as a tree whose every node knows its place in the text.
//!
//! The events come from the YAML library; this adds what the manifest's rules need and a decoder into types would
//! lose: how a scalar was written, several problems at once, and a place for each. Duplicate keys are refused,
//! merge keys are merged, aliases are copied within the limits.

use super::limits::ManifestLimits;
use super::problem::{Place, Problems};
use super::scalar::Scalar;
use serde_saphyr::granit_parser::{
    self, ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag,
};
use std::collections::{HashMap, HashSet};

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value. Keys are texts; each occurs once in a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: Node,
    /// The key is a plain `<<`.
    merge: bool,
}

impl Node {
    /// What to call it in an error.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.name(),
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Scalar(Scalar::Null)
    }
}

/// Reads the one document of `text`. None when it is not YAML or passes a limit, which is then among the problems;
/// a tree may come with problems too (duplicate keys).
pub(super) fn read(text: &str, limits: &ManifestLimits, problems: &mut Problems) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limits.depth + 1,
        block_nesting_limit: limits.depth + 1,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder =
        Builder { parser, limits, problems, anchors: HashMap::new(), nodes: 0, scalar_bytes: 0 };
    match builder.document() {
        Ok(root) => Some(root),
        Err(Stop { place, message, hint }) => {
            problems.error(place, message, hint);
            None
        }
    }
}

/// A problem after which reading cannot go on.
struct Stop {
    place: Place,
    message: String,
    hint: String,
}

impl Stop {
    fn new(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Stop {
        Stop { place, message: message.into(), hint: hint.into() }
    }
}

struct Builder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    limits: &'a ManifestLimits,
    problems: &'a mut Problems,
    /// Finished nodes that an alias may name.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    scalar_bytes: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Stop> {
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

fn unknown_tag(tag: &Tag, at: Place) -> Stop {
    Stop::new(at, format!("the tag `{}` means nothing in a manifest here", tag.original()), "remove it")
}

fn too_deep(at: Place, limits: &ManifestLimits) -> Stop {
    Stop::new(
        at,
        format!("more than {} collections within each other", limits.depth),
        "a manifest is at most a few levels deep: look for a missing quote or bracket",
    )
}

fn scan_error(error: &ScanError, limits: &ManifestLimits) -> Stop {
    let at = place(*error.marker());
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(at, limits);
    }
    Stop::new(at, format!("this is not YAML: {}", error.kind()), syntax_hint(error.kind()))
}

fn syntax_hint(kind: &ErrorKind) -> &'static str {
    use ErrorKind as E;
    match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar
        | E::InvalidBlockEntryWhitespace
        | E::InvalidMappingValueWhitespace => "use spaces here, YAML allows no tabs",
        E::UnclosedQuotedScalar
        | E::InvalidTrailingSingleQuotedScalar
        | E::InvalidTrailingDoubleQuotedScalar => "close the quote, or quote the whole value",
        E::UnknownQuotedScalarEscape => "write the backslash twice, or use single quotes",
        E::MismatchedFlowCollectionEnd { .. }
        | E::MisplacedFlowCollectionEnd
        | E::UnclosedFlowCollection { .. }
        | E::UnexpectedEofFlowSequence
        | E::UnexpectedEofFlowMapping
        | E::ExpectedFlowMappingSeparator
        | E::ExpectedFlowSequenceSeparator => {
            "close the bracket, or quote a value that begins with `[` or `{`"
        }
        E::UnknownAnchor => "define it earlier with `&NAME`, or quote a value that begins with `*`",
        E::UnexpectedCharacter { .. } => "quote a value that begins with `@`, `%` or a backquote",
        E::MappingValueNotAllowed | E::InvalidColonPlacement => {
            "quote a value that contains `: `, and check the indentation"
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            "write `key: value`, and indent the lines of a script below `name: |`"
        }
        E::UndeclaredTagHandle => "quote a value that begins with `!`",
        _ => "check indentation, dashes and quotes around this line",
    }
}

fn place(mark: Marker) -> Place {
    Place { line: mark.line().max(1), column: mark.col() + 1 }
}
