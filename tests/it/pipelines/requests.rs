//! What is called of a forge's API: each call by method, path and body, and what is made of the answer.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::{
    forge::{Asked, Forge},
    site::{Ended, Site},
};

const MARK: &str = "<!-- tenantry-plan acme -->";
/// A token that must reach the forge and nobody else.
const TOKEN: &str = "s3cr3t-token";

/// A forge by name, and how its scripts are told of it.
fn variables<'v>(site: &Site, url: &'v str, sha: &'v str) -> Vec<(&'static str, &'v str)> {
    match site.forge() {
        "github-actions" => vec![
            ("GITHUB_API_URL", url),
            ("GITHUB_REPOSITORY", "acme/tenants"),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_SHA", sha),
            ("GITHUB_REF_NAME", "main"),
            ("PR_NUMBER", "7"),
        ],
        _ => vec![
            ("CI_API_V4_URL", url),
            ("CI_PROJECT_ID", "42"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_COMMIT_SHA", sha),
            ("CI_COMMIT_BRANCH", "main"),
            ("TENANTRY_NOTES_TOKEN", TOKEN),
            ("TENANTRY_READ_TOKEN", TOKEN),
        ],
    }
}

/// Shows a plan where these comments are, in pages; gives what was asked.
fn comment(site: &Site, answers: &[(&str, Value)]) -> Vec<Asked> {
    let answers = answers.iter().map(|(line, body)| ((*line).to_owned(), body.to_string()));
    let forge = Forge::answering(answers);
    fs::write(site.path("seed/plan.md"), format!("{MARK}\n\"Plan\" with ünïcode\n\tand more\n")).unwrap();
    let output = site.script("seed", &["ci/comment.sh", "plan.md"], &variables(site, &forge.url, "")).output().unwrap();
    let Ended { out, err, .. } = Ended::of(output).with(0);
    assert_eq!((&*out, &*err), ("", ""));
    forge.asked()
}

fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|it| format!("{} {}", it.method, it.path)).collect()
}

/// The last call carries the plan, with the token.
#[track_caller]
fn carries_the_plan(asked: &[Asked]) {
    let last = asked.last().unwrap();
    let body: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(body, json!({ "body": format!("{MARK}\n\"Plan\" with ünïcode\n\tand more\n") }));
    assert_eq!(last.headers["content-type"], "application/json");
    assert!(asked.iter().all(knows_the_token));
}

/// In the one header that is not passed on with a redirect.
fn knows_the_token(asked: &Asked) -> bool {
    asked.headers.get("authorization").is_some_and(|it| *it == format!("Bearer {TOKEN}"))
}

/// Something that a forge keeps elsewhere: another host, which must not learn the token.
fn elsewhere(content: &[u8]) -> (Forge, String) {
    let store = Forge::answering([("GET /store/it?signed=1".to_owned(), content)]);
    let url = format!("{}/store/it?signed=1", store.url.replace("127.0.0.1", "localhost"));
    (store, url)
}

#[track_caller]
fn heard_no_token(store: &Forge) {
    let asked = store.asked();
    assert!(!asked.is_empty() && asked.iter().all(|it| !format!("{it:?}").contains(TOKEN)), "{asked:?}");
}

#[test]
fn the_comment_of_a_pull_request_is_found_and_updated() {
    let site = Site::new("github-actions");
    let ours = |id: u64, body: &str| json!({ "id": id, "user": { "login": "github-actions[bot]" }, "body": body });
    let page = |page: u32| format!("GET /repos/acme/tenants/issues/7/comments?per_page=100&page={page}");
    let post = ("POST /repos/acme/tenants/issues/7/comments", json!({}));
    // None yet; one that looks like it is somebody else's, who could edit it; one of ours is about something else, or about another owner.
    let others = json!([
        { "id": 1, "user": { "login": "eve" }, "body": format!("{MARK}\nforged") },
        { "id": 2, "user": null, "body": null },
        ours(3, "coverage"),
        ours(4, "<!-- tenantry-plan other -->\nno"),
        ours(5, &format!("see {MARK}")),
    ]);
    for comments in [json!([]), others] {
        let asked = comment(&site, &[(&page(1), comments), post.clone()]);
        assert_eq!(lines(&asked), [page(1), post.0.to_owned()]);
        carries_the_plan(&asked);
    }
    // On the second page, with the line ends of a browser.
    let first: Vec<Value> = (0..100).map(|id| ours(id, "chatter")).collect();
    let second = json!([ours(200, &format!("{MARK}\r\nbefore")), ours(201, MARK)]);
    let patch = ("PATCH /repos/acme/tenants/issues/comments/200", json!({}));
    let asked = comment(&site, &[(&page(1), json!(first)), (&page(2), second), patch.clone(), post]);
    assert_eq!(lines(&asked), [page(1), page(2), patch.0.to_owned()]);
    carries_the_plan(&asked);
}

