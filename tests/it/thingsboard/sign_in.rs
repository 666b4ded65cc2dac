//! Tokens, keys, passwords, links: `backends.md`, 2.1 and 2.5.

use std::time::Instant;

use serde_json::{Value, json};

use crate::http::Message;

use super::{
    answer::{Asked, Refusal, done, error, ok},
    state::{Caller, Mail, State, Token, forbidden, millis},
};

fn bad_sign_in() -> Refusal {
    error(401, 10, "Invalid username or password")
}

impl State {
    /// Who asks, by a token or an API key.
    pub(super) fn caller(&mut self, asked: &Asked) -> Result<Caller, Refusal> {
        let proof = asked.proof.as_deref().unwrap_or_default();
        if let Some(key) = proof.strip_prefix("ApiKey ") {
            let user = self.keys.get(key).cloned().ok_or_else(bad_sign_in)?;
            // 2.1: of one who never activated, or is shut off, it is no good.
            return if self.credentials[&user].enabled { Ok(self.as_caller(&user)) } else { Err(bad_sign_in()) };
        }
        let token = proof.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token)).cloned();
        let expired = || error(401, 11, "Token has expired");
        let Token { caller, issued } = token.ok_or_else(expired)?;
        // 2.5: what was issued in the very second of a disable or a deletion stays good.
        if self.outdated.get(&caller.user).is_some_and(|since| issued < *since) {
            return Err(expired());
        }
        Ok(caller)
    }

    fn as_caller(&self, user: &str) -> Caller {
        let row = &self.users[user];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Caller { user: user.to_owned(), authority: text(&row["authority"]), tenant: text(&row["tenantId"]["id"]) }
    }

    fn pair(&mut self, user: &str) -> Message {
        let token = format!("jwt.{}", self.id());
        let caller = self.as_caller(user);
        self.tokens.insert(token.clone(), Token { caller, issued: millis() / 1000 });
        ok(&json!({ "token": token, "refreshToken": format!("{token}.r") }))
    }

    /// 2.1; the e-mail is case sensitive (2.4).
    pub(super) fn login(&mut self, asked: &Asked) -> Result<Message, Refusal> {
        let (email, password) = (asked.text("username")?, asked.text("password")?);
        let user = self.users.iter().find(|(_, user)| user["email"] == email.as_str()).map(|(id, _)| id.clone());
        let user = user.ok_or_else(bad_sign_in)?;
        let credentials = &self.credentials[&user];
        if !credentials.enabled || credentials.password.as_ref() != Some(&password) {
            return Err(bad_sign_in());
        }
        Ok(self.pair(&user))
    }

    /// 2.2: a bucket that fills smoothly; the system's administrator is not limited.
    pub(super) fn slow_down(&mut self, caller: &Caller) -> Result<(), Refusal> {
        let Some(bucket) = self.bucket.as_mut().filter(|_| caller.authority != "SYS_ADMIN") else { return Ok(()) };
        bucket.left = (bucket.left + bucket.since.elapsed().as_secs_f64() * bucket.per_second).min(bucket.holds);
        bucket.since = Instant::now();
        if bucket.left < 1.0 {
            self.slowed += 1;
            return Err(error(429, 33, "Too many requests for current tenant!"));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    /// 2.1: the value is told once. It is made even for one who never activated, and is no good then.
    pub(super) fn make_key(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        let user = asked.object()?["userId"]["id"].as_str().unwrap_or_default().to_owned();
        self.user_for(caller, &user)?;
        let value = self.add_key(&user);
        Ok(ok(&json!({ "value": value })))
    }

    /// 2.1: the system's administrator acts for one of a tenant, whether that one ever activated or not; one of a tenant for
    /// another, and for users of customers.
    pub(super) fn impersonate(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        let user = self.user_for(caller, id)?;
        if user["authority"] == "SYS_ADMIN" {
            return Err(forbidden());
        }
        // guessed: also for one who is shut off.
        Ok(self.pair(id))
    }

    /// 2.5: `{value, ttlMs}`, until it is used.
    pub(super) fn activation_link(&mut self, caller: &Caller, id: &str) -> Result<Message, Refusal> {
        self.user_for(caller, id)?;
        let Some(token) = &self.credentials[id].activate else { return Err(error(400, 31, "User is already activated!")) };
        let value = format!("http://iot.example/api/noauth/activate?activateToken={token}");
        Ok(ok(&json!({ "value": value, "ttlMs": 86_400_000 })))
    }

    /// 2.5: sets the first password, opens the account, and signs in.
    pub(super) fn activate(&mut self, asked: &Asked) -> Result<Message, Refusal> {
        let (token, password) = (asked.text("activateToken")?, asked.text("password")?);
        let user = self.credentials.iter().find(|(_, it)| it.activate.as_ref() == Some(&token)).map(|(id, _)| id.clone());
        // guessed: the words.
        let user = user.ok_or_else(|| error(400, 31, "Unable to find user credentials by activateToken"))?;
        Self::check(&password)?;
        self.let_in(&user, &password);
        Ok(self.pair(&user))
    }

    /// 2.5: the most characters of a password. The server's own limit is 72; here an administrator wants fewer.
    pub(super) const LONGEST: usize = 40;

    /// 2.5: 6 characters and more.
    fn check(password: &str) -> Result<(), Refusal> {
        if (6..=Self::LONGEST).contains(&password.chars().count()) {
            return Ok(());
        }
        // guessed: the status.
        Err(error(400, 45, "Password must be 6 or more characters in length, and no more than 40"))
    }

    /// 2.5: always 200, and a mail later.
    pub(super) fn mail_reset(&mut self, asked: &Asked) -> Result<Message, Refusal> {
        let email = asked.text("email")?;
        let user = self.users.iter().find(|(_, user)| user["email"] == email.as_str()).map(|(id, _)| id.clone());
        if let Some(user) = user
            && self.credentials[&user].activate.is_none()
        {
            let token = format!("{user}-reset-{}", self.mails.len());
            self.credentials.get_mut(&user).unwrap().reset = Some(token);
            self.mails.push(Mail::Reset(email));
        }
        Ok(done())
    }

    pub(super) fn reset(&mut self, asked: &Asked) -> Result<Message, Refusal> {
        let (token, password) = (asked.text("resetToken")?, asked.text("password")?);
        let user = self.credentials.iter().find(|(_, it)| it.reset.as_ref() == Some(&token)).map(|(id, _)| id.clone());
        let user = user.ok_or_else(|| error(400, 31, "Invalid reset token!"))?;
        Self::check(&password)?;
        let credentials = self.credentials.get_mut(&user).unwrap();
        (credentials.password, credentials.reset) = (Some(password), None);
        Ok(self.pair(&user))
    }

    /// 2.5
    pub(super) fn mail_activation(&mut self, caller: &Caller, asked: &Asked) -> Result<Message, Refusal> {
        let email = asked.query.get("email").cloned().unwrap_or_default();
        let id = self.users.iter().find(|(_, user)| user["email"] == email.as_str()).map(|(id, _)| id.clone());
        let id = id.ok_or_else(|| error(404, 32, "Requested item wasn't found!"))?;
        self.user_for(caller, &id)?;
        if self.credentials[&id].activate.is_none() {
            return Err(error(400, 31, "User is already activated!"));
        }
        if self.no_mail {
            return Err(error(500, 2, "Couldn't send user activation email"));
        }
        self.mails.push(Mail::Activation(email));
        Ok(done())
    }

    /// 2.5: open by default; one who never activated cannot be opened; shutting ends tokens. No version changes (2.3).
    pub(super) fn open_or_shut(&mut self, caller: &Caller, id: &str, asked: &Asked) -> Result<Message, Refusal> {
        self.user_for(caller, id)?;
        let open = asked.query.get("userCredentialsEnabled").is_none_or(|it| it == "true");
        let credentials = self.credentials.get_mut(id).unwrap();
        if open && credentials.password.is_none() {
            return Err(error(400, 31, "Enabled user credentials should have password!"));
        }
        credentials.enabled = open;
        if !open {
            self.outdated.insert(id.to_owned(), millis() / 1000);
        }
        Ok(done())
    }
}
