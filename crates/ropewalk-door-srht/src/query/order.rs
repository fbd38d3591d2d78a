//! Members of answers stand in the order of the question, whichever was there first.

use async_graphql::parser::types::{FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, indexmap::IndexMap};
use std::collections::HashMap;

/// The members of an object, in order, with the order of what they hold.
#[derive(Debug, Default)]
pub(super) struct FieldOrder(IndexMap<Name, FieldOrder>);

impl FieldOrder {
    /// The order of a selection that was measured before, so that it has an end.
    pub(super) fn of(
        fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
        set: &SelectionSet,
    ) -> FieldOrder {
        let mut order = FieldOrder::default();
        order.add(fragments, set);
        order
    }

    fn add(&mut self, fragments: &HashMap<Name, Positioned<FragmentDefinition>>, set: &SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let within = self.0.entry(field.node.response_key().node.clone()).or_default();
                    within.add(fragments, &field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => self.add(fragments, &inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.add(fragments, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Puts an answer in order.
    pub(super) fn put(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(members) => {
                if !self.holds(members) {
                    let place = |name: &Name| self.0.get_index_of(name).unwrap_or(usize::MAX);
                    members.sort_by_cached_key(|name, _| place(name));
                }
                for (name, member) in members {
                    if let Some(within) = self.0.get(name).filter(|within| !within.0.is_empty()) {
                        within.put(member);
                    }
                }
            }
            _ => {}
        }
    }

    fn holds(&self, members: &IndexMap<Name, Value>) -> bool {
        let places = members.keys().map(|name| self.0.get_index_of(name));
        places.is_sorted()
    }
}
