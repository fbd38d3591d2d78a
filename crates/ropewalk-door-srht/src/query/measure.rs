//! What an operation costs, before anything walks through it: fragments are counted wherever they are used, and
//! measured once.

use super::refusal::Refusal;
use async_graphql::parser::types::{Field, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned};
use std::collections::HashMap;

/// Selection sets within each other, fragments written out.
const LEVELS_MAX: usize = 100;
/// Fields, fragments and inline fragments altogether, fragments written out.
const NODES_MAX: usize = 5_000;
/// Fields that ask about the schema, fragments written out. The customary question has less than 200.
const INTROSPECTION_MAX: usize = 500;
/// Lists of the schema's fields and types within each other.
const LISTINGS_MAX: usize = 3;
/// Fields of introspection that list what leads back to types.
const LISTINGS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// What a selection costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Fields, without questions about the schema.
    pub(super) fields: usize,
    /// Fields within each other.
    pub(super) depth: usize,
    introspection: usize,
    nodes: usize,
    listings: usize,
}

impl Cost {
    fn and(self, other: Cost) -> Cost {
        Cost {
            fields: self.fields.saturating_add(other.fields),
            depth: self.depth.max(other.depth),
            introspection: self.introspection.saturating_add(other.introspection),
            nodes: self.nodes.saturating_add(other.nodes),
            listings: self.listings.max(other.listings),
        }
    }

    fn node(self) -> Cost {
        Cost { nodes: self.nodes.saturating_add(1), ..self }
    }
}

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Measures a selection.
pub(super) fn measure(fragments: &Fragments, selection: &SelectionSet) -> Result<Cost, Refusal> {
    let mut tape = Tape { fragments, measured: HashMap::new() };
    let cost = tape.selection(selection, 0)?;
    if cost.nodes > NODES_MAX || cost.introspection > INTROSPECTION_MAX {
        return Err(Refusal::too_complex(
            "the operation has too many fragments or questions about the schema",
        ));
    }
    Ok(cost)
}

struct Tape<'a> {
    fragments: &'a Fragments,
    /// None while a fragment is being measured: whoever meets it then has found a circle.
    measured: HashMap<&'a Name, Option<Cost>>,
}

impl<'a> Tape<'a> {
    fn selection(&mut self, set: &'a SelectionSet, level: usize) -> Result<Cost, Refusal> {
        if level > LEVELS_MAX {
            return Err(Refusal::too_complex(format!(
                "selections lie more than {LEVELS_MAX} deep in each other"
            )));
        }
        let mut cost = Cost::default();
        for item in &set.items {
            let of_item = match &item.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => {
                    self.selection(&inline.node.selection_set.node, level + 1)?.node()
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, level + 1)?.node()
                }
            };
            cost = cost.and(of_item);
        }
        Ok(cost)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Cost, Refusal> {
        let name = field.name.node.as_str();
        let within = self.selection(&field.selection_set.node, level + 1)?;
        let listings = within.listings + usize::from(LISTINGS.contains(&name));
        let depth = within.depth + 1;
        let cost = match name {
            "__schema" | "__type" => {
                if within.listings >= LISTINGS_MAX {
                    let words = "questions about the schema list types within types within types";
                    return Err(Refusal::too_complex(words));
                }
                let introspection = within.introspection.saturating_add(within.fields).saturating_add(1);
                Cost { fields: 0, introspection, depth, ..within }
            }
            _ => Cost { fields: within.fields.saturating_add(1), depth, listings, ..within },
        };
        Ok(cost.node())
    }

    /// One that is not there is for the validation to say.
    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Cost, Refusal> {
        let Some(fragment) = self.fragments.get(name) else { return Ok(Cost::default()) };
        match self.measured.insert(name, None) {
            Some(Some(cost)) => {
                self.measured.insert(name, Some(cost));
                Ok(cost)
            }
            Some(None) => Err(Refusal::invalid(format!("the fragment \"{name}\" holds itself"))),
            None => {
                let cost = self.selection(&fragment.node.selection_set.node, level)?;
                self.measured.insert(name, Some(cost));
                Ok(cost)
            }
        }
    }
}
