//! Everything about one thing.

use crate::place::{Place, company, user};

const MARCH: &str = "2026-03-03T08:00:00Z";
const APRIL: &str = "2026-04-04T08:00:00Z";

fn applied() -> Place {
    let place = Place::new();
    place.git("init --quiet --initial-branch=main", MARCH);
    place.write("tenants/all.yaml", &(company("north") + &user("anna", "common-manager") + &user("ben", "owner")));
    place.git("add tenants", MARCH);
    place.git("commit --quiet --message first", MARCH);
    place.run("apply tenants --yes").ended(0);
    place
}

#[test]
fn it_says_where_it_is_declared_by_which_commit_and_what_happens_next() {
    let place = applied();
    let settled = place.run("why user/default/anna tenants").ended(0).out;
    for line in [
        "declared   tenants/all.yaml:5, commit ",
        "of 2026-03-03T08:00:00Z by Anna <anna@x.example>\n",
        "holds      anna <anna@x.example>, common-manager in north, enabled, of the owner default, id ",
        "create     user/default/anna",
        "next       nothing: it is as declared",
    ] {
        assert!(settled.contains(line), "no `{line}` in\n{settled}");
    }
    // The other document of the file is by another commit.
    place.write("tenants/all.yaml", &(company("north") + &user("anna", "common-manager") + &user("ben", "operations-engineer")));
    place.git("commit --quiet --all --message second", APRIL);
    let json = |name: &str| place.run(&format!("why {name} tenants -o json")).ended(0).json();
    assert_eq!(json("anna")["committedAt"], MARCH);
    let ben = json("ben");
    assert_eq!((&ben["committedAt"], &ben["uncommitted"]), (&APRIL.into(), &false.into()));
    assert_eq!(ben["source"], serde_json::json!({ "file": "tenants/all.yaml", "line": 13 }));
    assert_eq!(ben["next"]["verb"], "edit");
    assert_eq!(ben["next"]["changes"][0]["after"], "operations-engineer");
    assert_eq!(ben["last"]["verb"], "create");
    assert_eq!(ben["holds"]["spec"]["role"], "owner");
    // A document that is added behind another one leaves that one to its commit, with the line between them.
    let more = std::fs::read_to_string(place.file("tenants/all.yaml")).unwrap() + &user("cleo", "owner");
    place.write("tenants/all.yaml", more.trim_end_matches("---\n"));
    place.git("commit --quiet --all --message third", "2026-05-05T08:00:00Z");
    assert_eq!((&json("ben")["committedAt"], &json("cleo")["committedAt"]), (&APRIL.into(), &"2026-05-05T08:00:00Z".into()));
    // What is not committed is said to be so.
    place.write("tenants/all.yaml", &(company("north") + &user("anna", "common-manager") + &user("ben", "common-manager")));
    assert_eq!(json("ben")["uncommitted"], true);
    assert!(place.run("why ben tenants").ended(0).out.contains(", changed since"));
}

#[test]
fn it_says_every_reason_why_somebody_is_shut_out() {
    let place = applied();
    let ben = user("ben", "owner").replace("spec:\n", "spec:\n  enabled: false\n  expires: \"2026-02-01\"\n");
    let north = company("north").replace("spec: {}", "spec: { enabled: false }");
    place.write("tenants/all.yaml", &(north + &user("anna", "common-manager") + &ben));
    place.run("apply tenants --yes --allow-removals 9 --allow-last-holder default/common-manager").ended(0);
    place.run("lock ben --reason INC-204").ended(0);
    let out = place.run("why ben tenants").ended(0).out;
    for why in [
        "locked until `tenantry unlock`: INC-204",
        "its document says `enabled: false`",
        "it expires 2026-02-02",
        "company/default/north above it is disabled",
    ] {
        assert!(out.contains(why), "no `{why}` in\n{out}");
    }
}

#[test]
fn it_says_what_it_waits_for() {
    let place = applied();
    let lost = user("cleo", "owner").replace("company: north", "company: nowhere");
    place.write("tenants/more.yaml", &lost);
    let out = place.run("why user/cleo tenants").ended(0).out;
    assert!(
        out.contains("holds      nothing") && out.contains("waits for  WaitingFor: it waits for `company/default/nowhere`"),
        "{out}"
    );
    assert!(out.contains("error[T0016]"), "{out}");
    // A plan that a gate refuses does nothing of what it holds.
    place.write("tenants/all.yaml", &(company("north") + &user("ben", "owner")));
    std::fs::remove_file(place.file("tenants/more.yaml")).unwrap();
    let out = place.run("why user/anna tenants").ended(0).out;
    assert!(out.contains("declared   nowhere in what was read") && out.contains("next       disable"), "{out}");
    assert!(out.contains("waits for  the gate `last-holder`"), "{out}");
    place.sql("UPDATE objects SET enabled = 0 WHERE name = 'ben'");
    let out = place.run("why ben tenants").ended(0).out;
    assert!(
        out.contains("by somebody else: the last run left it enabled") && out.contains("outside    enabled: yes → no"),
        "{out}"
    );
}

#[test]
fn what_nobody_knows_is_said_with_the_nearest() {
    let place = applied();
    assert!(place.run("why user/default/anne tenants").ended(1).err.contains("did you mean `user/default/anna`?"));
    assert!(place.run("why nobody tenants").ended(1).err.contains("nothing is known of `nobody`"));
    assert!(place.run("why anna").ended(3).err.contains("there is nothing to read"));
}
