//! A resource as the service gave it, with everything that we do not know: what is written back whole loses nothing.
//!
//! Attribute names are case-insensitive (<https://www.rfc-editor.org/rfc/rfc7643#section-2.1>).

use jiff::Timestamp;
use serde_json::{Map, Value};
use smol_str::SmolStr;

/// A resource: a JSON object with an `id`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource(Map<String, Value>);

impl Resource {
    /// The resource in a value, or what is wrong with it.
    pub(super) fn new(value: Value) -> Result<Self, SmolStr> {
        let Value::Object(map) = value else { return Err("a resource is no JSON object".into()) };
        let resource = Self(map);
        match resource.text("id") {
            Some(id) if !id.is_empty() => Ok(resource),
            Some(_) | None => Err("a resource has no `id`".into()),
        }
    }

    /// Its identifier.
    pub(super) fn id(&self) -> &str {
        self.text("id").expect("checked when it was made")
    }

    /// The value of an attribute, or of one within another: `name.givenName`.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let first = member(&self.0, names.next()?)?;
        names.try_fold(first, |value, name| member(value.as_object()?, name))
    }

    /// A text that is not empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str().filter(|text| !text.is_empty())
    }

    /// A truth. Some services answer with the text (`"False"`).
    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        truth(self.get(path)?)
    }

    /// The values of a multi-valued attribute that are objects.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &Map<String, Value>> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
    }

    /// What a conditional write gives: the service's tag of this state.
    pub(super) fn version(&self) -> Option<SmolStr> {
        self.text("meta.version").map(SmolStr::new)
    }

    /// When it was created.
    pub(super) fn created(&self) -> Option<Timestamp> {
        self.text("meta.created")?.parse().ok()
    }

    /// Sets an attribute, or one within another, or takes it away.
    pub(super) fn set(&mut self, path: &str, value: Option<Value>) {
        let (outer, inner) = path.split_once('.').map_or((path, None), |(outer, inner)| (outer, Some(inner)));
        let Some(inner) = inner else { return put(&mut self.0, outer, value) };
        let mut within = match member(&self.0, outer) {
            Some(Value::Object(within)) => within.clone(),
            Some(_) | None => Map::new(),
        };
        put(&mut within, inner, value);
        put(&mut self.0, outer, (!within.is_empty()).then_some(Value::Object(within)));
    }

    /// What is sent to replace it: everything but the attributes that `drop` says.
    pub(super) fn body(self, drop: impl Fn(&str) -> bool) -> Value {
        Value::Object(self.0.into_iter().filter(|(name, _)| !drop(name)).collect())
    }
}

/// The value of a name, however that is spelled.
pub(super) fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| map.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A text of an object that is not empty.
pub(super) fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    member(map, name)?.as_str().filter(|text| !text.is_empty())
}

/// A truth, or the text of one.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Sets a name, under the spelling that is there, or takes it away.
fn put(map: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    let spelling = map.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
    match value {
        Some(value) => drop(map.insert(spelling, value)),
        None => drop(map.remove(&spelling)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_however_they_are_spelled() {
        let resource =
            Resource::new(json!({"ID": "7", "UserName": "mara", "name": {"GIVENNAME": "M"}, "active": "False"})).unwrap();
        assert_eq!((resource.id(), resource.text("userName"), resource.text("name.givenName")), ("7", Some("mara"), Some("M")));
        assert_eq!(resource.flag("active"), Some(false));
        assert_eq!(resource.get("name.givenName.more"), None);
    }

    #[test]
    fn what_is_set_keeps_everything_beside_it() {
        let mut resource =
            Resource::new(json!({"id": "7", "name": {"GivenName": "M", "middleName": "X"}, "urn:x": {"a": 1}})).unwrap();
        resource.set("name.givenName", Some("N".into()));
        resource.set("name.familyName", Some("L".into()));
        resource.set("displayName", None);
        let name = json!({"GivenName": "N", "middleName": "X", "familyName": "L"});
        assert_eq!(resource.clone().body(|name| name == "id"), json!({"name": name, "urn:x": {"a": 1}}));
        for inner in ["name.givenName", "name.middleName", "name.familyName"] {
            resource.set(inner, None);
        }
        assert_eq!(resource.body(|_| false), json!({"id": "7", "urn:x": {"a": 1}}));
    }

    #[test]
    fn what_has_no_identifier_is_no_resource() {
        for value in [json!([]), json!({}), json!({"id": ""}), json!({"id": 7}), json!(null)] {
            assert!(Resource::new(value).is_err());
        }
    }
}
