//! Passwords: as a hash of ours where the server can check one, else hashed by the server.

use std::{collections::HashSet, sync::PoisonError};

use ldap3::{
    Mod,
    controls::{Assertion, MakeCritical, RawControl},
    ldap_escape,
};

use crate::{
    directory::{DirectoryError, ErrorKind},
    drivers::remote::NewPassword,
    model::{PasswordHash, PlainPassword, RemoteId},
};

use super::{Inner, answer, attributes::replace, entry::Entry, items::SHUT_OFF, server::Modification};

/// Whether the server checks argon2 hashes: it does where the module `argon2` is loaded (slapd-pw-argon2(5)), and no server says
/// so. The first password whose text we have is tried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Hashes {
    #[default]
    Untried,
    /// Somebody could sign in with one, or nothing could be found out.
    Kept,
    /// Somebody could not, and could with the same password that the server hashed.
    Useless,
}

impl Inner {
    pub(super) async fn password(&self, id: &RemoteId, password: &NewPassword) -> Result<(), DirectoryError> {
        let NewPassword { hash, plain, must_change } = password;
        let RemoteId(uuid) = id;
        let gone = || DirectoryError::new(format!("set the password of {uuid}"), ErrorKind::Moved).because("it is gone");
        let entry = self.entry(id).await?.ok_or_else(gone)?;
        let hashes = *self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = match hashes {
            Hashes::Untried | Hashes::Kept => Some(self.store(id, &entry, hash, *must_change).await),
            Hashes::Useless => None,
        };
        match (stored, plain) {
            (Some(Ok(())), Some(plain)) if hashes == Hashes::Untried && !is_shut_off(&entry) => {
                let found = self.try_out(id, &entry, password, plain).await?;
                *self.hashes.lock().unwrap_or_else(PoisonError::into_inner) = found;
                Ok(())
            }
            // A policy that judges passwords (`pwdCheckQuality: 2`) takes none that it cannot read.
            (Some(Err(error)), Some(plain)) if error.kind == ErrorKind::Rejected => {
                self.have_hashed(id, &entry, plain, *must_change).await
            }
            (Some(done), Some(_) | None) => done,
            (None, Some(plain)) => self.have_hashed(id, &entry, plain, *must_change).await,
            (None, None) => Err(DirectoryError::new(format!("set the password of {}", entry.dn), ErrorKind::Rejected)
                .because("the server does not check argon2 hashes: load its module `argon2`")),
        }
    }

    /// Signs in as whose password was just set.
    async fn try_out(
        &self,
        id: &RemoteId,
        entry: &Entry,
        password: &NewPassword,
        plain: &PlainPassword,
    ) -> Result<Hashes, DirectoryError> {
        let NewPassword { hash, plain: _, must_change } = password;
        if self.server.accepts(&entry.dn, plain.expose()).await? {
            return Ok(Hashes::Kept);
        }
        self.have_hashed(id, entry, plain, *must_change).await?;
        if self.server.accepts(&entry.dn, plain.expose()).await? {
            return Ok(Hashes::Useless);
        }
        // It is not the hash that keeps them out.
        self.store(id, entry, hash, *must_change).await?;
        Ok(Hashes::Kept)
    }

    /// Takes every password away.
    pub(super) async fn revoke(&self, id: &RemoteId) -> Result<(), DirectoryError> {
        let Some(entry) = self.entry(id).await? else { return Ok(()) };
        let mut changes = vec![replace("userPassword", None)];
        changes.extend(self.abilities().await?.policy.then(|| replace("pwdReset", None)));
        self.set(id, &entry, changes).await
    }

    async fn store(&self, id: &RemoteId, entry: &Entry, hash: &PasswordHash, must_change: bool) -> Result<(), DirectoryError> {
        let value = format!("{{ARGON2}}{}", hash.expose()).into_bytes();
        let mut changes = vec![Mod::Replace(b"userPassword".to_vec(), HashSet::from([value]))];
        changes.extend(self.must_change(must_change).await?);
        self.set(id, entry, changes).await
    }

    async fn have_hashed(
        &self,
        id: &RemoteId,
        entry: &Entry,
        plain: &PlainPassword,
        must_change: bool,
    ) -> Result<(), DirectoryError> {
        let result = self.server.set_password(&entry.dn, plain.expose()).await?;
        answer::checked(result, || format!("set the password of {}", entry.dn))?;
        let changes = self.must_change(must_change).await?;
        self.set(id, entry, changes.into_iter().collect()).await
    }

    /// Given with every password: by itself a policy with `pwdMustChange` demands a change of each that we set.
    async fn must_change(&self, must_change: bool) -> Result<Option<Modification>, DirectoryError> {
        Ok(self.abilities().await?.policy.then(|| replace("pwdReset", must_change.then_some("TRUE"))))
    }

    /// Changes what has to do with passwords. Each such change lets an account in again that was shut off (slapo-ppolicy, seen
    /// with 2.5.13, even where the same request shuts it off), so that is done anew.
    async fn set(&self, id: &RemoteId, entry: &Entry, changes: Vec<Modification>) -> Result<(), DirectoryError> {
        let RemoteId(uuid) = id;
        let same: RawControl = Assertion { filter: format!("(entryUUID={})", ldap_escape(uuid.as_str())) }.critical().into();
        let controls: Vec<_> = self.abilities().await?.assertion.then_some(same).into_iter().collect();
        let operation = || format!("change the password of {}", entry.dn);
        if !changes.is_empty() {
            let result = self.server.modify(&entry.dn, changes, controls.clone()).await?;
            answer::checked(result, operation)?;
        }
        if is_shut_off(entry) {
            let again = replace("pwdAccountLockedTime", Some(SHUT_OFF));
            answer::checked(self.server.modify(&entry.dn, vec![again], controls).await?, operation)?;
        }
        Ok(())
    }
}

fn is_shut_off(entry: &Entry) -> bool {
    entry.first("pwdaccountlockedtime") == Some(SHUT_OFF)
}
