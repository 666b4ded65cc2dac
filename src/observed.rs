//! What a directory holds, and what it can hold: data, in the normal form of [`crate::model`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::{
    manifest::{Budget, Project},
    model::{Body, Field, Key, Kind, Method, Name, Namespace, Paragraph, RemoteId, RoleTable, State, Username, Version},
};

/// One managed object as the directory holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Everything compared. `owner` is always given here.
    pub state: State,
    /// The directory's identifier.
    pub id: RemoteId,
    /// The precondition of the next write, where the directory has such a thing.
    pub version: Option<Version>,
    /// Whether we left it enabled: one that we did and that is not has been shut off outside.
    pub left_enabled: bool,
    /// What is owed or was given to sign in with.
    pub credential: CredentialMark,
    /// When the secret that was given last dies, if it has not been used. One in the past has died unused: by its time, because
    /// the account was shut off, or because its e-mail changed.
    pub unused_until: Option<Timestamp>,
    /// Since when it is retired.
    pub retired_at: Option<Timestamp>,
    /// When the directory first held it; the older of two has the better claim.
    pub created_at: Timestamp,
    /// Where it was last declared, `users/service.yaml:41`, as of the last write.
    pub source: Option<SmolStr>,
    /// Whether somebody has set a password of their own by now; none where that cannot be told.
    pub activated: Option<bool>,
}

/// The state of a credential: the debt comes first, the mark last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialMark {
    /// Nothing was ever asked for.
    #[default]
    None,
    /// Asked for and not yet delivered; the value is the `credential.reset` that asked, empty for the creation.
    Owed(SmolStr),
    /// The same, to be given in this way whatever is declared: `tenantry reset` asked, and what it killed must not come back to
    /// life by the way of a document.
    Ordered(Method, SmolStr),
    /// Delivered, for that request.
    Given(SmolStr),
}

impl CredentialMark {
    /// The `credential.reset` that was handled last, or is due.
    pub fn reset(&self) -> Option<&SmolStr> {
        match self {
            Self::None => None,
            Self::Owed(reset) | Self::Ordered(_, reset) | Self::Given(reset) => Some(reset),
        }
    }

    /// As directories keep it: `owed:RESET`, `ordered:METHOD:RESET`, `given:RESET`; nothing where nothing was ever asked for.
    pub fn text(&self) -> Option<SmolStr> {
        match self {
            Self::None => None,
            Self::Owed(reset) => Some(format_smolstr!("owed:{reset}")),
            Self::Ordered(method, reset) => Some(format_smolstr!("ordered:{}:{reset}", method.as_str())),
            Self::Given(reset) => Some(format_smolstr!("given:{reset}")),
        }
    }

    /// The mark that is kept as this text.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, reset) = text.split_once(':')?;
        match word {
            "owed" => Some(Self::Owed(SmolStr::new(reset))),
            "ordered" => {
                let (method, reset) = reset.split_once(':')?;
                let method = [Method::Invite, Method::Temporary].into_iter().find(|it| it.as_str() == method)?;
                Some(Self::Ordered(method, SmolStr::new(reset)))
            }
            "given" => Some(Self::Given(SmolStr::new(reset))),
            _ => None,
        }
    }

    /// What it says, in a word: `owed`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Owed(_) | Self::Ordered(..) => "owed",
            Self::Given(_) => "given",
        }
    }

    /// Whether it asks for a credential that has not been delivered.
    pub fn is_owed(&self) -> bool {
        match self {
            Self::Owed(_) | Self::Ordered(..) => true,
            Self::None | Self::Given(_) => false,
        }
    }
}

/// An object that is not managed. Raw text: a stranger can never fail a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The directory's identifier.
    pub id: RemoteId,
    /// What it is.
    pub kind: Kind,
    /// The object it stands under, managed or not.
    pub parent: Option<RemoteId>,
    /// A user's name to sign in with, in the directory's spelling; another thing's display name.
    pub label: SmolStr,
    /// A user's mailbox, in the directory's spelling.
    pub email: Option<SmolStr>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Why it is locked: one that was released stays what it was until `tenantry unlock`.
    pub locked: Option<Box<Paragraph>>,
    /// The precondition of the next write.
    pub version: Option<Version>,
    /// When the directory first held it.
    pub created_at: Timestamp,
    /// What could be declared of it, or why it cannot be.
    pub fit: Result<Body, SmolStr>,
}

