//! One way to speak HTTP with a directory, for every driver that does: limits, repeats, tokens and counting are here, and
//! nowhere else.
//!
//! What it knows: HTTP. What it must not know: any vendor. It follows no redirect, so that a credential goes nowhere but where
//! the project says; it believes no answer that is cut short, too large, or a page for people.

#![cfg_attr(
    not(all(feature = "keycloak", feature = "scim", feature = "thingsboard")),
    allow(dead_code, unused_imports, reason = "some of it only one driver needs")
)]

mod answer;
mod meter;
mod request;
mod retry;
mod tokens;

#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration, vec};

use futures_util::{
    StreamExt as _,
    stream::{self, Buffered, Collect},
};
use reqwest::{Client as Transport, Url, redirect};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use self::{
    meter::Meter,
    retry::{Failure, Patience},
};
use crate::directory::{DirectoryError, ErrorKind, Traffic};

pub(crate) use answer::{Answer, Status};
pub(crate) use request::{Request, Verb};
pub(crate) use tokens::Fixed;
pub(crate) use tokens::{Bearer, ClientCredentials, Tokens};

/// How a client goes about it.
#[derive(Debug, Clone)]
pub(crate) struct Tuning {
    /// How long making a connection may take, TLS included.
    pub(crate) connect: Duration,
    /// How long a request may take, from the first byte to the last of the answer.
    pub(crate) request: Duration,
    /// The largest answer that is read, in bytes.
    pub(crate) most: usize,
    /// Requests under way at once.
    pub(crate) width: usize,
    /// The pause before the first repeat; each one after it is about twice as long.
    pub(crate) pause: Duration,
    /// The longest time that we let a server send us away for before we try again.
    pub(crate) wait: Duration,
    /// Attempts, the first included, at what a server has no time for and certainly did not begin (429).
    pub(crate) turns: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_mins(1),
            most: 64 * 1024 * 1024,
            width: 8,
            pause: Duration::from_millis(200),
            wait: Duration::from_mins(1),
            turns: retry::ATTEMPTS,
        }
    }
}

/// A connection to a server, without a token: what [`Tokens`] get theirs by.
pub(crate) struct Wire {
    transport: Transport,
    base: Url,
    tuning: Tuning,
    turns: Semaphore,
    meter: Meter,
}

impl Wire {
    /// Speaks with the server at `base`, the URL that paths are put behind. Nothing is sent yet.
    pub(crate) fn new(base: &str, tuning: Tuning) -> Result<Arc<Self>, DirectoryError> {
        let open = || DirectoryError::new("open the directory", ErrorKind::Rejected);
        // A path goes behind the base: one without a slash at the end would lose its last part.
        let base = Url::parse(&format!("{}/", base.trim_end_matches('/'))).map_err(|error| open().because(error))?;
        let transport = Transport::builder()
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(tuning.connect)
            .timeout(tuning.request)
            .build()
            .map_err(|error| open().because(error.without_url()))?;
        let turns = Semaphore::new(tuning.width);
        Ok(Arc::new(Self { transport, base, tuning, turns, meter: Meter::default() }))
    }

    /// Sends a request as it is: one that carries its own proof of who we are.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, DirectoryError> {
        let answer = retry::persist(request, self.patience(), || self.once(request, None)).await?;
        if answer.status == Status::Unauthorized {
            return Err(answer.error(&request.what, ErrorKind::Refused));
        }
        Ok(answer)
    }

    fn patience(&self) -> Patience {
        Patience { pause: self.tuning.pause, wait: self.tuning.wait, turns: self.tuning.turns }
    }

    /// One attempt, within the bound of requests at once.
    async fn once(&self, request: &Request, proof: Option<(&'static str, &Bearer)>) -> Result<Answer, Failure> {
        let _turn = self.turns.acquire().await;
        let sent = request.build(&self.transport, &self.base, proof).map_err(Failure::last)?;
        let counted = self.meter.begin(request.size());
        let response = self.transport.execute(sent).await.map_err(|error| Failure::transport(&request.what, error))?;
        answer::read(response, request, proof.map(|it| it.1), &self.tuning, counted).await
    }
}

/// A server that wants a token with every request.
pub(crate) struct Client {
    wire: Arc<Wire>,
    tokens: Arc<dyn Tokens>,
}

impl Client {
    /// Speaks over `wire`, with tokens of `tokens`.
    pub(crate) fn new(wire: Arc<Wire>, tokens: impl Tokens + 'static) -> Self {
        Self { wire, tokens: Arc::new(tokens) }
    }

    /// Sends a request, again where that cannot do harm and may help, and gives back what was answered to it. A refused token
    /// is replaced once. Of what is not a success only what says something about the object comes back as an answer.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, DirectoryError> {
        retry::persist(request, self.wire.patience(), || async {
            let bearer = self.tokens.bearer(None).await.map_err(Failure::last)?;
            let scheme = self.tokens.scheme();
            let answer = self.wire.once(request, Some((scheme, &bearer))).await?;
            if answer.status != Status::Unauthorized {
                return Ok(answer);
            }
            let fresh = self.tokens.bearer(Some(&bearer)).await.map_err(Failure::last)?;
            let answer = self.wire.once(request, Some((scheme, &fresh))).await?;
            if answer.status == Status::Unauthorized {
                return Err(Failure::last(answer.error(&request.what, ErrorKind::Refused)));
            }
            Ok(answer)
        })
        .await
    }

    /// The same server and tokens by a connection of its own: for a runtime that is another one.
    pub(crate) fn alone(&self, tuning: Tuning) -> Result<Self, DirectoryError> {
        Ok(Self { wire: Wire::new(self.wire.base.as_str(), tuning)?, tokens: Arc::clone(&self.tokens) })
    }

    /// The token that the next request would go with.
    pub(crate) async fn bearer(&self) -> Result<Bearer, DirectoryError> {
        self.tokens.bearer(None).await
    }

    /// What was sent and received until now, tokens included.
    pub(crate) fn traffic(&self) -> Traffic {
        self.wire.meter.read()
    }

    /// How many requests go at once.
    pub(crate) fn width(&self) -> usize {
        self.wire.tuning.width
    }
}

/// What [`each`] waits for.
type Each<F, R> = Collect<Buffered<stream::Iter<vec::IntoIter<F>>>, Vec<R>>;

/// Does the same for each of some things, `width` at a time, and gives back what came of it in the order given.
pub(crate) fn each<T, F: Future>(width: usize, things: impl IntoIterator<Item = T>, act: impl FnMut(T) -> F) -> Each<F, F::Output> {
    // A list and no closure: one that borrows cannot be proven to be `Send` where it is kept over an `await`.
    let begun: Vec<F> = things.into_iter().map(act).collect();
    stream::iter(begun).buffered(width.max(1)).collect()
}

/// Takes secrets out of a text that is shown.
fn without(mut text: String, secrets: &[&secrecy::SecretString]) -> String {
    for secret in secrets.iter().map(|it| it.expose_secret()).filter(|it| !it.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, "…");
        }
    }
    text
}
