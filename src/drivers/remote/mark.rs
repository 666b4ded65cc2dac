//! The mark: what we have to know of an object and the directory has no field for, as one line of JSON that a person can read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    model::{Deletion, Field, Key, Kind, Name, Namespace, Paragraph},
    observed::CredentialMark,
};

/// The form of marks that this program writes. One that it does not know was written by a newer one.
const VERSION: u32 = 1;

/// What a mark says. Names are written out: somebody will look at an account at three in the morning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) owner: Name,
    pub(super) key: Key,
    pub(super) deletion: Deletion,
    pub(super) suspended: bool,
    pub(super) locked: Option<Paragraph>,
    pub(super) retired_at: Option<Timestamp>,
    /// Whether we left it enabled.
    pub(super) left_enabled: bool,
    pub(super) credential: CredentialMark,
    pub(super) source: Option<SmolStr>,
    /// When we created it or took it over: for directories that do not say.
    pub(super) created_at: Timestamp,
    /// The role that we gave, by its native name.
    pub(super) role: Option<SmolStr>,
    /// Fields that the directory has no place for.
    pub(super) fields: Vec<(Field, SmolStr)>,
    /// What we wrote and the directory spells in its own way: the field, ours, theirs.
    pub(super) spelled: Vec<(Field, SmolStr, SmolStr)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    v: u32,
    owner: Name,
    /// `KIND/NAMESPACE/NAME`
    key: SmolStr,
    #[serde(default, skip_serializing_if = "is_default")]
    deletion: Deletion,
    #[serde(default, skip_serializing_if = "is_default")]
    suspended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked: Option<Paragraph>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<SmolStr>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<SmolStr, SmolStr>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spelled: BTreeMap<SmolStr, (SmolStr, SmolStr)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Mark {
    /// Its text: one line, without anything but JSON.
    pub(super) fn text(&self) -> String {
        let Self {
            owner,
            key,
            deletion,
            suspended,
            locked,
            retired_at,
            left_enabled,
            credential,
            source,
            created_at,
            role,
            fields,
            spelled,
        } = self;
        let name = |field: &Field| SmolStr::new_static(field.name());
        let wire = Wire {
            v: VERSION,
            owner: owner.clone(),
            key: format_smolstr!("{key}"),
            deletion: *deletion,
            suspended: *suspended,
            locked: locked.clone(),
            retired_at: *retired_at,
            enabled: *left_enabled,
            credential: credential.text(),
            source: source.clone(),
            created_at: *created_at,
            role: role.clone(),
            fields: fields.iter().map(|(field, text)| (name(field), text.clone())).collect(),
            spelled: spelled.iter().map(|(field, ours, theirs)| (name(field), (ours.clone(), theirs.clone()))).collect(),
        };
        serde_json::to_string(&wire).expect("a mark is JSON")
    }

    /// Reads the text of the mark of a `kind`, or says what is wrong with it.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, SmolStr> {
        let wrong = |why: &dyn std::fmt::Display| format_smolstr!("its mark of Tenantry cannot be read: {why}");
        let version = serde_json::from_str::<Version>(text).map_err(|error| wrong(&error))?.v;
        if version > VERSION {
            return Err(format_smolstr!("a newer Tenantry has marked it (form {version}, this one knows {VERSION})"));
        }
        let Wire {
            v: _,
            owner,
            key,
            deletion,
            suspended,
            locked,
            retired_at,
            enabled,
            credential,
            source,
            created_at,
            role,
            fields,
            spelled,
        } = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        let key: Key = key.parse().map_err(|error| wrong(&error))?;
        if key.kind != kind {
            return Err(wrong(&format_args!("it is that of a {}", key.kind.word())));
        }
        let credential = match credential {
            None => CredentialMark::None,
            Some(text) => CredentialMark::parse(&text).ok_or_else(|| wrong(&"its credential is unknown"))?,
        };
        let field = |name: &str| Field::parse(name).ok_or_else(|| wrong(&format_args!("there is no field {name}")));
        let fields = fields.into_iter().map(|(name, text)| Ok((field(&name)?, text))).collect::<Result<_, SmolStr>>()?;
        let spelled = spelled.into_iter().map(|(name, (ours, theirs))| Ok((field(&name)?, ours, theirs)));
        let spelled = spelled.collect::<Result<_, SmolStr>>()?;
        Ok(Self {
            owner,
            key,
            deletion,
            suspended,
            locked,
            retired_at,
            left_enabled: enabled,
            credential,
            source,
            created_at,
            role,
            fields,
            spelled,
        })
    }
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The name of a role in a directory: its own where it is global, else `NAMESPACE.NAME`, which no label of ours can be.
pub(super) fn native_role(namespace: &Namespace, name: &Name, local: bool) -> SmolStr {
    if local && *namespace != Namespace::GLOBAL { format_smolstr!("{namespace}.{name}") } else { SmolStr::new(name.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_text() {
        let mark = Mark {
            owner: Name::new("acme").unwrap(),
            key: "user/nordlicht/mara".parse().unwrap(),
            deletion: Deletion::Retain,
            suspended: true,
            locked: Some(Paragraph::new("laptop \"lost\"\n紛失").unwrap()),
            retired_at: Some(Timestamp::from_microsecond(1_767_225_600_000_001).unwrap()),
            left_enabled: false,
            credential: CredentialMark::Owed("a:b".into()),
            source: Some("users/a.yaml:1".into()),
            created_at: Timestamp::from_second(1_767_225_600).unwrap(),
            role: Some("nordlicht.helper".into()),
            fields: vec![(Field::Region, "europe".into()), (Field::ContactName, "Ø".into())],
            spelled: vec![(Field::DisplayName, "Mara  L".into(), "Mara L".into())],
        };
        let text = mark.text();
        assert!(!text.contains('\n'));
        let mut sorted = mark.clone();
        sorted.fields.sort_by_key(|(field, _)| field.name());
        assert_eq!(Mark::parse(Kind::User, &text), Ok(sorted));
        assert!(Mark::parse(Kind::Company, &text).unwrap_err().contains("it is that of a user"));
        assert!(Mark::parse(Kind::User, &text.replace("\"v\":1", "\"v\":2")).unwrap_err().contains("newer"));
        for broken in ["", "{}", "null", "{\"v\":1}", &text[..text.len() - 1]] {
            assert!(Mark::parse(Kind::User, broken).unwrap_err().contains("cannot be read"), "{broken}");
        }
    }
}
