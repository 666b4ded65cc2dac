//! Fields → the state that they are of: the way back from [`State::fields`], for what was written down field by field.

use jiff::Timestamp;

use super::{
    Address, Body, Company, CompanyType, Contact, Customer, Deletion, Field, FieldValue, Key, Kind, Name, Paragraph, Place, Role,
    State, User, ValueError,
};

impl State {
    /// The state of a thing that has these fields; whatever is not among them is empty, and `enabled` is true.
    pub fn restored(key: Key, fields: &[(Field, FieldValue)]) -> Result<Self, ValueError> {
        let fields = Fields(fields);
        let place = match (key.kind, fields.name(Field::Parent)?, fields.name(Field::Company)?, fields.name(Field::Customer)?) {
            (Kind::Company, Some(name), _, _) | (Kind::Customer | Kind::User, _, Some(name), _) => Some(Place::Company(name)),
            (Kind::User, _, None, Some(name)) => Some(Place::Customer(name)),
            (Kind::Role, _, _, _) | (Kind::Company, None, _, _) | (Kind::Customer, _, None, _) | (Kind::User, _, None, None) => {
                None
            }
        };
        let deletion = match fields.text(Field::Deletion) {
            None | Some("Disable") => Deletion::Disable,
            Some("Delete") => Deletion::Delete,
            Some("Retain") => Deletion::Retain,
            Some(other) => return Err(ValueError::new(format!("there is no deletion policy {other}"))),
        };
        let body = match key.kind {
            Kind::Role => Body::Role(fields.role()?),
            Kind::Company => Body::Company(fields.company()?),
            Kind::Customer => Body::Customer(fields.customer()?),
            Kind::User => Body::User(fields.user()?),
        };
        Ok(Self {
            place,
            body,
            enabled: fields.find(Field::Enabled).is_none_or(FieldValue::is_set),
            suspended: fields.flag(Field::Suspended),
            locked: fields.of(Field::Locked, Paragraph::new)?.map(Box::new),
            retired: fields.flag(Field::Retired),
            owner: fields.name(Field::Owner)?,
            deletion,
            key,
        })
    }
}

struct Fields<'a>(&'a [(Field, FieldValue)]);

impl Fields<'_> {
    fn find(&self, wanted: Field) -> Option<&FieldValue> {
        self.0.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value)
    }

    fn text(&self, field: Field) -> Option<&str> {
        self.find(field)?.text()
    }

    fn flag(&self, field: Field) -> bool {
        self.find(field).is_some_and(FieldValue::is_set)
    }

    fn list(&self, field: Field) -> Vec<&str> {
        match self.find(field) {
            Some(FieldValue::List(list)) => list.iter().map(smol_str::SmolStr::as_str).collect(),
            Some(FieldValue::None | FieldValue::Flag(_) | FieldValue::Text(_)) | None => Vec::new(),
        }
    }

    fn of<T>(&self, field: Field, parse: impl Fn(&str) -> Result<T, ValueError>) -> Result<Option<T>, ValueError> {
        self.text(field).map(parse).transpose()
    }

    fn need<T>(&self, field: Field, parse: impl Fn(&str) -> Result<T, ValueError>) -> Result<T, ValueError> {
        self.of(field, parse)?.ok_or_else(|| ValueError::new(format!("it has no {}", field.name())))
    }

    fn name(&self, field: Field) -> Result<Option<Name>, ValueError> {
        self.of(field, Name::new)
    }

    fn role(&self) -> Result<Role, ValueError> {
        let kind = |text: &str| Kind::parse(text).ok_or_else(|| ValueError::new(format!("there is no kind {text}")));
        let requires = self.list(Field::Requires);
        Ok(Role {
            lives_under: self.list(Field::LivesUnder).into_iter().map(kind).collect::<Result<_, _>>()?,
            may_appoint: self.list(Field::MayAppoint).into_iter().map(Name::new).collect::<Result<_, _>>()?,
            privileged: self.flag(Field::Privileged),
            manage_companies: self.flag(Field::ManageCompanies),
            manage_customers: self.flag(Field::ManageCustomers),
            requires_expires: requires.contains(&"expires"),
            requires_justification: requires.contains(&"justification"),
        })
    }

    fn company(&self) -> Result<Company, ValueError> {
        use super::{Email, Line, Phone};
        let company_type = |text: &str| {
            let all = [CompanyType::Distributor, CompanyType::Installer];
            all.into_iter().find(|it| it.as_str() == text).ok_or_else(|| ValueError::new(format!("there is no type {text}")))
        };
        let contact = Contact {
            name: self.of(Field::ContactName, Line::new)?,
            email: self.of(Field::ContactEmail, Email::new)?,
            phone: self.of(Field::ContactPhone, Phone::new)?,
        };
        Ok(Company {
            display_name: self.need(Field::DisplayName, Line::new)?,
            company_type: self.of(Field::Type, company_type)?,
            region: self.name(Field::Region)?,
            contact: Some(contact).filter(|contact| *contact != Contact::default()).map(Box::new),
            address: self.address()?,
            logo: self.of(Field::Logo, Paragraph::new)?,
            description: self.of(Field::Description, Paragraph::new)?,
        })
    }

    fn customer(&self) -> Result<Customer, ValueError> {
        use super::{Email, Line, Phone};
        Ok(Customer {
            display_name: self.need(Field::DisplayName, Line::new)?,
            email: self.of(Field::Email, Email::new)?,
            phone: self.of(Field::Phone, Phone::new)?,
            address: self.address()?,
            description: self.of(Field::Description, Paragraph::new)?,
        })
    }

    fn address(&self) -> Result<Option<Box<Address>>, ValueError> {
        use super::{Country, Line};
        let address = Address {
            country: self.of(Field::Country, Country::new)?,
            state: self.of(Field::State, Line::new)?,
            city: self.of(Field::City, Line::new)?,
            zip: self.of(Field::Zip, Line::new)?,
            line1: self.of(Field::Line1, Line::new)?,
            line2: self.of(Field::Line2, Line::new)?,
        };
        Ok(Some(address).filter(|address| *address != Address::default()).map(Box::new))
    }

    fn user(&self) -> Result<User, ValueError> {
        use super::{Email, Line, Phone, Username};
        let time = |text: &str| text.parse::<Timestamp>().map_err(|error| ValueError::new(error.to_string()));
        Ok(User {
            username: self.need(Field::Username, Username::new)?,
            email: self.need(Field::Email, Email::new)?,
            role: self.need(Field::Role, Name::new)?,
            display_name: self.of(Field::DisplayName, Line::new)?,
            first_name: self.of(Field::FirstName, Line::new)?,
            last_name: self.of(Field::LastName, Line::new)?,
            phone: self.of(Field::Phone, Phone::new)?,
            region: self.name(Field::Region)?,
            description: self.of(Field::Description, Paragraph::new)?,
            expires: self.of(Field::Expires, time)?,
            justification: self.of(Field::Justification, Paragraph::new)?,
        })
    }
}
