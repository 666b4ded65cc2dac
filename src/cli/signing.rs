//! The signature of an exported trail: Ed25519 (RFC 8032) over one line that says how long the trail is, where it ends, and
//! the SHA-256 of everything printed before, so that nothing has to be kept in memory.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use crate::model::visible;

/// A key, and what it has seen.
pub(crate) struct Signer {
    key: Ed25519KeyPair,
    seen: Sha256,
}

impl Signer {
    /// Reads a private key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let file = visible(&path.display().to_string());
        let hint = "make one with `openssl genpkey -algorithm ed25519 -out audit.pem`";
        let pem = fs::read(path).map_err(|error| Failure::invalid(format!("cannot read the key `{file}`")).because(&error))?;
        let wrong = || Failure::invalid(format!("`{file}` is no private key for Ed25519 (PKCS#8 in PEM)")).hint(hint);
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| wrong())?;
        Ok(Self { key, seen: Sha256::new() })
    }

    /// Takes a line in, with its end, and hands it back.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let line = format!("{line}\n");
        self.seen.update(&line);
        line
    }

    /// The last line: what is signed, the signature, and the key to check it with.
    pub(crate) fn sign(self, records: u64, head: &str) -> String {
        let Self { key, seen } = self;
        let digest: String = seen.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = format!("tenantry-history-1 records={records} head={head} sha256={digest}");
        let signature = BASE64_STANDARD.encode(key.sign(signed.as_bytes()));
        let public = BASE64_STANDARD.encode(key.public_key());
        let line = serde_json::json!({
            "type": "signature", "algorithm": "Ed25519", "signed": signed, "signature": signature, "publicKey": public,
        });
        format!("{line}\n")
    }
}
