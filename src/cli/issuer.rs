//! What it takes to give out credentials, as the project says.

use std::sync::Arc;

use super::input::Home;
use crate::{
    config::Config,
    credential::Vault,
    issue::Issuer,
    mail::{Closed, Mailer, Post},
    manifest::Transport,
};

/// Reads templates and the password of the mail server. What is wrong with them does not end the run: shutting off never
/// waits for a mail. It is told, and every mail of the run fails with it.
pub(crate) fn issuer(home: &Home, reset: bool) -> Issuer {
    let Home { project, base, .. } = home;
    let post: Arc<dyn Post> = match way_out(home) {
        Ok(mailer) => Arc::new(mailer),
        Err(closed) => Arc::new(closed),
    };
    Issuer::new(project, reset, Vault::new(base, Config::variable), post)
}

/// How mail goes out, or why it cannot.
pub(crate) fn way_out(home: &Home) -> Result<Mailer, Closed> {
    let Home { project, base, .. } = home;
    let source = project.mail.as_ref().and_then(|mail| match &mail.transport {
        Transport::Smtp { host: _, port: _, tls: _, username: _, password } => password.as_ref(),
        Transport::Folder(_) => None,
    });
    let password = source.map(|source| Vault::new(base, Config::variable).read(source)).transpose();
    let password = password.map_err(|error| Closed::without_password(&error))?;
    Mailer::open(project.mail.as_ref(), base, password).map_err(|error| Closed::new(&error))
}
