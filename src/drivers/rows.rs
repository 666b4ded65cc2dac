//! What one change does to one object, wherever the objects are kept: shared by every driver that keeps them as rows of its
//! own. Pure; what is unique, and what stands under what, is for the driver to see to.

use jiff::Timestamp;
use smol_str::{SmolStr, format_smolstr};

use crate::{
    directory::{DirectoryError, ErrorKind, Executed},
    model::{Body, Field, FieldChange, FieldValue, Key, Kind, Name, Namespace, Place, RemoteId, State, Version},
    observed::{CredentialMark, Live, Stranger, outside_name},
    plan::{Action, Change},
};

/// An object as it stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Managed, by whichever owner.
    Managed(Box<Live>),
    /// Not managed.
    Stranger(Box<Stranger>),
}

impl Found {
    pub(crate) fn id(&self) -> &RemoteId {
        match self {
            Self::Managed(live) => &live.id,
            Self::Stranger(stranger) => &stranger.id,
        }
    }

    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Self::Managed(live) => live.version.as_ref(),
            Self::Stranger(stranger) => stranger.version.as_ref(),
        }
    }

    pub(crate) fn created_at(&self) -> Timestamp {
        match self {
            Self::Managed(live) => live.created_at,
            Self::Stranger(stranger) => stranger.created_at,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Managed(live) => live.state.key.kind,
            Self::Stranger(stranger) => stranger.kind,
        }
    }

    /// The key, where it has one.
    pub(crate) fn key(&self) -> Option<&Key> {
        match self {
            Self::Managed(live) => Some(&live.state.key),
            Self::Stranger(_) => None,
        }
    }
}

/// What a change comes to, given what was found.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// It holds already: nothing is written.
    Settled(Executed),
    /// A new object.
    Insert(Write<'a>),
    /// The object that was found, in another form.
    Replace(Write<'a>),
    /// The object that was found goes; what it said of itself, for the audit trail.
    Remove(Vec<FieldChange>),
}

/// What a write does to the secret of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    /// It stays as it is.
    Stays,
    /// It dies, used or not: a new one is owed.
    Dies,
    /// It dies if nobody has used it yet: the account is shut off, or its e-mail is another one.
    DiesUnused,
}

/// What becomes of the secret of an account that goes from one state to another. A password that somebody set stays: disable
/// and enable are one toggle that loses nothing.
fn secret(live: &Live, to: &State, mark: &CredentialMark) -> Secret {
    let email = |state: &State| state.body.user().map(|user| user.email.clone());
    let asked = mark.is_owed() && *mark != live.credential;
    if asked {
        Secret::Dies
    } else if live.unused_until.is_some() && to.owner.is_some() && (!to.enabled || email(&live.state) != email(to)) {
        Secret::DiesUnused
    } else {
        Secret::Stays
    }
}

/// What is written.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    /// The state afterwards. One without an owner is a release: key, owner, deletion and mark go.
    pub(crate) to: &'a State,
    /// The mark afterwards.
    pub(crate) credential: CredentialMark,
    /// What becomes of the secret that the account has.
    pub(crate) secret: Secret,
    /// Since when it is retired.
    pub(crate) retired_at: Option<Timestamp>,
    /// Where it is declared.
    pub(crate) source: Option<SmolStr>,
    /// It stays where it is, whatever that is called by now.
    pub(crate) stays: bool,
    /// The row version afterwards.
    pub(crate) version: u64,
    /// What differs from what was found.
    pub(crate) fields: Vec<FieldChange>,
}

