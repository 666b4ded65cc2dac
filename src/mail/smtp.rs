//! Letters by a mail server. A few connections are kept and used again; one in whose conversation anything was left open is
//! not, since the answer to one letter would be taken for that of the next.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    Message,
    transport::smtp::{
        Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::{net::TcpStream, sync::Semaphore};
use zeroize::Zeroizing;

use super::{
    MailError, MailErrorKind,
    answer::{Cause, Step, failure},
    unread::Unread,
};
use crate::{
    credential::{ExposeSecret, SecretString},
    manifest::Tls,
    model::Email,
};

/// How many letters are under way at once, each on a connection of its own.
pub(super) const WIDTH: usize = 4;
/// How long connecting may take, TLS included, and how long an answer to a command.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server may look at a letter before it takes it; some search it for spam first.
const PATIENCE_TEXT: Duration = Duration::from_mins(2);

/// A mail server.
pub(super) struct Smtp {
    host: String,
    port: u16,
    privacy: Privacy,
    account: Option<(String, SecretString)>,
    hello: ClientId,
    /// Connections between two letters.
    parked: Mutex<Vec<AsyncSmtpConnection>>,
    turns: Semaphore,
    patience: Duration,
}

enum Privacy {
    /// TLS from the first byte on.
    Whole(TlsParameters),
    /// TLS after the greeting, and not without.
    Upgrade(TlsParameters),
    /// None: these addresses, all of this machine.
    Loopback(Vec<SocketAddr>),
}

impl Smtp {
    pub(super) fn new(host: &str, port: Option<u16>, tls: Tls, account: Option<(String, SecretString)>) -> Result<Self, MailError> {
        let usual = match tls {
            Tls::Required => SUBMISSIONS_PORT,
            Tls::StartTls => SUBMISSION_PORT,
            Tls::None => SMTP_PORT,
        };
        let port = port.unwrap_or(usual);
        let trust = || {
            TlsParameters::new(host.to_owned())
                .map_err(|error| MailError::settings("this machine trusts no certificate authority").because(error))
        };
        let privacy = match tls {
            Tls::Required => Privacy::Whole(trust()?),
            Tls::StartTls => Privacy::Upgrade(trust()?),
            Tls::None => Privacy::Loopback(loopback(host, port)?),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            privacy,
            account,
            hello: ClientId::default(),
            parked: Mutex::default(),
            turns: Semaphore::new(WIDTH),
            patience: PATIENCE,
        })
    }

    pub(super) fn name(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Connects and signs in; the connection is kept for the first letter.
    pub(super) async fn check(&self) -> Result<(), MailError> {
        let connection = self.connect().await?;
        self.park(connection);
        Ok(())
    }

    pub(super) async fn send(&self, to: &Email, message: &Message, secret: &SecretString) -> Result<(), MailError> {
        let _turn = self.turns.acquire().await;
        let text = Zeroizing::new(message.formatted());
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = parked {
            match self.deliver(connection, to, message, &text, secret).await {
                // It may have hung up long ago, or had enough of one connection: nothing was handed over yet.
                Err((Step::Sender, error)) if error.kind == MailErrorKind::Unavailable => {}
                done => return done.map_err(|(_, error)| error),
            }
        }
        let connection = self.connect().await?;
        self.deliver(connection, to, message, &text, secret).await.map_err(|(_, error)| error)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let (host, patience) = (self.host.as_str(), Some(self.patience));
        let mut connection = match &self.privacy {
            Privacy::Whole(tls) => {
                let opened = AsyncSmtpConnection::connect_tokio1((host, self.port), patience, &self.hello, Some(tls.clone()), None);
                self.within(Step::Connect, opened).await?
            }
            Privacy::Loopback(addresses) => {
                let opened = AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), patience, &self.hello, None, None);
                self.within(Step::Connect, opened).await?
            }
            Privacy::Upgrade(tls) => {
                let stream = tokio::time::timeout(self.patience, TcpStream::connect((host, self.port))).await;
                let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
                    MailError::new(MailErrorKind::Unavailable, format!("{} cannot be reached", self.name())).because(error)
                })?;
                let stream = Box::new(Unread::new(stream));
                let opened = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
                let mut connection = self.within(Step::Connect, opened).await?;
                if !connection.server_info().supports_feature(Extension::StartTls) {
                    return Err(MailError::new(MailErrorKind::Refused, format!("{} does not offer STARTTLS", self.name()))
                        .hint("is it `tls: Required` on port 465? If not, somebody may be listening in between"));
                }
                self.within(Step::Encrypt, connection.starttls(tls.clone(), &self.hello)).await?;
                connection
            }
        };
        if let Some((username, password)) = &self.account {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(MailError::new(MailErrorKind::Refused, format!("{} offers no way to sign in", self.name()))
                    .hint("it must offer PLAIN or LOGIN; without `username` and `password` nobody signs in"));
            }
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            self.within(Step::SignIn, connection.auth(&mechanisms, &credentials)).await?;
        }
        Ok(connection)
    }

    async fn deliver(
        &self,
        mut connection: AsyncSmtpConnection,
        to: &Email,
        message: &Message,
        text: &[u8],
        secret: &SecretString,
    ) -> Result<(), (Step, MailError)> {
        let envelope = message.envelope();
        let mut parameters = Vec::new();
        if !text.is_ascii() || !to.as_str().is_ascii() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let what = format!("{} takes no addresses beyond ASCII", self.name());
                self.park(connection);
                return Err((Step::Recipient, MailError::new(MailErrorKind::Rejected, what)));
            }
            parameters = vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)];
        }
        let mut step = Step::Sender;
        let mut done = self.answer(self.patience, connection.command(Mail::new(envelope.from().cloned(), parameters))).await;
        for recipient in envelope.to() {
            if done.is_ok() {
                step = Step::Recipient;
                done = self.answer(self.patience, connection.command(Rcpt::new(recipient.clone(), vec![]))).await;
            }
        }
        if done.is_ok() {
            step = Step::Text;
            done = self.answer(self.patience, connection.command(Data)).await;
        }
        if done.is_ok() {
            done = self.answer(self.patience.max(PATIENCE_TEXT), connection.message(text)).await;
        }
        let Err(cause) = done else {
            self.park(connection);
            return Ok(());
        };
        // A server that has said no goes on listening; one that has not answered is left alone.
        let answered = matches!(&cause, Cause::Server(error) if error.status().is_some_and(|code| code.to_string() != "421"));
        if answered && self.answer(self.patience, connection.command(Rset)).await.is_ok() {
            self.park(connection);
        }
        Err((step, self.failure(step, cause, Some(secret))))
    }

    async fn within<T>(&self, step: Step, work: impl Future<Output = Result<T, Error>>) -> Result<T, MailError> {
        self.answer(self.patience, work).await.map_err(|cause| self.failure(step, cause, None))
    }

    /// The library waits for ever for an answer; we do not.
    async fn answer<T>(&self, patience: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Cause> {
        match tokio::time::timeout(patience, work).await {
            Ok(done) => done.map_err(Cause::Server),
            Err(_) => Err(Cause::Silence(patience.as_secs())),
        }
    }

    fn failure(&self, step: Step, cause: Cause, secret: Option<&SecretString>) -> MailError {
        let mut secrets: Vec<Zeroizing<String>> = Vec::new();
        if let Some((username, password)) = &self.account {
            let password = password.expose_secret();
            secrets.push(Zeroizing::new(password.to_owned()));
            secrets.push(Zeroizing::new(STANDARD.encode(password)));
            secrets.push(Zeroizing::new(STANDARD.encode(format!("\0{username}\0{password}"))));
        }
        secrets.extend(secret.map(|secret| Zeroizing::new(secret.expose_secret().to_owned())));
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.as_str()).collect();
        failure(&self.name(), step, cause, &secrets)
    }

    fn park(&self, connection: AsyncSmtpConnection) {
        if !connection.has_broken() {
            self.parked.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

/// The addresses of a host that is this machine, without asking anybody.
fn loopback(host: &str, port: u16) -> Result<Vec<SocketAddr>, MailError> {
    let address: Option<IpAddr> = host.parse().ok();
    let addresses = match address {
        Some(address) if address.is_loopback() => vec![address],
        None if host == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        _ => {
            return Err(MailError::settings(format!("mail to `{host}` would go over the network for everybody to read"))
                .hint("write `tls: Required` or `tls: StartTls`; `None` is for this machine only"));
        }
    };
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers so many lines and says nothing more, and what talks to it.
    async fn silent_after(answers: &'static [&'static str]) -> Smtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    for answer in answers {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        stream.read_line(&mut line).await.unwrap();
                    }
                    std::future::pending::<()>().await;
                });
            }
        });
        let patience = Duration::from_millis(200);
        Smtp { patience, ..Smtp::new("127.0.0.1", Some(port), Tls::None, None).unwrap() }
    }

    #[tokio::test]
    async fn silence_ends_the_wait_and_the_connection() {
        let message = Message::builder()
            .from("a@b.example".parse().unwrap())
            .to("c@d.example".parse().unwrap())
            .body(String::from("x"))
            .unwrap();
        let to = Email::new("c@d.example").unwrap();
        let scripts: [&'static [&'static str]; 4] =
            [&[], &["220 hello\r\n"], &["220 hello\r\n", "250 hello\r\n"], &["220 hello\r\n", "250 hello\r\n", "250 sender\r\n"]];
        for script in scripts {
            let smtp = silent_after(script).await;
            let begun = Instant::now();
            let error = smtp.send(&to, &message, &SecretString::from("secret")).await.unwrap_err();
            assert_eq!(error.kind, MailErrorKind::Unavailable, "{}", error.chain());
            assert!(error.message.contains("has not answered"), "{}", error.chain());
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert!(smtp.parked.lock().unwrap().is_empty(), "a late answer would be taken for another");
        }
    }

    #[test]
    fn ports_are_the_usual_ones_and_names_say_them() {
        let name = |host: &str, port| Smtp::new(host, port, Tls::None, None).unwrap().name();
        assert_eq!(name("localhost", None), "localhost:25");
        assert_eq!(name("::1", Some(2525)), "[::1]:2525");
    }
}
