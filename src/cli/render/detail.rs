//! What one change comes to, in words.

use crate::{
    model::{Body, Credential, Field, FieldChange, FieldValue, Kind, Method, Place, State, visible},
    observed::Contents,
    plan::{Action, Change, Reason, Verb},
};

/// The longest value that is shown in a table, in characters.
const LONGEST: usize = 60;

/// The lines beside one change: why, then what differs, then what will be owed.
pub(crate) fn change(change: &Change) -> Vec<String> {
    match &change.action {
        Action::Create(state) => vec![format!("{}{}", created(state), signs_in(change, state))],
        Action::Delete => std::iter::once(removed(change)).chain(change.takes.as_deref().map(taken)).collect(),
        Action::Update { fields, to: _ } => {
            let differing = fields.iter().filter(|field| !told(field, change)).map(field_change);
            let owed = owed(change).map(|credential| match change.issues() {
                Some(_) => format!("credential: {} is issued", request(credential)),
                None => format!("credential: {} is owed until the account is enabled", request(credential)),
            });
            reason(change).into_iter().chain(differing).chain(owed).collect()
        }
    }
}

/// The method of a credential that becomes due.
fn owed(change: &Change) -> Option<&Credential> {
    change.credential.as_ref().filter(|_| change.owes()).map(|action| &action.credential)
}

/// `Secret (env MARA_PASSWORD)`
fn request(credential: &Credential) -> String {
    let Credential { method, source, reset: _ } = credential;
    let source = source.as_ref().map_or_else(String::new, |source| format!(" ({})", visible(&source.to_string())));
    format!("{}{source}", method.as_str())
}

/// How somebody new gets to sign in.
fn signs_in(change: &Change, state: &State) -> String {
    match (state.key.kind, owed(change)) {
        (Kind::User, Some(credential)) => {
            let mailed = matches!(credential.method, Method::Invite | Method::Temporary);
            let to = state.body.user().filter(|_| mailed).map(|user| format!(" to {}", visible(user.email.as_str())));
            format!("; credential: {}{}", request(credential), to.unwrap_or_default())
        }
        (Kind::User, None) => "; cannot sign in: no `credential`".into(),
        (Kind::Role | Kind::Company | Kind::Customer, _) => String::new(),
    }
}

/// `role: owner → operations-engineer`
pub(crate) fn field_change(change: &FieldChange) -> String {
    let FieldChange { field, before, after } = change;
    let (mut from, mut to) = (value(before), value(after));
    if from == to
        && let (FieldValue::Text(before), FieldValue::Text(after)) = (before, after)
    {
        // Both begin alike: what is cut off is what matters.
        (from, to) = apart(&visible(before), &visible(after));
    }
    format!("{}: {from} → {to}", field.name())
}

/// Two long texts, each from a little before the place where they begin to differ.
fn apart(before: &str, after: &str) -> (String, String) {
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| {
        let rest: String = text.chars().skip(same.saturating_sub(LONGEST / 3)).collect();
        format!("…{}", shortened(&rest))
    };
    (from(before), from(after))
}

fn value(value: &FieldValue) -> String {
    match value {
        FieldValue::None => "none".into(),
        FieldValue::Flag(true) => "yes".into(),
        FieldValue::Flag(false) => "no".into(),
        FieldValue::Text(text) => shortened(text),
        FieldValue::List(items) if items.is_empty() => "none".into(),
        FieldValue::List(items) => shortened(&items.join(", ")),
    }
}

