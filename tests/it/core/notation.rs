//! Documents in a few words: `user ns/mara company=nord role=owner off from=ns/old`.

use std::collections::BTreeMap;

use tenantry::{
    desired::{self, Desired},
    manifest::{Declared, Extent, Form, Lowered, Origin, Problem, Project, Salvage},
    model::{
        Body, Company, CompanyType, Credential, Customer, Deletion, Email, Key, Kind, Line, Method, Name, Paragraph, Phone, Place,
        RemoteId, Role, SecretSource, User, Username,
    },
};

use super::fixture::{key, name};

/// A document in a few words.
pub(super) struct Words<'a> {
    key: Key,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn read(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let (kind, called) = (words.next().unwrap(), words.next().unwrap_or_else(|| panic!("{line}")));
        let key = key(&format!("{kind}/{called}"));
        Self { key, values: words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect() }
    }

    fn get(&self, what: &str) -> Option<&'a str> {
        self.values.get(what).copied()
    }

    fn has(&self, what: &str) -> bool {
        self.values.contains_key(what)
    }

    fn line(&self, what: &str) -> Option<Line> {
        self.get(what).map(|text| Line::new(text).unwrap())
    }

    fn names(&self, what: &str) -> Vec<Name> {
        let mut names: Vec<Name> =
            self.get(what).into_iter().flat_map(|it| it.split(',')).filter(|it| !it.is_empty()).map(name).collect();
        names.sort();
        names
    }

    fn place(&self) -> Option<Place> {
        let company = self.get("company").or(self.get("parent")).map(|it| Place::Company(name(it)));
        company.or_else(|| self.get("customer").map(|it| Place::Customer(name(it))))
    }

    fn moved_from(&self) -> Option<Key> {
        self.get("from").map(|from| key(&format!("{}/{from}", self.key.kind.word())))
    }

    pub(super) fn body(&self) -> Body {
        let called = self.key.name.as_str();
        let titled = self.line("title").unwrap_or_else(|| Line::new(called).unwrap());
        let region = self.get("region").map(name);
        let description = self.get("description").map(|text| Paragraph::new(text).unwrap());
        match self.key.kind {
            Kind::Role => Body::Role(Role {
                lives_under: match self.get("under") {
                    Some("customer") => vec![Kind::Customer],
                    Some("both") => vec![Kind::Company, Kind::Customer],
                    _ => vec![Kind::Company],
                },
                may_appoint: if self.has("appoints") { self.names("appoints") } else { vec![self.key.name.clone()] },
                privileged: self.has("privileged"),
                manage_companies: self.get("manages").is_some_and(|it| it.contains("companies")),
                manage_customers: self.get("manages").is_some_and(|it| it.contains("customers")),
                requires_expires: self.get("requires").is_some_and(|it| it.contains("expires")),
                requires_justification: self.get("requires").is_some_and(|it| it.contains("justification")),
            }),
            Kind::Company => Body::Company(Company {
                display_name: titled,
                company_type: self.get("type").map(|it| if it == "d" { CompanyType::Distributor } else { CompanyType::Installer }),
                region,
                contact: None,
                address: None,
                logo: None,
                description,
            }),
            Kind::Customer => {
                Body::Customer(Customer { display_name: titled, email: None, phone: None, address: None, description })
            }
            Kind::User => {
                let email = self.get("email").map_or_else(|| format!("{called}@x.example"), str::to_owned);
                Body::User(User {
                    username: Username::new(self.get("username").unwrap_or(called)).unwrap(),
                    email: Email::new(&email).unwrap(),
                    role: name(self.get("role").unwrap_or("owner")),
                    display_name: self.line("title"),
                    first_name: None,
                    last_name: None,
                    phone: self.get("phone").map(|it| Phone::new(it).unwrap()),
                    region,
                    description,
                    expires: self.get("expires").map(|at| format!("{at}T00:00:00Z").parse().unwrap()),
                    justification: self.get("because").map(|text| Paragraph::new(text).unwrap()),
                })
            }
        }
    }

    fn form(&self) -> Form {
        if self.has("broken") {
            let role = self.get("role").map(name);
            return Form::Broken(Salvage { disabled: self.has("off"), role, moved_from: self.moved_from() });
        }
        let method = |text| match text {
            "Invite" => Method::Invite,
            "None" => Method::None,
            "Secret" => Method::Secret,
            "Hash" => Method::Hash,
            _ => Method::Temporary,
        };
        let asks = self.has("method") || self.has("reset");
        let credential = asks.then(|| Credential {
            method: method(self.get("method").unwrap_or("Invite")),
            source: self.get("env").map(|name| SecretSource::Env(name.into())),
            reset: self.get("reset").map(Into::into),
        });
        Form::Sound(Box::new(Declared {
            place: self.place(),
            body: self.body(),
            enabled: !self.has("off"),
            deletion: self.get("deletion").map(|it| match it {
                "Delete" => Deletion::Delete,
                "Retain" => Deletion::Retain,
                _ => Deletion::Disable,
            }),
            credential,
            moved_from: self.moved_from(),
            adopt: self.get("adopt").map(|id| RemoteId(id.into())),
        }))
    }
}

/// Reads a declaration in a few words.
pub(crate) fn declare(text: &str, project: &Project) -> (Desired, Vec<Problem>) {
    let (mut documents, mut unreadable, mut extent) = (Vec::new(), 0, Extent::Whole { root: "tenants".into() });
    for (row, line) in text.split(['\n', ';']).map(str::trim).enumerate().filter(|it| !it.1.is_empty()) {
        match line.split_once('=') {
            _ if line == "part" => extent = Extent::Part,
            _ if line == "objects" => extent = Extent::Objects,
            _ if line == "unreadable" => unreadable += 1,
            Some(("root", root)) => extent = Extent::Whole { root: root.into() },
            _ => {
                let words = Words::read(line);
                let origin = Origin { file: 0, line: u32::try_from(row).unwrap() + 1 };
                documents.push(Lowered { key: words.key.clone(), origin, form: words.form() });
            }
        }
    }
    desired::desired(documents, project, extent, unreadable)
}
