//! What the realm allows: its settings, its user profile, our rights in it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use super::{
    api::Api,
    marks::{ATTRIBUTES, LONG, MARK, SHORT},
    rights::Rights,
    wire::{Profile, ProfileAttribute, Realm, RequiredAction, Role},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::Bearer,
    manifest::{KeycloakCompanies, KeycloakInvites, KeycloakRoles, KeycloakSettings},
    model::{Field, Kind, Method},
    observed::{Capabilities, Limit},
};

/// Users imported at once. Over eight connections a server of two processors made 580 to 640 users a second in tens, 490 in
/// 25s, and 320 by single requests (26.7.3, warm); and one that is refused sends the others the slow way.
pub(super) const CHUNK: usize = 10;

/// What the validator `person-name-prohibited-characters` refuses besides control characters.
const NOT_IN_PERSONS: &str = "<>&\"$%!#?§;*~/\\|^=[]{}()";
/// What the validator `username-prohibited-characters` refuses besides white space and control characters.
const NOT_IN_USERNAMES: &str = "<>&\"'$%!#?§,;:*~/\\|^=[]{}()` ";
/// Validators that an import, which asks none, can do without: what we say in `Limit`s, or see to before.
const SEEN_TO: [&str; 5] =
    ["length", "email", "username-prohibited-characters", "person-name-prohibited-characters", "up-username-not-idn-homograph"];

/// What is known of a realm.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) realm: Realm,
    pub(super) profile: Profile,
    pub(super) rights: Rights,
    /// The realm's roles.
    pub(super) roles: BTreeMap<SmolStr, Role>,
}

impl Facts {
    /// Reads them.
    pub(super) async fn read(api: &Api, roles: KeycloakRoles) -> Result<Self, DirectoryError> {
        let Bearer(token) = api.client.bearer().await?;
        let rights = Rights::of(token.expose_secret(), &api.realm);
        let (realm, profile, roles) = futures_util::try_join!(
            api.get::<Realm>(&[], "read the realm"),
            api.get::<Profile>(&["users", "profile"], "read the realm's user profile"),
            realm_roles(api, roles),
        )?;
        Ok(Self { realm, profile, rights, roles })
    }

    /// Whether the realm can hold what we write, or what has to be done about that: Keycloak drops attributes that it has no
    /// place for without a word.
    pub(super) fn check(&self, settings: &KeycloakSettings) -> Result<(), DirectoryError> {
        let wrong = |cause: String| Err(DirectoryError::new("use the realm", ErrorKind::Rejected).because(cause));
        let Self { realm, profile, rights: _, roles: _ } = self;
        if realm.registration_email_as_username {
            return wrong(
                "the realm takes the e-mail as the username: turn Realm settings > Login > Email as username off (`registrationEmailAsUsername`)"
                    .into(),
            );
        }
        if settings.companies == KeycloakCompanies::Organizations && !realm.organizations_enabled {
            return wrong(
                "the realm has no organizations: turn Realm settings > General > Organizations on (`organizationsEnabled`), or leave `companies: organizations` out of the project"
                    .into(),
            );
        }
        if settings.invites == KeycloakInvites::Keycloak && realm.smtp_server.is_empty() {
            return wrong(
                "the realm has no mail server, and the project has it mail the invitations (`invites: keycloak`): give it one under Realm settings > Email"
                    .into(),
            );
        }
        let dropped: Vec<&str> = ours().filter(|name| !self.keeps(name)).collect();
        if !dropped.is_empty() {
            let policy = profile.unmanaged_attribute_policy.as_deref().unwrap_or("Disabled");
            return wrong(format!(
                "the realm drops these attributes of users without a word: {}. Set Realm settings > General > Unmanaged Attributes to `Only administrators can write` (`unmanagedAttributePolicy: ADMIN_EDIT` of the user profile; it is {policy}), or declare each of them under Realm settings > User profile with permission for the admin to view and to edit",
                dropped.join(", "),
            ));
        }
        Ok(())
    }

    /// Whether an attribute of users is stored and shown.
    fn keeps(&self, name: &str) -> bool {
        match self.declared(name) {
            // What is declared without permissions is hidden from everybody.
            Some(attribute) => attribute.permissions.as_ref().is_some_and(|it| {
                let admin = |roles: &[String]| roles.iter().any(|role| role == "admin");
                admin(&it.view) && admin(&it.edit)
            }),
            // `ADMIN_VIEW` drops what an administrator writes just as well.
            None => matches!(self.profile.unmanaged_attribute_policy.as_deref(), Some("ADMIN_EDIT" | "ENABLED")),
        }
    }

