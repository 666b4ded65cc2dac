//! `kind: Role`.
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Declared, Spec,
    lower::Lowering,
    parts::yes,
    status::Status,
    text::{Label, given},
};
use crate::model::{Body, Deletion, Kind, Name, Role as Value, ValueError};

/// What a user may do and whom they may appoint.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "tenantry.dev", version = "v1alpha1", kind = "Role", namespaced, status = "Status",
    category = "tenantry", shortname = "trole", derive = "PartialEq",
    doc = "What a user may do and whom they may appoint.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Lives-Under", type_ = "string", json_path = ".spec.livesUnder"),
    printcolumn(name = "Privileged", type_ = "boolean", json_path = ".spec.privileged"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be a DNS label of at most 63 characters"),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleSpec {
    /// Where a user with this role may belong.
    #[serde(default)]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub lives_under: Vec<Home>,
    /// Roles that a holder may give, and take away.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub may_appoint: Vec<Label>,
    /// Whether losing it is a loss in the budget, and its last holder protected.
    #[serde(default)]
    pub privileged: bool,
    /// Whether a holder may create, change and remove companies (and customers).
    #[serde(default)]
    pub manage_companies: bool,
    /// Whether a holder may create, change and remove customers.
    #[serde(default)]
    pub manage_customers: bool,
    /// Fields that a holder must have.
    #[serde(default)]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub requires: Vec<Requirement>,
    /// What removing the document means; default as the project or Directory says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

/// Where a user may belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Home {
    /// A company.
    Company,
    /// A customer.
    Customer,
}

/// What a role can require of its holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Requirement {
    /// `spec.expires`.
    Expires,
    /// `spec.justification`.
    Justification,
}

impl Spec for RoleSpec {
    const KIND: Kind = Kind::Role;

    fn lower(&self, it: &mut Lowering<'_>) -> Option<Declared> {
        let Self { lives_under, may_appoint, privileged, manage_companies, manage_customers, requires, deletion } = self;
        let mut kinds: Vec<Kind> = lives_under
            .iter()
            .map(|home| match home {
                Home::Company => Kind::Company,
                Home::Customer => Kind::Customer,
            })
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        if may_appoint.len() > 64 {
            it.refuse("spec.mayAppoint", ValueError::new(format!("at most 64 roles, these are {}", may_appoint.len())));
        }
        let mut appointed: Vec<Name> = Vec::with_capacity(may_appoint.len());
        for (row, role) in may_appoint.iter().enumerate() {
            appointed.extend(it.value(&format!("spec.mayAppoint.{row}"), role, Name::new));
        }
        appointed.sort_unstable();
        appointed.dedup();
        let body = Value {
            lives_under: kinds,
            may_appoint: appointed,
            privileged: *privileged,
            manage_companies: *manage_companies,
            manage_customers: *manage_customers,
            requires_expires: requires.contains(&Requirement::Expires),
            requires_justification: requires.contains(&Requirement::Justification),
        };
        Some(Declared {
            place: None,
            body: Body::Role(body),
            enabled: yes(),
            deletion: *deletion,
            credential: None,
            moved_from: None,
            adopt: None,
        })
    }
}
