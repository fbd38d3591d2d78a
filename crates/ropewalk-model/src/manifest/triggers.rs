//! The rules of `triggers`.

use super::keys::Key;
use super::read::Reader;
use super::tree::{Entry, Kind, Node};
use super::types::{Action, Condition, Trigger};

/// All fields of a trigger, whatever its action.
const FIELDS: [&str; 6] = ["action", "condition", "to", "cc", "in_reply_to", "url"];

pub(super) fn read(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    for item in reader.list(key, node) {
        let Kind::Map(fields) = &item.kind else {
            reader.mismatch("a trigger", "a map", item);
            continue;
        };
        for field in fields {
            if !FIELDS.contains(&field.key.as_str()) {
                reader.unknown_key(field, FIELDS.into_iter());
            }
        }
        let condition = condition(reader, item, fields);
        let action = action(reader, item, fields);
        if let (Some(condition), Some(action)) = (condition, action) {
            reader.manifest.triggers.push(Trigger { condition, action });
        }
    }
}

fn condition(reader: &mut Reader<'_>, item: &Node, fields: &[Entry]) -> Option<Condition> {
    const HINT: &str = "`condition` is always, success or failure";
    let Some(field) = given(fields, "condition") else {
        reader.problems.error(item.place, "the trigger has no condition", HINT);
        return None;
    };
    let word = reader.text("`condition`", &field.value)?;
    let condition = word.parse().ok();
    if condition.is_none() {
        reader.problems.error(field.value.place, format!("unknown trigger condition `{word}`"), HINT);
    }
    condition
}

fn action(reader: &mut Reader<'_>, item: &Node, fields: &[Entry]) -> Option<Action> {
    const HINT: &str = "`action` is email or webhook";
    let Some(field) = given(fields, "action") else {
        reader.problems.error(item.place, "the trigger has no action", HINT);
        return None;
    };
    match reader.text("`action`", &field.value)? {
        "email" => email(reader, item, fields),
        "webhook" => webhook(reader, item, fields),
        word => {
            reader.problems.error(field.value.place, format!("unknown trigger type `{word}`"), HINT);
            None
        }
    }
}

fn email(reader: &mut Reader<'_>, item: &Node, fields: &[Entry]) -> Option<Action> {
    let mut text = |name| {
        let field = given(fields, name)?;
        reader.text(&format!("`{name}`"), &field.value).map(str::to_owned)
    };
    let (to, cc, in_reply_to) = (text("to"), text("cc"), text("in_reply_to"));
    if given(fields, "to").is_none() {
        if given(fields, "cc").is_none() {
            reader.problems.error(
                item.place,
                "the email trigger has no receiver",
                "add `to: me@example.org`",
            );
            return None;
        }
        reader.problems.warn(item.place, "without `to` no mail is sent", "write the first receiver as `to`");
    }
    Some(Action::Email { to, cc, in_reply_to })
}

fn webhook(reader: &mut Reader<'_>, item: &Node, fields: &[Entry]) -> Option<Action> {
    let Some(field) = given(fields, "url") else {
        reader.problems.error(item.place, "the webhook trigger has no url", "add `url: https://…`");
        return None;
    };
    let url = reader.text("`url`", &field.value)?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        reader.problems.warn(field.value.place, "only http and https can be called", "write https://…");
    }
    Some(Action::Webhook { url: url.into() })
}

fn given<'n>(fields: &'n [Entry], name: &str) -> Option<&'n Entry> {
    fields.iter().find(|field| field.key == name && !field.value.is_null())
}
