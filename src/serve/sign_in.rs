//! Whether somebody is who they say.

use jiff::Timestamp;

use crate::{
    credential::{Hasher, SecretString},
    directory::{Accounts, DirectoryError, SignIn},
    model::Username,
};

/// What stands behind a username and a password that fit and can be used now; nothing in every other case: a name that is
/// none or nobody's, a wrong password, none at all, one that died unused, an account that is disabled. Each of them costs one
/// hash, so that the time says no more than the answer. (A hash that was imported with other costs takes as long as it takes.)
pub async fn sign_in(
    accounts: &dyn Accounts,
    hasher: &Hasher,
    username: Option<&Username>,
    password: SecretString,
) -> Result<Option<SignIn>, DirectoryError> {
    let known = match username {
        Some(username) => accounts.sign_in(username).await?,
        None => None,
    };
    let Some(known) = known else {
        hasher.pretend(password).await;
        return Ok(None);
    };
    let right = hasher.verify(&known.password, password).await;
    let alive = known.enabled && known.until.is_none_or(|until| until > Timestamp::now());
    Ok((right && alive).then_some(known))
}
