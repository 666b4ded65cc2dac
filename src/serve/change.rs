//! A password is changed by somebody who knows it: at the first sign-in with a temporary one, or later.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Sent, Site, pages::Problem, sign_in};
use crate::{credential::SecretString, model::Username};

/// What is typed. Has no `Debug`.
#[derive(Deserialize)]
pub(super) struct Fields {
    username: String,
    current: String,
    password: String,
    again: String,
}

/// The form.
pub(super) async fn show(State(site): State<Arc<Site>>) -> Response {
    site.pages.change(StatusCode::OK, "", None)
}

/// Changes the password. What can be said of the new one alone is said first: it tells nothing about the account.
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    Sent(Fields { username, current, password, again }): Sent<Fields>,
) -> Response {
    let new = Problem::of_new(&password, &again, &site.passwords);
    if let Err(problem) = new.and_then(|()| Problem::of_change(&current, &password)) {
        return site.pages.change(StatusCode::UNPROCESSABLE_ENTITY, &username, Some(&problem));
    }
    let refused = || site.pages.change(StatusCode::FORBIDDEN, &username, Some(&Problem::not_you()));
    let name = Username::new(username.trim()).ok();
    if let Some(name) = &name
        && let Err(wait) = site.limits.guess(name)
    {
        return site.too_many(wait);
    }
    let known = match sign_in(&*site.accounts, &site.hasher, name.as_ref(), SecretString::from(current)).await {
        Ok(known) => known,
        Err(error) => return site.unavailable(&error),
    };
    let (Some(known), Some(name)) = (known, name) else { return refused() };
    let hash = match site.hasher.hash(SecretString::from(password)).await {
        Ok(hash) => hash,
        Err(error) => return site.not_hashed(&error),
    };
    match site.accounts.replace(&name, &known.password, &hash, Timestamp::now()).await {
        Ok(true) => Redirect::to("password/done").into_response(),
        Ok(false) => refused(),
        Err(error) => site.unavailable(&error),
    }
}
