//! Who we are, and how a tenant is reached.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use secrecy::SecretString;
use serde_json::json;
use smol_str::{SmolStr, format_smolstr};
use tokio::sync::{Mutex, OnceCell};

use crate::{
    directory::{DirectoryError, ErrorKind, Traffic},
    drivers::http::{Client, Tuning, Verb, Wire},
    manifest::ThingsboardProof,
};

use super::{
    CONCURRENCY,
    api::{self, Raw, ask, id, object, text},
    info::{self, Own},
    list,
    sign_in::{ApiKey, Impersonated, Login},
};

/// Attempts at what is refused because we are too fast: a limit of two a second (`20:10`) is lived with.
const TURNS: usize = 30;

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The system administrator: companies are tenants.
    System,
    /// An administrator of one tenant, which is the one company.
    Tenant {
        /// Which one.
        tenant: SmolStr,
        /// Who we are in it.
        user: SmolStr,
    },
}

/// The ways in.
pub(super) struct Access {
    wire: Arc<Wire>,
    main: Arc<Client>,
    /// As long as nobody was asked: what is likely.
    guess: Standing,
    standing: OnceCell<Standing>,
    tenants: std::sync::Mutex<HashMap<SmolStr, Tenant>>,
    /// Tenants in which there is a caretaker, as far as we know.
    kept: std::sync::Mutex<std::collections::HashSet<SmolStr>>,
    /// One at a time puts somebody into a tenant where nobody is.
    placing: Mutex<()>,
}

/// The way into a tenant.
#[derive(Clone)]
pub(super) struct Tenant {
    client: Arc<Client>,
    /// Whose token it goes with; none where it is our own.
    proof: Option<Arc<Impersonated>>,
}

impl Access {
    pub(super) fn open(url: &str, proof: &ThingsboardProof, secret: SecretString) -> Result<Self, DirectoryError> {
        let wire = Wire::new(url, Tuning { width: CONCURRENCY, turns: TURNS, ..Tuning::default() })?;
        let unknown = Standing::Tenant { tenant: SmolStr::default(), user: SmolStr::default() };
        let (main, guess) = match proof {
            ThingsboardProof::ApiKey(_) => (Client::new(Arc::clone(&wire), ApiKey(secret)), unknown),
            ThingsboardProof::Login { username, password: _ } => {
                let (username, password, held) = (username.clone(), secret, Mutex::new(None));
                let login = Login { wire: Arc::clone(&wire), username, password, held };
                (Client::new(Arc::clone(&wire), login), Standing::System)
            }
        };
        let (standing, tenants, kept) = (OnceCell::new(), std::sync::Mutex::default(), std::sync::Mutex::default());
        Ok(Self { wire, main: Arc::new(main), guess, standing, tenants, kept, placing: Mutex::new(()) })
    }

    /// Who we are, as far as is known.
    pub(super) fn standing_or_guess(&self) -> Standing {
        self.standing.get().unwrap_or(&self.guess).clone()
    }

    /// Who we are; asked once.
    pub(super) async fn standing(&self) -> Result<&Standing, DirectoryError> {
        self.standing.get_or_try_init(|| self.who()).await
    }

    async fn who(&self) -> Result<Standing, DirectoryError> {
        let what = "ask who we are";
        let us = object(&self.main, &ask(Verb::Get, &["auth", "user"], what), what).await?;
        match (text(&us, "authority"), id(&us, "tenantId"), id(&us, "id")) {
            (Some("SYS_ADMIN"), _, _) => Ok(Standing::System),
            (Some("TENANT_ADMIN"), Some(tenant), Some(user)) => Ok(Standing::Tenant { tenant: tenant.into(), user: user.into() }),
            (authority, _, _) => {
                let cause = format!(
                    "the account is {}, and must be an administrator of a tenant or of the system",
                    authority.unwrap_or("nothing that is known")
                );
                Err(DirectoryError::new(what, ErrorKind::Refused).because(cause))
            }
        }
    }

    /// As whom we signed in.
    pub(super) fn main(&self) -> &Arc<Client> {
        &self.main
    }

