//! argon2id (RFC 9106), never on an async thread and never on more threads than there are cores.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Salt},
};
use precis_profiles::{OpaqueString, precis_core::profile::PrecisFastInvocation};
use rand::{TryRng, rngs::SysRng};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::model::PasswordHash;

/// KiB of memory for a password: the floor of the OWASP Password Storage Cheat Sheet for argon2id with t=2, p=1.
const MEMORY: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;
/// Bytes of salt.
const SALT: usize = 16;

/// Bounds of an imported hash: computing one costs whoever checks a password, again and again.
const LEAST_SALT: usize = 8;
const MOST_MEMORY: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// Why a hash was not made or not believed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// It is no PHC string.
    #[error("this is no PHC string `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH` with {LEAST_SALT} bytes of salt and more")]
    Form,
    /// Another algorithm or version.
    #[error("only argon2id, version 19, is taken over")]
    Algorithm,
    /// A salt or hash that is missing or too short.
    #[error("it has no hash, or a salt below {LEAST_SALT} bytes")]
    Short,
    /// It costs too much to check.
    #[error("it asks for more than m={MOST_MEMORY} KiB, t={MOST_PASSES}, p={MOST_LANES}")]
    Costly,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[from] rand::rngs::SysError),
    /// A defect of ours.
    #[error("hashing failed")]
    Failed,
}

/// Hashes and checks passwords. A clone shares the bound and the memory.
#[derive(Clone, Default)]
pub struct Hasher {
    queue: Arc<Mutex<Queue>>,
}

/// What is to be computed, and who computes. A worker takes the next job as soon as it is done with one, without asking
/// anybody: on a machine that is shared with others a core that was idle for a moment is not soon given back.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    workers: usize,
    /// Memory of workers before: 19 MiB each that need not be asked for and cleared again.
    memory: Vec<Vec<Block>>,
}

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// A worker, which leaves the queue when it is dropped, also by a panic.
struct Worker {
    queue: Arc<Mutex<Queue>>,
    memory: Vec<Block>,
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.next() {
            job(&mut self.memory);
        }
    }

    fn next(&self) -> Option<Job> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.workers -= 1;
        queue.memory.push(memory);
        // Whoever came between the last look and now finds no worker.
        if !queue.jobs.is_empty() {
            Hasher::hire(&self.queue, &mut queue);
        }
    }
}

impl Hasher {
    /// How many hashes are computed at once.
    pub fn width(&self) -> usize {
        cores()
    }

    /// Begins a worker, if there may be one more.
    fn hire(queue: &Arc<Mutex<Queue>>, open: &mut Queue) {
        if open.workers < cores() {
            open.workers += 1;
            let worker = Worker { queue: Arc::clone(queue), memory: open.memory.pop().unwrap_or_default() };
            tokio::task::spawn_blocking(move || worker.run());
        }
    }

    /// Hashes a password with a salt of its own. Takes tens of milliseconds on a blocking thread, and waits for a free core
    /// before.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, HashError> {
        self.on_a_core(move |memory| {
            let mut salt = [0; SALT];
            SysRng.try_fill_bytes(&mut salt)?;
            let params = Params::new(MEMORY, PASSES, 1, Some(Params::DEFAULT_OUTPUT_LEN)).map_err(|_| HashError::Failed)?;
            let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
            compute(&params, prepared(&password).as_bytes(), &salt, &mut out, memory)?;
            let phc = phc::PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: (&params).try_into().map_err(|_| HashError::Failed)?,
                salt: Some(Salt::new(&salt).map_err(|_| HashError::Failed)?),
                hash: Some(phc::Output::new(&out).map_err(|_| HashError::Failed)?),
            };
            Ok(PasswordHash::new(phc.to_string()))
        })
        .await
    }

    /// Whether a password is the one that was hashed; compared in constant time. `false` for a hash that is not to be
    /// believed.
    pub async fn verify(&self, hash: &PasswordHash, password: SecretString) -> bool {
        let Ok(phc) = parse(hash.expose()) else { return false };
        let verified = self.on_a_core(move |memory| {
            let params = Params::try_from(&phc).map_err(|_| HashError::Failed)?;
            let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else { return Err(HashError::Short) };
            let mut fits = |password: &str| {
                let mut out = vec![0; expected.len()];
                compute(&params, password.as_bytes(), salt, &mut out, memory)?;
                // `Output` compares in constant time.
                Ok::<_, HashError>(phc::Output::new(&out).map_err(|_| HashError::Failed)? == *expected)
            };
            let (raw, prepared) = (password.expose_secret(), prepared(&password));
            // An imported hash may have been made of a password as it was typed.
            Ok(fits(&prepared)? || *prepared != raw && fits(raw)?)
        });
        verified.await.unwrap_or(false)
    }

    /// Spends as long as checking a password takes: what a wrong user name costs must not tell that there is no such user.
    pub async fn pretend(&self, password: SecretString) {
        let _ = self.hash(password).await;
    }

    async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let (sender, done) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            // Nobody waits for one that was given up.
            if !sender.is_closed() {
                let _ = sender.send(work(memory));
            }
        });
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.jobs.push_back(job);
            Self::hire(&self.queue, &mut queue);
        }
        done.await.map_err(|_| HashError::Failed)?
    }
}

