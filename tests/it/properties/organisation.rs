//! Generated organisations: small, so that names, parents and claims meet all the time.

use std::{collections::BTreeSet, fmt};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use smol_str::format_smolstr;
use tenantry::{
    desired::{self, Desired},
    manifest::{Declared, Extent, Form, Lowered, Origin, Project, Salvage},
    model::{
        Body, Company, CompanyType, Credential, Customer, Deletion, Email, Key, Kind, Line, Method, Name, Namespace, Paragraph,
        Place, RemoteId, Role, User, Username,
    },
};

/// Namespaces by number; the third one is for roles alone.
const SPACES: [&str; 2] = ["default", "north"];
/// Roles that users hold: built in, and declared.
const HELD: [&str; 6] = ["owner", "operations-engineer", "common-manager", "ro0", "ro1", "customer-user"];
/// Roles that are declared: two of their own, and two in the place of built-in ones.
const DECLARED: [&str; 4] = ["ro0", "ro1", "operations-engineer", "common-manager"];

/// One thing of an organisation.
#[derive(Clone)]
pub(super) struct Thing {
    pub(super) kind: Kind,
    space: u8,
    slot: u8,
    above: Option<(bool, u8)>,
    label: u8,
    email: u8,
    role: u8,
    enabled: bool,
    deletion: Deletion,
    distributor: Option<bool>,
    pub(super) broken: bool,
    moved_from: Option<(u8, u8)>,
    adopt: Option<u8>,
    /// Days after the beginning of the clock.
    expires: Option<i8>,
    reset: Option<u8>,
    /// Of a role: privileged, where it lives, what it requires.
    terms: (bool, u8, u8),
}

/// A whole or partial declaration.
#[derive(Debug, Clone)]
pub(super) struct Org {
    pub(super) things: Vec<Thing>,
    pub(super) whole: bool,
    pub(super) unreadable: bool,
}

/// One that nobody manages, put in when there is something to put it into.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    pub(super) label: u8,
    pub(super) email: u8,
    pub(super) enabled: bool,
    /// Which of the companies and customers it stands under.
    pub(super) under: Option<prop::sample::Index>,
}

pub(super) fn foreign_id(slot: usize) -> RemoteId {
    RemoteId(format_smolstr!("s{slot}"))
}

fn key(kind: Kind, space: u8, slot: u8) -> Key {
    let namespace = match (kind, SPACES.get(usize::from(space))) {
        (_, Some(name)) => Namespace::new(name).unwrap(),
        (Kind::Role, None) => Namespace::GLOBAL,
        (_, None) => unreachable!("only roles are global"),
    };
    let called = match kind {
        Kind::Role => DECLARED[usize::from(slot)].to_owned(),
        _ => format!("{}{slot}", &kind.word()[..2]),
    };
    Key::new(kind, namespace, Name::new(&called).unwrap())
}

/// A user with nothing but a name and a mailbox.
pub(super) fn plain_user(label: u8, email: u8) -> User {
    User {
        username: Username::new(&format!("user{label}")).unwrap(),
        email: Email::new(&format!("user{email}@x.example")).unwrap(),
        role: Name::new("owner").unwrap(),
        display_name: None,
        first_name: None,
        last_name: None,
        phone: None,
        region: None,
        description: None,
        expires: None,
        justification: None,
    }
}

impl Thing {
    pub(super) fn key(&self) -> Key {
        key(self.kind, self.space, self.slot)
    }

    fn under_company(&self) -> bool {
        self.kind != Kind::User || self.above.is_none_or(|it| it.0)
    }

    fn place(&self) -> Option<Place> {
        if self.kind == Kind::Role {
            return None;
        }
        let (_, slot) = self.above.or_else(|| (self.kind == Kind::User).then_some((true, 0)))?;
        let kind = if self.under_company() { Kind::Company } else { Kind::Customer };
        let above = key(kind, self.space, if self.under_company() { slot } else { slot % 3 });
        Place::under(&above)
    }

    fn held_role(&self) -> Name {
        let role = usize::from(self.role);
        Name::new(if self.under_company() { HELD[role % 5] } else { ["customer-user", "owner", "ro0"][role % 3] }).unwrap()
    }

