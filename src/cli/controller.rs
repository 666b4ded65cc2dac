//! `tenantry controller`: brings the objects of a cluster into the directories that its Directories name.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpListener;

use super::{exit::Exit, failure::Failure, interrupt::Interrupt, values::duration};
use crate::{
    config::Config,
    k8s::{self, ControllerError, Server, Settings},
    telemetry,
};

/// Where it answers unless it is told otherwise: in a pod, to everybody who asks.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Arguments of `tenantry controller`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry controller                               in a pod, as the chart starts it
  tenantry controller --leader-elect false --log-format text --listen 127.0.0.1:0
                                                    on a desk, with KUBECONFIG

It finds the API server by KUBECONFIG, or by the service account of its pod. What it does is logged to standard error, as JSON;
TENANTRY_LOG says how much. SIGTERM stops it at the next object.")]
pub(crate) struct Args {
    /// Where it answers `/metrics`, `/healthz` and `/readyz`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = LISTEN)]
    pub(crate) listen: SocketAddr,
    /// Whether one of several replicas leads; without it this has to be the only one.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) leader_elect: bool,
    /// The name of the Lease by which replicas agree who leads.
    #[arg(long, value_name = "NAME", default_value = "tenantry")]
    pub(crate) lease: String,
    /// Its own namespace, with the Lease and the Secrets of Directories [default: that of the pod, else of KUBECONFIG].
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Look at everything this often, whether or not an object has changed: `30s`, `10m`.
    #[arg(long, value_name = "DURATION", value_parser = resync, default_value = "10m")]
    pub(crate) resync: Duration,
    /// The name of the admission policy, and of its binding, that ask who grants a role.
    #[arg(long, value_name = "NAME", default_value = "tenantry-roles")]
    pub(crate) admission_policy: String,
    /// Serve this Directory only; may be given several times [default: all].
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) only: Vec<String>,
    /// How the log looks.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) log_format: LogFormat,
}

/// How a log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON value on each line.
    Json,
    /// For people.
    Text,
}

fn resync(text: &str) -> Result<Duration, String> {
    let resync = duration(text)?;
    if resync < Duration::from_secs(1) { Err("must be a second or more".into()) } else { Ok(resync) }
}

impl Args {
    /// How the log looks; `text` is how it looks to people.
    pub(crate) fn log(&self, text: telemetry::Form) -> telemetry::Form {
        match self.log_format {
            LogFormat::Json => telemetry::Form::Json,
            LogFormat::Text => text,
        }
    }
}

/// Runs until it is asked to stop.
pub(crate) async fn run(args: &Args, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let Args { listen, leader_elect, lease, namespace, resync, admission_policy, only, log_format: _ } = args;
    // Whoever is first takes it; nobody else in this process does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: std::io::Error| {
        Failure::failed(format!("cannot listen on {listen}")).because(&error).hint("`--listen` takes another address or port")
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let server = Server::find().await.map_err(|error| ended(&error))?;
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not what: that may hold what somebody wrote.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "Tenantry has a defect");
    }));
    let own = namespace.clone().or_else(Config::namespace).unwrap_or_else(|| server.namespace().to_owned());
    let settings = Settings {
        own,
        replica: Config::pod().unwrap_or_else(|| "tenantry".to_owned()),
        lease: leader_elect.then(|| lease.clone()),
        resync: *resync,
        policy: admission_policy.clone(),
        only: only.clone(),
        base: std::path::PathBuf::from("."),
    };
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    interrupt.writing();
    k8s::run(&server, settings, listener, interrupt.stopped()).await.map_err(|error| ended(&error))?;
    Ok(Exit::Done)
}

fn ended(error: &ControllerError) -> Failure {
    match error {
        ControllerError::Config(cause) => Failure::failed("cannot tell where the API server is")
            .because(&**cause)
            .hint("set KUBECONFIG, or run in a pod with a service account"),
        ControllerError::Deposed => Failure::failed("another replica leads now: this one ends, to begin anew behind it"),
    }
}
