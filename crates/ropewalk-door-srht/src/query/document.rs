//! Documents: read, measured against the limits, and ready to be executed.

use super::measure::measure;
use super::nesting::nesting;
use super::order::FieldOrder;
use super::refusal::Refusal;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, VariableDefinition,
};
use async_graphql::{Positioned, Value};
use ropewalk_model::limits::RequestLimits;

/// Brackets within each other: what the parser can take without leaving its stack.
const NESTING_MAX: usize = 100;
/// Bytes of a parser's complaint that are passed on.
const COMPLAINT_MAX: usize = 200;

/// What a document may ask.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Bytes of its text.
    pub bytes: usize,
    /// Fields of an operation, fragments written out.
    pub complexity: usize,
    /// Fields within each other.
    pub depth: usize,
}

impl From<&RequestLimits> for DocumentLimits {
    fn from(limits: &RequestLimits) -> Self {
        DocumentLimits {
            bytes: limits.graphql_query,
            complexity: limits.graphql_complexity,
            depth: limits.graphql_depth,
        }
    }
}

/// A document with the one operation of it that is to be executed, within its limits.
#[derive(Debug)]
pub struct Prepared {
    document: ExecutableDocument,
    kind: OperationType,
    variables: Vec<Positioned<VariableDefinition>>,
    order: FieldOrder,
}

impl Prepared {
    /// Reads a document and holds it against the limits. Its time and memory grow with the length of the text only.
    pub fn read(text: &str, operation: Option<&str>, limits: DocumentLimits) -> Result<Prepared, Refusal> {
        if text.len() > limits.bytes {
            let most = limits.bytes;
            let words = format!("the document is longer than {most} bytes (limits.graphql-query)");
            return Err(Refusal::too_large(words));
        }
        if nesting(text) > NESTING_MAX {
            let words = format!("brackets lie more than {NESTING_MAX} deep in each other");
            return Err(Refusal::unparsed(words, []));
        }
        let document =
            parse_query(text).map_err(|error| Refusal::unparsed(complaint(&error), error.positions()))?;
        let chosen = &choose(&document, operation)?.node;
        check(&document, chosen, limits)?;
        let order = FieldOrder::of(&document.fragments, &chosen.selection_set.node);
        let (kind, variables) = (chosen.ty, chosen.variable_definitions.clone());
        Ok(Prepared { document, kind, variables, order })
    }

    /// Whether it changes nothing.
    pub(super) fn is_query(&self) -> bool {
        self.kind == OperationType::Query
    }

    pub(super) fn document(&self) -> ExecutableDocument {
        self.document.clone()
    }

    pub(super) fn variables(&self) -> &[Positioned<VariableDefinition>] {
        &self.variables
    }

    /// Puts an answer's members in the order of the document.
    pub(super) fn put_in_order(&self, data: &mut Value) {
        self.order.put(data);
    }
}

fn choose<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, Refusal> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(all), Some(name)) => all
            .get(name)
            .ok_or_else(|| Refusal::invalid(format!("there is no operation {name:?} in the document"))),
        (DocumentOperations::Single(_), Some(name)) => {
            Err(Refusal::invalid(format!("there is no operation {name:?} in the document")))
        }
        (DocumentOperations::Multiple(all), None) => match (all.values().next(), all.len()) {
            (Some(operation), 1) => Ok(operation),
            _ => Err(Refusal::invalid("the document has several operations: name one as `operationName`")),
        },
    }
}

fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    limits: DocumentLimits,
) -> Result<(), Refusal> {
    let cost = measure(&document.fragments, &operation.selection_set.node)?;
    if cost.fields > limits.complexity {
        let (is, most) = (cost.fields, limits.complexity);
        return Err(Refusal::too_complex(format!(
            "operation has complexity {is}, which exceeds the limit of {most} (limits.graphql-complexity)"
        )));
    }
    if cost.depth > limits.depth {
        let (is, most) = (cost.depth, limits.depth);
        return Err(Refusal::too_complex(format!(
            "operation has depth {is}, which exceeds the limit of {most} (limits.graphql-depth)"
        )));
    }
    Ok(())
}

