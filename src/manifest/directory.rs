//! `kind: Directory`: the project's sibling in a cluster.

#![allow(clippy::doc_markdown, reason = "the comments are the descriptions in the schema, for people")]
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Lowering, Origin, Project,
    project::{BudgetSpec, DirectoryChoice, LedgerChoice, LinksSpec, MailSpec, PasswordsSpec, ProjectSpec, RegionSpec},
    status::DirectoryStatus,
    text::{KeyText, Label, NamespacePattern, SpanText, given},
};
use crate::model::{Deletion, Key, Kind, Name, Namespace};

/// Where the objects of some namespaces are applied.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "tenantry.dev", version = "v1alpha1", kind = "Directory", plural = "directories", status = "DirectoryStatus",
    category = "tenantry", shortname = "tdirectory", derive = "PartialEq",
    doc = "Where the objects of some namespaces are applied. It binds a credential to a host: for administrators.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces"),
    printcolumn(name = "Held", type_ = "integer", json_path = ".status.held.count"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be a DNS label of at most 63 characters"),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectoryFields {
    /// Namespaces whose objects belong here, each a name or its beginning followed by `*`.
    #[schemars(length(min = 1, max = 256))]
    pub namespaces: Vec<NamespacePattern>,
    /// Where it all goes.
    pub directory: DirectoryChoice,
    /// Whose things these are; default `metadata.name`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Label>,
    /// Regions and what they have; default the three of the manual: asia-pacific (with phone), europe, north-america.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub regions: Option<Vec<RegionSpec>>,
    /// What removal means for things that do not say; default Disable.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// How long a retired account is kept before a plan counts it as due; default 30d.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retention: Option<SpanText>,
    /// How much may go wrong at once.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// Things that lose nothing, whatever is declared: KIND/NAMESPACE/NAME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub protected: Vec<KeyText>,
    /// What passwords look like.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub passwords: Option<PasswordsSpec>,
    /// How mail goes out; default `.eml` files in `outbox`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSpec>,
    /// Links in mails.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub links: Option<LinksSpec>,
    /// Where the history is kept; default an SQLite file `tenantry-ledger.db`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerChoice>,
    /// Drops every finalizer and writes nothing: for uninstalling; default false.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub release: Option<bool>,
    /// Grants of privileged roles are carried out although no admission policy asks who grants them; default false.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub trust_authors: Option<bool>,
}

impl DirectoryFields {
    /// Turns it into what a project is; `name` is its `metadata.name`. Says everything that is wrong with it.
    pub fn lower(&self, name: &Name) -> Result<Project, String> {
        let key = Key::new(Kind::Role, Namespace::GLOBAL, name.clone());
        let mut lowering = Lowering::new(&key, Origin { file: 0, line: 0 });
        let project = Project::lower(name, &self.project(), &mut lowering);
        let problems: Vec<String> = lowering.into_problems().into_iter().map(|it| it.message).collect();
        if problems.is_empty() { Ok(project) } else { Err(problems.join("; ")) }
    }

    /// The same as the `spec` of a project: without paths and actor, and with a directory.
    pub fn project(&self) -> ProjectSpec {
        let Self {
            namespaces: _,
            directory,
            owner,
            regions,
            deletion,
            retention,
            budget,
            protected,
            passwords,
            mail,
            links,
            ledger,
            release: _,
            trust_authors: _,
        } = self.clone();
        ProjectSpec {
            directory: Some(directory),
            paths: Vec::new(),
            actor: None,
            owner,
            regions,
            deletion,
            retention,
            budget,
            protected,
            passwords,
            mail,
            links,
            ledger,
        }
    }
}
