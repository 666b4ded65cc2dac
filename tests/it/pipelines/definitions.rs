//! What the definitions of the jobs promise, and that what they call is there.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::site::examples;

fn read(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn workflow(name: &str) -> Value {
    read(&examples().join("github-actions/workflows").join(format!("tenantry-{name}.yaml")))
}

/// The scripts that commands call, as far as they are ours.
fn scripts(commands: &str) -> BTreeSet<String> {
    let words = commands.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    words.filter_map(|word| word.strip_prefix("ci/")).map(str::to_owned).collect()
}

/// All texts of a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_script_is_there_and_can_be_parsed() {
    let (mut called, mut there) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["pipelines", "github-actions", "gitlab-ci"] {
        for entry in fs::read_dir(examples().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "sh") {
                assert!(Command::new("/bin/sh").arg("-n").arg(&path).status().unwrap().success(), "{}", path.display());
                there.insert((folder, path.file_name().unwrap().to_str().unwrap().to_owned()));
            }
        }
    }
    let mut check = |forge: &'static str, commands: &str| {
        for script in scripts(commands) {
            let place = ["pipelines", forge].into_iter().find(|folder| there.contains(&(*folder, script.clone())));
            called.insert((place.unwrap_or_else(|| panic!("{forge} calls ci/{script}, which is not there")), script));
        }
    };
    for name in ["plan", "apply", "drift"] {
        for job in workflow(name)["jobs"].as_object().unwrap().values() {
            for step in job["steps"].as_array().unwrap() {
                check("github-actions", step["run"].as_str().unwrap_or_default());
            }
        }
    }
    let jobs = read(&examples().join("gitlab-ci/gitlab-ci.yaml"));
    for job in jobs.as_object().unwrap().values() {
        for part in ["before_script", "script", "after_script"] {
            texts(&job[part]).into_iter().for_each(|command| check("gitlab-ci", command));
        }
    }
    // The others call it.
    called.insert(("pipelines", "http.sh".to_owned()));
    assert_eq!(called, there, "each script is called by a job");
}

#[test]
fn a_workflow_has_no_more_rights_than_it_needs() {
    let rights = |name: &str, job: &str| workflow(name)["jobs"][job]["permissions"].clone();
    for name in ["plan", "apply", "drift"] {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], json!({}), "{name}: nothing that a job does not ask for");
        for (job, it) in workflow["jobs"].as_object().unwrap() {
            assert!(it["timeout-minutes"].is_u64() && it["permissions"].is_object(), "{name}: {job}");
            for step in it["steps"].as_array().unwrap() {
                let Some(action) = step["uses"].as_str() else { continue };
                let version = action.split_once("@v").unwrap_or_else(|| panic!("{action}")).1;
                let numbers: Vec<u32> = version.split('.').map(|it| it.parse().unwrap()).collect();
                assert_eq!(numbers.len(), 3, "{action}: a whole version");
                if action.starts_with("actions/checkout") {
                    assert_eq!(step["with"]["persist-credentials"], false, "{name}: {job}");
                }
            }
        }
    }
    let reads = json!({ "contents": "read" });
    assert_eq!(rights("plan", "validate"), reads);
    assert_eq!(rights("plan", "plan"), json!({ "contents": "read", "pull-requests": "write" }));
    assert_eq!(rights("apply", "apply"), json!({ "actions": "read", "contents": "read", "pull-requests": "read" }));
    assert_eq!(rights("drift", "drift"), reads);
}

#[test]
fn forks_get_no_secrets_and_merges_queue() {
    let plan = workflow("plan");
    let types = ["opened", "reopened", "synchronize", "edited"];
    let on = json!({ "pull_request": { "branches": ["main"], "types": types } });
    assert_eq!(plan["on"], on, "never `pull_request_target`; another base branch is a new plan");
    for part in [&plan["env"], &plan["jobs"]["validate"]] {
        let part = part.to_string();
        assert!(!part.contains("secrets.") && !part.contains("vars."), "a fork has none: {part}");
    }
    assert_eq!(plan["jobs"]["plan"]["if"], "github.event.pull_request.head.repo.full_name == github.repository");
    let steps = plan["jobs"]["plan"]["steps"].as_array().unwrap();
    let step = |name: &str| steps.iter().position(|step| step["name"] == name).unwrap();
    assert!(step("Plan") < step("Show the plan") && step("Show the plan") < step("Keep the plan"));
    assert_eq!(steps[step("Show the plan")]["if"], "${{ !cancelled() }}", "a plan that failed is shown as well");
    assert_eq!(steps[step("Keep the plan")]["if"], Value::Null, "and is not kept");
    assert_eq!(
        steps[step("Keep the plan")]["with"]["name"],
        "tenantry-plan-${{ github.event.pull_request.number }}",
        "what fetch.sh looks for"
    );
    let apply = workflow("apply");
    assert_eq!(apply["on"], json!({ "push": { "branches": ["main"] } }));
    assert_eq!(apply["concurrency"], json!({ "group": "tenantry-apply", "cancel-in-progress": false, "queue": "max" }));
    assert_eq!(apply["jobs"]["apply"]["environment"], "tenantry-apply");

    let jobs = read(&examples().join("gitlab-ci/gitlab-ci.yaml"));
    let only = |job: &str| jobs[job]["rules"][0]["if"].as_str().unwrap().to_owned();
    assert!(only("plan").contains("$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"));
    assert!(only("plan").contains("$CI_MERGE_REQUEST_TARGET_BRANCH_NAME == $CI_DEFAULT_BRANCH"));
    assert_eq!(jobs["plan"]["after_script"], json!(["ci/comment.sh out/plan.md"]), "which runs after a failure as well");
    assert_eq!(jobs["plan"]["artifacts"]["when"], "on_success");
    assert_eq!(jobs["plan"]["artifacts"]["paths"], json!(["out/plan.json"]), "what fetch.sh looks for");
    assert!(only("apply").contains("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"));
    assert_eq!((&jobs["apply"]["resource_group"], &jobs["apply"]["interruptible"]), (&json!("tenantry-apply"), &json!(false)));
}

#[test]
fn one_program_is_named_where_forks_have_it_too() {
    let mut named: Vec<Value> = ["plan", "apply", "drift"].map(|name| workflow(name)["env"].clone()).into();
    for name in ["plan", "apply", "drift"] {
        for job in workflow(name)["jobs"].as_object().unwrap().values() {
            assert_eq!((&job["env"]["TENANTRY_URL"], &job["env"]["TENANTRY_SHA256"]), (&Value::Null, &Value::Null), "{name}");
        }
    }
    named.push(read(&examples().join("gitlab-ci/gitlab-ci.yaml"))["variables"].clone());
    for it in &named {
        let (url, sum) = (it["TENANTRY_URL"].as_str().unwrap(), it["TENANTRY_SHA256"].as_str().unwrap());
        assert!(url.starts_with("https://") && !url.contains('$'), "{url}");
        assert!(sum.len() == 64 && sum.bytes().all(|it| it.is_ascii_hexdigit()), "{sum}");
        assert_eq!((url, sum), (named[0]["TENANTRY_URL"].as_str().unwrap(), named[0]["TENANTRY_SHA256"].as_str().unwrap()));
    }
}
