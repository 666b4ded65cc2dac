//! What we show to be let in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Request, Verb, Wire, answer::Status};
use crate::directory::{DirectoryError, ErrorKind};

/// A bearer token (RFC 6750).
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) SecretString);

/// Where tokens come from.
#[async_trait]
pub(crate) trait Tokens: Send + Sync {
    /// A token to go with; where `refused` is given, another than that one if there can be another.
    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, DirectoryError>;

    /// What stands before it in the header `Authorization`.
    fn scheme(&self) -> &'static str {
        "Bearer"
    }
}

/// The same source for several clients.
#[async_trait]
impl<T: Tokens + ?Sized> Tokens for Arc<T> {
    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        (**self).bearer(refused).await
    }

    fn scheme(&self) -> &'static str {
        (**self).scheme()
    }
}

/// One token, for ever.
pub(crate) struct Fixed(pub(crate) SecretString);

#[async_trait]
impl Tokens for Fixed {
    async fn bearer(&self, _refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        Ok(Bearer(self.0.clone()))
    }
}

/// A token by the secret of a client (RFC 6749, section 4.4), asked for when there is none, when it is about to end, and when
/// it was refused; by one request, however many wait for it.
pub(crate) struct ClientCredentials {
    wire: Arc<Wire>,
    path: Vec<String>,
    client: String,
    secret: SecretString,
    held: Mutex<Option<Held>>,
}

struct Held {
    bearer: Bearer,
    until: Instant,
}

/// <https://www.rfc-editor.org/rfc/rfc6749#section-5.1>
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl ClientCredentials {
    /// Asks the endpoint at `path` of the same server.
    pub(crate) fn new(wire: Arc<Wire>, path: &[&str], client: &str, secret: SecretString) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { wire, path, client: client.to_owned(), secret, held: Mutex::new(None) }
    }

    async fn ask(&self) -> Result<Held, DirectoryError> {
        let what = format!("sign in as the client `{}`", self.client);
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client.as_str()),
            ("client_secret", self.secret.expose_secret()),
        ];
        // A token more does no harm.
        let request = Request::new(Verb::Post, &self.path, what.as_str()).form(&fields).hiding(self.secret.clone()).repeatable();
        let begun = Instant::now();
        let answer = self.wire.send(&request).await?;
        if answer.status == Status::Invalid {
            // `unauthorized_client`, `invalid_client`: RFC 6749 says 400 for most of them.
            return Err(answer.error(&what, ErrorKind::Refused));
        }
        if answer.status != Status::Ok {
            return Err(answer.error(&what, ErrorKind::Rejected));
        }
        let unlike = || DirectoryError::new(what.as_str(), ErrorKind::Incomplete).because("the answer has no token in it");
        // Its text is not repeated: there may be a token in it.
        let Granted { access_token, expires_in } = serde_json::from_slice(&answer.body).map_err(|_| unlike())?;
        if access_token.is_empty() {
            return Err(unlike());
        }
        // It has to last for as long as a request may take to be looked at; a clock is not asked, since theirs may differ.
        let life = Duration::from_secs(if expires_in == 0 { 60 } else { expires_in });
        let until = begun + life.saturating_sub((life / 5).min(Duration::from_secs(30)));
        Ok(Held { bearer: Bearer(SecretString::from(access_token)), until })
    }
}

#[async_trait]
impl Tokens for ClientCredentials {
    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, DirectoryError> {
        let mut held = self.held.lock().await;
        let refused = refused.map(|Bearer(token)| token.expose_secret());
        if let Some(Held { bearer, until }) = &*held
            && Instant::now() < *until
            && refused != Some(bearer.0.expose_secret())
        {
            return Ok(bearer.clone());
        }
        let fresh = self.ask().await?;
        let bearer = fresh.bearer.clone();
        *held = Some(fresh);
        Ok(bearer)
    }
}
