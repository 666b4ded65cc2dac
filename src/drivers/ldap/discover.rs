//! What the server can do: RFC 4512 §5.1 (root DSE) and §4.4 (schema).

use ldap3::{Scope, controls::ManageDsaIt};

use crate::directory::DirectoryError;

use super::{dn::Canonical, search::Search, server::Server};

const PAGED: &str = "1.2.840.113556.1.4.319";
const ASSERTION: &str = "1.3.6.1.1.12";
const POST_READ: &str = "1.3.6.1.1.13.2";
const MATCHED_VALUES: &str = "1.2.826.0.1.3344810.2.3";

/// What the server can do.
#[derive(Debug, Clone)]
pub(super) struct Abilities {
    /// Pages: RFC 2696.
    pub(super) paged: bool,
    /// Writes with a precondition: RFC 4528.
    pub(super) assertion: bool,
    /// Entries as they are after a write: RFC 4527.
    pub(super) post_read: bool,
    /// Of many values those that are asked for: RFC 3876.
    pub(super) matched_values: bool,
    /// Accounts that are locked and passwords that must be changed: slapo-ppolicy(5) is loaded.
    pub(super) policy: bool,
    /// Users get a new `entryCSN` when a group takes them in: slapo-memberof(5) is loaded.
    pub(super) member_of: bool,
    /// The top of the tree that we are in.
    pub(super) context: Option<String>,
}

/// Asks the server.
pub(super) async fn abilities(server: &Server, base: &Canonical) -> Result<Abilities, DirectoryError> {
    let search = Search {
        base: "",
        scope: Scope::Base,
        filter: "(objectClass=*)",
        attributes: &["supportedControl", "namingContexts", "subschemaSubentry"],
    };
    let root = server.search(&search, false).await?.and_then(|mut found| found.pop());
    let has = |control: &str| root.as_ref().is_some_and(|root| root.has("supportedcontrol", control));
    let contexts = root.as_ref().map_or(&[][..], |root| root.all("namingcontexts"));
    let around = |context: &&String| {
        let context = Canonical::of(context);
        context == *base || base.is_below(&context)
    };
    let mut types = Vec::new();
    if let Some(schema) = root.as_ref().and_then(|root| root.first("subschemasubentry")) {
        let search =
            Search { base: schema, scope: Scope::Base, filter: "(objectClass=subschema)", attributes: &["attributeTypes"] };
        let found = server.search(&search, false).await?.and_then(|mut found| found.pop());
        types = found.map(|schema| schema.all("attributetypes").to_vec()).unwrap_or_default();
    }
    let knows = |name: &str| types.iter().any(|definition| definition.contains(&format!("'{name}'")));
    Ok(Abilities {
        paged: has(PAGED),
        assertion: has(ASSERTION),
        post_read: has(POST_READ),
        matched_values: has(MATCHED_VALUES),
        policy: knows("pwdAccountLockedTime") && knows("pwdReset"),
        member_of: knows("memberOf"),
        context: contexts.iter().filter(around).max_by_key(|context| context.len()).cloned(),
    })
}

/// Whether locking an account keeps it from signing in: some policy that we see says `pwdLockout: TRUE`. With none of them
/// `pwdAccountLockedTime` is an attribute like any other.
pub(super) async fn locks(server: &Server, abilities: &Abilities) -> Result<bool, DirectoryError> {
    let Some(context) = abilities.context.as_deref().filter(|_| abilities.policy) else { return Ok(false) };
    let filter = "(&(objectClass=pwdPolicy)(pwdLockout=TRUE))";
    let search = Search { base: context, scope: Scope::Subtree, filter, attributes: &["pwdLockout"] };
    // Parts of that tree that are on other servers are none of ours: they are looked at as entries here.
    let controls = vec![ManageDsaIt.into()];
    Ok(server.search_with(&search, abilities.paged, controls).await?.is_some_and(|found| !found.is_empty()))
}
