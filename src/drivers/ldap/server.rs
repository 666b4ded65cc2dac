//! The connection: opened when it is needed, and again after it broke; every operation with a time limit.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ldap3::{
    LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, StdStream,
    controls::RawControl,
    exop::{Exop, PasswordModify},
};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

use crate::{
    credential::{ExposeSecret, SecretString},
    directory::{DirectoryError, ErrorKind, Traffic},
};

use super::answer;

/// How long it may take to reach the server, and to agree on TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one operation may take, and each entry of a search.
const OPERATION: Duration = Duration::from_secs(30);

/// Values by attribute, as they are sent.
pub(super) type Attributes = Vec<(Vec<u8>, HashSet<Vec<u8>>)>;
/// A modification, as it is sent.
pub(super) type Modification = Mod<Vec<u8>>;

/// A server and whom we sign in as.
pub(super) struct Server {
    url: String,
    security: Security,
    bind_dn: String,
    password: SecretString,
    /// One for all: LDAP carries many operations on one at the same time.
    connection: Mutex<Connection>,
    sent: Sent,
}

#[derive(Default)]
struct Connection {
    open: Option<ldap3::Ldap>,
    /// Why there is none, and until when that is not tried again: a server that did not answer in time is not waited for by each
    /// of many, one after the other.
    failed: Option<(Instant, DirectoryError)>,
}

#[derive(Default)]
struct Sent {
    requests: AtomicU64,
    bytes: AtomicU64,
    micros: AtomicU64,
}

/// How what is sent is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// `ldaps://`
    Tls,
    /// `ldap://`, turned to TLS before the password is sent.
    StartTls,
    /// `ldap://` to this machine.
    Loopback,
    /// `ldapi://`
    Socket,
}

impl Security {
    fn of(url: &str) -> Result<Self, DirectoryError> {
        let wrong = |why: &str| DirectoryError::new(format!("open {url}"), ErrorKind::Rejected).because(why);
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("a URL such as `ldaps://ldap.acme.example` is needed"))?;
        let host = rest.split('/').next().unwrap_or_default();
        let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
        match scheme {
            "ldaps" | "ldap" if name.is_empty() => Err(wrong("it names no host")),
            // The library asks for a certificate of `[::1]`, which nothing is called.
            "ldaps" if name.starts_with('[') => Err(wrong("over TLS the host needs a name: no IPv6 address")),
            "ldaps" => Ok(Self::Tls),
            "ldap" if matches!(name, "localhost" | "127.0.0.1" | "[::1]") => Ok(Self::Loopback),
            "ldap" if name.starts_with('[') => Err(wrong("over TLS the host needs a name: no IPv6 address")),
            "ldap" => Ok(Self::StartTls),
            "ldapi" => Ok(Self::Socket),
            _ => Err(wrong("it must begin with `ldaps://`, `ldap://` or `ldapi://`")),
        }
    }
}

impl Server {
    pub(super) fn new(url: &str, bind_dn: &str, password: SecretString) -> Result<Self, DirectoryError> {
        let security = Security::of(url)?;
        if password.expose_secret().is_empty() {
            // RFC 4513 §5.1.2: a name without a password signs nobody in, and servers say that it went well.
            return Err(DirectoryError::new(format!("sign in at {url}"), ErrorKind::Refused)
                .because(format!("the password of {bind_dn} is empty")));
        }
        let (connection, sent) = (Mutex::default(), Sent::default());
        Ok(Self { url: url.to_owned(), security, bind_dn: bind_dn.to_owned(), password, connection, sent })
    }

    /// The same one, with a connection of its own: a connection lives in the runtime that it was opened in.
    pub(super) fn apart(&self) -> Self {
        let Self { url, security, bind_dn, password, connection: _, sent: _ } = self;
        let (connection, sent) = (Mutex::default(), Sent::default());
        Self { url: url.clone(), security: *security, bind_dn: bind_dn.clone(), password: password.clone(), connection, sent }
    }

