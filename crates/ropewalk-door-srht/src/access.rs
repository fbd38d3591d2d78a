//! The directives of the schema. What a field declares is printed in the SDL, and the rules that are enforced are
//! read from that SDL: there is no second place where they could stand.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ConstDirective, FieldDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::{Enum, Positioned, TypeDirective};
use ropewalk_core::access::{self as rights, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_model::grant::{Mode, Scope};
use std::collections::HashMap;

/// How much of a scope a field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum AccessKind {
    #[graphql(name = "RO", directive = scopehelp::apply("read".into()))]
    Ro,
    #[graphql(name = "RW", directive = scopehelp::apply("read and write".into()))]
    Rw,
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum AccessScope {
    #[graphql(directive = scopehelp::apply("profile information".into()))]
    Profile,
    #[graphql(directive = scopehelp::apply("build jobs".into()))]
    Jobs,
    #[graphql(directive = scopehelp::apply("build logs".into()))]
    Logs,
    #[graphql(directive = scopehelp::apply("stored secrets".into()))]
    Secrets,
}

/// The token must hold this grant.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn access(scope: AccessScope, kind: AccessKind) {}

/// For the services of this server among themselves.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn internal() {}

/// For the account's owner: no clients that act for them.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn private() {}

/// For runners.
#[TypeDirective(location = "FieldDefinition")]
pub(crate) fn worker() {}

/// What a scope is, for people.
#[TypeDirective(location = "EnumValue")]
pub(crate) fn scopehelp(details: String) {}

/// What a field asks of whoever selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A grant.
    Grant(Scope, Mode),
    /// An account's own token.
    Private,
    /// The server itself.
    Internal,
    /// A runner's token.
    Worker,
}

impl Rule {
    /// Passes whoever may select the field. The words begin as upstream's do.
    pub(crate) fn check(self, caller: &Caller) -> Result<(), Error> {
        let (allowed, words) = match self {
            Rule::Grant(scope, mode) => (rights::holds(caller, scope, mode), "Access denied"),
            Rule::Private => (rights::member(caller), "Private auth access denied"),
            Rule::Internal => (rights::inside(caller), "Internal auth access denied"),
            Rule::Worker => (rights::work(caller), "Access denied"),
        };
        allowed.map_err(|error| Error::new(Kind::Forbidden, format!("{words}: {}", error.message)))
    }

    fn of(directive: &ConstDirective) -> Result<Option<Rule>, String> {
        let argument =
            |name: &str| directive.get_argument(name).map(|value| value.node.to_string()).unwrap_or_default();
        match directive.name.node.as_str() {
            "access" => {
                let (scope, kind) = (argument("scope"), argument("kind"));
                let mode = match kind.as_str() {
                    "RO" => Mode::Ro,
                    "RW" => Mode::Rw,
                    kind => return Err(format!("unknown kind {kind:?} of access")),
                };
                let scope = scope.parse().map_err(|_| format!("unknown scope {scope:?} of access"))?;
                Ok(Some(Rule::Grant(scope, mode)))
            }
            "private" => Ok(Some(Rule::Private)),
            "internal" => Ok(Some(Rule::Internal)),
            "worker" => Ok(Some(Rule::Worker)),
            "deprecated" => Ok(None),
            name => Err(format!("nobody enforces the directive @{name}")),
        }
    }
}

/// The rules of all fields that have one.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// By type, then by field.
    fields: HashMap<String, HashMap<String, Rule>>,
}

impl Rules {
    /// Reads the rules from the SDL that is served. A directive that nobody would enforce is an error.
    pub(crate) fn of_sdl(sdl: &str) -> Result<Rules, String> {
        let mut rules = Rules::default();
        for definition in parse_schema(sdl).map_err(|error| error.to_string())?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let fields = match &definition.node.kind {
                TypeKind::Object(object) => &object.fields,
                TypeKind::Interface(interface) => &interface.fields,
                _ => continue,
            };
            rules.add(definition.node.name.node.as_str(), fields)?;
        }
        Ok(rules)
    }

    fn add(&mut self, name: &str, fields: &[Positioned<FieldDefinition>]) -> Result<(), String> {
        for field in fields {
            let field_name = field.node.name.node.as_str();
            for directive in &field.node.directives {
                let rule =
                    Rule::of(&directive.node).map_err(|error| format!("{name}.{field_name}: {error}"))?;
                if let Some(rule) = rule {
                    let of_type = self.fields.entry(name.into()).or_default();
                    if of_type.insert(field_name.into(), rule).is_some() {
                        return Err(format!(
                            "{name}.{field_name} has two rules: one of them would be forgotten"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The rule of a field.
    pub(crate) fn of(&self, parent: &str, field: &str) -> Option<Rule> {
        self.fields.get(parent)?.get(field).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_directive_that_nobody_enforces_is_found() {
        let error = Rules::of_sdl("type Query { a: Int @admin }").unwrap_err();
        assert_eq!(error, "Query.a: nobody enforces the directive @admin");
        assert!(Rules::of_sdl("type Query { a: Int @access(scope: CATS, kind: RO) }").is_err());
        assert!(Rules::of_sdl("type Query { a: Int @worker @private }").is_err());
    }

    #[test]
    fn rules_are_those_of_the_sdl() {
        let sdl =
            "interface I { b: Int @private } type Query { a: Int @access(scope: JOBS, kind: RW) c: Int }";
        let rules = Rules::of_sdl(sdl).unwrap();
        assert_eq!(rules.of("Query", "a"), Some(Rule::Grant(Scope::Jobs, Mode::Rw)));
        assert_eq!((rules.of("I", "b"), rules.of("Query", "c")), (Some(Rule::Private), None));
    }
}
