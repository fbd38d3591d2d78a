//! Variables: from JSON, with the numbers that some clients send as text.

use super::refusal::Refusal;
use async_graphql::parser::types::{BaseType, Type, VariableDefinition};
use async_graphql::{Name, Number, Positioned, Value, Variables};

/// Makes the types right that `hut graphql -v` sends as text, and looks whether all that must be there is there.
pub(super) fn fit(
    definitions: &[Positioned<VariableDefinition>],
    mut variables: Variables,
) -> Result<Variables, Refusal> {
    for definition in definitions {
        let VariableDefinition { name, var_type, default_value, .. } = &definition.node;
        let (name, wanted): (&Name, &Type) = (&name.node, &var_type.node);
        if let Some(value) = variables.get_mut(name) {
            convert(wanted, value);
        }
        let given = variables.get(name).is_some_and(|value| *value != Value::Null);
        if !given && !wanted.nullable && default_value.is_none() {
            return Err(Refusal::invalid(format!("the variable ${name} of type {wanted} must be given")));
        }
    }
    Ok(variables)
}

fn convert(wanted: &Type, value: &mut Value) {
    match (&wanted.base, &mut *value) {
        (BaseType::List(inner), Value::List(items)) => items.iter_mut().for_each(|item| convert(inner, item)),
        (BaseType::List(inner), value) => convert(inner, value),
        (BaseType::Named(name), Value::String(text)) => {
            if let Some(converted) = read(name.as_str(), text) {
                *value = converted;
            }
        }
        _ => {}
    }
}

fn read(name: &str, text: &str) -> Option<Value> {
    match (name, text) {
        ("Boolean", "true") => Some(Value::Boolean(true)),
        ("Boolean", "false") => Some(Value::Boolean(false)),
        ("Int", digits) if is_decimal(digits) => {
            digits.parse::<i64>().ok().map(|n| Value::Number(Number::from(n)))
        }
        _ => None,
    }
}

/// Digits, perhaps with a minus: `+1` and ` 1` are numbers to Rust only.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::DocumentOperations;
    use serde_json::json;

    fn fitted(declared: &str, given: serde_json::Value) -> Result<serde_json::Value, Refusal> {
        let document = parse_query(format!("query({declared}) {{ x }}")).unwrap();
        let DocumentOperations::Single(operation) = document.operations else { panic!("one operation") };
        let fitted = fit(&operation.node.variable_definitions, Variables::from_json(given))?;
        Ok(serde_json::to_value(fitted).unwrap())
    }

    #[test]
    fn text_becomes_the_number_that_was_meant() {
        for (declared, given, fits) in [
            ("$a: Int!", json!({"a": "42"}), json!({"a": 42})),
            ("$a: Int", json!({"a": "-1"}), json!({"a": -1})),
            ("$a: [Int!]!", json!({"a": ["1", 2]}), json!({"a": [1, 2]})),
            ("$a: [Int!]!", json!({"a": "1"}), json!({"a": 1})),
            ("$a: Boolean", json!({"a": "true"}), json!({"a": true})),
            ("$a: String!", json!({"a": "42"}), json!({"a": "42"})),
            ("$a: Int", json!({"a": "+1", "b": "2"}), json!({"a": "+1", "b": "2"})),
            ("$a: Int", json!({"a": "99999999999999999999"}), json!({"a": "99999999999999999999"})),
        ] {
            assert_eq!(fitted(declared, given).unwrap(), fits, "{declared}");
        }
    }

    #[test]
    fn what_must_be_there_is_missed() {
        assert!(fitted("$a: Int!", json!({})).is_err() && fitted("$a: Int!", json!({"a": null})).is_err());
        assert!(fitted("$a: Int! = 1", json!({})).is_ok() && fitted("$a: Int", json!({})).is_ok());
    }
}