#[test]
fn the_note_of_a_merge_request_is_found_and_updated() {
    let site = Site::new("gitlab-ci");
    let note = |id: u64, author: u64, body: &str| json!({ "id": id, "author": { "id": author }, "body": body });
    let page = |page: u32| format!("GET /projects/42/merge_requests/7/notes?per_page=100&page={page}");
    let user = ("GET /user", json!({ "id": 9 }));
    let post = ("POST /projects/42/merge_requests/7/notes", json!({}));
    let asked = comment(&site, &[user.clone(), (&page(1), json!([note(1, 8, MARK), note(2, 9, "no")])), post.clone()]);
    assert_eq!(lines(&asked), [user.0, &page(1), post.0]);
    carries_the_plan(&asked);
    let first: Vec<Value> = (0..100).map(|id| note(id, 9, "chatter")).collect();
    let put = ("PUT /projects/42/merge_requests/7/notes/200", json!({}));
    let second = json!([note(200, 9, &format!("{MARK}\nbefore"))]);
    let asked = comment(&site, &[user.clone(), (&page(1), json!(first)), (&page(2), second), put.clone(), post]);
    assert_eq!(lines(&asked), [user.0, &page(1), &page(2), put.0]);
    carries_the_plan(&asked);
}

#[test]
fn a_refused_call_and_a_text_that_is_no_plan_fail() {
    for name in ["github-actions", "gitlab-ci"] {
        let site = Site::new(name);
        let forge = Forge::answering(Vec::<(String, String)>::new());
        for (text, told) in [(MARK, "404"), ("hello\n", "does not begin with the mark")] {
            fs::write(site.path("seed/plan.md"), text).unwrap();
            let output = site.script("seed", &["ci/comment.sh", "plan.md"], &variables(&site, &forge.url, "")).output().unwrap();
            let ended = Ended::of(output);
            assert!(ended.code != Some(0) && ended.err.contains(told) && !ended.err.contains(TOKEN), "{}", ended.err);
        }
    }
}

/// Gets the plan of a merge; what was asked, and what the job then applies.
fn fetch(site: &Site, sha: &str, answers: Vec<(String, Vec<u8>)>, redirects: &[(String, String)]) -> (Ended, Vec<String>) {
    let forge = Forge::redirecting(answers, redirects);
    let output = site.script("apply-mara", &["ci/fetch.sh", "approved.json"], &variables(site, &forge.url, sha)).output().unwrap();
    assert!(forge.asked().iter().all(knows_the_token));
    (Ended::of(output), forge.lines())
}

/// A branch that is planned and merged: its plan, the merge and its head.
fn merged(site: &Site) -> (String, String, String) {
    let more = super::site::tenants(&["sofia", "timo", "mara"]);
    site.plan("mara", |_| more, &[]).with(0);
    let (sha, head) = site.merge("mara");
    (site.read("plan-mara/out/plan.json"), sha, head)
}

/// Applies what was fetched.
fn applied(site: &Site, plan: &str) {
    assert_eq!(site.read("apply-mara/approved.json"), plan);
    let output = site.script("apply-mara", &["ci/apply.sh", "approved.json", "out"], &[]).output().unwrap();
    Ended::of(output).with(0);
    assert_eq!(site.people(), ["mara", "sofia", "timo"]);
}

