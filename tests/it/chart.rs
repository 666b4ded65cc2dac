//! The Helm chart: what it renders, what it refuses, what it grants. `UPDATE=1` writes goldens and the copies of the definitions.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use serde::Deserialize;
use serde_json::{Value, json};

/// Values under `tests/it/chart/`, each with a golden.
const CASES: [&str; 4] = ["default", "foreign", "second", "several"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("charts/tenantry")
}

/// The folder of helm and kubectl; built by the script where they are not yet.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new(root().join("tests/servers/kubernetes")).arg("assets").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
});

/// Runs helm without a cluster, a configuration or plugins.
fn helm(words: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    // A helm that was built from its module does not know which Kubernetes it was made for.
    let version = ["--kube-version", "1.33.0"];
    Command::new(PROGRAMS.join("helm")).args(words).args(version).env_clear().env("HOME", home.path()).output().unwrap()
}

pub(crate) fn rendered(name: &str, words: &[&str]) -> String {
    let chart = chart();
    let fixed = ["template", name, chart.to_str().unwrap(), "--namespace", "tenantry-system"];
    // A Directory is rendered only where its definition is known.
    let known = ["--api-versions", "tenantry.dev/v1alpha1/Directory"];
    let output = helm(&[&fixed[..], &known, words].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn values(case: &str) -> String {
    format!("{}/tests/it/chart/{case}.values.yaml", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|it| Value::deserialize(it).unwrap());
    documents.filter(|it| !it.is_null()).collect()
}

/// Compares a file with what it has to be, or writes it.
fn compare(file: &Path, expected: &str) -> Option<PathBuf> {
    let stale = || fs::read_to_string(file).ok().as_deref() != Some(expected);
    if stale() && env::var_os("UPDATE").is_some() {
        fs::write(file, expected).unwrap();
    }
    stale().then(|| file.to_owned())
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file());
    let mut names: Vec<String> = files.map(|it| it.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_is_rendered() {
    let golden = |case: &&str| {
        compare(&root().join(format!("tests/it/chart/{case}.yaml")), &rendered("release", &["--values", &values(case)]))
    };
    let stale: Vec<PathBuf> = CASES.iter().filter_map(golden).collect();
    assert!(stale.is_empty(), "read the difference after `UPDATE=1 cargo test --test it chart`: {stale:?}");
}

#[test]
fn the_definitions_are_those_of_the_repository() {
    let (source, copy) = (root().join("crds"), chart().join("files/crds"));
    let text = |name: &String| fs::read_to_string(source.join(name)).unwrap();
    let stale: Vec<PathBuf> = names(&source).iter().filter_map(|name| compare(&copy.join(name), &text(name))).collect();
    assert!(stale.is_empty(), "run `UPDATE=1 cargo test --test it chart`: {stale:?}");
    assert_eq!(names(&copy), names(&source));

    let of = |words: &[&str]| -> Vec<Value> {
        documents(&rendered("release", words)).into_iter().filter(|it| it["kind"] == "CustomResourceDefinition").collect()
    };
    let expected: Vec<Value> = names(&source).iter().flat_map(|name| documents(&text(name))).collect();
    for (words, keep) in [(&[][..], json!({"helm.sh/resource-policy": "keep"})), (&["--set", "crds.keep=false"], Value::Null)] {
        let mut found = of(words);
        for it in &mut found {
            let metadata = it["metadata"].as_object_mut().unwrap();
            assert_eq!(metadata.remove("annotations").unwrap_or_default(), keep);
            assert_eq!(metadata.remove("labels").unwrap()["app.kubernetes.io/instance"], "release");
        }
        assert_eq!(found, expected, "{words:?}");
    }
    assert!(of(&["--set", "crds.enabled=false"]).is_empty());
}

#[test]
fn what_is_written_wrong_is_refused() {
    for (value, at) in [
        ("replicas=3", "'replicas' not allowed"),
        ("replicaCount=-1", "/replicaCount"),
        ("crds.kepe=true", "'kepe' not allowed"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=sha256:abc", "/image/digest"),
        ("controller.resync=ten", "/controller/resync"),
        ("controller.logFormat=xml", "/controller/logFormat"),
        ("controller.only={Fleet}", "/controller/only/0"),
        ("persistence.accessModes={ReadOnlyMany}", "/persistence/accessModes"),
        ("persistence.size=lots", "/persistence/size"),
        ("metrics.port=80", "/metrics/port"),
        ("secretNamespaces={a/b}", "/secretNamespaces/0"),
        ("directory.name=fleet", "missing property 'spec'"),
        ("admission.name=Bad_Name", "/admission/name"),
        ("podDisruptionBudget.maxUnavailable=all", "/podDisruptionBudget/maxUnavailable"),
        ("terminationGracePeriodSeconds=5", "/terminationGracePeriodSeconds"),
        ("livenessProbe.httpGet.path=/", "'httpGet' not allowed"),
        ("podAnnotations.number=1", "/podAnnotations/number"),
        ("extraEnv[0].value=x", "missing property 'name'"),
        ("replicaCount=2,leaderElection.enabled=false", "leaderElection.enabled: true"),
    ] {
        let output = helm(&["template", "release", chart().to_str().unwrap(), "--set", value]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(at), "{value}: {errors}");
    }
    // The definition of a Directory cannot come with the same release.
    let output = helm(&["template", "release", chart().to_str().unwrap(), "--values", &values("second")]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`directory` needs its definition in the cluster"), "{output:?}");
}

/// A value that only the schema knows would be documented nowhere; the other way round, the schema refuses the chart's own values.
#[test]
fn every_value_of_the_schema_is_in_the_values() {
    fn walk(at: &str, schema: &Value, values: &Value) {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            let known = values.as_object().is_some_and(|it| it.contains_key(name));
            // Helm's own; and what Kubernetes lets one add to what is there.
            let optional = at == ".global" || at == ".resources.claims";
            assert!(known || optional, "{at} is not in values.yaml");
            if !values[name].is_null() {
                walk(&at, inner, &values[name]);
            }
        }
    }
    let schema: Value = serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let values: Value = serde_yaml::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    walk("", &schema, &values);
}

#[test]
fn no_rule_grants_more_than_is_asked_for() {
    let mut secrets = 0;
    for case in CASES {
        for document in documents(&rendered("release", &["--values", &values(case)])) {
            let name = document["metadata"]["name"].as_str().unwrap_or_default();
            for rule in document["rules"].as_array().into_iter().flatten() {
                assert!(!rule.to_string().contains('*'), "{case}: {name}: {rule}");
                let resources = rule["resources"].as_array().unwrap();
                let holds = |what: &str| resources.iter().any(|it| it.as_str().unwrap().split('/').next() == Some(what));
                if holds("secrets") {
                    assert_eq!(
                        (&document["kind"], &rule["verbs"], resources.len()),
                        (&json!("Role"), &json!(["get"]), 1),
                        "{name}: {rule}"
                    );
                    secrets += 1;
                }
                if name.ends_with("-controller") {
                    let verbs = ["get", "list", "watch", "patch", "create", "update"].map(Value::from);
                    assert!(rule["verbs"].as_array().unwrap().iter().all(|it| verbs.contains(it)), "{name}: {rule}");
                } else {
                    // Whoever may patch the status of users passes for the controller at the policy.
                    assert!(resources.iter().all(|it| !it.as_str().unwrap().contains('/')), "{name}: {rule}");
                    let labels = &document["metadata"]["labels"];
                    let aggregated = labels.as_object().unwrap().keys().any(|it| it.contains("aggregate-to"));
                    assert!(!(aggregated && holds("directories")), "{name}: {rule}");
                }
            }
        }
    }
    // Two cases with the controller's own rights, and two more namespaces.
    assert_eq!(secrets, 5);
}

#[test]
fn it_passes_helm_lint() {
    for case in CASES {
        let (chart, values) = (chart(), values(case));
        // Which definitions a cluster has is nothing lint can be told, so without the Directory.
        let output = helm(&["lint", "--strict", chart.to_str().unwrap(), "--values", &values, "--set", "directory=null"]);
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_example_is_one_kustomization_and_its_documents_are_plain_files_as_well() {
    let example = root().join("examples/kubernetes");
    let output = Command::new(PROGRAMS.join("kubectl")).arg("kustomize").arg(&example).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all = documents(&String::from_utf8(output.stdout).unwrap());
    let ours = |it: &&Value| it["apiVersion"] == "tenantry.dev/v1alpha1" && it["kind"] != "Directory";
    let places: Vec<&str> = all.iter().filter(ours).map(|it| it["metadata"]["namespace"].as_str().unwrap()).collect();
    assert!(places.len() > 8 && places.iter().all(|it| *it == "fleet"), "{places:?}");

    let tenants = example.join("tenants");
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry")).arg("validate").arg(&tenants).env_clear().output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), format!("No problems: {} documents checked.", places.len()));
}
