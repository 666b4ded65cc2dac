//! What was done, when, by whom and by which commit; and what somebody else has done.

use std::{fs, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::place::{Place, Ran, company, user};

const MARCH: &str = "2026-03-03T08:00:00Z";

/// A repository in which two managers and an owner were declared and applied.
fn applied() -> Place {
    let place = Place::new();
    place.git("init --quiet --initial-branch=main", MARCH);
    place.write(".gitignore", "tenantry.db*\noutbox/\n");
    place.write("tenants/company.yaml", &company("north"));
    place.write("tenants/users.yaml", &(user("anna", "common-manager") + &user("ben", "common-manager") + &user("cleo", "owner")));
    place.git("add .", MARCH);
    place.git("commit --quiet --message first", MARCH);
    place.run("apply tenants --yes").ended(0);
    place
}

/// Now, as far as a file system and a clock tell.
fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn records(ran: &Ran) -> Vec<serde_json::Value> {
    ran.json()["records"].as_array().unwrap().clone()
}

#[test]
fn every_change_names_its_commit_and_a_leaver_the_time_since() {
    let place = applied();
    let first = records(&place.run("history -o json").ended(0));
    assert_eq!(first.len(), 5, "four things, and the settings");
    let anna = first.iter().find(|it| it["key"] == "user/default/anna").unwrap();
    assert_eq!(anna["author"], "Anna <anna@x.example>");
    assert_eq!(anna["committedAt"], MARCH);
    assert_eq!(anna["source"], serde_json::json!({ "file": "tenants/users.yaml", "line": 1 }));
    let company = first.iter().find(|it| it["key"] == "company/default/north").unwrap();
    assert_eq!(company["commit"], anna["commit"]);

    place.write("tenants/users.yaml", &(user("anna", "common-manager") + &user("cleo", "owner")));
    place.git("add .", &now());
    place.git("commit --quiet --message leaver", &now());
    place.run("apply tenants --yes").ended(0);
    let left = records(&place.run("history --leavers -o json").ended(0));
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0]["key"], &left[0]["verb"]), (&"user/default/ben".into(), &"disable".into()));
    assert_ne!(left[0]["commit"], anna["commit"]);
    let took = left[0]["secondsSinceCommit"].as_f64().unwrap();
    assert!((0.0..600.0).contains(&took), "{took}");
    let text = place.run("history --leavers").ended(0).out;
    assert!(
        text.contains("user/default/ben") && text.contains("after the commit") && text.contains("by Anna <anna@x.example>"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn what_is_in_no_commit_has_none() {
    let place = applied();
    let more = fs::read_to_string(place.file("tenants/users.yaml")).unwrap() + &user("dora", "owner");
    place.write("tenants/users.yaml", &more);
    place.write("tenants/new.yaml", &user("emil", "owner"));
    place.run("apply tenants --yes").ended(0);
    for name in ["dora", "emil"] {
        let found = records(&place.run(&format!("history --user {name} -o json")).ended(0));
        assert_eq!((found.len(), &found[0]["commit"]), (1, &serde_json::Value::Null), "{name}");
    }
}

#[test]
fn who_had_what_on_a_day() {
    let place = applied();
    let before = now();
    place.write(
        "tenants/users.yaml",
        &(user("anna", "operations-engineer") + &user("ben", "common-manager") + &user("cleo", "owner")),
    );
    place.run("apply tenants --yes").ended(0);
    place.write("tenants/users.yaml", &(user("anna", "operations-engineer") + &user("cleo", "owner")));
    place.run("apply tenants --yes --allow-last-holder default/common-manager").ended(0);
    let names = |ran: &Ran| -> Vec<String> {
        let items = ran.json()["items"].as_array().unwrap().clone();
        items.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let then = place.run(&format!("history --at {before} --role common-manager -o json")).ended(0);
    assert_eq!(names(&then), ["anna", "ben"]);
    assert_eq!(then.json()["items"][1]["status"]["enabled"], true);
    assert_eq!(then.json()["items"][0]["spec"]["email"], "anna@x.example");
    let today = place.run("history --at 2999-01-01 --role common-manager -o json").ended(0);
    assert_eq!(names(&today), ["ben"]);
    assert_eq!(today.json()["items"][0]["status"]["enabled"], false);
    let long_ago = place.run("history --at 2020-01-01").ended(0);
    assert_eq!(long_ago.out, "Nothing.\n");
    // It is what `get` says, in the same form.
    let now = place.run("history --at 2999-01-01 -o json").ended(0).json();
    let mut got = place.run("get -o json").ended(0).json();
    for item in got["items"].as_array_mut().unwrap() {
        item["status"].as_object_mut().unwrap().remove("credential");
    }
    assert_eq!(now, got);
    // Who got and who lost a role, and who was shut out having it.
    let of_role = records(&place.run("history --role common-manager -o json").ended(0));
    let told: Vec<_> =
        of_role.iter().map(|it| format!("{} {}", it["verb"].as_str().unwrap(), it["key"].as_str().unwrap())).collect();
    let expected = ["create user/default/anna", "create user/default/ben", "edit user/default/anna", "disable user/default/ben"];
    assert_eq!(told, expected);
}

#[test]
fn a_person_is_found_by_every_name_they_had() {
    let place = applied();
    let renamed = user("anna", "common-manager").replace("spec:\n", "spec:\n  username: anna.berg\n");
    place.write("tenants/users.yaml", &(renamed + &user("ben", "common-manager") + &user("cleo", "owner")));
    place.run("apply tenants --yes").ended(0);
    for name in ["anna", "anna.berg", "user/default/anna"] {
        assert_eq!(records(&place.run(&format!("history --user {name} -o json")).ended(0)).len(), 2, "{name}");
    }
    assert!(place.run("history --user nobody").ended(1).err.contains("knows no user `nobody`"));
}

#[test]
fn what_others_did_is_drift_and_then_found() {
    let place = applied();
    assert!(place.run("drift tenants").ended(0).out.starts_with("Nothing was changed outside Git"));
    place.run("drift tenants --detailed-exitcode").ended(0);
    place.sql(
        "UPDATE objects SET body = json_set(body, '$.role', 'common-manager') WHERE name = 'cleo';
         UPDATE objects SET enabled = 0 WHERE name = 'ben';
         DELETE FROM objects WHERE name = 'anna';
         INSERT INTO objects (id, kind, parent, username, email, body)
           SELECT 's' || value, 'user', (SELECT row FROM objects WHERE name = 'north'), 'x' || value, 'x' || value || '@x.example',
             json_object('username', 'x' || value, 'email', 'x' || value || '@x.example', 'role', 'common-manager')
           FROM json_each('[1, 2]');",
    );
    let drift = place.run("drift tenants --detailed-exitcode").ended(2).out;
    for sentence in [
        "2 common-managers were added outside Git",
        "1 common-manager was deleted outside Git",
        "1 user was given the role common-manager outside Git",
        "1 common-manager was disabled outside Git",
        "role: owner → common-manager",
        "next apply: create",
        "next apply: enable",
        "next apply: nothing, since nobody declares it",
    ] {
        assert!(drift.contains(sentence), "no `{sentence}` in\n{drift}");
    }
    let json = place.run("drift tenants -o json").ended(0).json();
    assert_eq!(json["objects"].as_array().unwrap().len(), 5);
    assert_eq!(json["objects"].as_array().unwrap().iter().find(|it| it["key"] == "user/default/cleo").unwrap()["next"], "edit");

    place.run("apply tenants --yes").ended(0);
    // What nobody manages is there still, and was not there before us.
    let left = place.run("drift tenants -o json").ended(0).json();
    assert_eq!(left["summary"], serde_json::json!([{ "what": "2 common-managers were added outside Git", "count": 2 }]));
    let all = records(&place.run("history -o json").ended(0));
    let found: Vec<_> = all.iter().filter(|it| it["verb"] == "found").collect();
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|it| it["foundSince"].is_string() && it["at"].as_str() > it["foundSince"].as_str()));
    let text = place.run("history").ended(0).out;
    assert!(text.contains("deleted by somebody else") && text.contains("found, and done by somebody else, after 20"), "{text}");
    // Between the two looks nobody knows.
    let between = found[0]["foundSince"].as_str().unwrap();
    assert!(place.run(&format!("history --at {between}")).ended(0).err.contains("5 things were found changed later"));
    place.run("history verify").ended(0);
    // What was recorded once is not found again.
    place.write("tenants/users.yaml", &(user("anna", "owner") + &user("ben", "common-manager") + &user("cleo", "owner")));
    place.run("apply tenants --yes").ended(0);
    let again = records(&place.run("history -o json").ended(0));
    assert_eq!(again.iter().filter(|it| it["verb"] == "found").count(), 5);
}

/// A wrong name in an audit trail is worse than none.
#[test]
fn a_commit_is_that_of_the_document_and_of_what_made_the_change() {
    let place = applied();
    let as_somebody = |name: &str, what: &str| {
        let config = format!("-c user.name={name} -c user.email={name}@x.example commit --quiet --all --message {what}");
        let words: Vec<&str> = config.split_whitespace().collect();
        let ran: Ran = place.command("git", &words).output().unwrap().into();
        ran.ended(0);
    };
    let people = |anna: &str, ben: &str| {
        let ben = user("ben", ben).replace("spec:\n", "spec:\n  expires: \"2999-01-01\"\n");
        user("anna", anna) + &ben + &user("cleo", "owner") + &user("dora", "owner")
    };
    let author = |key: &str, verb: &str| {
        let all = records(&place.run("history -o json").ended(0));
        let found = all.iter().rfind(|it| it["key"] == key && it["verb"] == verb).unwrap_or_else(|| panic!("{verb} {key}"));
        found["author"].as_str().map(|author| author.split(' ').next().unwrap().to_owned())
    };
    place.write("tenants/users.yaml", &people("common-manager", "common-manager"));
    as_somebody("First", "one");
    // One file, two people's edits, one run.
    place.write("tenants/users.yaml", &people("operations-engineer", "common-manager"));
    as_somebody("Alice", "two");
    place.write("tenants/users.yaml", &people("operations-engineer", "owner"));
    as_somebody("Bert", "three");
    place.run("apply tenants --yes --allow-last-holder default/common-manager").ended(0);
    assert_eq!(
        (author("user/default/anna", "edit"), author("user/default/ben", "edit")),
        (Some("Alice".into()), Some("Bert".into()))
    );
    // A document is taken away, and another one edited behind it.
    let without = people("operations-engineer", "owner").replace(&user("dora", "owner"), "");
    place.write("tenants/users.yaml", &without);
    as_somebody("Remover", "four");
    place.write("tenants/users.yaml", &without.replace("email: cleo@", "displayName: Cleo\n  email: cleo@"));
    as_somebody("Later", "five");
    place.run("apply tenants --yes").ended(0);
    assert_eq!(
        (author("user/default/dora", "disable"), author("user/default/cleo", "edit")),
        (Some("Remover".into()), Some("Later".into()))
    );
    // What is taken away and not committed is nobody's yet.
    place.write("tenants/users.yaml", &without.replace(&user("cleo", "owner"), ""));
    place.run("apply tenants --yes").ended(0);
    assert_eq!(author("user/default/cleo", "disable"), None);
    // Whoever shuts off a company shuts off who is in it.
    place.write("tenants/company.yaml", &company("north").replace("spec: {}", "spec: { enabled: false }"));
    as_somebody("Closer", "six");
    place.run("apply tenants --yes --allow-removals 9").ended(0);
    assert_eq!(author("user/default/anna", "disable"), Some("Closer".into()));
    let took = records(&place.run("history --user anna --leavers -o json").ended(0))[0]["secondsSinceCommit"].as_f64().unwrap();
    assert!(took < 600.0, "{took}");
    // A lock is in no commit, and no leaver of one.
    place.run("lock anna --reason INC-204").ended(0);
    let all = records(&place.run("history --user anna -o json").ended(0));
    let locked = all.iter().rfind(|it| it["reason"] == "Locked").unwrap();
    assert_eq!((&locked["commit"], &locked["secondsSinceCommit"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    // Nothing is known of what lies before a shallow clone.
    let ran: Ran = place
        .command("git", &["clone", "--quiet", "--depth=1", &format!("file://{}", place.path().display()), "shallow"])
        .output()
        .unwrap()
        .into();
    ran.ended(0);
    let shallow = place.file("shallow");
    let mut command = place.command(env!("CARGO_BIN_EXE_tenantry"), &["apply", "tenants", "--yes"]);
    let ran: Ran = command.current_dir(&shallow).output().unwrap().into();
    ran.ended(0);
    let mut command = place.command(env!("CARGO_BIN_EXE_tenantry"), &["history", "-o", "json"]);
    let ran: Ran = command.current_dir(&shallow).output().unwrap().into();
    assert!(records(&ran).iter().all(|it| it["author"].is_null()));
}

/// Whoever looks does not make it right.
#[test]
fn a_look_that_records_it_leaves_it_drift() {
    let place = applied();
    place.sql("UPDATE objects SET enabled = 0 WHERE name = 'ben'; UPDATE objects SET body = json_set(body, '$.role', 'common-manager') WHERE name = 'cleo'; DELETE FROM objects WHERE name = 'anna'");
    let before = place.run("drift tenants -o json").ended(0).json();
    assert_eq!(before["objects"].as_array().unwrap().len(), 3);
    // Another owner applies something of theirs in the same directory, and records what it sees.
    place.write("other/tenantry.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: { name: other }\nspec: { directory: { sqlite: { path: ../tenantry.db } } }\n");
    place.write("other/o.yaml", &company("other"));
    place.run("apply other --yes").ended(0);
    let records = records(&place.run("history -o json").ended(0));
    assert_eq!(records.iter().filter(|it| it["verb"] == "found").count(), 3);
    assert_eq!(place.run("drift tenants -o json").ended(0).json()["objects"], before["objects"]);
    place.run("drift other --detailed-exitcode").ended(0);
    place.run("apply tenants --yes --allow-last-holder default/common-manager").ended(0);
    assert!(place.run("drift tenants").ended(0).out.starts_with("Nothing was changed outside Git"));
}

/// Whoever gives themselves a role and then writes it into the documents is recorded.
#[test]
fn what_is_declared_afterwards_was_found_all_the_same() {
    let place = applied();
    place.sql("UPDATE objects SET body = json_set(body, '$.role', 'common-manager') WHERE name = 'cleo'");
    place.write(
        "tenants/users.yaml",
        &(user("anna", "common-manager") + &user("ben", "common-manager") + &user("cleo", "common-manager")),
    );
    place.run("drift tenants --detailed-exitcode").ended(2);
    place.run("apply tenants --yes").ended(0);
    let all = records(&place.run("history --user cleo -o json").ended(0));
    assert_eq!(all.last().unwrap()["verb"], "found");
    assert!(place.run("history --at 2999-01-01 --role common-manager").ended(0).out.contains("cleo"));
    place.run("drift tenants --detailed-exitcode").ended(0);
    let before = all.len();
    place.run("apply tenants --yes").ended(0);
    assert_eq!(records(&place.run("history --user cleo -o json").ended(0)).len(), before);
}

/// People follow a company that gets another name, also where they get one in the same run.
#[test]
fn what_is_under_something_renamed_has_not_moved() {
    let place = applied();
    let moved = |text: String, from: &str, to: &str| {
        text.replace(&format!("name: {from} }}"), &format!("name: {to}, annotations: {{ tenantry.dev/moved-from: {from} }} }}"))
    };
    let users = |above: &str, anna: &str| {
        let anna = if anna == "anna" {
            user("anna", "common-manager")
        } else {
            moved(user("anna", "common-manager"), "anna", anna)
                .replace("annotations: { tenantry.dev/moved-from: anna }", "annotations: { tenantry.dev/moved-from: default/anna }")
        };
        (anna + &user("ben", "common-manager") + &user("cleo", "owner")).replace("company: north", &format!("company: {above}"))
    };
    let south = moved(company("north"), "north", "south").replace("moved-from: north", "moved-from: default/north");
    // In one run, and then in two.
    place.write("tenants/company.yaml", &south);
    place.write("tenants/users.yaml", &users("south", "anna-berg"));
    place.run("apply tenants --yes").ended(0);
    let same = |place: &Place| {
        assert!(
            place.run("drift tenants").ended(0).out.starts_with("Nothing was changed outside Git"),
            "{}",
            place.run("drift tenants").out
        );
        let specs = |ran: Ran| ran.json()["items"].as_array().unwrap().iter().map(|it| it["spec"].clone()).collect::<Vec<_>>();
        assert_eq!(specs(place.run("history --at 2999-01-01 -o json").ended(0)), specs(place.run("get -o json").ended(0)));
    };
    same(&place);
    let west = moved(company("south"), "south", "west").replace("moved-from: south", "moved-from: default/south");
    place.write("tenants/company.yaml", &west);
    place.write("tenants/users.yaml", &users("west", "anna-berg"));
    place.run("apply tenants --yes").ended(0);
    same(&place);
    let anna = user("anna", "common-manager")
        .replace("name: anna }", "name: anna-lind, annotations: { tenantry.dev/moved-from: default/anna-berg } }")
        .replace("email: anna@", "username: anna\n  email: anna@");
    place.write(
        "tenants/users.yaml",
        &(anna + &user("ben", "common-manager") + &user("cleo", "owner")).replace("company: north", "company: west"),
    );
    place.run("apply tenants --yes").ended(0);
    same(&place);
}

#[test]
fn a_trail_that_was_changed_is_told() {
    let place = applied();
    let whole = place.run("history verify").ended(0).out;
    let head = whole.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned();
    place.run("lock ben --reason test").ended(0);
    let later = place.run(&format!("history verify --head {head}")).ended(0).out;
    assert!(later.contains("The head that was kept is that of record 5."), "{later}");
    assert!(place.run(&format!("history verify --head {}", "0f".repeat(32))).ended(1).err.contains("no record has the head"));
    place.sql("DROP TRIGGER audit_keeps; UPDATE audit SET committed_at = committed_at + 1 WHERE seq = 2;");
    assert!(place.run("history verify").ended(1).err.contains("record 2 of the trail is not as it was written: it was changed"));
    place.write("key.pem", &fs::read_to_string(key(&place)).unwrap());
    assert!(place.run("history export --key key.pem").ended(1).err.contains("not whole, so it is not signed"));
}

/// A private key, as the help says it is made.
fn key(place: &Place) -> std::path::PathBuf {
    let made: Ran = place.command("openssl", &["genpkey", "-algorithm", "ed25519", "-out", "audit.pem"]).output().unwrap().into();
    made.ended(0);
    place.file("audit.pem")
}

#[test]
fn an_export_is_checked_with_nothing_of_ours() {
    let place = applied();
    key(&place);
    let export = place.run("history export --key audit.pem").ended(0).out;
    let (body, last) = export.trim_end().rsplit_once('\n').unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    let signed = last["signed"].as_str().unwrap();
    place.write("signed", signed);
    fs::write(place.file("signature"), BASE64_STANDARD.decode(last["signature"].as_str().unwrap()).unwrap()).unwrap();
    place.write("body", &format!("{body}\n"));
    let openssl = |words: &[&str]| -> Ran { place.command("openssl", words).output().unwrap().into() };
    openssl(&["pkey", "-in", "audit.pem", "-pubout", "-out", "public.pem"]).ended(0);
    let check = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "signed", "-sigfile", "signature"];
    openssl(&check).ended(0);
    let digest: Ran = Command::new("sha256sum").arg(place.file("body")).output().unwrap().into();
    assert!(signed.ends_with(&format!("sha256={}", digest.out.split(' ').next().unwrap())), "{signed}");
    assert!(signed.starts_with("tenantry-history-1 records=5 head="), "{signed}");
    let head = place.run("history verify").ended(0).out;
    assert!(signed.contains(head.lines().find_map(|line| line.strip_prefix("head ")).unwrap()));
    place.write("signed", &signed.replace("records=5", "records=6"));
    assert_ne!(openssl(&check).code, 0);
    let lines: Vec<serde_json::Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[1..].windows(2).all(|pair| pair[0]["hash"] == pair[1]["prev"]), "a chain");
    place.write("audit.pem", "no key");
    assert!(place.run("history export --key audit.pem").ended(3).err.contains("is no private key for Ed25519"));
}