#[test]
fn a_merge_gets_the_plan_of_its_pull_request() {
    let site = Site::new("github-actions");
    let (plan, sha, head) = merged(&site);
    let zip = site.path("plan-mara/out/plan.zip");
    let zipped = Command::new("python3")
        .args(["-m", "zipfile", "-c", "plan.zip", "plan.json"])
        .current_dir(site.path("plan-mara/out"))
        .output()
        .unwrap();
    Ended::of(zipped).with(0);
    let pull = |number: u64, merged: Option<&str>, sha: &str, base: &str, head: &str| json!({ "number": number, "merged_at": merged, "merge_commit_sha": sha, "base": { "ref": base }, "head": { "sha": head } });
    let day = Some("2026-01-01");
    let others = [
        pull(5, day, "another", "main", "wrong"),
        pull(6, None, &sha, "main", "wrong"),
        // Its commit came to main later, by another way.
        pull(8, day, &sha, "release", &head),
    ];
    let pulls = json!([&others[0], &others[1], &others[2], pull(7, day, &sha, "main", &head)]);
    let run = |id: u64, number: u64, sha: &str, conclusion: &str, repository: &str| {
        json!({ "id": id, "run_number": number, "head_sha": sha, "conclusion": conclusion,
                "head_repository": { "full_name": repository } })
    };
    let runs = json!({ "workflow_runs": [
        run(10, 1, &head, "success", "acme/tenants"), run(11, 2, &head, "success", "acme/tenants"),
        run(12, 3, &head, "failure", "acme/tenants"), run(13, 4, &head, "success", "eve/tenants"),
        run(14, 5, "older", "success", "acme/tenants"), run(15, 6, &head, "success", "acme/tenants"),
    ] });
    let artifact = |id: u64, name: &str, expired: bool, run: u64| json!({ "id": id, "name": name, "expired": expired, "workflow_run": { "id": run } });
    let pulls_line = format!("GET /repos/acme/tenants/commits/{sha}/pulls?per_page=100");
    let runs_line = format!(
        "GET /repos/acme/tenants/actions/workflows/tenantry-plan.yaml/runs?head_sha={head}&event=pull_request&status=success&per_page=100"
    );
    let kept_line = "GET /repos/acme/tenants/actions/artifacts?name=tenantry-plan-7&per_page=100".to_owned();
    let zip_line = "GET /repos/acme/tenants/actions/artifacts/22/zip".to_owned();
    let (store, url) = elsewhere(&fs::read(&zip).unwrap());
    let redirects = [(zip_line.clone(), url)];
    let expired = artifact(23, "tenantry-plan-7", true, 11);
    let kept = json!({ "artifacts": [
        artifact(21, "tenantry-plan-7", false, 10), artifact(22, "tenantry-plan-7", false, 11), &expired,
        // Of runs that failed, of a fork, of another commit, of another workflow; and of the same head, for another pull request.
        artifact(24, "tenantry-plan-7", false, 12), artifact(25, "tenantry-plan-7", false, 13),
        artifact(26, "tenantry-plan-7", false, 14), artifact(27, "tenantry-plan-7", false, 99),
        artifact(28, "tenantry-plan-9", false, 15), json!({ "id": 29, "name": "tenantry-plan-7", "expired": false, "workflow_run": null }),
    ] });
    let answers = |pulls: &Value, runs: &Value, kept: &Value| {
        let bytes = |value: &Value| value.to_string().into_bytes();
        vec![(pulls_line.clone(), bytes(pulls)), (runs_line.clone(), bytes(runs)), (kept_line.clone(), bytes(kept))]
    };
    let (ended, asked) = fetch(&site, &sha, answers(&pulls, &runs, &kept), &redirects);
    ended.with(0);
    assert_eq!(asked, [pulls_line.clone(), runs_line.clone(), kept_line.clone(), zip_line]);
    assert_eq!(store.lines(), ["GET /store/it?signed=1"]);
    heard_no_token(&store);
    for (pulls, runs, kept, told) in [
        (&json!([]), &runs, &kept, "is no merge of a pull request into main: nothing is applied"),
        (&json!(others), &runs, &kept, "is no merge of a pull request into main: nothing is applied"),
        (&pulls, &json!({ "workflow_runs": [] }), &kept, "has succeeded"),
        (&pulls, &runs, &json!({ "artifacts": [expired] }), "for #7 is kept any more"),
    ] {
        let (ended, _) = fetch(&site, &sha, answers(pulls, runs, kept), &redirects);
        let Ended { err, .. } = ended.with(1);
        assert!(err.contains(told), "{err}");
    }
    applied(&site, &plan);
}

