//! The served schema against the reference, member by member.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    ConstDirective, FieldDefinition, InputValueDefinition, ServiceDocument, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};
use std::collections::BTreeSet;
use std::fmt::Write;

const REFERENCE: &str = include_str!("reference.graphql");

/// What is served beyond the reference, and why.
const EXTRA: &[&str] = &[
    // hut always sends it.
    "Mutation.update(tags): [String!]",
    // GraphQL's own, which the reference leaves out.
    "directive @include on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT",
    "directive @include(if): Boolean!",
    "directive @skip on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT",
    "directive @skip(if): Boolean!",
    "schema query Query mutation Mutation",
];

/// One line for each member, with everything about it that a client could notice.
fn members(sdl: &str) -> BTreeSet<String> {
    let document: ServiceDocument = parse_schema(sdl).expect("a schema");
    let mut members = BTreeSet::new();
    for definition in &document.definitions {
        match definition {
            TypeSystemDefinition::Schema(schema) => {
                let name = |root: &Option<Positioned<Name>>| root.as_ref().map(|name| name.node.to_string());
                let (query, mutation) = (name(&schema.node.query), name(&schema.node.mutation));
                members.insert(format!("schema query {} mutation {}", query.unwrap(), mutation.unwrap()));
            }
            TypeSystemDefinition::Directive(directive) => {
                let directive = &directive.node;
                let mut places: Vec<String> =
                    directive.locations.iter().map(|at| format!("{:?}", at.node)).collect();
                places.sort();
                let name = format!("directive @{}", directive.name.node);
                members.insert(format!(
                    "{name} on {}",
                    places.iter().map(|p| screaming(p)).collect::<Vec<_>>().join(" | ")
                ));
                arguments(&name, &directive.arguments, &mut members);
            }
            TypeSystemDefinition::Type(definition) => add_type(&definition.node, &mut members),
        }
    }
    members
}

fn screaming(camel: &str) -> String {
    let mut text = String::new();
    for c in camel.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_uppercase());
    }
    text
}

fn add_type(definition: &TypeDefinition, members: &mut BTreeSet<String>) {
    let name = definition.name.node.as_str();
    let attached = directives(&definition.directives);
    match &definition.kind {
        TypeKind::Scalar => drop(members.insert(format!("scalar {name}{attached}"))),
        TypeKind::Object(object) => {
            members.insert(format!("type {name}{}{attached}", implements(&object.implements)));
            fields(name, &object.fields, members);
        }
        TypeKind::Interface(interface) => {
            members.insert(format!("interface {name}{}{attached}", implements(&interface.implements)));
            fields(name, &interface.fields, members);
        }
        TypeKind::Union(_) => panic!("there is no union in the reference"),
        TypeKind::Enum(of) => {
            members.insert(format!("enum {name}{attached}"));
            for value in &of.values {
                let (word, attached) = (&value.node.value.node, directives(&value.node.directives));
                members.insert(format!("{name}.{word}{attached}"));
            }
        }
        TypeKind::InputObject(input) => {
            members.insert(format!("input {name}{attached}"));
            arguments(name, &input.fields, members);
        }
    }
}

fn implements(names: &[Positioned<Name>]) -> String {
    let names: BTreeSet<&str> = names.iter().map(|name| name.node.as_str()).collect();
    names.iter().fold(String::new(), |text, name| format!("{text} implements {name}"))
}

fn fields(of: &str, fields: &[Positioned<FieldDefinition>], members: &mut BTreeSet<String>) {
    for field in fields {
        let field = &field.node;
        let name = format!("{of}.{}", field.name.node);
        members.insert(format!("{name}: {}{}", field.ty.node, directives(&field.directives)));
        arguments(&name, &field.arguments, members);
    }
}

fn arguments(of: &str, arguments: &[Positioned<InputValueDefinition>], members: &mut BTreeSet<String>) {
    for argument in arguments {
        let argument = &argument.node;
        let mut line = format!("{of}({}): {}", argument.name.node, argument.ty.node);
        if let Some(default) = &argument.default_value {
            write!(line, " = {}", default.node).unwrap();
        }
        members.insert(line + &directives(&argument.directives));
    }
}

fn directives(directives: &[Positioned<ConstDirective>]) -> String {
    let mut all: Vec<String> = directives
        .iter()
        .map(|directive| {
            let mut arguments: Vec<String> = directive
                .node
                .arguments
                .iter()
                .map(|(name, value)| format!("{}: {}", name.node, value.node))
                .collect();
            arguments.sort();
            format!(" @{}({})", directive.node.name.node, arguments.join(", "))
        })
        .collect();
    all.sort();
    all.concat()
}

#[test]
fn the_served_schema_is_the_reference_and_what_hut_needs() {
    let (reference, served) = (members(REFERENCE), members(ropewalk_door_srht::sdl()));
    assert!(reference.len() > 200, "the reference was not read");
    let missing: Vec<&String> = reference.difference(&served).collect();
    assert!(missing.is_empty(), "not served: {missing:#?}");
    let extra: BTreeSet<&str> = served.difference(&reference).map(String::as_str).collect();
    assert_eq!(extra, EXTRA.iter().copied().collect(), "served beyond the reference");
}

#[test]
fn the_comparison_sees_every_kind_of_difference() {
    let reference = members(REFERENCE);
    for (from, to) in [
        ("note: String\n  tags", "note: String!\n  tags"),
        ("execute: Boolean, note", "execute: Boolean!, note"),
        ("scope: LOGS, kind: RO", "scope: LOGS, kind: RW"),
        ("runner: String", "runner: Int"),
        ("  SKIPPED\n", ""),
        ("implements Trigger", ""),
        ("privateKey: Binary! @worker", "privateKey: Binary!"),
        ("read and write", "write"),
        ("if: Boolean = true", "if: Boolean"),
        ("scalar Cursor", "scalar Cursors"),
        ("on ENUM_VALUE", "on ENUM"),
    ] {
        let changed = REFERENCE.replacen(from, to, 1);
        assert!(changed != REFERENCE && members(&changed) != reference, "{from}");
    }
}

#[test]
fn every_member_of_the_list_of_what_is_missing_is_in_the_schema() {
    let served = members(ropewalk_door_srht::sdl());
    for unbuilt in ropewalk_door_srht::UNBUILT {
        let name = unbuilt.member;
        assert!(served.iter().any(|member| member.starts_with(&format!("{name}:"))), "{name}");
    }
}

#[test]
fn the_manual_lists_what_is_missing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/graphql.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- unbuilt -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of unbuilt -->").unwrap();
    let rows: String = ropewalk_door_srht::UNBUILT
        .iter()
        .map(|unbuilt| format!("| `{}` | {} |\n", unbuilt.member, unbuilt.missing))
        .collect();
    let right = format!(
        "{before}<!-- unbuilt -->\n| member | needs |\n|---|---|\n{rows}<!-- end of unbuilt -->{after}"
    );
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        std::fs::write(path, &right).unwrap();
    }
    assert!(text == right, "run this test with UPDATE_MANUAL=1 and look at what it changed");
}
