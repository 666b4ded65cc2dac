//! The one loop that sends something again.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};

use super::{Answer, Request};
use crate::directory::{DirectoryError, ErrorKind};

/// Attempts, the first included.
pub(super) const ATTEMPTS: usize = 5;
/// The longest pause of our own choice.
const LONGEST: Duration = Duration::from_secs(10);

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) pause: Duration,
    pub(super) wait: Duration,
    pub(super) turns: usize,
}

/// An attempt that brought no answer.
pub(super) struct Failure {
    pub(super) error: DirectoryError,
    pub(super) again: Again,
    /// How long the server wants us to stay away.
    pub(super) after: Option<Duration>,
}

/// When another attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would come to the same.
    Never,
    /// It may have been carried out: only what can be done twice.
    Repeatable,
    /// It was certainly not begun.
    Always,
    /// The same, and somebody is there who only wants us to go slower.
    Slower,
}

impl Failure {
    /// The end of it.
    pub(super) fn last(error: DirectoryError) -> Self {
        Self { error, again: Again::Never, after: None }
    }

    /// The network failed us.
    pub(super) fn transport(what: &str, error: reqwest::Error) -> Self {
        let again = if error.is_connect() {
            Again::Always
        } else if error.is_builder() {
            Again::Never
        } else {
            Again::Repeatable
        };
        // The address may have names of people in it.
        let error = DirectoryError::new(what, ErrorKind::Unavailable).because(error.without_url());
        Self { error, again, after: None }
    }
}

/// Makes attempts until one brings an answer, none is left, or another would do harm.
pub(super) async fn persist<F>(request: &Request, patience: Patience, attempt: impl FnMut() -> F) -> Result<Answer, DirectoryError>
where
    F: Future<Output = Result<Answer, Failure>>,
{
    let pauses = ExponentialBuilder::new()
        .with_min_delay(patience.pause)
        .with_max_delay(LONGEST)
        .with_max_times(ATTEMPTS.max(patience.turns) - 1)
        .with_jitter();
    let (mut failed, mut slower) = (0, 0);
    let outcome = attempt
        .retry(pauses)
        .when(|failure: &Failure| {
            let (count, most) =
                if failure.again == Again::Slower { (&mut slower, patience.turns) } else { (&mut failed, ATTEMPTS) };
            *count += 1;
            *count < most
                && match failure.again {
                    Again::Never => false,
                    Again::Repeatable => request.is_repeatable(),
                    Again::Always | Again::Slower => true,
                }
        })
        .adjust(|failure: &Failure, pause: Option<Duration>| match (pause, failure.after) {
            (Some(_), Some(after)) if after > patience.wait => None,
            (Some(pause), Some(after)) => Some(after.max(pause)),
            (pause, None) => pause,
            (None, Some(_)) => None,
        })
        .await;
    outcome.map_err(|failure| failure.error)
}
