//! `kind: Customer`.
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Declared, Spec,
    lower::Lowering,
    parts::{self, AddressSpec, yes},
    status::Status,
    text::{EmailText, Label, LineText, ParagraphText, PhoneText, given},
};
use crate::model::{Body, Customer as Value, Deletion, Email, Kind, Line, Paragraph, Phone, Place};

/// A customer of a company, or one that stands alone.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "tenantry.dev", version = "v1alpha1", kind = "Customer", namespaced, status = "Status",
    category = "tenantry", shortname = "tcustomer", derive = "PartialEq",
    doc = "A customer of a company, or one that stands alone.",
    selectable = ".spec.company",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Parent", type_ = "string", json_path = ".spec.company"),
    printcolumn(name = "Email", type_ = "string", json_path = ".spec.email"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be a DNS label of at most 63 characters"),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerSpec {
    /// Its title, unique inside its company; default `metadata.name`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<LineText>,
    /// The company it belongs to; none for a customer that stands alone.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub company: Option<Label>,
    /// Mailbox of the customer itself.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailText>,
    /// Number of the customer itself in E.164, for example "+4915112345678" (in quotes).
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneText>,
    /// Where it is.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressSpec>,
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

impl Spec for CustomerSpec {
    const KIND: Kind = Kind::Customer;

    fn lower(&self, it: &mut Lowering<'_>) -> Option<Declared> {
        let Self { display_name, company, email, phone, address, description, enabled, deletion } = self;
        let own = it.key().name.clone();
        let display_name = match display_name {
            Some(text) => it.value("spec.displayName", text, Line::new),
            None => it.value("metadata.name", own.as_str(), Line::new),
        };
        let place = it.name("spec.company", company.as_ref()).map(Place::Company);
        let body = Value {
            email: it.optional("spec.email", email.as_ref(), Email::new),
            phone: it.optional("spec.phone", phone.as_ref(), Phone::new),
            address: parts::address(address.as_ref(), it),
            description: it.optional("spec.description", description.as_ref(), Paragraph::new),
            display_name: display_name?,
        };
        Some(Declared {
            place,
            body: Body::Customer(body),
            enabled: *enabled,
            deletion: *deletion,
            credential: None,
            moved_from: None,
            adopt: None,
        })
    }
}