    /// Without showing anything: what the server asks of nobody.
    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The way into a tenant.
    pub(super) async fn tenant(&self, tenant: &str) -> Result<Tenant, DirectoryError> {
        match self.standing().await? {
            Standing::Tenant { .. } => Ok(Tenant { client: Arc::clone(&self.main), proof: None }),
            Standing::System => {
                let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                let made = tenants.entry(tenant.into()).or_insert_with(|| {
                    let (system, tenant, held) = (Arc::clone(&self.main), tenant.into(), Mutex::new(None));
                    let proof = Arc::new(Impersonated { system, tenant, held });
                    let client = Arc::new(Client::new(Arc::clone(&self.wire), Arc::clone(&proof)));
                    Tenant { client, proof: Some(proof) }
                });
                Ok(made.clone())
            }
        }
    }

    /// The way into a tenant that is to be written to: where nobody is whom we could act for, somebody is put there.
    pub(super) async fn manned(&self, tenant: &str) -> Result<Arc<Client>, DirectoryError> {
        let way = self.tenant(tenant).await?;
        if let Some(proof) = &way.proof {
            let _one = self.placing.lock().await;
            if !proof.possible().await? {
                self.place_caretaker(tenant).await?;
            }
        }
        Ok(way.client)
    }

    /// Puts an account into a tenant for as long as it has no other administrator. It has no password and nobody can sign in with
    /// it; the system administrator acts for it. Its mailbox is none (RFC 2606).
    pub(super) async fn place_caretaker(&self, tenant: &str) -> Result<(), DirectoryError> {
        self.keeps_caretaker(tenant);
        let what = format!("put a caretaker into tenant {tenant}");
        let own = Own { caretaker: true, ..Own::default() };
        let mut raw = Raw::new();
        raw.insert("email".into(), caretaker(tenant).as_str().into());
        raw.insert("authority".into(), "TENANT_ADMIN".into());
        raw.insert("tenantId".into(), api::reference("TENANT", tenant));
        raw.insert("lastName".into(), "Tenantry (no sign-in)".into());
        raw.insert("additionalInfo".into(), json!({}));
        info::put(&mut raw, &own);
        let request = ask(Verb::Post, &["user"], &what).query("sendActivationMail", false).json(&raw);
        match object(&self.main, &request, &what).await {
            Ok(_) => Ok(()),
            // An answer was lost, or another run of ours is as far.
            Err(error) => match self.caretaker(tenant).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) | Err(_) => Err(error),
            },
        }
    }

    /// The identifier of the caretaker of a tenant, where it has one.
    async fn caretaker(&self, tenant: &str) -> Result<Option<SmolStr>, DirectoryError> {
        let what = format!("look for the caretaker of tenant {tenant}");
        let admins = list::list(&self.main, &["tenant", tenant, "users"], "email", None, &what).await?;
        let ours = admins.iter().find(|raw| is_caretaker(raw, tenant));
        Ok(ours.and_then(|raw| id(raw, "id")).map(SmolStr::new))
    }

    /// There is, or may be, a caretaker in a tenant.
    pub(super) fn keeps_caretaker(&self, tenant: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.into());
    }

    /// Whether there may be a caretaker in a tenant.
    pub(super) fn has_caretaker(&self, tenant: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    /// Takes the caretaker out of a tenant that has an administrator by now.
    pub(super) async fn dismiss_caretaker(&self, tenant: &str) -> Result<(), DirectoryError> {
        let Some(caretaker) = self.caretaker(tenant).await? else { return Ok(()) };
        let what = format!("take the caretaker out of tenant {tenant}");
        api::done(&self.main, &ask(Verb::Delete, &["user", &caretaker], &what), &what).await?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        if let Some(proof) = self.tenant(tenant).await?.proof {
            proof.forget().await;
        }
        Ok(())
    }

    /// What was sent and received until now.
    pub(super) fn traffic(&self) -> Traffic {
        self.main.traffic()
    }
}

/// Whether an account is the caretaker of a tenant. People can write what they like into `additionalInfo` of their own account: the
/// flag alone would hide it from us, or have it deleted.
pub(super) fn is_caretaker(raw: &Raw, tenant: &str) -> bool {
    let own = text(raw, "authority") == Some("TENANT_ADMIN") && text(raw, "email") == Some(&*caretaker(tenant));
    own && Own::of(raw).caretaker
}

/// The e-mail of the caretaker of a tenant.
fn caretaker(tenant: &str) -> SmolStr {
    format_smolstr!("tenantry-{tenant}@caretaker.invalid")
}

impl Tenant {
    /// Requests as an administrator of the tenant.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether there is one; see [`Impersonated::possible`].
    pub(super) async fn has_admin(&self) -> Result<bool, DirectoryError> {
        match &self.proof {
            Some(proof) => proof.possible().await,
            None => Ok(true),
        }
    }
}