/// Losses within the budget's window, by namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent(pub BTreeMap<Namespace, u64>);

impl Spent {
    /// Losses in all namespaces.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// What the directory remembers of runs before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The root of the last whole apply of this owner, if there was one.
    pub root: Option<String>,
    /// The settings of the last apply of this owner, if there was one.
    pub settings: Option<Settings>,
    /// The settings that every other owner applied last.
    pub others: BTreeMap<Name, Settings>,
    /// The ledger is a new one beside a directory that holds what is ours already: it is to be begun even where there is
    /// nothing to change.
    pub begins: bool,
}

/// What of a project may not be loosened in the run that makes use of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The project's `metadata.name`.
    pub project: Name,
    /// Who acts.
    pub actor: Option<Username>,
    /// How much may go wrong at once.
    pub budget: Budget,
    /// Things that lose nothing.
    pub protected: BTreeSet<Key>,
}

impl Settings {
    /// Those of a project.
    pub fn of(project: &Project) -> Self {
        let Project {
            name,
            actor,
            budget,
            protected,
            owner: _,
            directory: _,
            paths: _,
            regions: _,
            deletion: _,
            retention: _,
            passwords: _,
            mail: _,
            base_url: _,
            ledger: _,
        } = project;
        Self { project: name.clone(), actor: actor.clone(), budget: budget.clone(), protected: protected.clone() }
    }
}

/// What is in an object that declarations do not speak of, and goes or is left without it: devices of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// How many of each sort, in a word that says what becomes of them: `devices unassigned`. None that is 0.
    pub counts: BTreeMap<SmolStr, u64>,
    /// The first of them, by sort and name, each with its sort: the device "pump 1". Ten at most.
    pub first: Vec<SmolStr>,
}

/// How many of what goes with an object are named.
pub const CONTENTS_NAMED: usize = 10;

impl Contents {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Everything a directory holds, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Managed objects of every owner, sorted by key, each key once.
    pub ours: Vec<Live>,
    /// Objects that nobody manages, sorted by id.
    pub strangers: Vec<Stranger>,
    /// Losses within the budget's window.
    pub spent: Spent,
    /// What was applied before.
    pub applied: Applied,
    /// What would go with objects, of those for which that was asked ([`Capabilities::contents`]).
    pub contents: BTreeMap<RemoteId, Contents>,
}

impl Observed {
    /// The managed object with a key.
    pub fn get(&self, key: &Key) -> Option<&Live> {
        self.ours.binary_search_by(|live| live.state.key.cmp(key)).ok().map(|row| &self.ours[row])
    }

    /// The roles that belong to other owners.
    pub fn roles_of_others(&self, owner: &Name) -> RoleTable {
        let mut table = RoleTable::default();
        for Live { state, .. } in self.ours.iter().take_while(|live| live.state.key.kind == Kind::Role) {
            if let Body::Role(role) = &state.body
                && state.owner.as_ref() != Some(owner)
            {
                table.insert(state.key.namespace.clone(), state.key.name.clone(), role.clone());
            }
        }
        table
    }

    /// The roles in force: the built-in ones and those the directory holds.
    pub fn roles(&self) -> RoleTable {
        let mut table = RoleTable::built_in();
        for live in self.ours.iter().take_while(|live| live.state.key.kind == Kind::Role) {
            if let Body::Role(role) = &live.state.body {
                table.insert(live.state.key.namespace.clone(), live.state.key.name.clone(), role.clone());
            }
        }
        table
    }
}

/// What begins the name of a place that a namespace has no name for.
const OUTSIDE: &str = "outside-";

/// What a place is called that has no name in a namespace: it is not managed any more, or was re-keyed to another one.
pub fn outside_name(id: &RemoteId) -> Option<Name> {
    Name::nearest(&format!("{OUTSIDE}{}", id.0))
}

/// The identifier in such a name, where it is one.
pub fn outside_id(name: &str) -> Option<&str> {
    name.strip_prefix(OUTSIDE)
}

/// What is decided and read again. Never what planning may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// These keys, and whatever their claims touch.
    Only(BTreeSet<Key>),
}

impl Scope {
    /// Whether a key is decided.
    pub fn contains(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Only(keys) => keys.contains(key),
        }
    }
}

