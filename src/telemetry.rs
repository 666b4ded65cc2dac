//! Logs, to standard error. What is logged is for whoever operates the server: no password, no token, no username, no path
//! of a request.

use std::io;

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, ParseError, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts to log what `filter` lets through (<https://docs.rs/tracing-subscriber/0.3/tracing_subscriber/filter/struct.EnvFilter.html#directives>).
/// What others log below INFO may hold a request or an answer: only ours can be asked for that deep.
pub fn start(filter: &str, colour: bool) -> Result<(), ParseError> {
    let wanted = EnvFilter::builder().parse(filter)?;
    let ours = filter_fn(|event| *event.level() <= Level::INFO || event.target().starts_with("tenantry"));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colour).with_filter(wanted.and(ours));
    // One that is there already stays: only tests start twice.
    let _ = Registry::default().with(lines).try_init();
    Ok(())
}
