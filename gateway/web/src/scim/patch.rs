//! PATCH (RFC 7644 §3.5.2): operations on a resource as JSON, which is then read like one that replaces it.
//!
//! **Exposure.** Operations of programs: bounded in number; what is not understood is refused, and then nothing of the
//! request is done. Entra ID's habits are understood: `Replace` with a capital, no path, `"False"` for false.

use super::error::ScimError;
use serde_json::{Map, Value};

/// Most operations in a request.
const MOST: usize = 1000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Add,
    Replace,
    Remove,
}

/// `attribute`, `attribute.sub`, `attribute[sub eq "value"]` or that with `.sub`.
#[derive(Debug, PartialEq, Eq)]
struct Path<'a> {
    attribute: &'a str,
    filter: Option<(&'a str, String)>,
    sub: Option<&'a str>,
}

/// Applies the operations of a request, in order.
pub(super) fn apply(
    resource: &mut Map<String, Value>,
    request: &Map<String, Value>,
) -> Result<(), ScimError> {
    let operations = super::list::member(request, "Operations").and_then(Value::as_array);
    let operations = operations.filter(|o| (1..=MOST).contains(&o.len()));
    for operation in
        operations.ok_or_else(|| ScimError::syntax("Operations: 1 to 1000 of them are needed"))?
    {
        let operation =
            operation.as_object().ok_or_else(|| ScimError::syntax("an operation is an object"))?;
        let get = |name| super::list::member(operation, name);
        let does = match get("op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("add") => Does::Add,
            Some("replace") => Does::Replace,
            Some("remove") => Does::Remove,
            _ => return Err(ScimError::syntax("op is add, replace or remove")),
        };
        let value = get("value").cloned();
        match (get("path").and_then(Value::as_str), value) {
            (Some(text), value) => one(resource, does, &path(text)?, value)?,
            (None, Some(Value::Object(values))) if does != Does::Remove => {
                for (key, value) in values {
                    // Attributes of other schemas mean nothing here.
                    if !key.starts_with("urn:") && key != "schemas" {
                        one(resource, does, &path(&key)?, Some(value))?;
                    }
                }
            }
            (None, _) => return Err(ScimError::Bad("noTarget", "a path is needed".to_owned())),
        }
    }
    Ok(())
}

fn path(text: &str) -> Result<Path<'_>, ScimError> {
    let wrong = || ScimError::path(format!("{text:?} is no path"));
    let short = [super::USER, super::GROUP].iter().find_map(|s| text.strip_prefix(s)?.strip_prefix(':'));
    let text = short.unwrap_or(text);
    let plain = |t: &str| {
        !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '$' || c == '-' || c == '_')
    };
    let (head, rest, filter) = match text.split_once('[') {
        Some((head, rest)) => {
            let (inside, rest) = rest.rsplit_once(']').ok_or_else(wrong)?;
            let mut words = inside.trim().splitn(3, ' ');
            let (Some(sub), Some(eq), Some(value)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong());
            };
            let value: Value = serde_json::from_str(value).map_err(|_| wrong())?;
            let value =
                value.as_str().filter(|_| eq.eq_ignore_ascii_case("eq") && plain(sub)).ok_or_else(wrong)?;
            (head, rest, Some((sub, value.to_owned())))
        }
        None => match text.split_once('.') {
            Some((head, _)) => (head, &text[head.len()..], None),
            None => (text, "", None),
        },
    };
    let sub = match rest.strip_prefix('.') {
        Some(sub) if plain(sub) => Some(sub),
        None if rest.is_empty() => None,
        _ => return Err(wrong()),
    };
    if plain(head) { Ok(Path { attribute: head, filter, sub }) } else { Err(wrong()) }
}

/// The member of that name, whatever its case.
fn slot<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    let key = map.keys().find(|k| k.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
    map.entry(key).or_insert(Value::Null)
}

