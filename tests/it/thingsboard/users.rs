//! Users: `backends.md`, 2.4 and 2.6.

use serde_json::{Value, json};

use crate::http::Message;

use super::{
    answer::{Asked, Refusal, done, error, ok, page},
    reference,
    state::{Caller, Credentials, Mail, NOBODY, State, forbidden, is_email, millis, replaced},
};

const FIELDS: &[&str] = &["email", "authority", "tenantId", "customerId", "firstName", "lastName", "phone", "additionalInfo"];

impl State {
    /// The one place where the additions are (2.4): whether the account is open shows nowhere else.
    pub(super) fn read_user(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        let mut user = self.user_for(caller, id)?;
        let Credentials { enabled, activate, reset: _, password: _ } = &self.credentials[id];
        if !user["additionalInfo"].is_object() {
            user["additionalInfo"] = json!({});
        }
        user["additionalInfo"]["userCredentialsEnabled"] = json!(enabled);
        user["additionalInfo"]["userActivated"] = json!(activate.is_none());
        user["additionalInfo"]["lastLoginTs"] = json!(-1);
        Ok(ok(&user))
    }

    pub(super) fn save_user(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        let sent = asked.object()?;
        let id = sent.get("id").and_then(|id| id["id"].as_str()).map(str::to_owned);
        let mut row = replaced(&sent, FIELDS)?;
        let invalid = |why: &str| error(400, 31, why);
        let email = row["email"].as_str().unwrap_or_default().to_owned();
        if !is_email(&email) {
            return Err(invalid(&format!("Invalid email address format '{email}'!")));
        }
        let authority = row["authority"].as_str().ok_or_else(|| invalid("User authority should be specified!"))?.to_owned();
        if !["SYS_ADMIN", "TENANT_ADMIN", "CUSTOMER_USER"].contains(&authority.as_str()) {
            return Err(error(500, 2, "No enum constant Authority")); // 2.2
        }
        match (caller.authority.as_str(), authority.as_str()) {
            ("SYS_ADMIN", "TENANT_ADMIN") => {}
            // A tenant that is not the caller's is silently made the caller's (2.4).
            ("TENANT_ADMIN", "TENANT_ADMIN" | "CUSTOMER_USER") => {
                row.insert("tenantId".into(), reference("TENANT", &caller.tenant));
            }
            _ => return Err(forbidden()), // 2.1: and so for users of customers
        }
        let tenant = row["tenantId"]["id"].as_str().unwrap_or_default().to_owned();
        if !self.tenants.contains_key(&tenant) {
            return Err(invalid("User is referencing to non-existent tenant!"));
        }
        let customer = row["customerId"]["id"].as_str().filter(|it| *it != NOBODY).map(str::to_owned);
        match (authority.as_str(), &customer) {
            ("CUSTOMER_USER", None) => return Err(invalid("Customer user should be assigned to customer!")),
            ("TENANT_ADMIN", Some(_)) => return Err(invalid("Tenant administrator can't be assigned to customer!")),
            (_, Some(customer)) if self.customers.get(customer).is_none_or(|it| it["tenantId"]["id"] != tenant.as_str()) => {
                return Err(invalid("User is referencing to non-existent customer!"));
            }
            _ => {}
        }
        // Unique over the whole platform, and case sensitive (2.4).
        if self.users.iter().any(|(other, user)| user["email"] == email.as_str() && Some(other) != id.as_ref()) {
            return Err(invalid(&format!("User with email '{email}' already present in database!")));
        }
        let Some(id) = id else { return self.new_user(row, asked) };
        let known = self.users.get(&id).cloned().ok_or_else(|| error(404, 32, "Requested item wasn't found!"))?; // 2.3
        for (name, what) in [("authority", "authority"), ("tenantId", "tenant id"), ("customerId", "customer id")] {
            let said = if name == "authority" { row[name].clone() } else { row[name]["id"].clone() };
            let has = if name == "authority" { known[name].clone() } else { known[name]["id"].clone() };
            if said != has && !(said.is_null() && has == NOBODY) {
                return Err(invalid(&format!("Can't update user {what}!")));
            }
        }
        self.user_for(caller, &id)?;
        let version = Self::next_version("User", &known, &sent)?;
        Ok(ok(&self.keep_user(&id, row, version)))
    }

    fn new_user(&mut self, row: serde_json::Map<String, Value>, asked: &Asked) -> Result<Message, Refusal> {
        let id = self.id();
        let email = row["email"].as_str().unwrap_or_default().to_owned();
        // An absent parameter means yes (2.4).
        if asked.query.get("sendActivationMail").is_none_or(|it| it == "true") {
            if self.no_mail {
                // The user is made, and deleted again.
                return Err(error(500, 2, "Couldn't send user activation email"));
            }
            self.mails.push(Mail::Activation(email));
        }
        let activate = format!("{id}{:04}", 7);
        self.credentials.insert(id.clone(), Credentials { activate: Some(activate), ..Credentials::default() });
        Ok(ok(&self.keep_user(&id, row, 1)))
    }

    pub(super) fn delete_user(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        let user = self.user_for(caller, id)?;
        if user["authority"] == "SYS_ADMIN" {
            return Err(forbidden());
        }
        let same = |it: &&Value| it["authority"] == "TENANT_ADMIN" && it["tenantId"] == user["tenantId"];
        if user["authority"] == "TENANT_ADMIN" && self.users.values().filter(same).count() == 1 {
            return Err(error(400, 31, "At least one tenant administrator must remain!")); // 2.6
        }
        self.remove_user(id);
        Ok(done())
    }

    /// Credentials and API keys go with it (2.6). Its tokens of the same second stay good (2.5).
    pub(super) fn remove_user(&mut self, id: &str) {
        self.users.remove(id);
        self.credentials.remove(id);
        self.keys.retain(|_, user| user != id);
        self.outdated.insert(id.to_owned(), millis() / 1000);
    }

    /// 2.4: all of a tenant, or those of a customer, without the additions.
    pub(super) fn list_users(&mut self, caller: &Caller, asked: &Asked, customer: Option<&str>) -> Result<Message, Refusal> {
        if caller.authority != "TENANT_ADMIN" {
            return Err(forbidden());
        }
        if let Some(customer) = customer {
            self.customer_for(caller, customer)?;
        }
        let fits = |user: &&Value| {
            user["tenantId"]["id"] == caller.tenant.as_str() && customer.is_none_or(|it| user["customerId"]["id"] == it)
        };
        page(asked, self.users.values().filter(fits).collect(), "email")
    }

    /// 2.4: the system's administrator is shown the administrators alone.
    pub(super) fn list_admins(&mut self, caller: &Caller, asked: &Asked, tenant: &str) -> Result<Message, Refusal> {
        if caller.authority != "SYS_ADMIN" {
            return Err(forbidden());
        }
        // guessed: of a tenant that is gone the list is refused.
        if !self.tenants.contains_key(tenant) {
            return Err(error(404, 32, "Requested item wasn't found!"));
        }
        let fits = |user: &&Value| user["tenantId"]["id"] == tenant && user["authority"] == "TENANT_ADMIN";
        page(asked, self.users.values().filter(fits).collect(), "email")
    }
}
