//! The pages on which people set and change their passwords, for a directory that does not have such pages itself. Knows
//! [`Accounts`] and nothing else of a directory, prints nothing, and reads no environment.
//!
//! ```text
//! GET  /set-password/TOKEN   the form: the same for every token, nothing is looked up and nothing used up, because mail
//!                            scanners follow links
//! POST /set-password/TOKEN   equal and strong enough (422), could be used at all (410), hashed, redeemed in one step (410)
//! GET  /password             the form with which a password is changed, a temporary one at the first sign-in too
//! POST /password             strong enough (422), not too often (429), the current one is right (403), replaced
//! GET  /healthz              the server runs
//! ```
//!
//! Architecture Invariants: an answer does not tell whether an account exists, or why it cannot be used. Nothing in it is made
//! of `Host` or `X-Forwarded-*`: links inside are relative, so that the pages work under whatever path a proxy gives them.
//! There are no cookies, no sessions and no scripts; each request stands for itself.

mod base_url;
mod change;
mod headers;
mod limits;
mod links;
mod listen;
mod pages;
mod sign_in;

use std::{
    any::Any,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    headers::{Headers, Origins},
    limits::{Limits, Peer},
    pages::{Message, Pages},
};
use crate::{
    credential::{HashError, Hasher},
    directory::{Accounts, DirectoryError},
    manifest::Passwords,
};

pub use base_url::BaseUrl;
pub use listen::serve;
pub use sign_in::sign_in;

/// Bytes of a form: three passwords of 128 characters and a username, all of them percent-encoded, take less.
const BODY: usize = 8 * 1024;
/// How long sending a form may take.
const SENDING: Duration = Duration::from_secs(10);

/// What the pages are about.
#[derive(Clone)]
pub struct Settings {
    /// Whose passwords.
    pub accounts: Arc<dyn Accounts>,
    /// What they must look like.
    pub passwords: Passwords,
    /// Where people reach the pages, where the project says so.
    pub base_url: Option<BaseUrl>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Hashes and checks.
    pub hasher: Hasher,
}

/// What every handler needs.
struct Site {
    accounts: Arc<dyn Accounts>,
    hasher: Hasher,
    passwords: Passwords,
    pages: Pages,
    limits: Limits,
    origins: Origins,
}

/// The pages, at the root and, where the base URL has a path, below that path too: a proxy may take it off or leave it.
pub fn router(settings: Settings) -> Router {
    let Settings { accounts, passwords, base_url, listen, hasher } = settings;
    let origins = Origins::new(base_url.as_ref(), listen);
    let headers = Headers::new(base_url.as_ref().is_some_and(BaseUrl::is_https), pages::STYLE);
    let limits = Limits::new(base_url.as_ref().is_none_or(|url| origins.is_listener(url)));
    let site = Arc::new(Site { accounts, hasher, pages: Pages::new(&passwords), passwords, limits, origins });

    let mut router = routes(Router::new(), "");
    if let Some(path) = base_url.as_ref().map(BaseUrl::path).filter(|path| !path.is_empty()) {
        let last = path.rsplit('/').next().unwrap_or_default();
        // Links of the first page are relative to its folder.
        let folder = format!("{last}/");
        router = routes(router, path).route(path, get(async move || Redirect::permanent(&folder)));
    }
    router
        .method_not_allowed_fallback(async |State(site): State<Arc<Site>>| site.pages.message(&Message::NOT_ALLOWED))
        .fallback(async |State(site): State<Arc<Site>>| site.pages.message(&Message::NOT_FOUND))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
        .layer(CatchPanicLayer::custom(on_panic(Arc::clone(&site))))
        .layer(middleware::from_fn_with_state(headers, headers::set))
        .layer(middleware::from_fn(log))
        .with_state(site)
}

fn routes(router: Router<Arc<Site>>, prefix: &str) -> Router<Arc<Site>> {
    let at = |path: &str| format!("{prefix}{path}");
    router
        .route(&at("/"), get(async |State(site): State<Arc<Site>>| site.pages.message(&Message::WELCOME)))
        .route(&at("/healthz"), get(async || "ok\n"))
        .route(&at("/set-password/done"), get(async |State(site): State<Arc<Site>>| site.pages.message(&Message::IS_SET)))
        .route(&at("/set-password/{token}"), get(links::show).post(links::redeem))
        .route(&at("/password"), get(change::show).post(change::change))
        .route(&at("/password/done"), get(async |State(site): State<Arc<Site>>| site.pages.message(&Message::IS_CHANGED)))
}

/// Lets a form through that comes from a page of ours, and not too often. Nothing of its body has been read yet.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if *request.method() == Method::POST {
        if !site.origins.allow(request.headers()) {
            return site.pages.message(&Message::CROSS_SITE);
        }
        if let Err(wait) = site.limits.admit(request.extensions().get::<Peer>()) {
            return site.too_many(wait);
        }
    }
    next.run(request).await
}

/// One line for each request, with the route instead of the path: a path holds the token.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let start = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_secs_f64() * 1e3);
    tracing::info!(%method, route, status, ms, "request");
    response
}

fn on_panic(site: Arc<Site>) -> impl Fn(Box<dyn Any + Send>) -> Response + Clone {
    move |_| {
        // What it says may hold what somebody typed.
        tracing::error!("a defect of Tenantry stopped a request");
        site.pages.message(&Message::DEFECT)
    }
}

impl Site {
    fn too_many(&self, wait: Duration) -> Response {
        let seconds = wait.as_secs() + 1;
        ([(header::RETRY_AFTER, seconds.to_string())], self.pages.message(&Message::TOO_MANY)).into_response()
    }

    fn unavailable(&self, error: &DirectoryError) -> Response {
        tracing::error!(error = error.chain(), "the directory failed");
        self.pages.message(&Message::UNAVAILABLE)
    }

    fn not_hashed(&self, error: &HashError) -> Response {
        tracing::error!(%error, "a password could not be hashed");
        self.pages.message(&Message::UNAVAILABLE)
    }
}

/// A form that somebody sent: small, in time, and with the fields it has.
struct Sent<T>(T);

impl<T: DeserializeOwned + Send> FromRequest<Arc<Site>> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Response> {
        let message = match tokio::time::timeout(SENDING, Form::from_request(request, site)).await {
            Ok(Ok(Form(fields))) => return Ok(Self(fields)),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => &Message::TOO_LARGE,
            Ok(Err(_)) => &Message::NOT_THE_FORM,
            Err(_) => &Message::TOO_SLOW,
        };
        Err(site.pages.message(message))
    }
}