fn one(
    map: &mut Map<String, Value>,
    does: Does,
    path: &Path<'_>,
    value: Option<Value>,
) -> Result<(), ScimError> {
    let needed = || ScimError::value(format!("{}: a value is needed", path.attribute));
    let target = slot(map, path.attribute);
    if let Some((by, wanted)) = &path.filter {
        let list = as_list(target);
        let fits =
            |v: &Value| v.get(*by).and_then(Value::as_str).is_some_and(|v| v.eq_ignore_ascii_case(wanted));
        return match (does, path.sub) {
            (Does::Remove, None) => {
                list.retain(|v| !fits(v));
                Ok(())
            }
            (does, sub) => {
                if !list.iter().any(fits) {
                    list.push(Value::Object(Map::from_iter([(
                        (*by).to_owned(),
                        Value::from(wanted.as_str()),
                    )])));
                }
                for element in list.iter_mut().filter(|v| fits(v)) {
                    let element = element.as_object_mut().ok_or_else(needed)?;
                    match (does, sub, &value) {
                        (Does::Remove, Some(sub), _) => *slot(element, sub) = Value::Null,
                        (_, Some(sub), Some(value)) => *slot(element, sub) = value.clone(),
                        (_, None, Some(Value::Object(values))) => element.extend(values.clone()),
                        _ => return Err(needed()),
                    }
                }
                Ok(())
            }
        };
    }
    if let Some(sub) = path.sub {
        if !target.is_object() {
            *target = Value::Object(Map::new());
        }
        let inner = target.as_object_mut().ok_or_else(needed)?;
        *slot(inner, sub) = if does == Does::Remove { Value::Null } else { value.ok_or_else(needed)? };
        return Ok(());
    }
    match (does, value) {
        // Which elements: Entra ID names members so.
        (Does::Remove, Some(Value::Array(gone))) if target.is_array() => {
            let id = |v: &Value| v.get("value").and_then(Value::as_str).map(str::to_owned);
            as_list(target).retain(|v| !gone.iter().any(|g| id(g).is_some() && id(g) == id(v)));
        }
        (Does::Remove, _) => *target = Value::Null,
        (Does::Add, Some(Value::Array(more))) => {
            let list = as_list(target);
            for value in more {
                if !list.contains(&value) {
                    list.push(value);
                }
            }
        }
        (Does::Add, Some(value)) if target.is_array() => as_list(target).push(value),
        (_, Some(Value::Object(values))) if target.is_object() => {
            let inner = target.as_object_mut().ok_or_else(needed)?;
            values.into_iter().for_each(|(key, value)| *slot(inner, &key) = value);
        }
        (_, Some(value)) => *target = value,
        (_, None) => return Err(needed()),
    }
    Ok(())
}

fn as_list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made a list just now")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(resource: Value, operations: Value) -> Result<Value, ScimError> {
        let Value::Object(mut map) = resource else { panic!("no object") };
        let request = json!({"Operations": operations});
        apply(&mut map, request.as_object().unwrap())?;
        Ok(Value::Object(map))
    }

    #[test]
    fn what_the_great_providers_send() {
        let user =
            json!({"active": true, "name": {"formatted": "A"}, "emails": [{"type": "work", "value": "a@b"}]});
        // Okta deactivates, Entra ID with its capital and its text.
        let okta = json!([{"op": "replace", "value": {"active": false}}]);
        assert_eq!(patched(user.clone(), okta).unwrap()["active"], false);
        let entra = json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Add", "path": "name.givenName", "value": "Z"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "c@b"}]);
        let done = patched(user.clone(), entra).unwrap();
        assert_eq!((&done["active"], &done["name"]["givenName"]), (&json!("False"), &json!("Z")));
        assert_eq!(done["emails"], json!([{"type": "work", "value": "c@b"}]));
        let group = json!({"members": [{"value": "1"}, {"value": "2"}, {"value": "3"}]});
        let by_filter = json!([{"op": "remove", "path": "members[value eq \"2\"]"}]);
        assert_eq!(
            patched(group.clone(), by_filter).unwrap()["members"],
            json!([{"value": "1"}, {"value": "3"}])
        );
        let by_list = json!([{"op": "Remove", "path": "members", "value": [{"value": "1"}, {"value": "3"}]},
            {"op": "Add", "path": "members", "value": [{"value": "2"}, {"value": "4"}]}]);
        assert_eq!(
            patched(group.clone(), by_list).unwrap()["members"],
            json!([{"value": "2"}, {"value": "4"}])
        );
        let all = json!([{"op": "remove", "path": "members"}]);
        assert_eq!(patched(group, all).unwrap()["members"], Value::Null);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for operations in [
            json!([]),
            json!([{"op": "move", "path": "active", "value": true}]),
            json!([{"op": "remove"}]),
            json!([{"op": "replace", "path": "active"}]),
            json!([{"op": "replace", "path": "emails[type sw \"w\"].value", "value": "x"}]),
            json!([{"op": "replace", "path": "emails[type eq \"w\"", "value": "x"}]),
            json!([{"op": "replace", "path": "a b", "value": "x"}]),
            json!([{"op": "replace", "path": "", "value": "x"}]),
            json!([{"op": "replace", "path": "name.", "value": "x"}]),
            json!(["replace"]),
        ] {
            assert!(patched(json!({}), operations.clone()).is_err(), "{operations}");
        }
    }
}
