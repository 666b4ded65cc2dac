//! The table in `docs/directories` is what the drivers say of themselves. `UPDATE=1` rewrites it.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use tenantry::{
    credential::SecretString,
    drivers::{keycloak::Keycloak, ldap::Ldap, remote::Remote, scim::Scim, thingsboard::Thingsboard},
    manifest::{
        KeycloakCompanies, KeycloakInvites, KeycloakRoles, KeycloakSettings, LdapSettings, ScimSettings, ThingsboardInvites,
        ThingsboardProof, ThingsboardSettings,
    },
    model::{Field, Kind, Method, SecretSource},
    observed::Capabilities,
};

/// What a driver says of itself before it has read anything.
struct Column {
    title: &'static str,
    can: Arc<Capabilities>,
    native: Box<dyn Fn(Kind) -> BTreeSet<Field>>,
}

fn column(title: &'static str, remote: impl Remote + 'static) -> Column {
    let can = remote.capabilities();
    Column { title, can, native: Box::new(move |kind| remote.native(kind).iter().copied().collect()) }
}

fn keycloak(companies: KeycloakCompanies) -> Keycloak {
    let settings = KeycloakSettings {
        url: "https://id.example".into(),
        realm: "acme".into(),
        client_id: "tenantry".into(),
        client_secret: SecretSource::Env("X".into()),
        companies,
        roles: KeycloakRoles::Realm,
        root_company: None,
        invites: KeycloakInvites::Tenantry,
    };
    Keycloak::open(&settings, SecretString::from("x")).unwrap()
}

fn columns() -> Vec<Column> {
    // What `main` does first; another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let all = |_: Kind| Field::ALL.into();
    let source = || SecretSource::Env("X".into());
    let scim = ScimSettings { url: "https://id.example/scim/v2".into(), token: source() };
    let ldap = LdapSettings {
        url: "ldaps://ldap.example".into(),
        base_dn: "dc=acme,dc=example".into(),
        bind_dn: "cn=tenantry,dc=acme,dc=example".into(),
        password: source(),
    };
    let thingsboard = ThingsboardSettings {
        url: "https://iot.example".into(),
        proof: ThingsboardProof::Login { username: "sysadmin@iot.example".into(), password: source() },
        invites: ThingsboardInvites::Tenantry,
    };
    vec![
        Column { title: "SQLite, PostgreSQL", can: Arc::new(Capabilities::everything()), native: Box::new(all) },
        column("Keycloak, groups", keycloak(KeycloakCompanies::Groups)),
        column("Keycloak, organizations", keycloak(KeycloakCompanies::Organizations)),
        column("SCIM", Scim::open(&scim, SecretString::from("x")).unwrap()),
        column("LDAP", Ldap::open(&ldap, SecretString::from("x")).unwrap()),
        column("ThingsBoard", Thingsboard::open(&thingsboard, SecretString::from("x")).unwrap()),
    ]
}

fn yes(flag: bool) -> String {
    if flag { "yes".into() } else { "no".into() }
}

/// Fields that a document of a kind can say, but for its name, place and what every directory has.
fn fields(kind: Kind) -> &'static [Field] {
    use Field::{
        City, ContactEmail, ContactName, ContactPhone, Country, Description, DisplayName, Email, Expires, FirstName, Justification,
        LastName, Line1, Line2, Logo, Phone, Region, Role, State, Type, Username, Zip,
    };
    match kind {
        Kind::Company => &[
            DisplayName,
            Type,
            Region,
            ContactName,
            ContactEmail,
            ContactPhone,
            Country,
            State,
            City,
            Zip,
            Line1,
            Line2,
            Logo,
            Description,
        ],
        Kind::Customer => &[DisplayName, Email, Phone, Country, State, City, Zip, Line1, Line2, Description],
        Kind::User => {
            &[Username, Email, Role, DisplayName, FirstName, LastName, Phone, Region, Description, Expires, Justification]
        }
        Kind::Role => &[],
    }
}

fn row(out: &mut String, head: &str, cells: impl Iterator<Item = String>) {
    out.push_str(&format!("| {head} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
}

fn table() -> String {
    let columns = columns();
    let mut out = String::new();
    row(&mut out, "", columns.iter().map(|it| it.title.to_owned()));
    row(&mut out, "---", columns.iter().map(|_| "---".to_owned()));
    row(&mut out, "shut off and keep", columns.iter().map(|it| yes(it.can.disable)));
    row(&mut out, "move users", columns.iter().map(|it| yes(it.can.move_users)));
    row(&mut out, "move customers", columns.iter().map(|it| yes(it.can.move_customers)));
    row(&mut out, "customer under nothing", columns.iter().map(|it| yes(it.can.lone_customers)));
    for (what, under) in Capabilities::every_place() {
        let head = format!("{} under a {}", what.word(), under.word());
        row(&mut out, &head, columns.iter().map(|it| yes(it.can.places.contains(&(what, under)))));
    }
    for method in [Method::Invite, Method::Temporary, Method::Secret, Method::Hash] {
        row(&mut out, &format!("`{}`", method.as_str()), columns.iter().map(|it| yes(it.can.methods.contains(&method))));
    }
    for kind in [Kind::Company, Kind::Customer, Kind::User] {
        for field in fields(kind) {
            let cell =
                |it: &Column| match (it.can.fields.contains(field), *field == Field::Role || (it.native)(kind).contains(field)) {
                    (false, _) => "no".to_owned(),
                    (true, true) => "yes".to_owned(),
                    (true, false) => "mark".to_owned(),
                };
            row(&mut out, &format!("{} `{}`", kind.word(), field.name()), columns.iter().map(cell));
        }
    }
    out
}

#[test]
fn the_table_in_the_docs_is_what_drivers_say_of_themselves() {
    let (begin, end) = ("<!-- table -->\n", "<!-- /table -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/directories/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(begin).unwrap();
    let tail = rest.split_once(end).unwrap().1;
    let wanted = format!("{head}{begin}{}{end}{tail}", table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), wanted, "UPDATE=1 cargo test --test directories table");
}