    fn body(&self) -> Body {
        let line = |text: String| Line::new(&text).unwrap();
        match self.kind {
            Kind::Role => {
                let (privileged, lives_under, requires) = self.terms;
                Body::Role(Role {
                    lives_under: match lives_under {
                        0 => vec![Kind::Customer],
                        1 => vec![Kind::Company],
                        _ => vec![Kind::Company, Kind::Customer],
                    },
                    may_appoint: vec![self.key().name],
                    privileged,
                    manage_companies: false,
                    manage_customers: false,
                    requires_expires: requires == 0,
                    requires_justification: requires <= 1,
                })
            }
            Kind::Company => Body::Company(Company {
                display_name: line(format!("Company {}", self.label)),
                company_type: self.distributor.map(|it| if it { CompanyType::Distributor } else { CompanyType::Installer }),
                region: None,
                contact: None,
                address: None,
                logo: None,
                description: None,
            }),
            Kind::Customer => Body::Customer(Customer {
                display_name: line(format!("Customer {}", self.label)),
                email: None,
                phone: None,
                address: None,
                description: None,
            }),
            Kind::User => Body::User(User {
                role: self.held_role(),
                expires: self.expires.map(|days| beginning() + SignedDuration::from_hours(24 * i64::from(days))),
                justification: self.label.is_multiple_of(2).then(|| Paragraph::new("needed").unwrap()),
                ..plain_user(self.label, self.email)
            }),
        }
    }

    fn lower(&self, index: usize) -> Lowered {
        let origin = Origin { file: 0, line: u32::try_from(index).unwrap() + 1 };
        let moved_from = self.moved_from.map(|(space, slot)| key(self.kind, space, slot));
        let form = if self.broken {
            let role = (self.kind == Kind::User).then(|| self.held_role());
            Form::Broken(Salvage { disabled: !self.enabled, role, moved_from })
        } else {
            let credential = self.reset.filter(|_| self.kind == Kind::User).map(|reset| Credential {
                method: Method::Invite,
                source: None,
                reset: (reset > 0).then(|| format_smolstr!("{reset}")),
            });
            Form::Sound(Box::new(Declared {
                place: self.place(),
                body: self.body(),
                enabled: self.enabled || self.kind == Kind::Role,
                deletion: Some(self.deletion),
                credential,
                moved_from,
                adopt: self.adopt.filter(|_| self.kind == Kind::User).map(|slot| foreign_id(slot.into())),
            }))
        };
        Lowered { key: self.key(), origin, form }
    }
}

/// In the words of the examples in `core/`, so that a case which fails can become one.
impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        let called = if key.namespace.is_global() { key.name.to_string() } else { format!("{}/{}", key.namespace, key.name) };
        write!(f, "{} {called}", self.kind.word())?;
        match self.place() {
            Some(Place::Company(name)) => write!(f, " company={name}")?,
            Some(Place::Customer(name)) => write!(f, " customer={name}")?,
            None => {}
        }
        match self.kind {
            Kind::Role => {
                let (privileged, under, requires) = self.terms;
                let requires = ["expires,justification", "justification"].get(usize::from(requires)).unwrap_or(&"");
                let under = ["customer", "company"].get(usize::from(under)).unwrap_or(&"both");
                write!(f, " under={under} requires={requires}{}", if privileged { " privileged" } else { "" })?;
            }
            Kind::Company => {
                if let Some(distributor) = self.distributor {
                    write!(f, " type={}", if distributor { "d" } else { "i" })?;
                }
            }
            Kind::Customer => write!(f, " title={}", self.label)?,
            Kind::User => {
                write!(f, " username=user{} email=user{}@x.example role={}", self.label, self.email, self.held_role())?;
                let rare = [
                    ("adopt", self.adopt.map(i32::from)),
                    ("reset", self.reset.map(i32::from)),
                    ("expires", self.expires.map(i32::from)),
                ];
                for (what, value) in rare {
                    value.map_or(Ok(()), |value| write!(f, " {what}={value}"))?;
                }
            }
        }
        write!(f, " deletion={}", self.deletion.as_str())?;
        if let Some((space, slot)) = self.moved_from {
            let from = self::key(self.kind, space, slot);
            write!(f, " from={}/{}", from.namespace, from.name)?;
        }
        f.write_str(if self.enabled { "" } else { " off" })?;
        f.write_str(if self.broken { " broken;" } else { ";" })
    }
}

/// Where the clock of a directory in memory stands at first.
fn beginning() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

