//! Waiting for something that happens when it does.

use std::{
    thread,
    time::{Duration, Instant},
};

/// What a look at the world says: that it is so, or why not.
pub(crate) trait Look {
    type Found;
    fn look(self) -> Result<Self::Found, String>;
}

impl Look for bool {
    type Found = ();
    fn look(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<T> Look for Option<T> {
    type Found = T;
    fn look(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T> Look for Result<T, String> {
    type Found = T;
    fn look(self) -> Result<T, String> {
        self
    }
}

/// Looks again and again until it is so, and panics when it takes too long: with what the last look said.
#[track_caller]
pub(crate) fn until<L: Look>(patience: Duration, what: &str, look: impl FnMut() -> L) -> L::Found {
    poll(patience, look).unwrap_or_else(|last| panic!("not within {patience:?}: {what}\n{last}"))
}

/// The same without the panic.
pub(super) fn poll<L: Look>(patience: Duration, mut look: impl FnMut() -> L) -> Result<L::Found, String> {
    let since = Instant::now();
    loop {
        match look().look() {
            Ok(found) => return Ok(found),
            Err(last) if since.elapsed() > patience => return Err(last),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
