//! A password is set with a link.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Sent, Site,
    pages::{Message, Problem},
};
use crate::{
    credential::SecretString,
    model::{PlainPassword, TokenHash},
};

/// What is typed. Has no `Debug`.
#[derive(Deserialize)]
pub(super) struct Fields {
    password: String,
    again: String,
}

/// The form. It does not even read the token.
pub(super) async fn show(State(site): State<Arc<Site>>) -> Response {
    site.pages.set(StatusCode::OK, None)
}

/// Sets the password. The link is looked at before the costly part and again by [`redeem`](crate::directory::Accounts::redeem),
/// which alone decides.
pub(super) async fn redeem(
    State(site): State<Arc<Site>>,
    token: Result<Path<String>, PathRejection>,
    Sent(Fields { password, again }): Sent<Fields>,
) -> Response {
    if let Err(problem) = Problem::of_new(&password, &again, &site.passwords) {
        return site.pages.set(StatusCode::UNPROCESSABLE_ENTITY, Some(&problem));
    }
    let Ok(Path(token)) = token else { return site.pages.message(&Message::DEAD_LINK) };
    let token = TokenHash::of(token.as_bytes());
    match site.accounts.redeemable(&token, Timestamp::now()).await {
        Ok(true) => {}
        Ok(false) => return site.pages.message(&Message::DEAD_LINK),
        Err(error) => return site.unavailable(&error),
    }
    let plain = PlainPassword::new(password.as_str());
    let hash = match site.hasher.hash(SecretString::from(password)).await {
        Ok(hash) => hash,
        Err(error) => return site.not_hashed(&error),
    };
    match site.accounts.redeem(&token, &hash, &plain, Timestamp::now()).await {
        Ok(true) => Redirect::to("done").into_response(),
        Ok(false) => site.pages.message(&Message::DEAD_LINK),
        Err(error) => site.unavailable(&error),
    }
}
