//! Getting to a server: what the URL says, TLS, and what every connection is set to.
//!
//! Nothing that is said here of a URL quotes it: the password is in it, and one that was not percent-encoded can end up in any
//! part of it.

use std::{path::Path, sync::Arc, time::Duration};

use deadpool_postgres::{Connect, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Config, Error,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::directory::{DirectoryError, ErrorKind};

use super::fault::Fault;

/// Connections of one directory, apart from those that hold leases.
const CONNECTIONS: usize = 4;

/// How long a connection may take to come about, where the URL does not say.
const CONNECT: Duration = Duration::from_secs(10);

/// What every connection is set to. A statement that takes longer than that has gone wrong, and a transaction that we forgot
/// keeps others from writing. Whoever made the database may want commits to wait for more than the disk, but not for less. No
/// plan is compiled: ours look a few rows up by an index, and what [`PLANS`](super::audit) forbids makes them look dear enough for
/// the server to compile each of them, which took half of its time.
const SESSION: &str = "SET jit = off; SET statement_timeout = '10min'; SET lock_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '2min'; SET client_min_messages = warning; SET TimeZone = 'UTC'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// How to get to a server.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    session: String,
    /// How long a connection may take to come about.
    patience: Duration,
    /// `db.example:5432/accounts`: no user, no password.
    pub(super) place: String,
}

impl Server {
    /// What a URL says, with the tables in a schema. Files are found from `base`. No I/O beyond those.
    pub(super) fn new(url: &SecretString, schema: &str, base: &Path) -> Result<Self, DirectoryError> {
        let Split { url, mode, roots } = split(url.expose_secret())?;
        let mut config: Config = url.parse().map_err(|_| unclear(UNCLEAR))?;
        let hosts = config.get_hosts();
        if hosts.is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unclear("it names no host"));
        }
        let Some(database) = config.get_dbname().map(str::to_owned) else {
            return Err(unclear("it names no database: postgres://USER:PASSWORD@HOST:PORT/DATABASE"));
        };
        if config.get_user().is_none_or(str::is_empty) {
            return Err(unclear("it names no user: postgres://USER:PASSWORD@HOST:PORT/DATABASE"));
        }
        let here = hosts.iter().all(is_local) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
        let mode = match mode.as_deref() {
            // On this machine nobody listens, and the certificate that a distribution makes for a server is signed by nobody.
            None | Some("prefer") if here => SslMode::Disable,
            None | Some("prefer" | "require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("disable") => SslMode::Disable,
            Some(_) => return Err(unclear("`sslmode` is `disable`, `prefer`, `require` or `verify-full`")),
        };
        let place = format!("{}/{database}", places(&config).join(","));
        let patience = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        config.ssl_mode(mode).application_name("tenantry").connect_timeout(patience);
        config.keepalives(true).keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_mins(1));
        // Without TLS nothing is looked up: a machine need not have any roots then.
        let trust = if mode == SslMode::Disable { Trust::Nobody } else { roots.as_deref().map_or(Trust::System, Trust::File) };
        let tls = MakeRustlsConnect::new(tls(&trust, base)?);
        // Names that are looked up are ours: nothing that somebody puts into `public` can stand for a table or an operator.
        Ok(Self { config, tls, session: format!("{SESSION} SET search_path = \"{schema}\";"), patience, place })
    }

    /// Connections that are used over and over.
    pub(super) fn pool(&self) -> Result<Pool, DirectoryError> {
        let failed = |error: &dyn std::fmt::Display| {
            DirectoryError::new("prepare connections to the directory", ErrorKind::Failed).because(error.to_string())
        };
        // One that was cut off meanwhile is noticed before it is used.
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let session = self.session.clone();
        let begin = Hook::async_fn(move |client, _| {
            let session = session.clone();
            Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
        });
        let manager = Manager::from_connect(self.config.clone(), Link(self.tls.clone()), settings);
        let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).post_create(begin);
        // Others of this program may write long transactions.
        let pool = pool
            .wait_timeout(Some(Duration::from_mins(5)))
            .create_timeout(Some(self.patience * 2))
            .recycle_timeout(Some(self.patience));
        pool.build().map_err(|error| failed(&error))
    }

    /// A connection of its own, which ends when the client is dropped.
    pub(super) async fn connect(&self) -> Result<Client, Fault> {
        let connect = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            tokio::spawn(connection);
            client.batch_execute(&self.session).await?;
            Ok(client)
        };
        // The library's own limit ends where the server has to say something.
        let late = |_| Fault::Connection("the server takes a connection and says nothing".into());
        tokio::time::timeout(self.patience * 2, connect).await.map_err(late)?
    }
}

