//! What it takes to give out credentials, as the project says.

use std::{path::Path, sync::Arc};

use super::input::Home;
use crate::{
    config::Config,
    credential::Vault,
    issue::Issuer,
    mail::{Closed, Mailer, Post},
    manifest::{Project, Transport},
};

/// Reads templates and the password of the mail server. What is wrong with them does not end the run: shutting off never
/// waits for a mail. It is told, and every mail of the run fails with it.
pub(crate) fn issuer(home: &Home, reset: bool) -> Issuer {
    let Home { project, base, .. } = home;
    let vault = Vault::new(base, Config::variable);
    let post = post(project, base, &vault);
    Issuer::new(project, reset, vault, post)
}

fn post(project: &Project, base: &Path, vault: &Vault) -> Arc<dyn Post> {
    let source = project.mail.as_ref().and_then(|mail| match &mail.transport {
        Transport::Smtp { host: _, port: _, tls: _, username: _, password } => password.as_ref(),
        Transport::Folder(_) => None,
    });
    let password = match source.map(|source| vault.read(source)).transpose() {
        Ok(password) => password,
        Err(error) => return Arc::new(Closed::without_password(&error)),
    };
    match Mailer::open(project.mail.as_ref(), base, password) {
        Ok(mailer) => Arc::new(mailer),
        Err(error) => Arc::new(Closed::new(&error)),
    }
}
