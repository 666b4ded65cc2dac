//! Passwords: hashed here, kept there. Keycloak needs 75 ms of its own for a plain one, and tells nobody when a hash is not
//! one that it can check.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use serde_json::json;

use super::{
    Keycloak,
    users::UPDATE_PASSWORD,
    wire::{Credential, Hash, UserBody},
};
use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::{http::Verb, remote::NewPassword},
};

impl Keycloak {
    pub(super) async fn set_password(&self, id: &str, password: &NewPassword) -> Result<(), DirectoryError> {
        let what = "set a password";
        let NewPassword { hash, plain: _, must_change } = password;
        let unlike = || DirectoryError::new(what, ErrorKind::Rejected).because("the hash is not one that Keycloak can check");
        let credential = credential(hash.expose()).ok_or_else(unlike)?;
        let user = self.raw_user(id).await?;
        let user = user.ok_or_else(|| DirectoryError::new(what, ErrorKind::Moved).because("the account is gone"))?;
        // The whole set: what is not in it is taken away.
        let mut actions = user.required_actions;
        actions.retain(|action| action != UPDATE_PASSWORD);
        actions.extend(must_change.then(|| UPDATE_PASSWORD.to_owned()));
        // Without attributes everything else stays as it is.
        let secret = credential.secret_data.clone();
        let body = UserBody { required_actions: Some(actions), credentials: vec![credential], ..UserBody::default() };
        let request = self.api.ask(Verb::Put, &["users", id], what).json(&body).hiding(secret.into());
        self.api.client.send(&request).await?.accepted(what).map(drop)
    }

    pub(super) async fn drop_passwords(&self, id: &str) -> Result<(), DirectoryError> {
        let what = "take a password away";
        let list = self.api.ask(Verb::Get, &["users", id, "credentials"], what);
        let credentials: Option<Vec<Credential>> = self.api.find(&list, what).await?;
        for credential in credentials.into_iter().flatten().filter(|it| it.kind == "password") {
            self.api.delete(&["users", id, "credentials", &credential.id], what).await?;
        }
        Ok(())
    }

    pub(super) async fn mail_a_link(&self, id: &str, lifetime: Duration) -> Result<(), DirectoryError> {
        let what = "have an invitation mailed";
        let request = self.api.ask(Verb::Put, &["users", id, "execute-actions-email"], what).query("lifespan", lifetime.as_secs());
        self.api.client.send(&request.json(&[UPDATE_PASSWORD]).once()).await?.accepted(what).map(drop)
    }
}

/// A PHC string as Keycloak keeps it (`Argon2PasswordHashProvider`): it compares the text of the hash, which therefore has to be
/// base64 with padding. Anything else would be taken, and would never let anybody in.
fn credential(phc: &str) -> Option<Hash> {
    let mut parts = phc.strip_prefix("$argon2id$v=19$")?.split('$');
    let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    if parts.next().is_some() || salt.len() < 8 || hash.len() < 16 {
        return None;
    }
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.strip_prefix('=')?.parse::<u32>().ok();
    let (memory, passes, lanes) = (cost("m")?, cost("t")?, cost("p")?);
    if costs.next().is_some() {
        return None;
    }
    let data = json!({
        "hashIterations": passes,
        "algorithm": "argon2",
        "additionalParameters": {
            "hashLength": [hash.len().to_string()],
            "memory": [memory.to_string()],
            "type": ["id"],
            "version": ["1.3"],
            "parallelism": [lanes.to_string()],
        },
    });
    let secret = json!({ "value": STANDARD.encode(&hash), "salt": STANDARD.encode(&salt), "additionalParameters": {} });
    Some(Hash { kind: "password", credential_data: data.to_string(), secret_data: secret.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_padded_and_anything_else_is_none() {
        let sound = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        let hash = credential(sound).unwrap();
        assert!(hash.secret_data.contains("\"salt\":\"c2FsdHNhbHQ=\""), "{}", hash.secret_data);
        assert!(hash.secret_data.contains("\"value\":\"aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g=\""), "{}", hash.secret_data);
        assert!(
            hash.credential_data.contains("\"memory\":[\"19456\"]") && hash.credential_data.contains("\"hashLength\":[\"32\"]")
        );
        for bad in [
            "",
            "x",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$t=2,m=19456,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1,keyid=x$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ=$aGFzaGhhc2hoYXNoaGFzaA==",
            "$argon2id$v=19$m=19456,t=2,p=1$c2Fs$aGFzaGhhc2hoYXNoaGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA$",
        ] {
            assert!(credential(bad).is_none(), "{bad}");
        }
    }
}