fn shortened(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `Installer under nordlicht`, `operations-engineer in nordlicht-service`.
fn created(state: &State) -> String {
    let under = match &state.place {
        Some(Place::Company(name) | Place::Customer(name)) => Some(name.as_str()),
        None => None,
    };
    let text = match (&state.body, under) {
        (Body::Role(role), _) => {
            let kinds: Vec<_> = role.lives_under.iter().map(|kind| kind.manifest()).collect();
            let privileged = if role.privileged { ", privileged" } else { "" };
            format!("lives under {}{privileged}", kinds.join(" and "))
        }
        (Body::Company(company), under) => {
            let what = company.company_type.map_or("Company", |it| it.as_str());
            under.map_or_else(|| format!("{what} at the root"), |under| format!("{what} under {under}"))
        }
        (Body::Customer(_), under) => under.map_or_else(|| "Customer on its own".into(), |under| format!("Customer of {under}")),
        (Body::User(user), under) => format!("{} in {}", user.role, under.unwrap_or("no company")),
    };
    let note = match (state.suspended, state.enabled) {
        (true, _) => ", declared with `enabled: false`",
        (false, false) => ", disabled",
        (false, true) => "",
    };
    visible(&format!("{text}{note}"))
}

/// What goes with it: `with it 3 devices unassigned, 1 dashboard unassigned: device `a`, … and 2 more`.
fn taken(contents: &Contents) -> String {
    let Contents { counts, first } = contents;
    let counted: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let rest = contents.total().saturating_sub(first.len() as u64);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    visible(&format!("with it: {}: {}{more}", counted.join(", "), first.join(", ")))
}

/// Why a thing goes, with the place where it was last declared.
fn removed(change: &Change) -> String {
    match &change.reason {
        Reason::NotDeclared => not_declared(change),
        Reason::Purged => "retired, and its deletion is asked for with `--purge`".into(),
        Reason::Declared
        | Reason::Locked
        | Reason::Unlocked
        | Reason::Reset
        | Reason::Owed
        | Reason::DeclaredAgain
        | Reason::Above(_)
        | Reason::DisabledOutside
        | Reason::Expired
        | Reason::MovedFrom(_)
        | Reason::Adopted
        | Reason::Salvaged
        | Reason::ShuttingOff => format!("deleted ({})", change.reason.name()),
    }
}

fn not_declared(change: &Change) -> String {
    match &change.source {
        Some(source) => format!("not declared any more (last: {})", visible(source)),
        None => "not declared any more".into(),
    }
}

/// Why, where the fields alone do not say it.
pub(super) fn reason(change: &Change) -> Option<String> {
    let shut_off = change.verb() == Verb::Disable;
    match &change.reason {
        Reason::Declared if shut_off => Some("declared with `enabled: false`".into()),
        Reason::Declared if change.verb() == Verb::Enable => Some("declared enabled again".into()),
        Reason::Declared => None,
        Reason::NotDeclared => Some(not_declared(change)),
        Reason::DeclaredAgain => Some("was retired, and is declared again".into()),
        Reason::Above(key) if shut_off => Some(format!("shut off with {key} above")),
        Reason::Above(key) => Some(format!("{key} above is enabled again")),
        Reason::DisabledOutside => Some("was disabled outside, and is declared enabled".into()),
        Reason::Expired => Some("its `expires` is over".into()),
        Reason::MovedFrom(_) => Some("the same account under another name".into()),
        Reason::Adopted => Some(format!("{}; keeps its account", adopted(change))),
        Reason::Purged => Some("its deletion is asked for with `--purge`".into()),
        Reason::Locked => Some("locked against the declaration, until `tenantry unlock`".into()),
        Reason::Unlocked => Some("unlocked: what is declared counts again".into()),
        Reason::Reset => Some("asked for with `tenantry reset`".into()),
        Reason::Owed => Some("asked for before, and not delivered yet".into()),
        Reason::Salvaged => Some("its document is broken, and this much is certain".into()),
        Reason::ShuttingOff => Some("this goes at once, the rest of it is held".into()),
    }
}

/// Whose it was, if anybody's.
fn adopted(change: &Change) -> String {
    let owner = change.fields().iter().find(|it| it.field == Field::Owner && it.before != FieldValue::None);
    owner.map_or_else(|| "not managed so far".to_owned(), field_change)
}

/// Whether verb and reason have said already what a field says: nobody needs to read `enabled: yes → no` beside `disable`.
fn told(difference: &FieldChange, change: &Change) -> bool {
    let (verb, FieldChange { field, before: _, after: _ }) = (change.verb(), difference);
    match field {
        Field::Enabled => matches!(verb, Verb::Disable | Verb::Enable | Verb::Delete),
        // Beside a lock nothing else says it.
        Field::Suspended => matches!(verb, Verb::Disable | Verb::Enable | Verb::Create | Verb::Delete),
        Field::Retired => true,
        Field::Locked => change.reason == Reason::Unlocked,
        Field::Owner => matches!(verb, Verb::Adopt | Verb::Release) || change.reason == Reason::Adopted,
        Field::Key
        | Field::Deletion
        | Field::Parent
        | Field::Company
        | Field::Customer
        | Field::Username
        | Field::Email
        | Field::DisplayName
        | Field::FirstName
        | Field::LastName
        | Field::Phone
        | Field::Region
        | Field::Role
        | Field::Description
        | Field::Expires
        | Field::Justification
        | Field::Type
        | Field::Logo
        | Field::ContactName
        | Field::ContactEmail
        | Field::ContactPhone
        | Field::Country
        | Field::State
        | Field::City
        | Field::Zip
        | Field::Line1
        | Field::Line2
        | Field::LivesUnder
        | Field::MayAppoint
        | Field::Privileged
        | Field::ManageCompanies
        | Field::ManageCustomers
        | Field::Requires => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_shows_where_it_differs() {
        let long = |end: &str| FieldValue::Text(format!("{}{end}", "a".repeat(100)).into());
        let change = FieldChange { field: Field::Email, before: long("@good.example"), after: long("@evil.example") };
        let a = "a".repeat(19);
        assert_eq!(field_change(&change), format!("email: …{a}@good.example → …{a}@evil.example"));
        let change = FieldChange { field: Field::Email, before: FieldValue::None, after: long("@good.example") };
        assert_eq!(field_change(&change), format!("email: none → {}…", "a".repeat(60)));
    }
}