/// A password in the one form in which it is hashed (RFC 8265, `OpaqueString`): the same letters typed on another keyboard are
/// the same password. One that the profile does not allow is taken as it is.
fn prepared(password: &SecretString) -> Zeroizing<String> {
    let raw = password.expose_secret();
    Zeroizing::new(OpaqueString::enforce(raw).map_or_else(|_| raw.to_owned(), std::borrow::Cow::into_owned))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn compute(params: &Params, password: &[u8], salt: &[u8], out: &mut [u8], memory: &mut Vec<Block>) -> Result<(), HashError> {
    let needed = params.block_count();
    if memory.len() < needed {
        memory.resize(needed, Block::default());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into_with_memory(password, salt, out, &mut memory[..needed]).map_err(|_| HashError::Failed)
}

/// Takes over a hash that another system made, if it is sound and can be checked at a bearable cost. Nothing is computed.
pub fn imported(text: &str) -> Result<PasswordHash, HashError> {
    parse(text.trim_end_matches(['\r', '\n'])).map(|phc| PasswordHash::new(phc.to_string()))
}

fn parse(text: &str) -> Result<phc::PasswordHash, HashError> {
    let phc = phc::PasswordHash::new(text).map_err(|_| HashError::Form)?;
    if phc.algorithm != Algorithm::Argon2id.ident() || phc.version != Some(Version::V0x13.into()) {
        return Err(HashError::Algorithm);
    }
    let short = phc.salt.as_ref().is_none_or(|salt| salt.len() < LEAST_SALT) || phc.hash.is_none();
    if short {
        return Err(HashError::Short);
    }
    let params = Params::try_from(&phc).map_err(|_| HashError::Form)?;
    if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES || params.p_cost() > MOST_LANES {
        return Err(HashError::Costly);
    }
    Ok(phc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_hash_is_at_the_floor_and_fits_its_password_only() {
        let hasher = Hasher::default();
        let hash = hasher.hash(secret("correct horse")).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(hasher.verify(&hash, secret("correct horse")).await);
        assert!(!hasher.verify(&hash, secret("correct horsf")).await);
        let again = hasher.hash(secret("correct horse")).await.unwrap();
        assert_ne!(hash.expose(), again.expose(), "each has a salt of its own");
        // An answer may be there before its memory is given back: then the next one takes a second piece, and no third.
        assert!(hasher.queue.lock().unwrap().memory.len() <= 2, "memory is used again");
    }

    #[tokio::test]
    async fn the_same_letters_are_the_same_password_however_they_were_typed() {
        let hasher = Hasher::default();
        let hash = hasher.hash(secret("Gr\u{fc}\u{df}e 2026")).await.unwrap();
        assert!(hasher.verify(&hash, secret("Gru\u{308}\u{df}e 2026")).await, "decomposed");
        assert!(hasher.verify(&hash, secret("Gr\u{fc}\u{df}e\u{a0}2026")).await, "another space");
        assert!(!hasher.verify(&hash, secret("gr\u{fc}\u{df}e 2026")).await, "case counts");
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_cores() {
        let hasher = Hasher::default();
        let all: Vec<_> = (0..4 * hasher.width())
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(secret("a password")).await.unwrap() })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        let queue = hasher.queue.lock().unwrap();
        assert!(queue.memory.len() + queue.workers <= hasher.width() && queue.jobs.is_empty());
    }

    #[tokio::test]
    async fn a_job_that_panics_or_is_given_up_takes_no_other_with_it() {
        let hasher = Hasher::default();
        for _ in 0..2 * hasher.width() {
            assert!(matches!(hasher.on_a_core::<()>(|_| panic!("on purpose")).await, Err(HashError::Failed)));
        }
        let given_up: Vec<_> = (0..20).map(|_| hasher.hash(secret("a password"))).collect();
        for future in given_up {
            let _ = tokio::time::timeout(std::time::Duration::ZERO, future).await;
        }
        assert!(hasher.hash(secret("a password")).await.is_ok());
    }

    #[tokio::test]
    async fn an_imported_hash_is_capped_before_it_is_believed() {
        // RFC 9106, section 5.3, has no PHC string; this one is of the reference implementation: argon2 "somesalt" -id -m 16 -t 2.
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = imported(&format!("{known}\n")).unwrap();
        assert!(Hasher::default().verify(&hash, secret("password")).await);
        let salt = "c29tZXNhbHQ";
        let out = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let bad = |text: &str| imported(text).err().map(|error| error.to_string()).unwrap_or_default();
        for (text, why) in [
            ("hunter2".into(), "no PHC string"),
            (format!("$argon2i$v=19$m=65536,t=2,p=1${salt}${out}"), "only argon2id"),
            (format!("$argon2id$v=16$m=65536,t=2,p=1${salt}${out}"), "only argon2id"),
            (format!("$argon2id$m=65536,t=2,p=1${salt}${out}"), "only argon2id"),
            (format!("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbA${out}"), "no PHC string"),
            (format!("$argon2id$v=19$m=65536,t=2,p=1${salt}"), "no hash"),
            (format!("$argon2id$v=19$m=262145,t=2,p=1${salt}${out}"), "more than"),
            (format!("$argon2id$v=19$m=65536,t=17,p=1${salt}${out}"), "more than"),
            (format!("$argon2id$v=19$m=65536,t=2,p=17${salt}${out}"), "more than"),
            (format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1${salt}${out}"), "more than"),
        ] {
            assert!(bad(&text).contains(why), "{text}: {}", bad(&text));
            assert!(!Hasher::default().verify(&PasswordHash::new(text.clone()), secret("password")).await, "{text}");
        }
    }
}
