//! What such a server can hold and do, and what not.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::{
    manifest::ThingsboardInvites,
    model::{Field, Kind, Method},
    observed::{Capabilities, Limit},
};

use super::{CONCURRENCY, access::Standing, map};

/// Characters that the server takes in one text of its own.
const LONGEST: usize = 255;

/// The roles of a company that are neither of the two that this server has.
const REFUSED: [&str; 3] = ["common-manager", "operations-engineer", "owner"];

/// For the system administrator, or for an administrator of a tenant.
pub(super) fn capabilities(standing: &Standing, invites: ThingsboardInvites) -> Capabilities {
    let why = "ThingsBoard has administrators of a tenant (`tenant-administrator`) and users of a customer (`customer-user`), and \
               nothing between";
    let refused_roles = REFUSED.into_iter().map(|role| (SmolStr::new_static(role), SmolStr::new_static(why))).collect();
    let mut places = Capabilities::every_place();
    places.remove(&(Kind::Company, Kind::Company));
    let (mut closed, mut fixed) = (BTreeMap::new(), BTreeMap::new());
    match standing {
        Standing::System => {}
        Standing::Tenant { .. } => {
            let why = "only the system administrator makes and deletes tenants; the tenant itself is taken over with \
                       `tenantry.dev/adopt` and its identifier";
            closed.insert(Kind::Company, SmolStr::new_static(why));
            let why = "only the system administrator changes a tenant";
            fixed.extend(map::native(Kind::Company).iter().map(|field| ((Kind::Company, *field), SmolStr::new_static(why))));
        }
    }
    Capabilities {
        fixed,
        limits: limits(),
        move_users: false,
        move_customers: false,
        lone_customers: false,
        places,
        closed,
        methods: [Method::Invite, Method::Secret, Method::None].into(),
        invites: invites == ThingsboardInvites::Thingsboard,
        links: invites == ThingsboardInvites::Tenantry,
        refused_roles,
        activation: true,
        contents: true,
        concurrency: CONCURRENCY,
        ..Capabilities::everything()
    }
}

/// What it has against texts. It refuses what could be HTML (`@NoXss`), wherever it stands; its e-mails are ASCII.
fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    for kind in [Kind::Company, Kind::Customer, Kind::User] {
        for field in Field::ALL {
            let own = map::native(kind).contains(&field) && !matches!(field, Field::Description | Field::Username);
            let ascii = matches!(field, Field::Email | Field::ContactEmail);
            let most = if own { LONGEST } else { usize::MAX };
            if text(field) {
                limits.push(Limit { kind, field, least: 0, most, ascii, without: "<".into() });
            }
        }
    }
    limits
}

/// Whether it is text that people choose.
fn text(field: Field) -> bool {
    use Field::{
        City, Company, ContactEmail, ContactName, ContactPhone, Country, Customer, Deletion, Description, DisplayName, Email,
        Enabled, Expires, FirstName, Justification, Key, LastName, Line1, Line2, LivesUnder, Locked, Logo, ManageCompanies,
        ManageCustomers, MayAppoint, Owner, Parent, Phone, Privileged, Region, Requires, Retired, Role, State, Suspended, Type,
        Username, Zip,
    };
    match field {
        City | ContactEmail | ContactName | ContactPhone | Description | DisplayName | Email | FirstName | Justification
        | LastName | Line1 | Line2 | Logo | Phone | State | Zip => true,
        Company | Country | Customer | Deletion | Enabled | Expires | Key | LivesUnder | Locked | ManageCompanies
        | ManageCustomers | MayAppoint | Owner | Parent | Privileged | Region | Requires | Retired | Role | Suspended | Type
        | Username => false,
    }
}