/// Decides what `change` comes to at the time `now`, given the object it is about: the one with its `remote`, else the one
/// with its key.
pub(crate) fn step<'a>(change: &'a Change, found: Option<&Found>, now: Timestamp) -> Result<Step<'a>, DirectoryError> {
    if let Some(found) = found
        && found.kind() != change.key.kind
    {
        let cause = format!("{} is a {}", found.id().0, found.kind().word());
        return Err(failure(change, ErrorKind::Rejected).because(cause));
    }
    match (&change.action, found) {
        (Action::Create(to), None) => Ok(Step::Insert(insert(change, to, now))),
        (Action::Create(to), Some(Found::Managed(live))) if live.state == **to => Ok(settled(&live.id, live.version.as_ref())),
        (Action::Create(_), Some(_)) => Err(taken(change, Claim::Key)),
        (Action::Update { .. }, None) => Err(failure(change, ErrorKind::Moved).because("it is gone")),
        (Action::Update { fields: _, to }, Some(Found::Managed(live))) => {
            let credential = change.credential.as_ref().map_or(&live.credential, |action| &action.mark);
            let (stays, mut fields) = (stays(change, live), live.state.changes(to));
            fields.retain(|field| !(stays && field.field.is_place()));
            if fields.is_empty() && live.credential == *credential && live.left_enabled == to.enabled {
                return Ok(settled(&live.id, live.version.as_ref()));
            }
            unmoved(change, live.version.as_ref())?;
            Ok(Step::Replace(Write {
                to,
                credential: credential.clone(),
                secret: secret(live, to, credential),
                retired_at: if to.retired { live.retired_at.or(Some(now)) } else { None },
                source: change.source.clone().or_else(|| live.source.clone()),
                stays,
                version: after(live.version.as_ref()),
                fields,
            }))
        }
        (Action::Update { fields, to }, Some(Found::Stranger(stranger))) => {
            if to.owner.is_none() {
                return Ok(settled(&stranger.id, stranger.version.as_ref()));
            }
            unmoved(change, stranger.version.as_ref())?;
            let version = after(stranger.version.as_ref());
            // The trail begins here for this account: it says all of it, not only what becomes different.
            let fields = self::fields(to, |field, after| {
                let differing = fields.iter().find(|change| change.field == field);
                FieldChange { field, before: differing.map_or_else(|| after.clone(), |change| change.before.clone()), after }
            });
            Ok(Step::Replace(Write { version, fields, ..insert(change, to, now) }))
        }
        (Action::Delete, None) => {
            let id = change.remote.clone().unwrap_or_else(|| RemoteId(SmolStr::default()));
            Ok(Step::Settled(Executed { id, version: None }))
        }
        (Action::Delete, Some(found)) => {
            unmoved(change, found.version())?;
            Ok(Step::Remove(match found {
                Found::Managed(live) => fields(&live.state, |field, before| FieldChange { field, before, after: FieldValue::None }),
                Found::Stranger(_) => Vec::new(),
            }))
        }
    }
}

fn insert<'a>(change: &'a Change, to: &'a State, now: Timestamp) -> Write<'a> {
    Write {
        to,
        credential: change.credential.as_ref().map(|action| action.mark.clone()).unwrap_or_default(),
        secret: Secret::Stays,
        retired_at: to.retired.then_some(now),
        source: change.source.clone(),
        stays: false,
        version: 1,
        fields: match change.action {
            Action::Create(_) => fields(to, |field, after| FieldChange { field, before: FieldValue::None, after }),
            Action::Update { .. } | Action::Delete => Vec::new(),
        },
    }
}

/// Whether an update leaves an object where it is. What stands above it may have another name than when the change was
/// planned: that is a change of the other object, and none of this one.
fn stays(change: &Change, live: &Live) -> bool {
    live.state.key.namespace == change.key.namespace && !change.fields().iter().any(|change| change.field.is_place())
}

fn fields(state: &State, change: impl Fn(Field, FieldValue) -> FieldChange) -> Vec<FieldChange> {
    let given = state.fields().into_iter().filter(|(_, value)| *value != FieldValue::None);
    given.map(|(field, value)| change(field, value)).collect()
}

fn settled(id: &RemoteId, version: Option<&Version>) -> Step<'static> {
    Step::Settled(Executed { id: id.clone(), version: version.cloned() })
}