#[test]
fn a_merge_gets_the_plan_of_its_merge_request() {
    let site = Site::new("gitlab-ci");
    let (plan, sha, head) = merged(&site);
    let request = |iid: u64, state: &str, merge: Option<&str>, squash: Option<&str>, head: &str| json!({ "iid": iid, "state": state, "merge_commit_sha": merge, "squash_commit_sha": squash, "sha": head, "target_branch": "main" });
    let pipeline = |id: u64, sha: &str, project: u64| json!({ "id": id, "sha": sha, "project_id": project });
    let pipelines = json!([
        pipeline(1, &head, 42),
        pipeline(5, &head, 42),
        pipeline(6, &head, 42),
        pipeline(8, &head, 66),
        pipeline(9, "older", 42)
    ]);
    let job = |id: u64, name: &str, status: &str| json!({ "id": id, "name": name, "status": status });
    let merged_line = format!("GET /projects/42/repository/commits/{sha}/merge_requests?per_page=100");
    let pipelines_line = "GET /projects/42/merge_requests/7/pipelines?per_page=100".to_owned();
    let jobs_line = |id: u64| format!("GET /projects/42/pipelines/{id}/jobs?scope%5B%5D=success&per_page=100");
    let plan_line = "GET /projects/42/jobs/31/artifacts/out/plan.json".to_owned();
    let answers = |requests: &Value, pipelines: &Value| {
        let bytes = |value: &Value| value.to_string().into_bytes();
        vec![
            (merged_line.clone(), bytes(requests)),
            (pipelines_line.clone(), bytes(pipelines)),
            (jobs_line(6), bytes(&json!([job(40, "validate", "success")]))),
            (jobs_line(5), bytes(&json!([job(30, "plan", "success"), job(31, "plan", "success"), job(32, "plan", "failed")]))),
        ]
    };
    let (store, url) = elsewhere(plan.as_bytes());
    let redirects = [(plan_line.clone(), url)];
    let other = request(6, "opened", Some(&sha), None, "wrong");
    // Its commit came to main later, by another way.
    let mut elsewhere = request(8, "merged", Some(&sha), None, &head);
    elsewhere["target_branch"] = json!("release");
    for merged in [request(7, "merged", Some(&sha), None, &head), request(7, "merged", Some("x"), Some(&sha), &head)] {
        let (ended, asked) = fetch(&site, &sha, answers(&json!([other, elsewhere, merged]), &pipelines), &redirects);
        ended.with(0);
        assert_eq!(asked, [merged_line.clone(), pipelines_line.clone(), jobs_line(6), jobs_line(5), plan_line.clone()]);
    }
    heard_no_token(&store);
    for (requests, pipelines, told) in [
        (json!([other, elsewhere]), &pipelines, "is no merge of a merge request into main: nothing is applied"),
        (json!([request(7, "merged", Some(&sha), None, &head)]), &json!([pipeline(8, &head, 66)]), "has succeeded"),
    ] {
        let (ended, _) = fetch(&site, &sha, answers(&requests, pipelines), &redirects);
        let Ended { err, .. } = ended.with(1);
        assert!(err.contains(told), "{err}");
    }
    applied(&site, &plan);
}

#[test]
fn a_program_is_run_only_if_it_is_the_one_that_was_chosen() {
    let site = Site::new("github-actions");
    fs::write(site.path("program"), "#!/bin/sh\necho hello\n").unwrap();
    let sum = Ended::of(Command::new("sha256sum").arg(site.path("program")).output().unwrap()).with(0).out;
    let url = format!("file://{}", site.path("program").display());
    let install = |sum: &str| {
        let variables = [("TENANTRY_URL", &*url), ("TENANTRY_SHA256", sum)];
        Ended::of(site.script("seed", &["ci/install.sh", "bin"], &variables).output().unwrap())
    };
    assert_ne!(install(&"0".repeat(64)).code, Some(0));
    install(&sum[..64]).with(0);
    let hello = Command::new(site.path("seed/bin/tenantry")).output().unwrap();
    assert_eq!(Ended::of(hello).with(0).out, "hello\n");
}