/// What a directory can do. The planner asks; a directory that cannot is a hold in the plan, never a failure half-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Fields it has a place for.
    pub fields: BTreeSet<Field>,
    /// Fields of what is there already that it does not change, each with the reason: `the realm does not allow …`.
    pub fixed: BTreeMap<(Kind, Field), SmolStr>,
    /// Texts that it does not take.
    pub limits: Vec<Limit>,
    /// Whether an account can be shut off and kept.
    pub disable: bool,
    /// Whether a user can move to another company or customer as the same account.
    pub move_users: bool,
    /// Whether a customer can move to another company as the same customer.
    pub move_customers: bool,
    /// Whether a customer can stand under nothing.
    pub lone_customers: bool,
    /// Kinds of which it makes no new ones for us and removes none, each with the reason.
    pub closed: BTreeMap<Kind, SmolStr>,
    /// What can stand under what: a company under a company, a user under a customer.
    pub places: BTreeSet<(Kind, Kind)>,
    /// How people can be given a credential.
    pub methods: BTreeSet<Method>,
    /// Whether it mails the links of [`Method::Invite`] itself, with a page of its own behind them.
    pub invites: bool,
    /// The roles that can be given to users, by their native names: `common-manager`, `nordlicht.helper`; none where that is any.
    pub roles: Option<BTreeSet<SmolStr>>,
    /// Roles that cannot be given to anybody, by their native names, each with the reason.
    pub refused_roles: BTreeMap<SmolStr, SmolStr>,
    /// An account opens by its owner setting the first password, and not before; after that nobody else sets one or takes it
    /// away ([`Live::activated`]).
    pub activation: bool,
    /// The links of [`Method::Invite`] in our mails are its own, as long as somebody has no password
    /// ([`Directory::link`](crate::directory::Directory::link)).
    pub links: bool,
    /// Things of its own go with a customer or company that is deleted
    /// ([`Directory::contents`](crate::directory::Directory::contents)).
    pub contents: bool,
    /// Fields of a user for which it asks people itself who have none: where a document says nothing of one, what they have said
    /// stays.
    pub asks: BTreeSet<Field>,
    /// Fields of a user without which it writes none.
    pub needs: BTreeSet<Field>,
    /// Changes worth sending at once.
    pub concurrency: usize,
}

/// What a text may be. Lengths are in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub kind: Kind,
    /// Which text.
    pub field: Field,
    /// The fewest characters.
    pub least: usize,
    /// The most characters.
    pub most: usize,
    /// Nothing but ASCII.
    pub ascii: bool,
    /// Characters that it may not have.
    pub without: SmolStr,
}

impl Limit {
    /// What the directory has against a text; nothing where it takes it.
    pub fn refuses(&self, text: &str) -> Option<String> {
        let Self { kind: _, field, least, most, ascii, without } = self;
        let (name, count) = (field.name(), text.chars().count());
        let forbidden = text.chars().find(|c| without.contains(*c));
        match forbidden {
            _ if count < *least => Some(format!("this directory wants at least {least} characters in `{name}`")),
            _ if count > *most => {
                Some(format!("this directory takes at most {most} characters in `{name}`, and these are {count}"))
            }
            _ if *ascii && !text.is_ascii() => Some(format!("this directory takes no other characters than ASCII in `{name}`")),
            Some(c) => Some(format!("this directory takes no {c:?} in `{name}`")),
            None => None,
        }
    }
}

impl Capabilities {
    /// Whatever documents can say of what stands under what.
    pub fn every_place() -> BTreeSet<(Kind, Kind)> {
        let (company, customer, user) = (Kind::Company, Kind::Customer, Kind::User);
        [(company, company), (customer, company), (user, company), (user, customer)].into()
    }

    /// Of a directory that has a place for everything: one of our own.
    pub fn everything() -> Self {
        Self {
            fields: Field::ALL.into(),
            fixed: BTreeMap::new(),
            limits: Vec::new(),
            disable: true,
            move_users: true,
            places: Self::every_place(),
            methods: [Method::Invite, Method::Temporary, Method::Secret, Method::Hash, Method::None].into(),
            invites: false,
            roles: None,
            move_customers: true,
            lone_customers: true,
            closed: BTreeMap::new(),
            refused_roles: BTreeMap::new(),
            activation: false,
            links: false,
            contents: false,
            asks: BTreeSet::new(),
            needs: BTreeSet::new(),
            concurrency: 1,
        }
    }
}
