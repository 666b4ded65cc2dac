//! What is ours in `additionalInfo`: all of it below the key `tenantry`. Whatever else stands there is somebody else's.

use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::api::Raw;

const INFO: &str = "additionalInfo";
const OURS: &str = "tenantry";
const DESCRIPTION: &str = "description";

/// What the server puts into `additionalInfo` of a single user when it is read, and would keep if it came back.
const SYNTHETIC: [&str; 3] = ["userCredentialsEnabled", "userActivated", "lastLoginTs"];

/// What is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// The mark.
    pub(super) mark: Option<String>,
    /// A user's role, where it is not the one that the authority stands for.
    pub(super) role: Option<SmolStr>,
    /// A user's name, where it is not the e-mail.
    pub(super) username: Option<SmolStr>,
    /// A user who never had a password is to be kept out.
    pub(super) off: bool,
    /// The account is there for us alone.
    pub(super) caretaker: bool,
}

impl Own {
    /// What is ours of an object.
    pub(super) fn of(raw: &Raw) -> Self {
        let Some(ours) = raw.get(INFO).and_then(|info| info.get(OURS)).and_then(Value::as_object) else { return Self::default() };
        let text = |name: &str| ours.get(name).and_then(Value::as_str).map(SmolStr::new);
        let flag = |name: &str| ours.get(name) == Some(&Value::Bool(true));
        let mark = ours.get("mark").map(|mark| mark.as_str().map_or_else(|| mark.to_string(), str::to_owned));
        Self { mark, role: text("role"), username: text("username"), off: flag("off"), caretaker: flag("caretaker") }
    }

    fn value(&self) -> Option<Value> {
        let Self { mark, role, username, off, caretaker } = self;
        let mut ours = Map::new();
        if let Some(mark) = mark {
            // As JSON and not as a text in it: somebody will look at it.
            let value = serde_json::from_str(mark).ok().filter(Value::is_object);
            ours.insert("mark".into(), value.unwrap_or_else(|| mark.as_str().into()));
        }
        for (name, text) in [("role", role), ("username", username)] {
            if let Some(text) = text {
                ours.insert(name.into(), text.as_str().into());
            }
        }
        for (name, flag) in [("off", off), ("caretaker", caretaker)] {
            if *flag {
                ours.insert(name.into(), true.into());
            }
        }
        (!ours.is_empty()).then_some(Value::Object(ours))
    }
}

/// Puts what is ours in the place of what was.
pub(super) fn put(raw: &mut Raw, own: &Own) {
    set(raw, OURS, own.value());
}

/// The description that people see.
pub(super) fn description(raw: &Raw) -> Option<&str> {
    raw.get(INFO)?.get(DESCRIPTION)?.as_str().filter(|text| !text.is_empty())
}

/// Sets the description.
pub(super) fn describe(raw: &mut Raw, text: Option<&str>) {
    set(raw, DESCRIPTION, text.map(Value::from));
}

/// Whether there is anything there that has no room for us.
pub(super) fn is_strange(raw: &Raw) -> bool {
    raw.get(INFO).is_some_and(|info| !info.is_null() && !info.is_object())
}

/// Whether a customer is the one that the server keeps for what is public.
pub(super) fn is_public(raw: &Raw) -> bool {
    raw.get(INFO).and_then(|info| info.get("isPublic")) == Some(&Value::Bool(true))
}

/// Takes out what the server put in, and says what that was: whether the account is open, and whether it ever had a password.
pub(super) fn strip(raw: &mut Raw) -> (Option<bool>, Option<bool>) {
    let Some(Value::Object(info)) = raw.get_mut(INFO) else { return (None, None) };
    let [enabled, activated, _] = SYNTHETIC.map(|name| info.remove(name));
    let flag = |value: Option<Value>| value.and_then(|value| value.as_bool());
    (flag(enabled), flag(activated))
}

fn set(raw: &mut Raw, name: &str, value: Option<Value>) {
    match (raw.get_mut(INFO), value) {
        (Some(Value::Object(info)), Some(value)) => drop(info.insert(name.into(), value)),
        (Some(Value::Object(info)), None) => drop(info.remove(name)),
        (Some(Value::Null) | None, Some(value)) => {
            raw.insert(INFO.into(), Value::Object(Map::from_iter([(name.to_owned(), value)])));
        }
        // Somebody else's, and no object: there is no room in it.
        (Some(_), _) | (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: Value) -> Raw {
        let Value::Object(raw) = value else { unreachable!() };
        raw
    }

    #[test]
    fn what_is_not_ours_survives() {
        let mut user = raw(json!({ "additionalInfo": { "lang": "de_DE", "tenantry": { "mark": {"v": 1}, "off": true },
            "userCredentialsEnabled": false, "userActivated": true, "lastLoginTs": 7 } }));
        assert_eq!(strip(&mut user), (Some(false), Some(true)));
        assert_eq!(Own::of(&user), Own { mark: Some("{\"v\":1}".into()), off: true, ..Own::default() });
        let own = Own { mark: Some("{\"v\":2}".into()), role: Some("support".into()), ..Own::default() };
        put(&mut user, &own);
        describe(&mut user, Some("x"));
        let info = json!({ "lang": "de_DE", "description": "x", "tenantry": { "mark": {"v": 2}, "role": "support" } });
        assert_eq!(user["additionalInfo"], info);
        assert_eq!(Own::of(&user), own);
        put(&mut user, &Own::default());
        describe(&mut user, None);
        assert_eq!(user["additionalInfo"], json!({ "lang": "de_DE" }));
        let mut odd = raw(json!({ "additionalInfo": "text" }));
        put(&mut odd, &own);
        assert!(is_strange(&odd) && odd["additionalInfo"] == "text");
    }
}
