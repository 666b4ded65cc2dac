//! `tenantry serve`: the pages on which people set and change their passwords.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::{
    args::ProjectArg,
    console::Console,
    exit::Exit,
    failure::Failure,
    input::{self, Home},
    interrupt::Interrupt,
    render::style::{WARNING, paint},
};
use crate::{
    credential::Hasher,
    manifest::DEFAULT_BASE_URL,
    model::visible,
    serve::{self, BaseUrl, Settings},
};

/// Where it listens unless it is told otherwise: what [`DEFAULT_BASE_URL`] points to.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Arguments of `tenantry serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry serve                            on this machine only
  tenantry serve --listen 0.0.0.0:8080      for a proxy on another machine

It speaks plain HTTP: TLS, and limits for each address, are the job of a proxy in front of it. `links.baseUrl` of the
project file says where people reach the pages. What it does is logged to standard error; TENANTRY_LOG says how much.")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = LISTEN)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
}

/// Serves until it is asked to stop.
pub(crate) async fn run(args: &Args, console: Console, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let Args { listen, project } = args;
    let home = input::home(project, None, console)?;
    let accounts = home.accounts()?;
    let base_url = base_url(&home)?;
    let failed = |error: std::io::Error| {
        Failure::failed(format!("cannot listen on {listen}")).because(&error).hint("`--listen` takes another address or port")
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    console.note(&announcement(bound, home.project.base_url.as_deref()));
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not what: that may hold what somebody typed.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "Tenantry has a defect");
    }));
    let passwords = home.project.passwords;
    let settings = Settings { accounts, passwords, base_url, listen: bound, hasher: Hasher::default() };
    serve::serve(listener, serve::router(settings), interrupt.stopped()).await;
    Ok(Exit::Done)
}

fn base_url(home: &Home) -> Result<Option<BaseUrl>, Failure> {
    let Some(text) = &home.project.base_url else { return Ok(None) };
    let refuse = |why: &str| Failure::invalid(format!("`links.baseUrl` of the project, `{text}`, cannot be served: {why}"));
    BaseUrl::parse(text).map(Some).map_err(refuse)
}

fn announcement(bound: SocketAddr, base_url: Option<&str>) -> String {
    let mut text = format!("Listening on http://{bound}\n");
    match base_url {
        Some(url) => text.push_str(&format!("Links point to {}\n", visible(url))),
        None => text.push_str(&format!("Links point to {DEFAULT_BASE_URL}, because the project has no `links.baseUrl`\n")),
    }
    if !bound.ip().is_loopback() {
        let warning = paint(WARNING, "warning:");
        text.push_str(&format!(
            "{warning} this is reachable from other machines and speaks plain HTTP; put a proxy with TLS in front of it\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_point_to_where_it_listens_by_default() {
        assert_eq!(format!("http://{LISTEN}"), DEFAULT_BASE_URL);
        let text = announcement(LISTEN, None);
        assert!(text.starts_with("Listening on http://127.0.0.1:8080\nLinks point to http://127.0.0.1:8080, because"), "{text}");
        assert!(!text.contains("warning"));
        let text = announcement("0.0.0.0:1".parse().unwrap(), Some("https://a.example"));
        assert!(text.contains("Links point to https://a.example\n") && text.contains("proxy with TLS"), "{text}");
    }
}
