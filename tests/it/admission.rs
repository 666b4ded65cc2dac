//! Who may give and take which role: the policy of the chart on a real API server, with the example's roles of a manager, an
//! engineer and an owner. The admission of Kubernetes is asked; no controller has to run.

use std::fs;

use crate::cluster::{Cluster, Identity};

const MANAGER: Identity<'static> = Identity::Person("sofia", &["fleet-managers"]);
const ENGINEER: Identity<'static> = Identity::Person("lena", &["fleet-engineers"]);
const OWNER: Identity<'static> = Identity::Person("otto", &["fleet-owners"]);

struct Court<'a> {
    cluster: &'a Cluster,
    namespace: String,
}

impl Court<'_> {
    fn user(&self, name: &str, role: &str, annotations: &str) -> String {
        format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name}, namespace: {}, annotations: {{ {annotations} }} \
             }}\nspec: {{ email: {name}@x.example, company: helios, role: {role} }}\n",
            self.namespace
        )
    }

    /// What somebody is told; nothing where they may.
    fn told(&self, who: &Identity<'_>, words: &[&str], stdin: &str) -> Option<String> {
        let mut all = vec!["-n", self.namespace.as_str()];
        all.extend(words);
        let ran = self.cluster.ran(who, &all, stdin);
        (ran.code != 0).then_some(ran.err)
    }

    fn creates(&self, who: &Identity<'_>, name: &str, role: &str, annotations: &str) -> Option<String> {
        self.told(who, &["create", "-f", "-"], &self.user(name, role, annotations))
    }

    fn patches(&self, who: &Identity<'_>, name: &str, patch: &str) -> Option<String> {
        self.told(who, &["patch", "users.tenantry.dev", name, "--type=merge", "-p", patch], "")
    }

    fn deletes(&self, who: &Identity<'_>, name: &str) -> Option<String> {
        self.told(who, &["delete", "users.tenantry.dev", name, "--wait=false"], "")
    }
}

#[track_caller]
fn may(told: Option<String>) {
    if let Some(told) = told {
        panic!("it was refused: {told}");
    }
}

#[track_caller]
fn may_not(told: Option<String>, why: &str) {
    let told = told.unwrap_or_else(|| panic!("it was allowed: {why}"));
    assert!(told.contains(why), "{told}\nshould say: {why}");
}

#[test]
fn a_role_is_given_and_taken_by_who_may_assign_it() {
    let cluster = Cluster::shared();
    let court = Court { cluster, namespace: cluster.namespace("court") };
    for file in ["manager", "engineer", "owner"] {
        let file = format!("{}/examples/kubernetes/rbac/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(file).unwrap().replace("namespace: fleet", &format!("namespace: {}", court.namespace));
        cluster.apply(&text).ended(0);
    }
    let manager = "verb `assign` on `roles.tenantry.dev/common-manager`";
    let all = "verb `assign` on all of `roles.tenantry.dev`";
    // create: the new role
    may(court.creates(&MANAGER, "m1", "common-manager", ""));
    may(court.creates(&MANAGER, "o1", "owner", ""));
    may(court.creates(&ENGINEER, "e1", "operations-engineer", ""));
    may_not(
        court.creates(&ENGINEER, "m2", "common-manager", ""),
        &format!("lena may not assign the role `common-manager` in namespace `{}`: it needs the {manager}", court.namespace),
    );
    may_not(court.creates(&MANAGER, "a1", "tenant-administrator", ""), "roles.tenantry.dev/tenant-administrator");
    may_not(court.creates(&OWNER, "o2", "owner", ""), "cannot create resource");
    // update: the old one and the new one
    may(court.patches(&ENGINEER, "o1", r#"{"spec":{"role":"operations-engineer"}}"#));
    may_not(court.patches(&ENGINEER, "o1", r#"{"spec":{"role":"common-manager"}}"#), manager);
    may_not(court.patches(&ENGINEER, "m1", r#"{"spec":{"role":"owner"}}"#), "may not change or remove a user with the role");
    may_not(court.patches(&ENGINEER, "m1", r#"{"spec":{"email":"evil@x.example"}}"#), manager);
    may_not(court.patches(&ENGINEER, "m1", r#"{"spec":{"enabled":false}}"#), manager);
    may(court.patches(&ENGINEER, "e1", r#"{"spec":{"email":"new@x.example"}}"#));
    may(court.patches(&MANAGER, "m1", r#"{"spec":{"email":"new-too@x.example"}}"#));
    // what says nothing of a person
    may(court.patches(&ENGINEER, "m1", r#"{"metadata":{"labels":{"a":"b"}}}"#));
    may(court.patches(&ENGINEER, "m1", r#"{"metadata":{"annotations":{"tenantry.dev/reconcile-at":"now"}}}"#));
    may_not(court.patches(&ENGINEER, "m1", r#"{"metadata":{"annotations":{"tenantry.dev/paused":"true"}}}"#), manager);
    // what takes an account over
    may_not(court.patches(&ENGINEER, "o1", r#"{"metadata":{"annotations":{"tenantry.dev/moved-from":"ines"}}}"#), all);
    may_not(court.creates(&MANAGER, "n1", "owner", "tenantry.dev/adopt: \"77\""), all);
    let chief = Identity::Person("nadia", &[]);
    cluster
        .kubectl(&["-n", &court.namespace, "create", "rolebinding", "chief", "--clusterrole=tenantry-admin", "--user=nadia"])
        .ended(0);
    may(court.creates(&chief, "n0", "owner", "tenantry.dev/moved-from: ines"));
    may_not(court.creates(&chief, "n1", "owner", "tenantry.dev/moved-from: elsewhere/ines"), "out of namespace `elsewhere`");
    may_not(court.patches(&MANAGER, "o1", r#"{"metadata":{"annotations":{"tenantry.dev/rebind":"other"}}}"#), all);
    may(court.creates(&Identity::Admin, "n1", "owner", "tenantry.dev/moved-from: elsewhere/ines"));
    // finalizers: the controller's own business
    let kept = r#"{"metadata":{"finalizers":["tenantry.dev/directory"]}}"#;
    may(court.patches(&Identity::Admin, "m1", kept));
    may_not(court.patches(&ENGINEER, "m1", r#"{"metadata":{"finalizers":null}}"#), manager);
    // delete: the old one
    may_not(court.deletes(&ENGINEER, "m1"), manager);
    may_not(court.deletes(&OWNER, "o1"), "cannot delete resource");
    may(court.deletes(&ENGINEER, "e1"));
    may(court.deletes(&MANAGER, "m1"));
    may_not(court.patches(&ENGINEER, "m1", r#"{"metadata":{"finalizers":null}}"#), manager);
    may(court.patches(&Identity::Admin, "m1", r#"{"metadata":{"finalizers":null}}"#));
}
