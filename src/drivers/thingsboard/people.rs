//! Passwords and links. The server lets an administrator set the first password, by the link that activates
//! the account, and none after that.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::{
    credential,
    directory::{DirectoryError, ErrorKind, OwnLink},
    drivers::{
        http::{Client, Request, Status, Verb},
        remote::NewPassword,
    },
    model::RemoteId,
};

use super::{
    Thingsboard,
    api::{ask, done, failure, text},
    read::one,
};

/// Characters of a password that nobody knows. The server's own limit is 72.
const UNKNOWN: u32 = 48;

/// `ActivationLinkInfo`: the link, and how long it lives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    value: String,
    ttl_ms: u64,
}

/// `UserPasswordPolicy`: what a password has to be. What is not there is not asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Policy {
    maximum_length: Option<usize>,
    minimum_uppercase_letters: Option<usize>,
    minimum_lowercase_letters: Option<usize>,
    minimum_digits: Option<usize>,
    minimum_special_characters: Option<usize>,
}

impl Policy {
    /// A random password with what is asked for before it, in as many characters as may be.
    fn fitted(&self, random: &SecretString) -> SecretString {
        let Self {
            maximum_length: most,
            minimum_uppercase_letters: upper,
            minimum_lowercase_letters: lower,
            minimum_digits: digits,
            minimum_special_characters: special,
        } = self;
        let asked = [("A", upper), ("a", lower), ("1", digits), ("!", special)];
        let mut text: String = asked.iter().map(|(one, count)| one.repeat(count.unwrap_or_default())).collect();
        text.push_str(random.expose_secret());
        text.truncate(most.filter(|most| *most > 0).unwrap_or(UNKNOWN as usize).min(text.len()));
        text.into()
    }
}

impl Thingsboard {
    /// Who may act for a user; one who is gone is [`ErrorKind::Moved`].
    async fn client_of(&self, id: &RemoteId, what: &str) -> Result<Reached, DirectoryError> {
        let way = self.way_to(&id.0).await?.ok_or_else(|| gone(what))?;
        Ok(Reached(way))
    }

