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
pub fn start(filter: &str, form: Form) -> Result<(), ParseError> {
    let wanted = EnvFilter::builder().parse(filter)?;
    let ours = filter_fn(|event| *event.level() <= Level::INFO || event.target().starts_with("tenantry"));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // One that is there already stays: only tests start twice.
    let _ = match form {
        Form::Text { colour } => Registry::default().with(lines.with_ansi(colour).with_filter(wanted.and(ours))).try_init(),
        Form::Json => {
            let lines = lines.with_ansi(false).json().flatten_event(true).with_current_span(false).with_span_list(false);
            Registry::default().with(lines.with_filter(wanted.and(ours))).try_init()
        }
    };
    Ok(())
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text {
        /// With colours.
        colour: bool,
    },
    /// One JSON value.
    Json,
}
