//! Generated files are as they are generated: `UPDATE=1 cargo test --test it crds` writes them.

use std::{env, fs, path::Path};

use tenantry::manifest::{crds, schemas};

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (path, text) in crds().into_iter().chain(schemas()) {
        let file = root.join(path);
        if env::var_os("UPDATE").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        if fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run `UPDATE=1 cargo test --test it crds`: {stale:?}");
}

#[test]
fn what_a_definition_must_have() {
    for (path, text) in crds() {
        let crd: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let version = &crd["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        assert_eq!(crd["spec"]["group"], "tenantry.dev", "{path}");
        assert_eq!(version["subresources"]["status"], serde_json::json!({}), "{path}");
        assert_eq!(crd["spec"]["names"]["categories"], serde_json::json!(["tenantry"]), "{path}");
        assert!(!schema["x-kubernetes-validations"].as_array().unwrap().is_empty(), "{path}");
        assert!(!text.contains("nullable") && !text.contains("uint") && !text.contains("anyOf"), "{path}");
        let global = path.ends_with("directories.yaml");
        assert_eq!(crd["spec"]["scope"], if global { "Cluster" } else { "Namespaced" }, "{path}");
    }
    let rules = |path: &str| crds().into_iter().find(|it| it.0 == path).unwrap().1;
    assert!(rules("crds/users.yaml").contains("has(self.company) != has(self.customer)"));
    assert!(rules("crds/companies.yaml").contains("oldSelf.type"));
    assert!(rules("crds/users.yaml").contains("selectableFields"));
}

/// Whatever a rule walks must have a limit, or the API server refuses its cost.
#[test]
fn every_text_and_list_in_a_spec_has_a_limit() {
    fn walk(at: &str, schema: &serde_json::Value) {
        match schema["type"].as_str() {
            Some("string") => assert!(schema["maxLength"].is_u64() || schema["enum"].is_array(), "{at}"),
            Some("array") => {
                assert!(schema["maxItems"].is_u64(), "{at}");
                walk(&format!("{at}[]"), &schema["items"]);
            }
            Some("object") => {
                for (name, field) in schema["properties"].as_object().unwrap() {
                    walk(&format!("{at}.{name}"), field);
                }
            }
            Some("boolean" | "integer") => {}
            other => panic!("{at}: {other:?}"),
        }
    }
    for (path, text) in crds() {
        let crd: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        walk(path, &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]);
    }
    for (path, text) in schemas() {
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{path}");
        walk(path, &schema["properties"]["spec"]);
    }
}
