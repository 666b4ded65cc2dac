//! `kind: Company`.
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Declared, Spec,
    lower::Lowering,
    parts::{self, AddressSpec, ContactSpec, yes},
    status::Status,
    text::{Label, LineText, ParagraphText, UrlText, given},
};
use crate::model::{Body, Company as Value, CompanyType, Deletion, Kind, Line, Paragraph, Place, ValueError};

/// A tenant: a distributor, an installer or any other company. Companies form a tree.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "tenantry.dev", version = "v1alpha1", kind = "Company", plural = "companies", namespaced, status = "Status",
    category = "tenantry", shortname = "tcompany", derive = "PartialEq",
    doc = "A tenant: a distributor, an installer or any other company. Companies form a tree.",
    selectable = ".spec.parent",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Parent", type_ = "string", json_path = ".spec.parent"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be a DNS label of at most 63 characters"),
    validation = Rule::new("!has(self.spec.parent) || self.spec.parent != self.metadata.name")
        .message("a company cannot be its own parent"),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(oldSelf.type) || (has(self.type) && self.type == oldSelf.type)")
    .message("type must not change").field_path(".type").reason(Reason::FieldValueForbidden))]
pub struct CompanySpec {
    /// What people call it; default `metadata.name`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<LineText>,
    /// Immutable once given. Without it there is no rule about the parent.
    #[serde(default, rename = "type", deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub company_type: Option<CompanyType>,
    /// The company it stands under; none for a root.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub parent: Option<Label>,
    /// One of the project's regions.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub region: Option<Label>,
    /// Whom to ask.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactSpec>,
    /// Where it is.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressSpec>,
    /// Where its picture is: a URL.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub logo: Option<UrlText>,
    /// For people.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<ParagraphText>,
    /// A person can sign in if they and everything above them are enabled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What removing the document means; default as the project or Directory says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

impl Spec for CompanySpec {
    const KIND: Kind = Kind::Company;

    fn lower(&self, it: &mut Lowering<'_>) -> Option<Declared> {
        let Self { display_name, company_type, parent, region, contact, address, logo, description, enabled, deletion } = self;
        let own = it.key().name.clone();
        let display_name = match display_name {
            Some(text) => it.value("spec.displayName", text, Line::new),
            None => it.value("metadata.name", own.as_str(), Line::new),
        };
        let parent = it.name("spec.parent", parent.as_ref());
        if parent.as_ref() == Some(&own) {
            it.refuse("spec.parent", ValueError::new("a company cannot be its own parent"));
        }
        let body = Value {
            company_type: *company_type,
            region: it.name("spec.region", region.as_ref()),
            contact: parts::contact(contact.as_ref(), it),
            address: parts::address(address.as_ref(), it),
            logo: it.optional("spec.logo", logo.as_ref(), parts::one_line),
            description: it.optional("spec.description", description.as_ref(), Paragraph::new),
            display_name: display_name?,
        };
        Some(Declared {
            place: parent.map(Place::Company),
            body: Body::Company(body),
            enabled: *enabled,
            deletion: *deletion,
            credential: None,
            moved_from: None,
            adopt: None,
        })
    }
}