fn unmoved(change: &Change, version: Option<&Version>) -> Result<(), DirectoryError> {
    match &change.expect {
        Some(expected) if Some(expected) != version => {
            let found = version.map_or("none", |version| version.0.as_str());
            Err(failure(change, ErrorKind::Moved).because(format!("version {} was expected, it is {found}", expected.0)))
        }
        Some(_) | None => Ok(()),
    }
}

fn after(version: Option<&Version>) -> u64 {
    version.and_then(|version| version.0.parse::<u64>().ok()).unwrap_or_default() + 1
}

/// A row version as the port has it.
pub(crate) fn version(number: u64) -> Version {
    Version(format_smolstr!("{number}"))
}

/// In which namespace a loss counts: the one in which the object was.
pub(crate) fn loses(change: &Change, found: Option<&Found>) -> Namespace {
    found.and_then(Found::key).map_or_else(|| change.key.namespace.clone(), |key| key.namespace.clone())
}

/// A failure of a change.
pub(crate) fn failure(change: &Change, kind: ErrorKind) -> DirectoryError {
    DirectoryError::new(format!("{} {}", change.verb().as_str(), change.key), kind)
}

/// Something that must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Key,
    Username,
    Email,
    Title,
}

/// The failure of a change that wants something another object has.
pub(crate) fn taken(change: &Change, claim: Claim) -> DirectoryError {
    let body = match &change.action {
        Action::Create(to) | Action::Update { fields: _, to } => Some(&to.body),
        Action::Delete => None,
    };
    let cause = match (claim, body) {
        (Claim::Username, Some(Body::User(user))) => format!("another user has the username `{}`", user.username),
        (Claim::Email, Some(Body::User(user))) => format!("another user has the e-mail `{}`", user.email),
        (Claim::Title, Some(Body::Customer(it))) => {
            format!("another customer of the company has the display name `{}`", it.display_name)
        }
        (Claim::Username | Claim::Email | Claim::Title, _) => "another object has one of its names".to_owned(),
        (Claim::Key, _) => format!("there is another {} of this name", change.key),
    };
    failure(change, ErrorKind::Conflict).because(cause)
}

/// The failure of a change that needs something above it which is not there.
pub(crate) fn homeless(change: &Change, above: &Key) -> DirectoryError {
    failure(change, ErrorKind::Rejected).because(format!("{above} does not exist"))
}

/// The failure of a company that would stand under itself.
pub(crate) fn cyclic(change: &Change) -> DirectoryError {
    failure(change, ErrorKind::Rejected).because("it would stand under itself")
}

/// The failure of a deletion that would leave others without a place.
pub(crate) fn inhabited(change: &Change, count: u64) -> DirectoryError {
    let objects = if count == 1 { "1 object still stands".to_owned() } else { format!("{count} objects still stand") };
    failure(change, ErrorKind::Rejected).because(format!("{objects} under it"))
}

/// What one object is to those that stand under it.
#[derive(Debug, Clone)]
pub(crate) struct Above<'a> {
    pub(crate) id: &'a RemoteId,
    pub(crate) kind: Kind,
    pub(crate) key: Option<(&'a Namespace, &'a Name)>,
}

impl Above<'_> {
    /// The place, as something in `namespace` says it. A place is a name in the same namespace; where the object has none
    /// there (it is not managed any more, or was re-keyed to another namespace) the name is `outside-ID`. None of the
    /// alternatives would be true: no place at all says it stands alone, the old name may be that of another object by now,
    /// and refusing to read stops everything. A document says another name, so a plan shows what it is: a move.
    pub(crate) fn place(&self, namespace: &Namespace) -> Option<Place> {
        let name = match self.key {
            Some((its, name)) if its == namespace => name.clone(),
            Some(_) | None => outside_name(self.id)?,
        };
        match self.kind {
            Kind::Company => Some(Place::Company(name)),
            Kind::Customer => Some(Place::Customer(name)),
            Kind::Role | Kind::User => None,
        }
    }
}
