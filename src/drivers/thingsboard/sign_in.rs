//! What we show to be let in: an API key, a token for a password, a token for somebody else's account.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smol_str::SmolStr;
use tokio::sync::Mutex;

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::http::{Bearer, Client, Request, Status, Tokens, Verb, Wire},
};

use super::{
    access::is_caretaker,
    api::{self, Raw, ask, found},
    list,
};

/// How many administrators are tried before none counts as one to act for.
const TRIED: usize = 5;

/// <https://thingsboard.io/docs/reference/rest-api/>: `JwtPair`.
#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    token: String,
    /// What the token is good for, where that is not the API: a second factor is pending.
    #[serde(default)]
    scope: Option<String>,
}

fn bearer(pair: Result<Pair, serde_json::Error>, what: &str) -> Result<Bearer, DirectoryError> {
    // Its text is not repeated: there may be a token in it.
    let Ok(Pair { token, scope }) = pair else {
        return Err(DirectoryError::new(what, ErrorKind::Incomplete).because("the answer has no token in it"));
    };
    if let Some(scope) = scope.filter(|scope| scope == "PRE_VERIFICATION_TOKEN" || scope == "MFA_CONFIGURATION_TOKEN") {
        let cause = format!("the account wants a second factor ({scope}): use one without, or an API key");
        return Err(DirectoryError::new(what, ErrorKind::Refused).because(cause));
    }
    if token.is_empty() {
        return Err(DirectoryError::new(what, ErrorKind::Incomplete).because("the answer has no token in it"));
    }
    Ok(Bearer(SecretString::from(token)))
}

/// Whether a token that is held is not the one that was refused.
fn good(held: &Bearer, refused: Option<&Bearer>) -> bool {
    refused.is_none_or(|Bearer(refused)| refused.expose_secret() != held.0.expose_secret())
}

/// An API key, for ever.
pub(super) struct ApiKey(pub(super) SecretString);

#[async_trait]
impl Tokens for ApiKey {
    async fn bearer(&self, _refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        Ok(Bearer(self.0.clone()))
    }

    fn scheme(&self) -> &'static str {
        "ApiKey"
    }
}

/// A token for a password, asked for when there is none and when it was refused: an old one answers 401 like a wrong one.
pub(super) struct Login {
    pub(super) wire: Arc<Wire>,
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) held: Mutex<Option<Bearer>>,
}

#[async_trait]
impl Tokens for Login {
    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| good(held, refused)) {
            return Ok(held.clone());
        }
        let what = format!("sign in as `{}`", self.username);
        let body = serde_json::json!({ "username": self.username, "password": self.password.expose_secret() });
        // A token more does no harm.
        let request = Request::new(Verb::Post, ["api", "auth", "login"], what.as_str());
        let request = request.json(&body).hiding(self.password.clone()).repeatable();
        let answer = self.wire.send(&request).await?;
        if answer.status != Status::Ok {
            return Err(answer.error(&what, ErrorKind::Refused));
        }
        let fresh = bearer(serde_json::from_slice(&answer.body), &what)?;
        *held = Some(fresh.clone());
        Ok(fresh)
    }
}

/// The token of a tenant's administrator, got by the system's: who that is changes when they go.
pub(super) struct Impersonated {
    pub(super) system: Arc<Client>,
    pub(super) tenant: SmolStr,
    pub(super) held: Mutex<Option<Bearer>>,
}

impl Impersonated {
    /// Whether there is anybody to act for. A tenant in which there never was an administrator has no customers either: only
    /// administrators make them, and the last one cannot be deleted.
    pub(super) async fn possible(&self) -> Result<bool, DirectoryError> {
        if self.held.lock().await.is_some() {
            return Ok(true);
        }
        Ok(!self.admins().await?.is_empty())
    }

    /// Takes another look at who is there, the next time a token is needed.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }

    /// The administrators, those to be acted for first: the one that is ours alone, then the oldest.
    async fn admins(&self) -> Result<Vec<Raw>, DirectoryError> {
        let what = format!("read the administrators of tenant {}", self.tenant);
        let mut admins = list::list(&self.system, &["tenant", &self.tenant, "users"], "email", None, &what).await?;
        let age = |raw: &Raw| (!is_caretaker(raw, &self.tenant), raw.get("createdTime").and_then(serde_json::Value::as_i64));
        admins.sort_by_key(age);
        Ok(admins)
    }
}

#[async_trait]
impl Tokens for Impersonated {
    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| good(held, refused)) {
            return Ok(held.clone());
        }
        *held = None;
        let what = format!("act for an administrator of tenant {}", self.tenant);
        let mut last = DirectoryError::new(&*what, ErrorKind::Rejected).because("the tenant has no administrator");
        for admin in self.admins().await?.iter().take(TRIED) {
            let Some(id) = api::id(admin, "id") else { continue };
            let answer = self.system.send(&ask(Verb::Get, &["user", id, "token"], &what)).await;
            match answer {
                Ok(answer) if answer.status == Status::Ok => {
                    let fresh = bearer(serde_json::from_slice(&answer.body), &what)?;
                    *held = Some(fresh.clone());
                    return Ok(fresh);
                }
                Ok(answer) => last = api::failure(&answer, &what),
                Err(error) if error.kind == ErrorKind::Refused => {
                    let allowed = found(&self.system, &["user", "tokenAccessEnabled"], &what).await;
                    let hint = "the server may not allow it (`security.user_token_access_enabled`)";
                    last = if allowed.is_ok() { error } else { error.of(format!("{what}: {hint}")) };
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}
