//! From a branch to the directory.

use std::{fs, fs::File, thread, time::Duration};

use super::site::{Ended, Site, examples, tenants};

/// Adds somebody.
fn with(name: &str) -> impl FnOnce(String) -> String {
    let more = tenants(&["x", name]);
    let document = more.rsplit("---\n").next().unwrap().to_owned();
    // Before all others, so that git sees no conflict with what is taken out at the end.
    move |now| format!("{document}---\n{now}")
}

/// Takes somebody out.
fn without(name: &str) -> impl FnOnce(String) -> String {
    let name = format!("name: {name} ");
    move |now| now.split("---\n").filter(|document| !document.contains(&name)).collect::<Vec<_>>().join("---\n")
}

/// Keys that a plan or an apply did something to.
fn changed(site: &Site, file: &str) -> Vec<String> {
    let json = site.json(file);
    let changed = json["objects"].as_array().unwrap().iter().filter(|object| !object["reason"].is_null());
    changed.map(|object| format!("{} {}", object["verb"].as_str().unwrap(), object["key"].as_str().unwrap())).collect()
}

#[test]
fn a_branch_is_planned_and_its_merge_applies_that() {
    let site = Site::new("github-actions");
    let Ended { out, .. } = site.plan("mara", with("mara"), &[]).with(0);
    assert!(out.contains("create"), "{out}");
    let comment = site.read("plan-mara/out/plan.md");
    assert_eq!(comment.lines().next(), Some("<!-- tenantry-plan acme -->"));
    assert!(comment.contains("user/default/mara"), "{comment}");
    assert_eq!(changed(&site, "plan-mara/out/plan.json"), ["create user/default/mara"]);
    assert_eq!(site.people(), ["sofia", "timo"], "a plan does nothing");
    site.merge("mara");
    site.apply("mara", &[]).with(0);
    assert_eq!(site.people(), ["mara", "sofia", "timo"]);
    // Started again, the job finds nothing to do.
    let Ended { err, .. } = site.apply("mara", &[]).with(0);
    assert!(err.contains("1 change of the approved plan is not wanted any more"), "{err}");
    assert_eq!(site.json("apply-mara/out/applied.json")["done"]["applied"], 0);
}

#[test]
fn what_was_planned_before_another_merge_goes_on_after_it() {
    let site = Site::new("github-actions");
    site.plan("mara", with("mara"), &[]).with(0);
    site.plan("gone", without("timo"), &[]).with(0);
    site.merge("mara");
    site.merge("gone");
    // The later one comes first: it does its own, and says what it leaves.
    let Ended { err, .. } = site.apply("gone", &[]).with(6);
    assert!(err.contains("Not everything that is declared is true yet:\n  held    user/default/mara: the approved plan does not"));
    assert_eq!(site.people(), ["sofia", "timo (off)"]);
    assert_eq!(changed(&site, "apply-gone/out/applied.json"), ["disable user/default/timo"]);
    // The earlier merge was pushed before the other one: Timo is still declared by that commit, but not where the job looks.
    let Ended { out, err, .. } = site.apply("mara", &[]).with(0);
    assert!(!out.contains("timo") && !err.contains("timo"), "{out}{err}");
    assert_eq!(changed(&site, "apply-mara/out/applied.json"), ["create user/default/mara"]);
    assert_eq!(site.people(), ["mara", "sofia", "timo (off)"]);
    // Nothing is left, and nothing is done twice.
    let Ended { err, .. } = site.apply("gone", &[]).with(0);
    assert!(err.contains("1 change of the approved plan is not wanted any more"), "{err}");
}

