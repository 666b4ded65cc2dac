//! Customers, tenants, and what is in them: `backends.md`, 2.7 and 2.8.

use serde_json::{Value, json};

use crate::http::Message;

use super::{
    answer::{Asked, Refusal, done, error, ok, page},
    reference,
    state::{Caller, State, forbidden, is_email, millis, replaced},
};

const FIELDS: &[&str] = &["title", "country", "state", "city", "address", "address2", "zip", "phone", "email", "additionalInfo"];

fn missing() -> Refusal {
    error(404, 32, "Requested item wasn't found!")
}

fn checked(sent: &serde_json::Map<String, Value>) -> Result<(serde_json::Map<String, Value>, String), Refusal> {
    let row = replaced(sent, FIELDS)?;
    let title = row["title"].as_str().unwrap_or_default().to_owned(); // not trimmed (2.2)
    if title.is_empty() {
        return Err(error(400, 31, "title should be specified!"));
    }
    if row["email"].as_str().is_some_and(|email| !email.is_empty() && !is_email(email)) {
        return Err(error(400, 31, "Invalid email address format"));
    }
    Ok((row, title))
}

impl State {
    /// 2.1: the system's administrator has no customers.
    pub(super) fn customer_for(&self, caller: &Caller, id: &str) -> Result<Value, Refusal> {
        if caller.authority != "TENANT_ADMIN" {
            return Err(forbidden());
        }
        let customer = self.customers.get(id).ok_or_else(missing)?;
        if customer["tenantId"]["id"] == caller.tenant.as_str() { Ok(customer.clone()) } else { Err(forbidden()) }
    }

    pub(super) fn read_customer(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        Ok(ok(&self.customer_for(caller, id)?))
    }

    pub(super) fn list_customers(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        if caller.authority != "TENANT_ADMIN" {
            return Err(forbidden());
        }
        let fits = |it: &&Value| it["tenantId"]["id"] == caller.tenant.as_str();
        page(asked, self.customers.values().filter(fits).collect(), "title")
    }

    pub(super) fn save_customer(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        if caller.authority != "TENANT_ADMIN" {
            return Err(forbidden());
        }
        let sent = asked.object()?;
        let id = sent.get("id").and_then(|id| id["id"].as_str()).map(str::to_owned);
        let (mut row, title) = checked(&sent)?;
        if title == "Public" {
            return Err(error(400, 31, "'Public' title for customer is reserved!"));
        }
        let same = |(other, it): (&String, &Value)| {
            it["title"] == title.as_str() && it["tenantId"]["id"] == caller.tenant.as_str() && Some(other) != id.as_ref()
        };
        if self.customers.iter().any(same) {
            return Err(error(400, 31, "Customer with such title already exists!"));
        }
        let (id, version, created) = match id {
            None => (self.id(), 1, json!(millis())),
            Some(id) => {
                let known = self.customer_for(caller, &id)?;
                let version = Self::next_version("Customer", &known, &sent)?;
                (id, version, known["createdTime"].clone())
            }
        };
        row.insert("id".into(), reference("CUSTOMER", &id));
        row.insert("tenantId".into(), reference("TENANT", &caller.tenant));
        row.insert("createdTime".into(), created);
        row.insert("version".into(), version.into());
        row.insert("name".into(), title.into());
        self.customers.insert(id, Value::Object(row.clone()));
        Ok(ok(&Value::Object(row)))
    }

    /// 2.7: what is assigned to it is unassigned, and all its users are deleted.
    pub(super) fn delete_customer(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        self.customer_for(caller, id)?;
        for thing in self.things.values_mut().filter(|thing| thing.customer.as_deref() == Some(id)) {
            thing.customer = None;
        }
        let users: Vec<String> =
            self.users.iter().filter(|(_, user)| user["customerId"]["id"] == id).map(|(id, _)| id.clone()).collect();
        users.iter().for_each(|user| self.remove_user(user));
        self.customers.remove(id);
        Ok(done())
    }

    /// guessed: a tenant's administrator may read the tenant, and no other.
    pub(super) fn read_tenant(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        if caller.authority != "SYS_ADMIN" && caller.tenant != id {
            return Err(forbidden());
        }
        self.tenants.get(id).map(ok).ok_or_else(missing)
    }

    pub(super) fn list_tenants(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        if caller.authority != "SYS_ADMIN" {
            return Err(forbidden());
        }
        page(asked, self.tenants.values().collect(), "title")
    }

    /// 2.8: titles need not be unique; `region` is `Global`, whatever is said; a new one comes with dashboards.
    pub(super) fn save_tenant(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        if caller.authority != "SYS_ADMIN" {
            return Err(forbidden());
        }
        let sent = asked.object()?;
        let id = sent.get("id").and_then(|id| id["id"].as_str()).map(str::to_owned);
        let (mut row, title) = checked(&sent)?;
        let (id, version, created) = match id {
            None => {
                let id = self.id();
                // guessed: how many.
                self.add_thing("dashboards", &id, None, "Gateways");
                (id, 1, json!(millis()))
            }
            Some(id) => {
                let known = self.tenants.get(&id).ok_or_else(missing)?;
                (id, Self::next_version("Tenant", known, &sent)?, known["createdTime"].clone())
            }
        };
        row.insert("id".into(), reference("TENANT", &id));
        row.insert("createdTime".into(), created);
        row.insert("version".into(), version.into());
        row.insert("name".into(), title.into());
        row.insert("region".into(), "Global".into());
        row.insert("tenantProfileId".into(), reference("TENANT_PROFILE", "00000000-7c11-11f0-a9d7-000000000000"));
        self.tenants.insert(id, Value::Object(row.clone()));
        Ok(ok(&Value::Object(row)))
    }

    /// 2.8: everything goes with it.
    pub(super) fn delete_tenant(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        if caller.authority != "SYS_ADMIN" {
            return Err(forbidden());
        }
        self.tenants.remove(id).ok_or_else(missing)?;
        let users: Vec<String> =
            self.users.iter().filter(|(_, user)| user["tenantId"]["id"] == id).map(|(id, _)| id.clone()).collect();
        users.iter().for_each(|user| self.remove_user(user));
        self.customers.retain(|_, customer| customer["tenantId"]["id"] != id);
        self.things.retain(|_, thing| thing.tenant != id);
        Ok(done())
    }

    /// 2.7: what is assigned to a customer, or everything of a tenant.
    pub(super) fn list_things(
        &mut self,
        caller: &Caller,
        asked: &Asked,
        sort: &str,
        customer: Option<&str>,
    ) -> Result<Message, Refusal> {
        match customer {
            Some(customer) => drop(self.customer_for(caller, customer)?),
            None if caller.authority != "TENANT_ADMIN" => return Err(forbidden()),
            None => {}
        }
        let fits = |thing: &&super::state::Thing| {
            thing.sort == sort && thing.tenant == caller.tenant && (customer.is_none() || thing.customer.as_deref() == customer)
        };
        page(asked, self.things.values().filter(fits).map(|thing| &thing.row).collect(), "name")
    }
}
