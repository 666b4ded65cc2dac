//! The digest of a plan: what somebody approves.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::types::{Action, Change, CredentialAction, Decision, Plan};
use crate::{
    model::{Credential, FieldChange, FieldValue},
    observed::Contents,
};

/// One decision, in the form that is hashed: what is done to which object, and nothing about where it is declared, when it
/// was read, how often it was counted, or who acts.
#[derive(Serialize)]
struct Row<'a> {
    key: &'a crate::model::Key,
    remote: Option<&'a str>,
    verb: &'static str,
    fields: Vec<FieldChange>,
    credential: Option<(&'static str, Option<&'a str>, Option<String>)>,
    hold: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    takes: Option<&'a Contents>,
}

impl Plan {
    /// `sha256:` and 64 hexadecimal digits over canonical JSON (one value a line, keys in a fixed order, no spaces) of
    /// directory, owner and the sorted decisions.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |value: &dyn erased::Line| hash.update(value.line());
        add(&(self.directory.as_str(), self.owner.as_str()));
        if !self.loosens.is_empty() {
            add(&("settings", &self.loosens));
        }
        for decision in &self.decisions {
            add(&row(decision));
        }
        let mut out = String::from("sha256:");
        for byte in hash.finalize() {
            let _ = write!(out, "{byte:02x}");
        }
        out
    }
}

fn row(decision: &Decision) -> Row<'_> {
    let Decision { key, change, held, origin: _ } = decision;
    Row {
        key,
        remote: change.as_ref().and_then(|change| change.remote.as_ref()).map(|id| id.0.as_str()),
        verb: decision.verb().as_str(),
        fields: change.as_ref().map(Change::differences).unwrap_or_default(),
        credential: change.as_ref().and_then(|change| change.credential.as_ref()).map(request),
        hold: held.as_ref().map(|held| held.hold.name()),
        takes: change.as_ref().and_then(|change| change.takes.as_deref()),
    }
}

fn request(action: &CredentialAction) -> (&'static str, Option<&str>, Option<String>) {
    let Credential { method, source, reset } = &action.credential;
    (method.as_str(), reset.as_deref(), source.as_ref().map(ToString::to_string))
}

impl Change {
    /// Every field with what was and what will be: for a create all that are given, for a delete nothing.
    pub fn differences(&self) -> Vec<FieldChange> {
        match &self.action {
            Action::Delete => Vec::new(),
            Action::Update { fields, to: _ } => fields.clone(),
            Action::Create(state) => {
                let given = state.fields().into_iter().filter(|(field, value)| {
                    *value != FieldValue::None && *field != crate::model::Field::Key && *value != FieldValue::List(Vec::new())
                });
                given.map(|(field, after)| FieldChange { field, before: FieldValue::None, after }).collect()
            }
        }
    }
}

/// JSON lines of unlike values through one closure.
mod erased {
    pub(super) trait Line {
        fn line(&self) -> Vec<u8>;
    }

    impl<T: serde::Serialize> Line for T {
        fn line(&self) -> Vec<u8> {
            let mut line = serde_json::to_vec(self).unwrap_or_default();
            line.push(b'\n');
            line
        }
    }
}
