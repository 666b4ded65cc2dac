//! Runs that come at the same time.

use std::{fs::File, process::Stdio, thread, time::Duration};

use crate::place::{Place, Ran};

const COMPANY: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: north }\nspec: {}\n";

fn user(name: &str) -> String {
    format!(
        "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name} }}\n\
         spec: {{ email: {name}@x.example, company: north, role: owner }}\n"
    )
}

#[test]
fn what_nobody_has_looked_at_is_planned_again_after_another_run() {
    let place = Place::new();
    place.write("tenants/all.yaml", &format!("{COMPANY}{}", user("anna")));
    place.run("apply tenants --yes").ended(0);
    place.write("tenants/all.yaml", &format!("{COMPANY}{}{}", user("anna"), user("ben")));
    // Somebody holds the lock, so that both have planned before either may write.
    let lock = File::options().write(true).open(place.file("tenantry.db.lock")).unwrap();
    lock.lock().unwrap();
    let start = |words: &[&str]| {
        let mut command = place.command(env!("CARGO_BIN_EXE_tenantry"), words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut both = [(); 2].map(|()| start(&["apply", "tenants", "--yes", "--wait", "1m"]));
    thread::sleep(Duration::from_secs(2));
    assert!(both.iter_mut().all(|it| it.try_wait().unwrap().is_none()), "both wait");
    lock.unlock().unwrap();
    let mut ended = both.map(|it| Ran::from(it.wait_with_output().unwrap()).ended(0));
    ended.sort_by_key(|it| it.err.contains("changed meanwhile"));
    let [first, second] = &ended;
    assert!(first.out.contains("Applied 1 (create 1)"), "{}{}", first.out, first.err);
    assert!(second.err.contains("the directory changed meanwhile; this is what remains to be done"), "{}", second.err);
    assert!(second.out.contains("No changes."), "{}", second.out);
    // Just this plan, or none.
    let digest = place.run("plan tenants -o json").ended(0).json()["digest"].as_str().unwrap().to_owned();
    place.write("tenants/all.yaml", &format!("{COMPANY}{}{}{}", user("anna"), user("ben"), user("cleo")));
    place.run(&format!("apply tenants --yes --expect {digest}")).ended(5);
}
