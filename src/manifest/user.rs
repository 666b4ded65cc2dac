//! `kind: User`.
#![allow(unreachable_pub, reason = "the derive of the schema repeats the type inside a function")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Code, Declared, Spec,
    lower::Lowering,
    parts::{self, CredentialSpec, yes},
    status::Status,
    text::{EmailText, Label, LineText, MomentText, ParagraphText, PhoneText, UsernameText, given},
};
use crate::model::{
    Body, Credential, Deletion, Email, Kind, Line, Method, Name, Paragraph, Phone, Place, User as Value, Username, ValueError,
};

/// A person with an account, in a company or under a customer.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "tenantry.dev", version = "v1alpha1", kind = "User", namespaced, status = "Status",
    category = "tenantry", shortname = "tuser", derive = "PartialEq",
    doc = "A person with an account, in a company or under a customer.",
    selectable = ".spec.company", selectable = ".spec.customer", selectable = ".spec.role",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Company", type_ = "string", json_path = ".spec.company"),
    printcolumn(name = "Customer", type_ = "string", json_path = ".spec.customer"),
    printcolumn(name = "Email", type_ = "string", json_path = ".spec.email"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("metadata.name must be a DNS label of at most 63 characters"),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.company) != has(self.customer)")
    .message("exactly one of `company` and `customer` must be given").reason(Reason::FieldValueInvalid))]
pub struct UserSpec {
    /// The name to sign in with: letters, digits and `. _ - + @`, first a letter or digit; default `metadata.name`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub username: Option<UsernameText>,
    /// One mailbox, unique in the directory.
    pub email: EmailText,
    /// What people call them.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<LineText>,
    /// Given name.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<LineText>,
    /// Family name.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<LineText>,
    /// A number in E.164, for example "+4915112345678" (in quotes); only where the user's region has it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneText>,
    /// One of the project's regions; default the company's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub region: Option<Label>,
    /// The company they belong to. Exactly one of `company` and `customer`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub company: Option<Label>,
    /// The customer they belong to. Exactly one of `company` and `customer`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub customer: Option<Label>,
    /// A role that may live under that parent.
    pub role: Label,
    /// For people.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<ParagraphText>,
    /// Disable and enable are one reversible toggle that loses nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How they get to sign in; without it the account cannot sign in, or somebody else sees to it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialSpec>,
    /// What removing the document means; default as the project or Directory says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// A date (its end, UTC) or a time of RFC 3339, from which on the account is disabled.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires: Option<MomentText>,
    /// Why they have what they have; a role can require it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub justification: Option<ParagraphText>,
}

impl Spec for UserSpec {
    const KIND: Kind = Kind::User;

    fn lower(&self, it: &mut Lowering<'_>) -> Option<Declared> {
        let Self {
            username,
            email,
            display_name,
            first_name,
            last_name,
            phone,
            region,
            company,
            customer,
            role,
            description,
            enabled,
            credential,
            deletion,
            expires,
            justification,
        } = self;
        let own = it.key().name.clone();
        let username = match username {
            Some(text) => it.value("spec.username", text, Username::new),
            None => it.value("metadata.name", own.as_str(), Username::new),
        };
        let email = it.value("spec.email", email, Email::new);
        let role = it.value("spec.role", role, Name::new);
        let place = match (company, customer) {
            (Some(company), None) => it.value("spec.company", company, Name::new).map(Place::Company),
            (None, Some(customer)) => it.value("spec.customer", customer, Name::new).map(Place::Customer),
            (None, None) => {
                it.problem(Code::MissingField, "spec", "one of `company` and `customer` must be given", None);
                None
            }
            (Some(company), Some(customer)) => {
                it.value("spec.company", company, Name::new);
                it.value("spec.customer", customer, Name::new);
                let error = ValueError::new("only one of `company` and `customer` can be given");
                it.refuse("spec.customer", error.hint("a customer's user belongs to the customer's company by that"));
                None
            }
        };
        let credential = credential.as_ref().map(|spec| lower_credential(spec, it));
        let mut line = |path, text: &Option<LineText>| it.optional(path, text.as_ref(), Line::new);
        let (display_name, first_name, last_name) =
            (line("spec.displayName", display_name), line("spec.firstName", first_name), line("spec.lastName", last_name));
        let phone = it.optional("spec.phone", phone.as_ref(), Phone::new);
        let region = it.name("spec.region", region.as_ref());
        let description = it.optional("spec.description", description.as_ref(), Paragraph::new);
        let expires = it.moment("spec.expires", expires.as_ref());
        let justification = it.optional("spec.justification", justification.as_ref(), parts::one_line);
        let body = Value {
            username: username?,
            email: email?,
            role: role?,
            display_name,
            first_name,
            last_name,
            phone,
            region,
            description,
            expires,
            justification,
        };
        Some(Declared {
            place,
            body: Body::User(body),
            enabled: *enabled,
            deletion: *deletion,
            credential,
            moved_from: None,
            adopt: None,
        })
    }
}

/// Turns a declared credential into a value.
fn lower_credential(spec: &CredentialSpec, it: &mut Lowering<'_>) -> Credential {
    let CredentialSpec { method, env, file, secret_ref, reset } = spec;
    let found = parts::source("spec.credential", env.as_ref(), file.as_ref(), secret_ref.as_ref(), it);
    let given = env.is_some() || file.is_some() || secret_ref.is_some();
    match method {
        Method::Secret | Method::Hash if !given => {
            let message = format!("method `{}` needs one of `env`, `file` and `secretRef`", method.as_str());
            it.problem(Code::MissingField, "spec.credential", message, None);
        }
        Method::Invite | Method::Temporary | Method::None if given => {
            let error = ValueError::new(format!("method `{}` takes no `env`, `file` or `secretRef`", method.as_str()));
            it.refuse("spec.credential", error.hint("use `Secret` for a password and `Hash` for a PHC string"));
        }
        Method::Invite | Method::Temporary | Method::Secret | Method::Hash | Method::None => {}
    }
    let reset = it.optional("spec.credential.reset", reset.as_ref(), Line::new).map(smol_str::SmolStr::from);
    Credential { method: *method, source: found, reset }
}
