//! What is written reads back the same.

use proptest::{option, prelude::*};
use tenantry::{
    manifest::{Declared, Form, Input, Limits, document_json, load, write_document},
    model::{
        Address, Body, Company, CompanyType, Contact, Country, Credential, Customer, Deletion, Email, FieldValue, Key, Kind, Line,
        Method, Name, Namespace, Paragraph, Phone, Place, RemoteId, Role, SecretSource, State, User, Username,
    },
};

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        prop::sample::select(vec!["no", "y", "on", "null", "true", "0123", "1e3", "0x1f", "5", "default", "e-3"])
            .prop_map(|it| Name::new(it).unwrap()),
        "[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?".prop_map(|it| Name::new(&it).unwrap()),
    ]
}

/// Texts that YAML likes to take for something else.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "no",
            "Yes",
            "on",
            "~",
            "null",
            "0123",
            "0o17",
            "1_000",
            "+44",
            "1e3",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "# a",
            "!x",
            "&x",
            "*x",
            "---",
            "...",
            "%a",
            "@a",
            "`a",
            "'",
            "\"",
            "\\",
            "a:",
            "?",
            "|",
            ">",
            "{",
            "[",
            "]",
            "12:30",
            "2026-01-01",
            "=",
            ".",
            "true",
            "x\u{85}y",
            "\u{fffe}",
            "\u{1fffe}",
            "😀",
            "é",
            "अमित",
            "a  b",
            " a",
            "a ",
        ])
        .prop_map(str::to_owned),
        "\\PC{1,40}",
        "[ -~]{1,40}",
    ]
}

fn line() -> impl Strategy<Value = Line> {
    words().prop_filter_map("no line", |it| Line::new(&it).ok())
}

fn paragraph() -> impl Strategy<Value = Paragraph> {
    prop_oneof![words(), "[a-z \n\t#:-]{1,60}"].prop_filter_map("no paragraph", |it| Paragraph::new(&it).ok())
}

fn email() -> impl Strategy<Value = Email> {
    "[a-z0-9+_.]{1,10}@[a-z]{1,6}\\.example".prop_filter_map("no mailbox", |it| Email::new(&it).ok())
}

fn phone() -> impl Strategy<Value = Phone> {
    "\\+[1-9][0-9]{4,12}".prop_map(|it| Phone::new(&it).unwrap())
}

fn address() -> impl Strategy<Value = Option<Box<Address>>> {
    (option::of(prop::sample::select(vec!["DE", "NO"])), option::of(line()), option::of(line()), option::of(line())).prop_map(
        |(country, city, zip, line1)| {
            let country = country.map(|it| Country::new(it).unwrap());
            let address = Address { country, city, zip, line1, ..Address::default() };
            (address != Address::default()).then(|| Box::new(address))
        },
    )
}

fn company() -> impl Strategy<Value = (Option<Place>, Body)> {
    let contact = (option::of(line()), option::of(email()), option::of(phone())).prop_map(|(name, email, phone)| {
        let contact = Contact { name, email, phone };
        (contact != Contact::default()).then(|| Box::new(contact))
    });
    let kind = option::of(prop::sample::select(vec![CompanyType::Distributor, CompanyType::Installer]));
    (option::of(name()), line(), kind, option::of(name()), contact, address(), option::of(paragraph())).prop_map(
        |(parent, display_name, company_type, region, contact, address, description)| {
            let logo = Some(Paragraph::new("https://x.example/a#b").unwrap());
            (
                parent.map(Place::Company),
                Body::Company(Company { display_name, company_type, region, contact, address, logo, description }),
            )
        },
    )
}

fn customer() -> impl Strategy<Value = (Option<Place>, Body)> {
    (option::of(name()), line(), option::of(email()), option::of(phone()), address(), option::of(paragraph())).prop_map(
        |(company, display_name, email, phone, address, description)| {
            (company.map(Place::Company), Body::Customer(Customer { display_name, email, phone, address, description }))
        },
    )
}

fn user() -> impl Strategy<Value = (Option<Place>, Body)> {
    let place = prop_oneof![name().prop_map(Place::Company), name().prop_map(Place::Customer)];
    let username = prop_oneof![
        "[a-z0-9][a-z0-9._+@-]{0,12}",
        prop::sample::select(vec!["no".to_owned(), "1e3".into(), "jörg".into(), "0123".into()])
    ]
    .prop_filter_map("no username", |it| Username::new(&it).ok());
    let expires = option::of((0_i64..4_000_000_000, any::<bool>()));
    (place, username, email(), name(), option::of(line()), option::of(phone()), option::of(paragraph()), expires).prop_map(
        |(place, username, email, role, display_name, phone, description, expires)| {
            let expires = expires
                .map(|(at, whole)| jiff::Timestamp::from_second(if whole { at / 86_400 * 86_400 + 86_400 } else { at }).unwrap());
            let last_name = display_name.clone();
            let body = User {
                username,
                email,
                role,
                display_name,
                first_name: None,
                last_name,
                phone,
                region: None,
                description,
                expires,
                justification: None,
            };
            (Some(place), Body::User(body))
        },
    )
}