#[test]
fn a_job_that_is_started_again_does_not_do_what_was_reverted() {
    for forge in ["github-actions", "gitlab-ci"] {
        let site = Site::new(forge);
        site.plan("mara", with("mara"), &[]).with(0);
        site.merge("mara");
        // Its job finds somebody else at work.
        let lock = File::options().create(true).append(true).open(site.path("directory.db.lock")).unwrap();
        lock.lock().unwrap();
        site.apply("mara", &[("TENANTRY_WAIT", "0s")]).with(7);
        lock.unlock().unwrap();
        // Meanwhile nobody wants Mara any more.
        site.plan("revert", without("mara"), &[]).with(0);
        site.merge("revert");
        site.apply("revert", &[]).with(0);
        let Ended { err, .. } = site.apply("mara", &[]).with(0);
        assert!(err.contains("1 change of the approved plan is not wanted any more"), "{forge}: {err}");
        assert_eq!(site.people(), ["sofia", "timo"], "{forge}");
    }
}

#[test]
fn a_comment_without_a_plan_takes_the_place_of_one_with_it() {
    let site = Site::new("github-actions");
    let first = |variables: &[(&str, &str)]| {
        let output = site.script("quickstart", &["../seed/ci/plan.sh", "out"], variables).output().unwrap();
        let ended = Ended::of(output);
        (ended.code, site.read("quickstart/out/plan.md").lines().next().unwrap().to_owned())
    };
    fs::create_dir(site.path("quickstart")).unwrap();
    for file in ["tenantry.yaml", "tenants.yaml"] {
        fs::copy(examples().join("quickstart").join(file), site.path("quickstart").join(file)).unwrap();
    }
    let said = site.read("quickstart/tenantry.yaml");
    let name = "metadata: { name: quickstart }";
    let cases = [
        (name, name, "quickstart"),
        (name, "metadata:\n  name: \"quickstart\" # name: other\n", "quickstart"),
        ("spec:", "spec:\n  regions: [{ name: europe }]", "quickstart"),
        ("spec:", "spec:\r\n  owner: platform-2 # owner: other\r\n", "platform-2"),
        ("spec:", "# owner: other\nspec:\n  \"owner\": 'north'", "north"),
    ];
    for (from, to, owner) in cases {
        assert!(said.contains(from), "{from}");
        fs::write(site.path("quickstart/tenantry.yaml"), said.replacen(from, to, 1)).unwrap();
        let mark = format!("<!-- tenantry-plan {owner} -->");
        assert_eq!(first(&[]), (Some(0), mark.clone()), "{to}");
        // No program, no plan.
        assert_eq!(first(&[("TENANTRY", "/nowhere/tenantry")]), (Some(127), mark), "{to}");
    }
    let told = [("TENANTRY", "/nowhere/tenantry"), ("TENANTRY_OWNER", "told")];
    assert_eq!(first(&told).1, "<!-- tenantry-plan told -->");
    fs::remove_file(site.path("quickstart/tenantry.yaml")).unwrap();
    assert_eq!(first(&[("TENANTRY", "/nowhere/tenantry")]).1, "<!-- tenantry-plan default -->");
}

#[test]
fn two_applies_at_the_same_time_wait_for_each_other() {
    let site = Site::new("github-actions");
    site.plan("mara", with("mara"), &[]).with(0);
    site.plan("gone", without("timo"), &[]).with(0);
    site.merge("mara");
    site.merge("gone");
    // Somebody holds the lock, so that both have planned before either may write.
    let lock = File::options().create(true).append(true).open(site.path("directory.db.lock")).unwrap();
    lock.lock().unwrap();
    let Ended { err, .. } = site.apply("mara", &[("TENANTRY_WAIT", "0s")]).with(7);
    assert!(err.contains("run this job again"), "{err}");
    let mut both = [site.start_apply("mara", &[]), site.start_apply("gone", &[])];
    thread::sleep(Duration::from_secs(2));
    assert!(both.iter_mut().all(|it| it.try_wait().unwrap().is_none()), "neither goes on, and neither gives up");
    assert_eq!(site.people(), ["sofia", "timo"]);
    lock.unlock().unwrap();
    let mut ended: Vec<Ended> = both.map(|it| Ended::of(it.wait_with_output().unwrap())).into();
    ended.sort_by_key(|it| it.code);
    let [second, first] = &ended[..] else { panic!("two") };
    assert_eq!((second.code, first.code), (Some(0), Some(6)), "{}{}", second.err, first.err);
    assert!(second.err.contains("the directory changed meanwhile; this is what remains of the approved plan"), "{}", second.err);
    assert_eq!(site.people(), ["mara", "sofia", "timo (off)"]);
    for branch in ["mara", "gone"] {
        assert_eq!(site.json(&format!("apply-{branch}/out/applied.json"))["done"]["applied"], 1, "each did its own");
    }
}

