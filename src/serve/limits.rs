//! How often forms may be sent.
//!
//! | limit | at once | then | why |
//! |---|---|---|---|
//! | each peer address | 60 | 1 a second | one machine cannot use up the share of all others |
//! | all together | 200 | 10 a second | a form costs up to two hashes: 10 a second keep one or two cores busy, and let in a thousand invited people within two minutes |
//! | each username, to change its password | 10 | 1 in 30 s | guessing: some 2 900 tries a day |
//!
//! Behind a proxy every peer is the proxy, and `X-Forwarded-For` is believed from nobody: the first limit is left out where
//! the base URL says that something else stands in front. The proxy is the place for it then.
//!
//! The third limit does not lock anybody out for long: it is about attempts, not failures, keeps nothing that outlives five
//! minutes, and holds for the change form only. Who guesses somebody's password without a pause can keep them from *this form*
//! for as long as that lasts; signing in elsewhere is not touched, and a set-password link (`tenantry reset`) works all the
//! while, because no such limit stands before it: there is nothing to guess in 256 bits. It is the same for names that nobody
//! has, so being refused tells nothing.
//!
//! Memory is bounded: what has recovered is forgotten every thousand forms, and a name is known for 300 s at most, in which the
//! limit for all lets 3 200 forms in.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};

use crate::model::Username;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// Whoever has an IPv6 address has a network of 2⁶⁴ of them.
    pub(super) fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}

pub(super) struct Limits {
    peers: Option<Keyed<IpAddr>>,
    all: DefaultDirectRateLimiter,
    names: Keyed<Username>,
    clock: DefaultClock,
}

/// Limits that forget whoever has recovered.
struct Keyed<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    since: AtomicUsize,
}

/// Checks between two sweeps.
const SWEEP: usize = 1_000;

impl Limits {
    /// `direct`: peers are people, not a proxy.
    pub(super) fn new(direct: bool) -> Self {
        let quota = |at_once: u32, each: Duration| {
            let burst = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
            Quota::with_period(each).expect("a time above zero").allow_burst(burst)
        };
        Self {
            peers: direct.then(|| Keyed::new(quota(60, Duration::from_secs(1)))),
            all: DefaultDirectRateLimiter::direct(quota(200, Duration::from_millis(100))),
            names: Keyed::new(quota(10, Duration::from_secs(30))),
            clock: DefaultClock::default(),
        }
    }

    /// Whether a form may come in; otherwise for how long to wait. The peer is asked first: what is refused there does not
    /// count against all.
    pub(super) fn admit(&self, peer: Option<&Peer>) -> Result<(), Duration> {
        if let (Some(peers), Some(peer)) = (&self.peers, peer) {
            peers.check(&peer.network(), &self.clock)?;
        }
        self.all.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Whether the password of a username may be tried.
    pub(super) fn guess(&self, username: &Username) -> Result<(), Duration> {
        self.names.check(username, &self.clock)
    }
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(quota: Quota) -> Self {
        Self { limiter: DefaultKeyedRateLimiter::keyed(quota), since: AtomicUsize::new(0) }
    }

    fn check(&self, key: &K, clock: &DefaultClock) -> Result<(), Duration> {
        if self.since.fetch_add(1, Ordering::Relaxed) >= SWEEP {
            self.since.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer(text.parse().unwrap())
    }

    #[test]
    fn a_peer_is_stopped_before_all_are() {
        let limits = Limits::new(true);
        let passed = |address: &str| (0..100).filter(|_| limits.admit(Some(&peer(address))).is_ok()).count();
        assert_eq!(passed("192.0.2.1"), 60);
        assert_eq!(passed("::ffff:192.0.2.1"), 0, "the same address");
        assert_eq!(passed("2001:db8::1"), 60);
        assert_eq!(passed("2001:db8::2"), 0, "the same network");
        assert_eq!(passed("2001:db8:0:1::2"), 60);
        assert_eq!(passed("192.0.2.2"), 20, "200 in all");
        assert!(limits.admit(Some(&peer("192.0.2.3"))).unwrap_err() <= Duration::from_millis(100));
    }

    #[test]
    fn behind_a_proxy_only_the_limit_for_all_holds() {
        let limits = Limits::new(false);
        assert_eq!((0..300).filter(|_| limits.admit(Some(&peer("192.0.2.1"))).is_ok()).count(), 200);
    }

    #[test]
    fn guessing_is_slow_and_what_has_recovered_is_forgotten() {
        let limits = Limits::new(false);
        let name = |text: &str| Username::new(text).unwrap();
        assert_eq!((0..20).filter(|_| limits.guess(&name("mara")).is_ok()).count(), 10);
        let wait = limits.guess(&name("Mara")).unwrap_err();
        assert!(wait > Duration::from_secs(25) && wait <= Duration::from_secs(30), "{wait:?}");
        assert!(limits.guess(&name("jonas")).is_ok());

        let keyed = Keyed::new(Quota::with_period(Duration::from_nanos(1)).unwrap());
        for number in 0..3 * SWEEP {
            let _ = keyed.check(&number, &limits.clock);
        }
        assert!(keyed.limiter.len() <= SWEEP + 1, "{}", keyed.limiter.len());
    }
}