fn role() -> impl Strategy<Value = (Option<Place>, Body)> {
    (prop::collection::btree_set(name(), 0..4), any::<[bool; 7]>()).prop_map(|(names, flags)| {
        let kinds = [(Kind::Company, flags[0]), (Kind::Customer, flags[1])];
        let role = Role {
            lives_under: kinds.into_iter().filter(|it| it.1).map(|it| it.0).collect(),
            may_appoint: names.into_iter().collect(),
            privileged: flags[2],
            manage_companies: flags[3],
            manage_customers: flags[4],
            requires_expires: flags[5],
            requires_justification: flags[6],
        };
        (None, Body::Role(role))
    })
}

fn credential() -> impl Strategy<Value = Option<Credential>> {
    let source = prop_oneof![
        Just(SecretSource::Env("MARA".into())),
        Just(SecretSource::File("a/b c".into())),
        name().prop_map(|name| SecretSource::SecretRef { name, key: "no".into() }),
    ];
    option::of(prop_oneof![
        (Just(Method::Invite), Just(None), option::of(line())),
        (Just(Method::Hash), source.prop_map(Some), option::of(line())),
    ])
    .prop_map(|it| it.map(|(method, source, reset)| Credential { method, source, reset: reset.map(|it| it.as_str().into()) }))
}

fn document() -> impl Strategy<Value = (Key, Declared)> {
    let deletion = prop::sample::select(vec![Deletion::Disable, Deletion::Delete, Deletion::Retain]);
    let adopt = option::of("[ -~]{1,20}".prop_filter("blank", |it| !it.trim().is_empty()));
    let about = (name(), name(), any::<[bool; 2]>(), option::of(deletion), credential(), adopt, option::of((name(), name())));
    (prop_oneof![company(), customer(), user(), role()], about).prop_filter_map(
        "names itself",
        |((place, body), (namespace, name, flags, deletion, credential, adopt, from))| {
            let kind = body.kind();
            let namespace = match (flags[0], kind) {
                (true, Kind::Role) => Namespace::GLOBAL,
                (_, _) => Namespace::new(namespace.as_str()).unwrap(),
            };
            let key = Key::new(kind, namespace, name);
            let moved_from = from.map(|(namespace, name)| Key::new(kind, Namespace::new(namespace.as_str()).unwrap(), name));
            if moved_from.as_ref() == Some(&key) || (kind == Kind::Company && place == Some(Place::Company(key.name.clone()))) {
                return None;
            }
            let (enabled, credential) = (flags[1] || kind == Kind::Role, credential.filter(|_| kind == Kind::User));
            let adopt = adopt.map(|it| RemoteId(it.into()));
            Some((key, Declared { place, body, enabled, deletion, credential, moved_from, adopt }))
        },
    )
}

fn read(text: &str) -> (Key, Declared) {
    let loaded = load(&[Input::Stdin(text.to_owned())], &Limits { threads: Some(1), ..Limits::default() });
    assert!(loaded.problems.is_empty(), "{text}\n{:#?}", loaded.problems);
    let document = loaded.documents.into_iter().next().unwrap();
    let Form::Sound(declared) = document.form else { panic!("{text}") };
    (document.key, *declared)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_reads_back((key, declared) in document()) {
        let text = write_document(&key, &declared, Deletion::Disable);
        let wanted = Declared { deletion: declared.deletion.filter(|it| *it != Deletion::Disable && key.kind != Kind::Role), ..declared.clone() };
        prop_assert_eq!(read(&text), (key.clone(), wanted.clone()));
        let json = document_json(&key, &declared, Deletion::Disable);
        prop_assert_eq!(read(&json.to_string()), (key, wanted));
    }

    /// A state is its fields, also by way of the JSON that a trail keeps.
    #[test]
    fn what_is_recorded_field_by_field_is_all((key, declared) in document().boxed(), flags in any::<[bool; 3]>(), owner in option::of(name())) {
        let Declared { place, body, enabled, deletion, .. } = declared;
        let user = key.kind == Kind::User;
        let locked = (flags[0] && user).then(|| Box::new(Paragraph::new("INC-204").unwrap()));
        // A role has neither.
        let enabled = enabled || key.kind == Kind::Role;
        let suspended = flags[1] && key.kind != Kind::Role;
        let (retired, deletion) = (flags[2], deletion.unwrap_or_default());
        let state = State { key: key.clone(), place, body, enabled, suspended, locked, retired, owner, deletion };
        let fields = state.fields().into_iter().map(|(field, value)| {
            let json = serde_json::to_string(&value).unwrap();
            (field, serde_json::from_str::<FieldValue>(&json).unwrap())
        });
        prop_assert_eq!(State::restored(key, &fields.collect::<Vec<_>>()), Ok(state));
    }
}

#[test]
fn a_document_reads_well() {
    let text = "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata:\n  name: mara-lindqvist\n  namespace: nordlicht\nspec:\n  username: mara.lindqvist\n  email: mara@nordlicht.example\n  displayName: Mara Lindqvist\n  phone: \"+4915112345678\"\n  company: nordlicht-service\n  role: operations-engineer\n  expires: \"2027-06-30\"\n  enabled: false\n";
    let (key, declared) = read(text);
    assert_eq!(write_document(&key, &declared, Deletion::Disable), text);
}
