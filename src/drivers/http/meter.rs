//! What went over the wire.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::directory::Traffic;

/// Counts requests, bytes of bodies, and time.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    bytes: AtomicU64,
    micros: AtomicU64,
}

impl Meter {
    /// A request of `bytes` goes out. Its time counts until what is returned is dropped.
    pub(super) fn begin(&self, bytes: usize) -> Counted<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let counted = Counted { meter: self, since: Instant::now() };
        counted.bytes(bytes);
        counted
    }

    pub(super) fn read(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

/// A request under way.
pub(super) struct Counted<'a> {
    meter: &'a Meter,
    since: Instant,
}

impl Counted<'_> {
    /// So many bytes more.
    pub(super) fn bytes(&self, bytes: usize) {
        self.meter.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.meter.micros.fetch_add(micros, Ordering::Relaxed);
    }
}