    /// Sets the first password of somebody.
    pub(super) async fn first_password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        let what = &*format!("set the password of user {}", id.0);
        let NewPassword { hash: _, plain, must_change } = password;
        let rejected = |why: &'static str| DirectoryError::new(what, ErrorKind::Rejected).because(why);
        if *must_change {
            return Err(rejected("ThingsBoard cannot ask for another password at the first sign-in"));
        }
        let plain = plain.as_ref().ok_or_else(|| rejected("ThingsBoard takes a password itself, and only its hash is known"))?;
        let reached = self.client_of(id, what).await?;
        let client = reached.0.client(self.access.main());
        let Some((link, _)) = activation_link(client, &id.0, what).await? else {
            // It may be this one: a run that ended before it could say so.
            if self.lets_in(client, id, &SecretString::from(plain.expose()), what).await? {
                return Ok(());
            }
            return Err(rejected("they have set a password, and nobody else can set another"));
        };
        self.activate(client, id, &link, &SecretString::from(plain.expose()), what).await
    }

    /// Whether somebody can sign in with a password.
    async fn lets_in(&self, client: &Client, id: &RemoteId, password: &SecretString, what: &str) -> Result<bool, DirectoryError> {
        let (raw, _) = one(client, &id.0).await?.ok_or_else(|| gone(what))?;
        let body = json!({ "username": text(&raw, "email").unwrap_or_default(), "password": password.expose_secret() });
        let request = Request::new(Verb::Post, ["api", "auth", "login"], what).json(&body).hiding(password.clone());
        match self.access.wire().send(&request).await {
            Ok(answer) => Ok(answer.status == Status::Ok),
            Err(error) if error.kind == ErrorKind::Refused => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// There is nothing to take away from somebody who has no password; from others nobody takes it.
    pub(super) async fn no_password(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let what = &*format!("take the password of user {} away", id.0);
        let reached = self.client_of(id, what).await?;
        let (_, door) = one(reached.0.client(self.access.main()), &id.0).await?.ok_or_else(|| gone(what))?;
        if door.activated == Some(true) {
            let cause = "they have set a password, and ThingsBoard lets nobody take it away: disable the account";
            return Err(DirectoryError::new(what, ErrorKind::Rejected).because(cause));
        }
        Ok(())
    }

    /// Has the server mail a link: to activate the account, or to set another password.
    pub(super) async fn have_mail_sent(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let what = &*format!("have a mail sent to user {}", id.0);
        let reached = self.client_of(id, what).await?;
        let client = reached.0.client(self.access.main());
        let (raw, door) = one(client, &id.0).await?.ok_or_else(|| gone(what))?;
        let email = text(&raw, "email").unwrap_or_default();
        if door.activated == Some(true) {
            // It says yes to everybody, whether there is such an account or not, and mails later.
            let request = Request::new(Verb::Post, ["api", "noauth", "resetPasswordByEmail"], what);
            let answer = self.access.wire().send(&request.json(&json!({ "email": email }))).await?;
            return if answer.status == Status::Ok { Ok(()) } else { Err(failure(&answer, what)) };
        }
        let request = ask(Verb::Post, &["user", "sendActivationMail"], what).query("email", email);
        done(client, &request, what).await.map(drop)
    }

    /// The link that activates an account; none for one that is.
    pub(super) async fn own_link(&self, id: &RemoteId) -> Result<Option<OwnLink>, DirectoryError> {
        let what = &*format!("get the activation link of user {}", id.0);
        let reached = self.client_of(id, what).await?;
        let link = activation_link(reached.0.client(self.access.main()), &id.0, what).await?;
        Ok(link.map(|(url, life)| OwnLink { url, until: Timestamp::now().checked_add(life).unwrap_or(Timestamp::MAX) }))
    }

    /// Makes the activation link of an account useless, if it still is of use: by activating the account with a password that
    /// nobody knows. The server has no request that takes a link back.
    pub(super) async fn burn_link(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let what = &*format!("kill the activation link of user {}", id.0);
        let reached = self.client_of(id, what).await?;
        self.burn(reached.0.client(self.access.main()), id, what).await
    }

    pub(super) async fn burn(&self, client: &Client, id: &RemoteId, what: &str) -> Result<(), DirectoryError> {
        let Some((link, _)) = activation_link(client, &id.0, what).await? else { return Ok(()) };
        let policy = Request::new(Verb::Get, ["api", "noauth", "userPasswordPolicy"], what);
        // A server that does not say has the usual one.
        let answer = self.access.wire().send(&policy).await.ok().filter(|answer| answer.status == Status::Ok);
        let policy: Policy = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default();
        let unknown = credential::password(UNKNOWN).map_err(|error| DirectoryError::new(what, ErrorKind::Failed).because(error))?;
        let unknown = policy.fitted(&unknown);
        self.activate(client, id, &link, &unknown, what).await
    }

    /// Opens or shuts an account that was activated.
    pub(super) async fn open_or_shut(&self, client: &Client, id: &str, open: bool, what: &str) -> Result<(), DirectoryError> {
        let request = ask(Verb::Post, &["user", id, "userCredentialsEnabled"], what).query("userCredentialsEnabled", open);
        done(client, &request.repeatable(), what).await.map(drop)
    }

    /// Sets the first password with the link.
    async fn activate(
        &self,
        client: &Client,
        id: &RemoteId,
        link: &SecretString,
        password: &SecretString,
        what: &str,
    ) -> Result<(), DirectoryError> {
        let url = Url::parse(link.expose_secret()).ok();
        let token =
            url.and_then(|url| url.query_pairs().find(|(name, _)| name == "activateToken").map(|(_, token)| token.into_owned()));
        let unlike = || DirectoryError::new(what, ErrorKind::Incomplete).because("the activation link has no token in it");
        let token = SecretString::from(token.ok_or_else(unlike)?);
        let body = json!({ "activateToken": token.expose_secret(), "password": password.expose_secret() });
        let request = Request::new(Verb::Post, ["api", "noauth", "activate"], what).query("sendActivationMail", false);
        let request = request.json(&body).hiding(password.clone()).hiding(token);
        let error = match self.access.wire().send(&request).await {
            Ok(answer) if answer.status == Status::Ok => return Ok(()),
            Ok(answer) => failure(&answer, what),
            Err(error) => error,
        };
        if !error.leaves_open() {
            return Err(error);
        }
        // An answer that was lost: only we had just asked for the link.
        let (_, door) = one(client, &id.0).await?.ok_or_else(|| gone(what))?;
        if door.activated == Some(true) { Ok(()) } else { Err(error) }
    }
}

/// The way to a user.
struct Reached(super::read::Way);

fn gone(what: &str) -> DirectoryError {
    DirectoryError::new(what, ErrorKind::Moved).because("it is gone")
}

/// The link that activates an account, and how long it lives; none for one that is active.
async fn activation_link(client: &Client, id: &str, what: &str) -> Result<Option<(SecretString, Duration)>, DirectoryError> {
    let answer = client.send(&ask(Verb::Get, &["user", id, "activationLinkInfo"], what)).await?;
    match answer.status {
        Status::Ok => {
            let unlike = |_| DirectoryError::new(what, ErrorKind::Incomplete).because("the answer has no link in it");
            // Its text is not repeated: there is a link in it.
            let Link { value, ttl_ms } = serde_json::from_slice(&answer.body).map_err(unlike)?;
            Ok(Some((SecretString::from(value), Duration::from_millis(ttl_ms))))
        }
        Status::Invalid if answer.said().contains("already activated") => Ok(None),
        Status::Invalid | Status::Unauthorized | Status::Missing | Status::Conflict | Status::Changed | Status::Other(_) => {
            Err(failure(&answer, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_password_is_what_the_server_asks_for() {
        let random = SecretString::from("x".repeat(48));
        let policy = |text: &str| serde_json::from_str::<Policy>(text).unwrap().fitted(&random).expose_secret().to_owned();
        assert_eq!(policy("{}"), "x".repeat(48));
        let strict = r#"{"maximumLength":20,"minimumUppercaseLetters":2,"minimumDigits":1,"minimumSpecialCharacters":3,"minimumLowercaseLetters":null}"#;
        assert_eq!(policy(strict), format!("AA1!!!{}", "x".repeat(14)));
        assert_eq!(policy(r#"{"maximumLength":72,"minimumLength":6}"#), "x".repeat(48));
    }
}
