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

/// What gives out credentials by a way out that was opened before. What is wrong with that does not end the run: shutting off
/// never waits for a mail. It is told, and every mail of the run fails with it.
pub(crate) fn issuer(home: &Home, reset: bool, way_out: &Result<Arc<Mailer>, Closed>) -> Issuer {
    let Home { project, base, .. } = home;
    let post: Arc<dyn Post> = match way_out {
        Ok(mailer) => Arc::clone(mailer) as Arc<dyn Post>,
        Err(closed) => Arc::new(closed.clone()),
    };
    Issuer::new(project, reset, Vault::new(base, Config::variable), post)
}

/// How mail goes out, or why it cannot: reads templates and the password of the mail server.
pub(crate) fn way_out(home: &Home) -> Result<Arc<Mailer>, Closed> {
    let Home { project, base, .. } = home;
    let source = project.mail.as_ref().and_then(|mail| match &mail.transport {
        Transport::Smtp { host: _, port: _, tls: _, username: _, password } => password.as_ref(),
        Transport::Folder(_) => None,
    });
    let password = source.map(|source| Vault::new(base, Config::variable).read(source)).transpose();
    let password = password.map_err(|error| Closed::without_password(&error))?;
    Mailer::open(project.mail.as_ref(), base, password).map(Arc::new).map_err(|error| Closed::new(&error))
}