#[test]
fn a_plan_that_is_another_one_does_nothing() {
    let site = Site::new("github-actions");
    site.plan("mara", with("mara"), &[]).with(0);
    site.merge("mara");
    let kept = site.read("plan-mara/out/plan.json");
    for (from, to, code, told) in [
        ("mara@north.example", "eve@evil.example", 6, "something else of it (`email`)"),
        ("user/default/mara", "user/default/eve", 6, "the approved plan does not create it"),
        ("\"owner\": \"acme\"", "\"owner\": \"evil\"", 5, ""),
        ("\"formatVersion\": \"1.", "\"formatVersion\": \"9.", 3, "formatVersion"),
        ("\"objects\": [", "\"objects\": ", 3, "plan.json:"),
    ] {
        assert!(kept.contains(from), "{from}");
        fs::write(site.path("plan-mara/out/plan.json"), kept.replace(from, to)).unwrap();
        let Ended { err, .. } = site.apply("mara", &[]).with(code);
        assert!(err.contains(told), "{told}: {err}");
        assert_eq!(site.people(), ["sofia", "timo"], "{to}");
    }
    fs::write(site.path("plan-mara/out/plan.json"), kept).unwrap();
    site.apply("mara", &[]).with(0);
}

#[test]
fn what_cannot_be_applied_fails_and_the_comment_says_so() {
    let site = Site::new("github-actions");
    let first = |name: &str| site.read(&format!("plan-{name}/out/plan.md")).lines().next().unwrap().to_owned();
    let kept = |name: &str| site.path(&format!("plan-{name}/out/plan.json")).exists();
    // 2: something would change, and 0: nothing would.
    site.plan("note", |now| format!("# A remark.\n{now}"), &[]).with(0);
    assert!(kept("note"));
    // 3: a document is wrong.
    let Ended { err, .. } = site.plan("broken", |now| now.replace("role: owner", "role: ownr"), &[]).with(3);
    assert!(err.contains("ownr"), "{err}");
    assert_eq!((first("broken"), kept("broken")), ("<!-- tenantry-plan acme -->".to_owned(), false));
    // 5: a gate refuses, unless it is narrowed for both jobs.
    let nobody = |now: String| now.replace("role: common-manager", "role: owner");
    site.plan("nobody", nobody, &[]).with(5);
    assert_eq!((first("nobody"), kept("nobody")), ("<!-- tenantry-plan acme -->".to_owned(), false));
    let allowed = [("TENANTRY_ALLOW", "--allow-last-holder default/common-manager")];
    site.plan("nobody", |now| format!("{now}# Once more.\n"), &allowed).with(0);
    site.merge("nobody");
    site.apply("nobody", &[]).with(5);
    site.apply("nobody", &allowed).with(0);
    // There is no plan at all: the comment must not show the one before.
    fs::write(site.path("directory.db"), "<no database>").unwrap();
    for file in ["directory.db-wal", "directory.db-shm"] {
        drop(fs::remove_file(site.path(file)));
    }
    let Ended { err, .. } = site.plan("later", with("mara"), &[]).with(1);
    assert!(!err.is_empty());
    let comment = site.read("plan-later/out/plan.md");
    assert!(comment.starts_with("<!-- tenantry-plan acme -->\n**There is no plan**: `tenantry plan` ended with 1."), "{comment}");
    assert!(!kept("later"));
}
