//! The schemas of our documents: for clusters, for editors, and for the second look of the loader.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{API_VERSION, company, customer, directory, project, role, user};
use crate::model::Kind;

/// The schema of a `spec`, in plain form: no references, no null, enumerations as `enum`.
pub(super) fn spec(kind: Kind) -> &'static Value {
    static ALL: LazyLock<[Value; 4]> = LazyLock::new(|| {
        [of::<role::RoleSpec>(), of::<company::CompanySpec>(), of::<customer::CustomerSpec>(), of::<user::UserSpec>()]
    });
    &ALL[kind as usize]
}

/// The schema of a whole document, as the loader checks it.
pub(super) fn document(kind: Kind) -> &'static Value {
    static ALL: LazyLock<Vec<Value>> =
        LazyLock::new(|| Kind::ALL.into_iter().map(|kind| strict(kind.manifest(), spec(kind))).collect());
    &ALL[kind as usize]
}

/// A document of a kind with a `spec`, with everything a server may have set.
pub(super) fn strict(kind: &str, spec: &Value) -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let mut metadata = json!({
        "name": { "type": "string", "description": "The identity, for the whole life: a DNS label.",
            "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
        "namespace": { "type": "string", "description": "Partitions tenants; default `default`, for a Role: global.",
            "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
        "annotations": texts, "labels": texts,
    });
    for name in SERVER_SET {
        metadata[name] = json!({});
    }
    json!({
        "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": { "type": "string", "enum": [API_VERSION] },
            "kind": { "type": "string", "enum": [kind] },
            "metadata": { "type": "object", "additionalProperties": false, "required": ["name"], "properties": metadata },
            "spec": spec, "status": {},
        },
    })
}

/// Fields of `metadata` that a server sets, and `kubectl get -o yaml` prints.
const SERVER_SET: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// The schema of a type in plain form.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    if let Some(map) = schema.as_object_mut() {
        map.retain(|key, _| !matches!(key.as_str(), "$schema" | "title"));
    }
    schema
}

/// Takes out what only generators need: null beside a type, `anyOf` of one, `oneOf` of constants, rules for clusters.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(map) => {
            map.retain(|key, _| !key.starts_with("x-kubernetes") && key != "nullable");
            one_type(map);
            map.values_mut().for_each(plain);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn one_type(map: &mut Map<String, Value>) {
    let is_null = |it: &Value| it.get("type").and_then(Value::as_str) == Some("null");
    if let Some(Value::Array(any)) = map.get("anyOf")
        && any.iter().any(is_null)
        && let Some(Value::Object(only)) = any.iter().find(|it| !is_null(it)).cloned()
    {
        map.remove("anyOf");
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(types)) = map.get("type") {
        let only = types.iter().find(|it| *it != "null").cloned();
        map.insert("type".into(), only.unwrap_or_else(|| "null".into()));
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(cases)) = map.get("oneOf")
        && let Some(words) = cases.iter().map(|it| it.get("const").cloned()).collect::<Option<Vec<_>>>()
    {
        map.remove("oneOf");
        map.insert("type".into(), "string".into());
        map.insert("enum".into(), words.into());
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
}

/// The custom resource definitions: the path of each file in the repository, and its text.
pub fn crds() -> Vec<(&'static str, String)> {
    vec![
        ("crds/companies.yaml", crd::<company::Company>()),
        ("crds/customers.yaml", crd::<customer::Customer>()),
        ("crds/directories.yaml", crd::<directory::Directory>()),
        ("crds/roles.yaml", crd::<role::Role>()),
        ("crds/users.yaml", crd::<user::User>()),
    ]
}

fn crd<T: CustomResourceExt>() -> String {
    let mut value = serde_json::to_value(T::crd()).expect("a definition is JSON");
    not_nullable(&mut value);
    let text = serde_yaml::to_string(&value).expect("a definition is YAML");
    format!("# Generated by `tenantry crds`.\n{text}")
}

/// A field that is null is a mistake in a file, and must be one in a cluster: the same documents serve both.
fn not_nullable(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(not_nullable),
        Value::Object(map) => {
            map.remove("nullable");
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.retain(|it| !it.is_null());
            }
            map.values_mut().for_each(not_nullable);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// JSON Schemas for editors (draft 2020-12): the path of each file in the repository, and its text.
pub fn schemas() -> Vec<(&'static str, String)> {
    let of = |kind: &str, spec: &Value| {
        let mut schema = strict(kind, spec);
        if let Some(fields) = schema["properties"].as_object_mut() {
            fields.remove("status");
        }
        if let Some(fields) = schema["properties"]["metadata"]["properties"].as_object_mut() {
            fields.retain(|name, _| !SERVER_SET.contains(&name.as_str()));
        }
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        schema["$id"] = format!("https://tenantry.dev/schema/v1alpha1/{}.json", kind.to_lowercase()).into();
        schema["title"] = kind.into();
        format!("{schema:#}\n")
    };
    vec![
        ("crds/schema/company.json", of("Company", spec(Kind::Company))),
        ("crds/schema/customer.json", of("Customer", spec(Kind::Customer))),
        ("crds/schema/directory.json", of("Directory", &self::of::<directory::DirectoryFields>())),
        ("crds/schema/project.json", of("Project", &self::of::<project::ProjectSpec>())),
        ("crds/schema/role.json", of("Role", spec(Kind::Role))),
        ("crds/schema/user.json", of("User", spec(Kind::User))),
    ]
}