/// What makes connections for the pool. What went wrong with one is in the error of whoever uses it, and nowhere else.
struct Link(MakeRustlsConnect);

impl Connect for Link {
    fn connect(
        &self,
        config: &Config,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let (config, tls) = (config.clone(), self.0.clone());
        Box::pin(async move {
            let (client, connection) = config.connect(tls).await?;
            Ok((client, tokio::spawn(async move { drop(connection.await) })))
        })
    }
}

const UNCLEAR: &str = "it is not understood: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, in which the \
     characters `@ : / ? # % &` of a name or a password are percent-encoded";

fn unclear(cause: &'static str) -> DirectoryError {
    DirectoryError::new("read the URL of the PostgreSQL database", ErrorKind::Rejected).because(cause)
}

/// A URL without what the library does not know.
struct Split {
    url: String,
    mode: Option<String>,
    roots: Option<String>,
}

fn split(url: &str) -> Result<Split, DirectoryError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(unclear("it must begin with `postgres://`"));
    }
    let (before, parameters) = url.split_once('?').unwrap_or((url, ""));
    // The last part of a password with a bare `@` in it would be looked up as a host.
    if before.split_once("//").and_then(|(_, rest)| rest.split('/').next()).is_some_and(|it| it.matches('@').count() > 1) {
        return Err(unclear("there are several `@` in it: one in a password is written `%40`"));
    }
    let (mut mode, mut roots, mut kept) = (None, None, Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(decoded(value).ok_or_else(|| unclear(UNCLEAR))?),
            Some(_) => kept.push(parameter),
            None => return Err(unclear(UNCLEAR)),
        }
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok(Split { url: format!("{before}{mark}{}", kept.join("&")), mode, roots })
}

/// Percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { u8::try_from(digit()? << 4 | digit()?).ok()? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Where the servers are.
fn places(config: &Config) -> Vec<String> {
    let ports = config.get_ports();
    let port = |row: usize| ports.get(row).or(ports.first()).copied().unwrap_or(5432);
    let name = |host: &Host| match host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts = config.get_hosts();
    if hosts.is_empty() {
        return config.get_hostaddrs().iter().enumerate().map(|(row, ip)| format!("{ip}:{}", port(row))).collect();
    }
    hosts.iter().enumerate().map(|(row, host)| format!("{}:{}", name(host), port(row))).collect()
}

/// Whom we believe that a server is the one it says.
enum Trust<'a> {
    /// Nobody: there is no TLS.
    Nobody,
    /// Whomever this machine trusts.
    System,
    /// The authorities in a PEM file.
    File(&'a str),
}

/// A certificate is always checked, with the name of the host in it.
fn tls(trust: &Trust<'_>, base: &Path) -> Result<ClientConfig, DirectoryError> {
    let stopped = |error: &dyn std::fmt::Display| {
        let operation = "prepare TLS for the PostgreSQL database";
        DirectoryError::new(operation, ErrorKind::Rejected).because(error.to_string())
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| stopped(&error))?;
    let mut roots = RootCertStore::empty();
    let builder = match trust {
        Trust::System => builder.with_platform_verifier().map_err(|error| stopped(&error))?,
        Trust::Nobody => builder.with_root_certificates(roots),
        Trust::File(path) => {
            let unread = |error: &dyn std::fmt::Display| stopped(&format_args!("cannot read `sslrootcert={path}`: {error}"));
            let found = CertificateDer::pem_file_iter(base.join(path)).map_err(|error| unread(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| unread(&error))?;
                roots.add(certificate).map_err(|error| unread(&error))?;
            }
            if roots.is_empty() {
                return Err(unread(&"there is no certificate in it"));
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}