    fn declared(&self, name: &str) -> Option<&ProfileAttribute> {
        self.profile.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Attributes of ours that people can write themselves, in the account console.
    pub(super) fn open_to_people(&self) -> bool {
        let by_user = |attribute: &ProfileAttribute| {
            attribute.permissions.as_ref().is_some_and(|it| it.edit.iter().any(|role| role == "user"))
        };
        match self.declared(MARK) {
            Some(attribute) => by_user(attribute),
            None => self.profile.unmanaged_attribute_policy.as_deref() == Some("ENABLED"),
        }
    }

    /// What can be held and done here.
    pub(super) fn capabilities(&self, settings: &KeycloakSettings) -> Capabilities {
        let Self { realm, profile: _, rights, roles: known } = self;
        let mut fixed = BTreeMap::new();
        if realm.edit_username_allowed != Some(true) {
            let why = "the realm does not allow it: Realm settings > Login > Edit username (`editUsernameAllowed`)";
            fixed.insert((Kind::User, Field::Username), SmolStr::new_static(why));
        }
        let mut places = Capabilities::every_place();
        match settings.companies {
            KeycloakCompanies::Groups => {}
            // Organizations stand under nothing. That of a customer says in an attribute whose it is.
            KeycloakCompanies::Organizations => drop(places.remove(&(Kind::Company, Kind::Company))),
        }
        let any = settings.roles == KeycloakRoles::Groups || rights.manage_realm();
        Capabilities {
            fixed,
            limits: self.limits(),
            asks: self.names(asked),
            needs: self.names(required),
            places,
            methods: [Method::Invite, Method::Temporary, Method::Secret, Method::Hash, Method::None].into(),
            invites: settings.invites == KeycloakInvites::Keycloak,
            roles: if any { None } else { Some(known.keys().cloned().collect::<BTreeSet<_>>()) },
            concurrency: CHUNK * 8,
            ..Capabilities::everything()
        }
    }

    /// First and last names of which the profile says something.
    fn names(&self, what: fn(&ProfileAttribute) -> bool) -> BTreeSet<Field> {
        let names = [(Field::FirstName, "firstName"), (Field::LastName, "lastName")];
        names.into_iter().filter(|(_, name)| self.declared(name).is_some_and(what)).map(|(field, _)| field).collect()
    }

    /// What the profile and the tables have against texts.
    fn limits(&self) -> Vec<Limit> {
        let open = |kind, field, most| Limit { kind, field, least: 0, most, ascii: false, without: SmolStr::default() };
        let own = [
            (Field::Username, "username"),
            (Field::Email, "email"),
            (Field::FirstName, "firstName"),
            (Field::LastName, "lastName"),
        ];
        let mut limits = vec![open(Kind::Company, Field::DisplayName, SHORT), open(Kind::Customer, Field::DisplayName, SHORT)];
        for (field, name) in own.into_iter().chain(ATTRIBUTES) {
            let mut limit = open(Kind::User, field, LONG);
            if let Some(attribute) = self.declared(name) {
                let number = |of: &str| attribute.validations.get("length").and_then(|it| size(it.get(of)?));
                limit.most = number("max").unwrap_or(usize::MAX);
                limit.least = number("min").unwrap_or(0).max(usize::from(required(attribute)));
                for (validator, without) in
                    [("person-name-prohibited-characters", NOT_IN_PERSONS), ("username-prohibited-characters", NOT_IN_USERNAMES)]
                {
                    if attribute.validations.contains_key(validator) {
                        limit.without = format_smolstr!("{}{without}", limit.without);
                    }
                }
            }
            if limit.least > 0 || limit.most < usize::MAX || !limit.without.is_empty() {
                limits.push(limit);
            }
        }
        limits
    }

    /// Whether users can come in by an import although that asks no validator: only where we know what each would say.
    pub(super) fn imports(&self) -> bool {
        let known = |attribute: &ProfileAttribute| {
            attribute.validations.keys().all(|it| SEEN_TO.contains(&it.as_str()))
                && (is_ours(&attribute.name) || !required(attribute))
        };
        self.rights.manage_realm() && self.profile.attributes.iter().all(known)
    }
}

/// Every attribute of users that we write.
fn ours() -> impl Iterator<Item = &'static str> {
    ATTRIBUTES.into_iter().map(|(_, name)| name).chain([MARK])
}

fn is_ours(name: &str) -> bool {
    ["username", "email", "firstName", "lastName"].into_iter().chain(ours()).any(|it| it == name)
}

/// Whether people are asked for it who have none, when they sign in.
fn asked(attribute: &ProfileAttribute) -> bool {
    attribute.required.is_some()
}

/// Whether an administrator has to give it. Without roles it is required of everybody.
fn required(attribute: &ProfileAttribute) -> bool {
    attribute.required.as_ref().is_some_and(|it| it.roles.is_empty() || it.roles.iter().any(|role| role == "admin"))
}

/// A number, which the console writes as text.
fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|it| it.try_into().ok()).or_else(|| value.as_str()?.trim().parse().ok())
}

/// The realm's roles, where roles are that.
async fn realm_roles(api: &Api, roles: KeycloakRoles) -> Result<BTreeMap<SmolStr, Role>, DirectoryError> {
    match roles {
        KeycloakRoles::Realm => {
            // Without `first` and `max` it is all of them.
            let roles: Vec<Role> = api.get(&["roles"], "read the realm's roles").await?;
            Ok(roles.into_iter().map(|role| (SmolStr::new(&role.name), role)).collect())
        }
        KeycloakRoles::Groups => Ok(BTreeMap::new()),
    }
}

/// What everybody who comes by the front door has to do first; an import leaves it out.
pub(super) async fn default_actions(api: &Api) -> Result<Vec<String>, DirectoryError> {
    let all: Vec<RequiredAction> = api.get(&["authentication", "required-actions"], "read the realm's required actions").await?;
    Ok(all.into_iter().filter(|action| action.enabled && action.default_action).map(|action| action.alias).collect())
}
