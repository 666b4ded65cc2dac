//! The program itself, before a simulator: what people type, and what comes of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Server;
use crate::simulator::{Mail, SYSTEM};

/// A project on a server.
struct Project {
    server: Server,
    folder: TempDir,
    secret: String,
}

impl Project {
    /// As the system administrator.
    fn system() -> Self {
        let server = Server::simulated();
        let settings = format!("url: {}, username: {}, password: {{ env: TB_SECRET }}", server.url(), SYSTEM.0);
        Self::new(server, &settings, SYSTEM.1)
    }

    fn new(server: Server, settings: &str, secret: &str) -> Self {
        let it = Self { server, folder: TempDir::new().unwrap(), secret: secret.to_owned() };
        it.project(settings);
        it
    }

    fn project(&self, settings: &str) {
        let text = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: iot }}\nspec:\n  directory:\n    thingsboard: {{ {settings} }}\n  paths: [tenants]\n  budget: {{ removals: \"20%\", atLeast: 4 }}\n"
        );
        self.write("tenantry.yaml", &text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Documents, one of each line: `KIND NAME: {spec}`.
    fn documents(&self, lines: &[&str]) {
        let document = |line: &&str| {
            let (head, spec) = line.split_once(": ").unwrap();
            let (kind, name) = head.split_once(' ').unwrap();
            format!(
                "apiVersion: tenantry.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: acme }}\nspec: {spec}\n"
            )
        };
        self.write("tenants/all.yaml", &lines.iter().map(document).collect::<Vec<_>>().join("---\n"));
    }

    /// What it prints, if it ends with this.
    fn run(&self, args: &[&str], exit: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TB_SECRET", &self.secret)
            .env("ADA_PASSWORD", "plenty of lemons 7")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(exit), "{args:?}\n{out}{errors}");
        assert!(!format!("{out}{errors}").contains(&self.secret));
        format!("{out}{errors}")
    }

    fn plan(&self, exit: i32) -> Value {
        let out = self.run(&["plan", "-o", "json", "--detailed-exitcode"], exit);
        serde_json::from_str(&out[..=out.rfind('}').unwrap()]).unwrap()
    }

    /// Reason and message of what is held about a key.
    fn hold(&self, key: &str) -> (String, String) {
        let plan = self.plan(2);
        let object = plan["objects"].as_array().unwrap().iter().find(|it| it["key"] == key);
        let hold = &object.unwrap_or_else(|| panic!("{key} is settled: {plan:#}"))["hold"];
        let text = |name: &str| hold[name].as_str().unwrap_or_else(|| panic!("{key} is not held: {plan:#}")).to_owned();
        (text("reason"), text("message"))
    }

    /// Letters in the outbox, and the activation links in them.
    fn letters(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.folder.path().join("outbox")) else { return Vec::new() };
        folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn the_example_applies_as_it_stands() {
    let it = Project::system();
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/iot-platform");
    copy(&example.join("tenants"), &it.folder.path().join("tenants"));
    let text = fs::read_to_string(example.join("tenantry.yaml")).unwrap();
    let elsewhere = format!("thingsboard: {{ url: {}, username: {}, password: {{ env: TB_SECRET }} }}", it.server.url(), SYSTEM.0);
    let changed = text.replace("sqlite: { path: tenantry.db }", &elsewhere);
    assert_ne!(changed, text);
    it.write("tenantry.yaml", &changed);
    it.run(&["validate"], 0);
    it.run(&["plan", "--detailed-exitcode"], 2);
    it.run(&["apply", "--yes"], 0);
    let users = [
        ("ada@smart-harbor.example", "TENANT_ADMIN"),
        ("support@vendor.example", "TENANT_ADMIN"),
        ("cleo@terminal-one.example", "CUSTOMER_USER"),
        ("gus@dairy.example", "CUSTOMER_USER"),
    ];
    {
        let state = it.server.simulator().state();
        for (email, authority) in users {
            assert_eq!(state.user(email).unwrap()["authority"], authority);
        }
        let terminal = state.place("Terminal One").unwrap();
        assert_eq!(
            (&terminal["city"], &terminal["address"], &terminal["country"]),
            (&json!("Hamburg"), &json!("Kai 1"), &json!("DE"))
        );
        assert_eq!(state.place("Smart Harbor").unwrap()["email"], "ops@smart-harbor.example");
        assert!(!state.emails().iter().any(|it| it.contains("caretaker")));
        assert_eq!(state.mails, [], "our mails, their links");
    }
    let letters = it.letters();
    assert_eq!(letters.len(), 8);
    assert!(letters.iter().all(|it| it.replace("=\r\n", "").contains("activateToken")), "{}", letters[0]);

    // Nobody has used their link yet: that is no difference, and is not tried again.
    let plan = it.run(&["plan", "--detailed-exitcode"], 0);
    assert!(plan.contains("8 users have never set a password (PendingActivation)"), "{plan}");
    it.run(&["apply", "--yes"], 0);
    assert_eq!(it.letters().len(), 8);
    // Some have.
    let ada = it.server.simulator().state().user("ada@smart-harbor.example").unwrap()["id"]["id"].as_str().unwrap().to_owned();
    it.server.simulator().state().let_in(&ada, "chosen by herself");
    assert!(it.run(&["plan", "--detailed-exitcode"], 0).contains("7 users have never set a password"));
    // What it holds, as documents, is what it should hold.
    it.run(&["import", "--into", "imported"], 0);
    let plan = it.run(&["plan", "imported", "--detailed-exitcode"], 0);
    assert!(plan.contains("No changes."), "{plan}");
    // `-v` says what it costs.
    let told = it.run(&["plan", "-v"], 0);
    assert!(told.contains(" requests, ") && told.contains("thingsboard: http"), "{told}");
}

#[test]
fn a_tenant_is_taken_over_and_then_there_is_nothing_to_do() {
    let server = Server::simulated();
    let (north, key) = server.tenant("north");
    {
        let token = server.sign_in();
        let mut state = server.simulator().state();
        state.add_user(&north, None, "old.admin@north.example");
        drop(state);
        drop(token);
    }
    let settings = format!("url: {}, apiKey: {{ env: TB_SECRET }}", server.url());
    let it = Project::new(server, &settings, &key);
    // A customer and somebody in it, whom others have made.
    let admin = { it.server.simulator().state().user("north@robots.example").unwrap()["id"]["id"].as_str().unwrap().to_owned() };
    let system = it.server.sign_in();
    let pair = it.server.ask(Some(&system), "GET", &format!("user/{admin}/token"), &Value::Null);
    let body = json!({ "title": "Shop_1 %", "country": "Germany", "email": "shop@north.example" });
    let shop = it.server.ask(pair["token"].as_str(), "POST", "customer", &body);
    it.server.simulator().state().add_user(&north, shop["id"]["id"].as_str(), "pia@shop.example");

    let told = it.run(&["import", "--all", "--into", "tenants"], 6);
    assert!(told.contains("the account that Tenantry itself signs in with"), "{told}");
    let text = fs::read_dir(it.folder.path().join("tenants/default")).unwrap();
    let text: String = text.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(text.contains(&format!("tenantry.dev/adopt: {north}")) && text.contains("country: DE"), "{text}");
    let plan = it.plan(2);
    assert_eq!(
        (&plan["summary"]["adopt"], &plan["summary"]["edit"], &plan["summary"]["create"]),
        (&json!(4), &json!(0), &json!(0))
    );
    it.run(&["apply", "--yes"], 0);
    it.run(&["plan", "--detailed-exitcode"], 0);
    it.run(&["import", "--into", "again"], 0);
    it.run(&["plan", "again", "--detailed-exitcode"], 0);
    // The mark of the tenant is not the tenant's to write: it stands in the ledger, and nothing else of it was touched.
    let state = it.server.simulator().state();
    assert_eq!(state.place("north").unwrap()["version"], 1);
    let mark = state.place("Shop_1 %").unwrap()["additionalInfo"]["tenantry"]["mark"].clone();
    assert!(mark["key"].as_str().unwrap().starts_with("customer/default/shop-1"), "{mark}");
}

const NORTH: &str = "Company north: { displayName: North }";
const SHOP: &str = "Customer shop: { company: north, deletion: Delete }";
const ADA: &str =
    "User ada: { email: ada@acme.example, company: north, role: tenant-administrator, credential: { method: Invite } }";
const PIA: &str = "User pia: { email: pia@acme.example, customer: shop, role: customer-user, credential: { method: Invite } }";

#[test]
fn what_it_cannot_do_is_held_before_anything_is_written() {
    let it = Project::system();
    it.documents(&[
        NORTH,
        SHOP,
        ADA,
        PIA,
        "Company under: { parent: north }",
        "Customer alone: { displayName: Alone }",
        "User owner: { email: o@acme.example, customer: shop, role: owner }",
        "User manager: { email: m@acme.example, company: north, role: common-manager }",
        "User temporary: { email: t@acme.example, customer: shop, role: customer-user, credential: { method: Temporary } }",
        "User hash: { email: h@acme.example, customer: shop, role: customer-user, credential: { method: Hash, env: ADA_PASSWORD } }",
        "User odd: { email: odd@acme.example, customer: shop, role: customer-user, firstName: \"a <b>\" }",
        "User gone: { email: off@acme.example, customer: shop, role: customer-user, enabled: false }",
        "User set: { email: set@acme.example, customer: shop, role: customer-user, credential: { method: Secret, env: ADA_PASSWORD } }",
    ]);
    for (key, words) in [
        ("company/acme/under", "`parent`"),
        ("customer/acme/alone", "every customer belongs to a company"),
        ("user/acme/owner", "the role `owner` cannot be given here"),
        ("user/acme/manager", "the role `common-manager` cannot be given here"),
        ("user/acme/temporary", "`Temporary`"),
        ("user/acme/hash", "`Hash`"),
        ("user/acme/odd", "'<'"),
    ] {
        let (reason, message) = it.hold(key);
        assert!(reason == "Unsupported" && message.contains(words), "{key}: {reason}: {message}");
    }
    it.run(&["apply", "--yes"], 6);
    assert_eq!(it.server.simulator().state().door("set@acme.example").1.as_deref(), Some("plenty of lemons 7"));
    let kept = [
        NORTH,
        SHOP,
        "Customer other: { company: north }",
        "User ada: { email: ada@acme.example, customer: shop, role: customer-user, credential: { method: Invite } }",
        "User pia: { email: pia@acme.example, customer: other, role: customer-user, credential: { method: Invite } }",
        "User gone: { email: off@acme.example, customer: shop, role: customer-user }",
        "User set: { email: set@acme.example, customer: shop, role: customer-user, credential: { method: Secret, env: ADA_PASSWORD, reset: again } }",
        "User ben: { email: ben@acme.example, company: north, role: tenant-administrator }",
    ];
    it.documents(&kept);
    for (key, reason, words) in [
        ("user/acme/ada", "Unsupported", "`company`"),
        ("user/acme/pia", "Unsupported", "`customer`"),
        ("user/acme/gone", "PendingActivation", "nobody has ever set a password"),
        ("user/acme/set", "Unsupported", "nobody else set another"),
    ] {
        let (found, message) = it.hold(key);
        assert!(found == reason && message.contains(words), "{key}: {found}: {message}");
    }
    // With something to set a password with, whoever was kept out is let in.
    let opened =
        "User gone: { email: off@acme.example, customer: shop, role: customer-user, credential: { method: Invite, reset: once } }";
    let more: Vec<&str> = kept.into_iter().map(|line| if line.starts_with("User gone") { opened } else { line }).collect();
    it.documents(&more);
    it.run(&["apply", "--yes"], 6);
    assert!(it.letters().iter().any(|letter| letter.contains("off@acme.example")));
    assert!(!it.plan(2)["objects"].as_array().unwrap().iter().any(|it| it["key"] == "user/acme/gone"));
}

#[test]
fn people_get_in_by_the_server_s_own_links_and_mails() {
    let server = Server::simulated();
    let settings = format!("url: {}, username: {}, password: {{ env: TB_SECRET }}, invites: thingsboard", server.url(), SYSTEM.0);
    let it = Project::new(server, &settings, SYSTEM.1);
    it.documents(&[NORTH, SHOP, ADA, PIA]);
    it.run(&["apply", "--yes"], 0);
    assert_eq!(it.letters().len(), 0);
    let mut mails = it.server.simulator().state().mails.clone();
    mails.sort_by_key(|mail| format!("{mail:?}"));
    assert_eq!(mails, ["ada", "pia"].map(|name| Mail::Activation(format!("{name}@acme.example"))));
    it.run(&["plan", "--detailed-exitcode"], 0);
    // Who has a password is reset by the server's other mail, whoever mails the invitations.
    let settings = format!("url: {}, username: {}, password: {{ env: TB_SECRET }}", it.server.url(), SYSTEM.0);
    it.project(&settings);
    let ada = it.server.simulator().state().user("ada@acme.example").unwrap()["id"]["id"].as_str().unwrap().to_owned();
    it.server.simulator().state().let_in(&ada, "chosen by herself");
    it.server.simulator().state().mails.clear();
    it.run(&["reset", "ada", "pia"], 0);
    assert_eq!(it.server.simulator().state().mails, [Mail::Reset("ada@acme.example".into())]);
    let letters = it.letters();
    assert!(letters.len() == 1 && letters[0].contains("pia@acme.example"));
    it.run(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_customer_goes_only_when_it_is_said_what_goes_with_it() {
    let it = Project::system();
    it.documents(&[NORTH, SHOP, ADA, PIA]);
    it.run(&["apply", "--yes"], 0);
    let place = |title: &str| it.server.simulator().state().place(title).unwrap()["id"]["id"].as_str().unwrap().to_owned();
    let (north, shop) = (place("North"), place("shop"));
    for i in 0..12 {
        it.server.simulator().state().add_thing("devices", &north, Some(&shop), &format!("pump {i:02}"));
    }
    it.server.simulator().state().add_thing("dashboards", &north, Some(&shop), "Overview");
    // While anyone is in it, it stays: they are named.
    it.documents(&[NORTH, ADA]);
    let (reason, message) = it.hold("customer/acme/shop");
    assert!(reason == "Blocked" && message.contains("user/acme/pia"), "{message}");
    let stranger = it.server.simulator().state().add_user(&north, Some(&shop), "stranger@acme.example");
    it.documents(&[NORTH, ADA]);
    let (_, message) = it.hold("customer/acme/shop");
    assert!(message.contains("unmanaged user `stranger@acme.example`"), "{message}");
    let token = it.server.sign_in();
    let admin = it.server.simulator().state().user("ada@acme.example").unwrap()["id"]["id"].as_str().unwrap().to_owned();
    let token = it.server.ask(Some(&token), "GET", &format!("user/{admin}/token"), &Value::Null);
    it.server.ask(token["token"].as_str(), "DELETE", &format!("user/{stranger}"), &Value::Null);
    it.documents(&[
        NORTH,
        ADA,
        "User pia: { email: pia@acme.example, customer: shop, role: customer-user, deletion: Delete }",
        SHOP,
    ]);
    it.run(&["apply", "--yes"], 0);
    it.documents(&[NORTH, ADA]);

    let plan = it.plan(5);
    let object = plan["objects"].as_array().unwrap().iter().find(|it| it["key"] == "customer/acme/shop").unwrap();
    assert_eq!(object["takes"]["counts"], json!({ "devices unassigned": 12, "dashboard unassigned": 1 }));
    assert_eq!(object["takes"]["first"].as_array().unwrap().len(), 10);
    assert_eq!(plan["refused"]["gate"], "budget");
    let text = it.run(&["plan"], 0);
    assert!(text.contains("1 dashboard unassigned, 12 devices unassigned: device `pump 00`, "), "{text}");
    assert!(text.contains("device `pump 09` and 3 more") && text.contains("2 to delete (15 losses)"), "{text}");
    it.run(&["apply", "--yes"], 5);
    it.run(&["apply", "--yes", "--allow-removals", "15"], 0);
    assert!(it.server.simulator().state().place("shop").is_none());
    it.run(&["plan", "--detailed-exitcode"], 0);
}