fn thing(kind: Kind, slots: u8) -> impl Strategy<Value = Thing> {
    let deletion = prop_oneof![4 => Just(Deletion::Disable), 4 => Just(Deletion::Delete), 1 => Just(Deletion::Retain)];
    let above = prop_oneof![1 => Just(None), 4 => (prop::bool::weighted(0.7), 0..4u8).prop_map(Some)];
    let moved = prop::option::weighted(0.1, (prop_oneof![3 => Just(0u8), 1 => Just(1u8)], 0..slots));
    let space =
        if kind == Kind::Role { prop_oneof![1 => Just(0u8), 2 => Just(2u8)] } else { prop_oneof![4 => Just(0u8), 1 => Just(1u8)] };
    let labels = (space, 0..slots, 0..slots * 2, 0..slots * 2, 0..30u8);
    let flags = (prop::bool::weighted(0.85), prop::option::of(any::<bool>()), prop::bool::weighted(0.06));
    let terms = (any::<bool>(), 0..4u8, 0..8u8);
    let rare = (prop::option::weighted(0.08, 0..3u8), prop::option::weighted(0.25, -3..12i8), prop::option::weighted(0.3, 0..3u8));
    (labels, above, deletion, flags, moved, rare, terms).prop_map(
        move |(labels, above, deletion, flags, moved_from, rare, terms)| {
            let (space, slot, label, email, role) = labels;
            let (enabled, distributor, broken) = flags;
            let (adopt, expires, reset) = rare;
            Thing {
                kind,
                space,
                slot,
                above,
                label,
                email,
                role,
                enabled,
                deletion,
                distributor,
                broken,
                moved_from,
                adopt,
                expires,
                reset,
                terms,
            }
        },
    )
}

pub(super) fn org() -> impl Strategy<Value = Org> {
    let things = (
        prop::collection::vec(thing(Kind::Role, 4), 0..3),
        prop::collection::vec(thing(Kind::Company, 4), 0..5),
        prop::collection::vec(thing(Kind::Customer, 3), 0..4),
        prop::collection::vec(thing(Kind::User, 6), 0..8),
    );
    (things, prop::bool::weighted(0.8), prop::bool::weighted(0.05)).prop_map(|((roles, a, b, c), whole, unreadable)| {
        let mut seen = BTreeSet::new();
        let all = roles.into_iter().chain(a).chain(b).chain(c);
        Org { things: all.filter(|it| seen.insert(it.key())).collect(), whole, unreadable }
    })
}

/// The organisation before with names and mailboxes handed on among things of a kind, and one thing written anew.
fn handed_on(before: &Org, fresh: Org, by: u8, which: u8) -> Org {
    let mut things = before.things.clone();
    for kind in [Kind::Customer, Kind::User] {
        let rows: Vec<usize> = (0..things.len()).filter(|row| things[*row].kind == kind).collect();
        for (index, row) in rows.iter().enumerate() {
            let from = &before.things[rows[(index + usize::from(by)) % rows.len()]];
            if which != 1 {
                things[*row].label = from.label;
            }
            if which != 0 {
                things[*row].email = from.email;
            }
        }
    }
    if let Some(new) = fresh.things.into_iter().next_back() {
        things.retain(|thing| thing.key() != new.key());
        things.push(new);
    }
    Org { things, whole: fresh.whole, unreadable: fresh.unreadable }
}

/// Organisations one after the other; half of them are the one before with its names handed on.
pub(super) fn orgs(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Org>> {
    let one = (org(), prop::option::of((1..4u8, 0..3u8)));
    prop::collection::vec(one, count).prop_map(|steps| {
        let mut out: Vec<Org> = Vec::new();
        for (fresh, handing) in steps {
            out.push(match (out.last(), handing) {
                (Some(before), Some((by, which))) => handed_on(before, fresh, by, which),
                _ => fresh,
            });
        }
        out
    })
}

/// Two organisations, the first of them a whole that could be read.
pub(super) fn two() -> impl Strategy<Value = (Org, Org)> {
    orgs(2).prop_map(|mut both| {
        let second = both.pop().unwrap();
        (Org { whole: true, unreadable: false, ..both.pop().unwrap() }, second)
    })
}

pub(super) fn foreigners() -> impl Strategy<Value = Vec<Foreign>> {
    let one = (0..12u8, 0..12u8, any::<bool>(), prop::option::of(any::<prop::sample::Index>()));
    let foreign = |(label, email, enabled, under)| Foreign { label, email, enabled, under };
    prop::collection::vec(one.prop_map(foreign), 0..4)
}

pub(super) fn judge(org: &Org, project: &Project) -> Desired {
    let documents = org.things.iter().enumerate().map(|(index, thing)| thing.lower(index)).collect();
    let extent = if org.whole { Extent::Whole { root: ".".into() } } else { Extent::Part };
    desired::desired(documents, project, extent, u64::from(org.unreadable)).0
}
