//! What a directory cannot do is held, with the reason, before anything is written.

use super::{
    board::{Board, Draft, Found},
    types::{Held, Hold},
};
use crate::model::{Credential, Field, FieldChange, FieldValue, Kind, Method, Namespace, State};

/// A field that a directory has no place for, or does not change.
pub(super) fn lacking(field: Field) -> Held {
    refused(field, format!("this directory cannot keep or change `{}`", field.name()))
}

fn refused(field: Field, message: String) -> Held {
    Held { hold: Hold::Unsupported(Some(field)), message }
}

impl Board<'_> {
    /// Why the directory cannot bring a thing into a state, if so.
    pub(super) fn unsupported(&self, draft: &Draft<'_>, wanted: &State) -> Option<Held> {
        let changes = match draft.found.state() {
            Some(found) => found.changes(wanted),
            None => given(wanted),
        };
        let refusal = changes.iter().find_map(|change| self.refusal(draft, wanted, change));
        let unmakeable = || self.unmakeable(draft);
        let lone = || self.lone(draft, wanted);
        let pending = || self.pending(draft, wanted);
        let missing = || self.missing(wanted);
        refusal
            .or_else(missing)
            .or_else(unmakeable)
            .or_else(lone)
            .or_else(|| self.ungivable(draft, Self::asks(draft)?))
            .or_else(pending)
    }

    /// A field of which the directory demands that everybody has it.
    fn missing(&self, wanted: &State) -> Option<Held> {
        let needs = &self.input.capabilities.needs;
        if needs.is_empty() || wanted.key.kind != Kind::User {
            return None;
        }
        let mut fields = wanted.fields().into_iter();
        let (field, _) = fields.find(|(field, value)| needs.contains(field) && *value == FieldValue::None)?;
        let message = format!("this directory writes nobody who has no `{}`: declare it", field.name());
        Some(refused(field, message))
    }

    /// A thing of a kind of which the directory makes no new ones for us.
    fn unmakeable(&self, draft: &Draft<'_>) -> Option<Held> {
        let why = self.input.capabilities.closed.get(&draft.key.kind)?;
        let message = || format!("no {} can be made here: {why}", draft.key.kind.word());
        matches!(draft.found, Found::Nothing).then(|| Held { hold: Hold::Unsupported(None), message: message() })
    }

    /// Why a thing of such a kind cannot go either, if so.
    pub(super) fn irremovable(&self, draft: &Draft<'_>) -> Option<Held> {
        let why = self.input.capabilities.closed.get(&draft.key.kind)?;
        let message = format!("no {} can be deleted here: {why}", draft.key.kind.word());
        Some(Held { hold: Hold::Unsupported(None), message })
    }

    /// A customer that would stand under nothing.
    fn lone(&self, draft: &Draft<'_>, wanted: &State) -> Option<Held> {
        let lone = |state: &State| state.key.kind == Kind::Customer && state.place.is_none();
        let barred = !self.input.capabilities.lone_customers && lone(wanted) && !draft.found.state().is_some_and(lone);
        barred.then(|| refused(Field::Company, "here every customer belongs to a company: say which, with `company`".into()))
    }

    /// Somebody who was shut off before they ever set a password, and gets nothing to set one with.
    fn pending(&self, draft: &Draft<'_>, wanted: &State) -> Option<Held> {
        let Found::Live(live) = &draft.found else { return None };
        let opens = !live.state.enabled && wanted.enabled;
        let given = Self::asks(draft).is_some() || live.unused_until.is_some_and(|until| until <= self.input.policy.now);
        if !self.input.capabilities.activation || live.activated != Some(false) || !opens || given {
            return None;
        }
        let message = "nobody has ever set a password there, and the directory opens the account when somebody does: ask for a \
                       credential with it, `credential: { method: Invite, reset: \"1\" }`";
        Some(Held { hold: Hold::PendingActivation, message: message.into() })
    }

    /// What the directory has against one change.
    fn refusal(&self, draft: &Draft<'_>, wanted: &State, change: &FieldChange) -> Option<Held> {
        let FieldChange { field, before, after } = change;
        let (can, field, kind) = (self.input.capabilities, *field, wanted.key.kind);
        let (new, adopted) = (matches!(draft.found, Found::Nothing), matches!(draft.found, Found::Stranger(..)));
        if field == Field::Type && *before != FieldValue::None && !adopted {
            let message = "`type` cannot change after creation: declare another company and move its people";
            return Some(refused(field, message.into()));
        }
        // Kept in our own mark.
        if matches!(field, Field::Key | Field::Owner | Field::Retired | Field::Deletion | Field::Suspended | Field::Locked) {
            return None;
        }
        if let Some(why) = can.fixed.get(&(kind, field)).filter(|_| !new) {
            return Some(refused(field, format!("`{}` cannot change here: {why}", field.name())));
        }
        let above = wanted.place.as_ref().map(|place| place.key(&Namespace::GLOBAL).kind);
        let able = match field {
            Field::Enabled => new || can.disable,
            field if field.is_place() => {
                let moves = match kind {
                    Kind::User => can.move_users,
                    Kind::Customer => can.move_customers,
                    Kind::Company | Kind::Role => true,
                };
                (new || moves || self.remains(draft, wanted)) && above.is_none_or(|above| can.places.contains(&(kind, above)))
            }
            field => can.fields.contains(&field),
        };
        if !able {
            return Some(lacking(field));
        }
        let text = after.text()?;
        if field == Field::Role {
            return self.unknown_role(wanted);
        }
        let mut limits = can.limits.iter().filter(|limit| limit.kind == kind && limit.field == field);
        limits.find_map(|limit| limit.refuses(text)).map(|why| refused(field, why))
    }

    /// Whether it stands under the same thing as before, which is called something else from now on.
    fn remains(&self, draft: &Draft<'_>, wanted: &State) -> bool {
        let before = draft.found.state().and_then(|found| self.above(found));
        before.is_some() && before == wanted.above()
    }

    /// A role that cannot be given here, or would have to be made there first, by somebody else.
    fn unknown_role(&self, wanted: &State) -> Option<Held> {
        let role = &wanted.body.user()?.role;
        let namespace = &wanted.key.namespace;
        let local = self.input.roles.table.exact(namespace, role).is_some();
        let native = if local { format!("{namespace}.{role}") } else { role.to_string() };
        if let Some(why) = self.input.capabilities.refused_roles.get(native.as_str()) {
            return Some(refused(Field::Role, format!("the role `{native}` cannot be given here: {why}")));
        }
        let known = self.input.capabilities.roles.as_ref()?;
        let message = || format!("the directory has no role `{native}`, and we may not make one: make it there first");
        (!known.contains(native.as_str())).then(|| refused(Field::Role, message()))
    }

    /// The way in which a credential is asked for, where one is asked for anew.
    pub(super) fn asks(draft: &Draft<'_>) -> Option<Method> {
        let Credential { method, source: _, reset } = draft.entry?.credential.as_deref()?;
        let asked = match &draft.found {
            Found::Nothing => true,
            Found::Stranger(..) => false,
            Found::Live(live) => live.credential.is_owed() || reset.is_some() && reset.as_ref() != live.credential.reset(),
        };
        asked.then_some(*method)
    }

    /// A way to sign in that the directory cannot give anybody.
    pub(super) fn ungivable(&self, draft: &Draft<'_>, method: Method) -> Option<Held> {
        let can = &self.input.capabilities.methods;
        if can.contains(&method) {
            return self.own_password(draft, method);
        }
        let others: Vec<String> = can.iter().map(|method| format!("`{}`", method.as_str())).collect();
        let message = format!("this directory cannot give a credential by `{}`; it can by {}", method.as_str(), others.join(", "));
        Some(Held { hold: Hold::Unsupported(None), message })
    }

    /// A password for somebody who has set one, where nobody else does that.
    fn own_password(&self, draft: &Draft<'_>, method: Method) -> Option<Held> {
        let Found::Live(live) = &draft.found else { return None };
        let sets = match method {
            Method::Temporary | Method::Secret | Method::Hash => true,
            Method::Invite | Method::None => false,
        };
        // One that is owed may have been set, and the run have ended before it said so: whoever sets it finds that out.
        let barred = self.input.capabilities.activation && live.activated == Some(true) && sets && !live.credential.is_owed();
        let message = || {
            "they have set a password, and this directory lets nobody else set another: by `Invite` they get a mail with which they \
             do it themselves"
        };
        barred.then(|| Held { hold: Hold::Unsupported(None), message: message().into() })
    }

    /// How somebody gets a new credential who did not say.
    pub(super) fn mailed_method(&self) -> Method {
        if self.input.capabilities.methods.contains(&Method::Temporary) { Method::Temporary } else { Method::Invite }
    }
}

/// What a new thing says of itself, as changes of nothing.
fn given(wanted: &State) -> Vec<FieldChange> {
    let given = |value: &FieldValue| match value {
        FieldValue::Text(_) | FieldValue::List(_) => true,
        FieldValue::None | FieldValue::Flag(_) => false,
    };
    let fields = wanted.fields().into_iter().filter(|(_, value)| given(value));
    fields.map(|(field, after)| FieldChange { field, before: FieldValue::None, after }).collect()
}
