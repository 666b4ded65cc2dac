//! Ctrl-C and the request to terminate: the first stops at an object boundary, the second at once. Before the first write
//! there is nothing to wait for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::{console::Console, exit::Exit};
use crate::directory::Stop;

/// Listens for as long as the run lasts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    stop: Stop,
    writing: Arc<AtomicBool>,
    stopped: Arc<Notify>,
}

impl Interrupt {
    /// Starts to listen. Needs a runtime.
    pub(crate) fn listen(console: Console) -> Self {
        let interrupt = Self::default();
        let heard = interrupt.clone();
        tokio::spawn(async move {
            signal().await;
            if heard.writing.load(Ordering::SeqCst) {
                heard.stop.request();
                heard.stopped.notify_one();
                console.note("\nStopping after what is under way. Once more ends at once.\n");
                signal().await;
            }
            console.note("\nInterrupted. What was under way is whole or not there; running again takes it up.\n");
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
        interrupt
    }

    /// From now on something may be half done.
    pub(crate) fn writing(&self) {
        self.writing.store(true, Ordering::SeqCst);
    }

    /// Waits until somebody asks to stop, for one who waits. Like [`Interrupt::writing`], it has the first request stop
    /// nothing at once.
    pub(crate) async fn stopped(&self) {
        self.writing();
        self.stopped.notified().await;
    }

    /// What the executor looks at between two objects.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn signal() {
    drop(tokio::signal::ctrl_c().await);
}
