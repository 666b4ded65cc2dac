//! What is kept of a secret: never the secret itself. None of these can be shown.

use std::fmt;

use zeroize::Zeroizing;

/// A password as it is kept: a PHC string (`$argon2id$v=19$m=…,t=…,p=…$SALT$HASH`,
/// <https://github.com/P-H-C/phc-string-format>). Whether it is a sound one is for whoever makes it to see to.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes a PHC string as it is.
    pub fn new(phc: impl Into<Box<str>>) -> Self {
        Self(phc.into())
    }

    /// The PHC string: for a directory that keeps it, and for who checks a password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A password itself, on its way to a directory that takes no hash. It is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainPassword(Zeroizing<Box<str>>);

impl PlainPassword {
    /// Takes a password as it is.
    pub fn new(password: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(password.into()))
    }

    /// The password: for the directory that keeps it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(…)")
    }
}

/// The SHA-256 of a one-time token: what is kept of a set-password link.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        Self(Sha256::digest(token).into())
    }

    /// The bytes, for a directory that keeps or looks for them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}