/// The parser draws the place; here it is told in `locations`.
fn complaint(error: &async_graphql::parser::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default().trim_start_matches([' ', '=']);
    let end = last.char_indices().map(|(at, _)| at).take_while(|at| *at <= COMPLAINT_MAX).last().unwrap_or(0);
    let short = if last.len() > COMPLAINT_MAX { last.get(..end).unwrap_or_default() } else { last };
    format!("syntax error: {short}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const LIMITS: DocumentLimits = DocumentLimits { bytes: 10_000, complexity: 20, depth: 5 };

    fn refusal(text: &str) -> String {
        Prepared::read(text, None, LIMITS).unwrap_err().message
    }

    #[test]
    fn fragments_count_wherever_they_are_used() {
        let field = "fragment f on Job { a b c d e }";
        assert!(Prepared::read(&format!("{{ ...f ...f ...f ...f }} {field}"), None, LIMITS).is_ok());
        let words = refusal(&format!("{{ x ...f ...f ...f ...f }} {field}"));
        assert!(words.starts_with("operation has complexity 21, which exceeds the limit of 20"), "{words}");
    }

    #[test]
    fn fragments_that_double_again_and_again_are_counted_in_no_time() {
        let mut text = String::from("{ ...f0 }");
        for at in 0..60 {
            let next = at + 1;
            text.push_str(&format!(" fragment f{at} on Q {{ ...f{next} ...f{next} }}"));
        }
        text.push_str(" fragment f60 on Q { a }");
        assert!(
            refusal(&text).contains("complexity") || refusal(&text).contains("too many"),
            "{}",
            refusal(&text)
        );
    }

    #[test]
    fn circles_long_chains_and_depth_are_refused() {
        assert!(
            refusal("{ ...a } fragment a on Q { ...b } fragment b on Q { ...a }").contains("holds itself")
        );
        let chain: String = (0..150).map(|at| format!(" fragment f{at} on Q {{ ...f{} }}", at + 1)).collect();
        assert!(refusal(&format!("{{ ...f0 }} {chain}")).contains("deep"));
        assert!(refusal("{a{b{c{d{e{f}}}}}}").starts_with("operation has depth 6"));
        let deep = format!("{}{}", "{a".repeat(5000), "}".repeat(5000));
        assert!(Prepared::read(&deep, None, DocumentLimits { bytes: usize::MAX, ..LIMITS }).is_err());
        let list = format!("{{a(b:{}{})}}", "[".repeat(5000), "]".repeat(5000));
        assert!(Prepared::read(&list, None, DocumentLimits { bytes: usize::MAX, ..LIMITS }).is_err());
    }

    #[test]
    fn the_schema_can_be_asked_about_within_reason() {
        let limits = DocumentLimits { depth: 25, ..LIMITS };
        let asked = "{__schema{types{fields{type{ofType{name}} args{name}}}} a}";
        assert!(Prepared::read(asked, None, limits).is_ok());
        let round = "{__schema{types{fields{type{fields{type{fields{type{name}}}}}}}}}";
        assert!(Prepared::read(round, None, limits).is_err());
    }

    #[test]
    fn an_operation_is_chosen_by_its_name() {
        let two = "query a { x } mutation b { y }";
        assert!(Prepared::read(two, Some("a"), LIMITS).unwrap().is_query());
        assert!(!Prepared::read(two, Some("b"), LIMITS).unwrap().is_query());
        assert!(
            Prepared::read(two, None, LIMITS).is_err() && Prepared::read(two, Some("c"), LIMITS).is_err()
        );
        assert!(Prepared::read("query a { x }", None, LIMITS).is_ok());
    }

    #[test]
    fn commas_mean_nothing() {
        assert!(
            Prepared::read("mutation($a: Int!,) { submit(x: $a, y: [1,2,],) { id, }, }", None, LIMITS)
                .is_ok()
        );
    }

    #[test]
    fn complaints_are_short_and_say_where() {
        let refusal = Prepared::read(&format!("{{ {} ( }}", "a ".repeat(2000)), None, LIMITS).unwrap_err();
        assert!(refusal.message.starts_with("syntax error: expected"), "{}", refusal.message);
        assert!(refusal.message.len() < 400);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[{}()\\[\\]a-c:$!\"\\\\#.@ \\n]{0,200}") {
            let _ = Prepared::read(&text, None, LIMITS);
        }
    }
}