    /// What was sent and received.
    pub(super) fn traffic(&self) -> Traffic {
        let Sent { requests, bytes, micros } = &self.sent;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic { requests: load(requests), bytes: load(bytes), time: Duration::from_micros(load(micros)) }
    }

    /// Adds to what was sent and received.
    pub(super) fn count(&self, requests: u64, bytes: usize, since: Instant) {
        let Sent { requests: all, bytes: volume, micros } = &self.sent;
        all.fetch_add(requests, Ordering::Relaxed);
        volume.fetch_add(bytes as u64, Ordering::Relaxed);
        micros.fetch_add(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The connection, signed in.
    pub(super) async fn handle(&self) -> Result<ldap3::Ldap, DirectoryError> {
        let mut connection = self.connection.lock().await;
        if let Some(ldap) = connection.open.as_mut()
            && !ldap.is_closed()
        {
            let mut ldap = ldap.clone();
            ldap.with_timeout(OPERATION);
            return Ok(ldap);
        }
        if let Some((until, error)) = &connection.failed
            && Instant::now() < *until
        {
            return Err(error.again());
        }
        let since = Instant::now();
        let opened = async {
            let mut ldap = self.connect().await?;
            self.sign_in(&mut ldap, &self.bind_dn, self.password.expose_secret()).await?;
            Ok::<_, DirectoryError>(ldap)
        };
        match opened.await {
            Ok(ldap) => {
                *connection = Connection { open: Some(ldap.clone()), failed: None };
                let mut ldap = ldap;
                ldap.with_timeout(OPERATION);
                Ok(ldap)
            }
            Err(error) => {
                let slow = since.elapsed() >= CONNECT;
                *connection = Connection { open: None, failed: slow.then(|| (Instant::now() + CONNECT, error.again())) };
                Err(error)
            }
        }
    }

    /// Whether somebody can sign in with a password, on a connection of its own.
    pub(super) async fn accepts(&self, dn: &str, password: &str) -> Result<bool, DirectoryError> {
        let mut ldap = self.connect().await?;
        match self.sign_in(&mut ldap, dn, password).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == ErrorKind::Refused => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn connect(&self) -> Result<ldap3::Ldap, DirectoryError> {
        let operation = || format!("connect to {}", self.url);
        let unavailable = |error: std::io::Error| DirectoryError::new(operation(), ErrorKind::Unavailable).because(error);
        let mut settings = LdapConnSettings::new().set_conn_timeout(CONNECT);
        if self.security != Security::Socket {
            let (_, host) = self.url.split_once("://").unwrap_or_default();
            let host = host.split('/').next().unwrap_or_default();
            let port = if self.security == Security::Tls { 636 } else { 389 };
            let address = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
                host.to_owned()
            } else {
                format!("{host}:{port}")
            };
            let slow = || DirectoryError::new(operation(), ErrorKind::Unavailable).because("it did not answer within 10 seconds");
            let stream = timeout(CONNECT, TcpStream::connect(&address)).await.map_err(|_| slow())?.map_err(unavailable)?;
            // Many small requests at a time: none waits for the acknowledgement of another.
            stream.set_nodelay(true).map_err(unavailable)?;
            settings = settings.set_std_stream(StdStream::Tcp(stream.into_std().map_err(unavailable)?));
        }
        if matches!(self.security, Security::Tls | Security::StartTls) {
            let config = ClientConfig::with_platform_verifier()
                .map_err(|error| DirectoryError::new("read the certificates of this machine", ErrorKind::Failed).because(error))?;
            settings = settings.set_config(Arc::new(config)).set_starttls(self.security == Security::StartTls);
        }
        let (connection, ldap) =
            LdapConnAsync::with_settings(settings, &self.url).await.map_err(|error| answer::failed(operation(), &error))?;
        // What it ends with is what the operations under way fail with.
        tokio::spawn(async move { drop(connection.drive().await) });
        Ok(ldap)
    }

    async fn sign_in(&self, ldap: &mut ldap3::Ldap, dn: &str, password: &str) -> Result<(), DirectoryError> {
        let since = Instant::now();
        ldap.with_timeout(OPERATION);
        let result = ldap.simple_bind(dn, password).await;
        self.count(1, dn.len(), since);
        let operation = || format!("sign in at {} as {dn}", self.url);
        answer::checked(result.map_err(|error| answer::failed(operation(), &error))?, operation).map(drop)
    }

    /// Lets go of a connection that cannot be used any more.
    pub(super) async fn disconnect(&self) {
        self.connection.lock().await.open = None;
    }

    /// What an operation came to. Whatever is wrong with the connection ends it.
    async fn done(
        &self,
        result: Result<LdapResult, LdapError>,
        bytes: usize,
        since: Instant,
        operation: impl Fn() -> String,
    ) -> Result<LdapResult, DirectoryError> {
        self.count(1, bytes, since);
        match result {
            Ok(result) => Ok(result),
            Err(error) => {
                let failed = answer::failed(operation(), &error);
                if failed.kind == ErrorKind::Unavailable {
                    self.disconnect().await;
                }
                Err(failed)
            }
        }
    }

    /// Makes an entry. The result has not been looked at.
    pub(super) async fn add(
        &self,
        dn: &str,
        attributes: Attributes,
        controls: Vec<RawControl>,
    ) -> Result<LdapResult, DirectoryError> {
        let mut ldap = self.handle().await?;
        let values = |(name, values): &(Vec<u8>, HashSet<Vec<u8>>)| name.len() + values.iter().map(Vec::len).sum::<usize>();
        let bytes = dn.len() + attributes.iter().map(values).sum::<usize>();
        let since = Instant::now();
        let result = ldap.with_controls(controls).add(dn, attributes).await;
        self.done(result, bytes, since, || format!("add {dn}")).await
    }

    /// Changes an entry. The result has not been looked at.
    pub(super) async fn modify(
        &self,
        dn: &str,
        changes: Vec<Modification>,
        controls: Vec<RawControl>,
    ) -> Result<LdapResult, DirectoryError> {
        let mut ldap = self.handle().await?;
        let bytes = dn.len() + changes.iter().map(volume).sum::<usize>();
        let since = Instant::now();
        let result = ldap.with_controls(controls).modify(dn, changes).await;
        self.done(result, bytes, since, || format!("change {dn}")).await
    }

    /// Renames or moves an entry. The result has not been looked at.
    pub(super) async fn rename(
        &self,
        dn: &str,
        rdn: &str,
        under: Option<&str>,
        controls: Vec<RawControl>,
    ) -> Result<LdapResult, DirectoryError> {
        let mut ldap = self.handle().await?;
        let bytes = dn.len() + rdn.len() + under.map_or(0, str::len);
        let since = Instant::now();
        let result = ldap.with_controls(controls).modifydn(dn, rdn, true, under).await;
        self.done(result, bytes, since, || format!("move {dn}")).await
    }

    /// Deletes an entry. The result has not been looked at.
    pub(super) async fn delete(&self, dn: &str, controls: Vec<RawControl>) -> Result<LdapResult, DirectoryError> {
        let mut ldap = self.handle().await?;
        let since = Instant::now();
        let result = ldap.with_controls(controls).delete(dn).await;
        self.done(result, dn.len(), since, || format!("delete {dn}")).await
    }

    /// Has the server hash a password (RFC 3062).
    pub(super) async fn set_password(&self, dn: &str, password: &str) -> Result<LdapResult, DirectoryError> {
        let mut ldap = self.handle().await?;
        let request = Exop::from(PasswordModify { user_id: Some(dn), old_pass: None, new_pass: Some(password) });
        let since = Instant::now();
        let result = ldap.extended(request).await.map(|answer| answer.1);
        self.done(result, dn.len(), since, || format!("set the password of {dn}")).await
    }
}

fn volume(change: &Modification) -> usize {
    match change {
        Mod::Add(name, values) | Mod::Delete(name, values) | Mod::Replace(name, values) => {
            name.len() + values.iter().map(Vec::len).sum::<usize>()
        }
        Mod::Increment(name, value) => name.len() + value.len(),
    }
}
