//! How often one may ask.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use ropewalk_core::error::{Error, Kind};
use ropewalk_model::limits::RequestLimits;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// After so many questions, who has not asked for a while is forgotten.
const TIDY_EVERY: u32 = 4096;

/// Tokens and sessions that are remembered to be valid.
const PROVEN: usize = 16_384;

/// Counters of who asked how often: by address without a token, by token with one, and of log-ins.
pub struct Rates {
    anonymous: DefaultKeyedRateLimiter<IpAddr>,
    files: DefaultKeyedRateLimiter<IpAddr>,
    unproven: DefaultKeyedRateLimiter<IpAddr>,
    proven: Cache<u64, ()>,
    tokens: DefaultKeyedRateLimiter<u64>,
    logins: DefaultKeyedRateLimiter<IpAddr>,
    asked: AtomicU32,
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

impl Rates {
    /// Counters with these limits. A limit of 0 is taken as 1.
    pub fn new(limits: &RequestLimits) -> Rates {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Rates {
            anonymous: RateLimiter::keyed(Quota::per_second(at_least_one(limits.requests_anonymous))),
            files: RateLimiter::keyed(Quota::per_second(at_least_one(limits.requests_files))),
            unproven: RateLimiter::keyed(Quota::per_second(at_least_one(limits.requests_anonymous))),
            proven: Cache::new(PROVEN),
            tokens: RateLimiter::keyed(Quota::per_second(at_least_one(limits.requests_token))),
            logins: RateLimiter::keyed(Quota::per_minute(at_least_one(limits.logins))),
            asked: AtomicU32::new(0),
        }
    }

    /// Counts a request without a valid token.
    pub fn anonymous(&self, from: IpAddr) -> Result<(), Error> {
        self.tidy();
        check(&self.anonymous, &network(from), "limits.requests-anonymous")
    }

    /// Counts a request for a file that machines install from, without a token.
    pub fn files(&self, from: IpAddr) -> Result<(), Error> {
        self.tidy();
        check(&self.files, &network(from), "limits.requests-files")
    }

    /// Counts a request with a token or session of which nobody knows yet whether it is valid, before that is asked:
    /// the question costs the database a query. `secret` is the same for the same one.
    pub fn unproven(&self, from: IpAddr, secret: u64) -> Result<(), Error> {
        if self.proven.get(&secret).is_some() {
            return Ok(());
        }
        self.tidy();
        check(&self.unproven, &network(from), "limits.requests-anonymous")
    }

    /// Remembers what came of the question.
    pub fn found(&self, secret: u64, is_valid: bool) {
        match is_valid {
            true => self.proven.insert(secret, ()),
            false => drop(self.proven.remove(&secret)),
        }
    }

    /// Counts a request with a valid token; `token` is the same for the same token.
    pub fn token(&self, token: u64) -> Result<(), Error> {
        self.tidy();
        check(&self.tokens, &token, "limits.requests-token")
    }

    /// Counts a try to log in with a password.
    pub fn login(&self, from: IpAddr) -> Result<(), Error> {
        check(&self.logins, &network(from), "limits.logins")
    }

    fn tidy(&self) {
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.anonymous.retain_recent();
            self.files.retain_recent();
            self.unproven.retain_recent();
            self.tokens.retain_recent();
            self.logins.retain_recent();
        }
    }
}

fn check<K: Clone + Hash + Eq, C: Clock>(
    limiter: &RateLimiter<K, DefaultKeyedStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    key: &K,
    name: &str,
) -> Result<(), Error> {
    limiter.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(limiter.clock().now()).max(Duration::from_millis(1));
        let words = format!("too many requests ({name}): try again in {:.1} s", wait.as_secs_f64());
        Error::new(Kind::TooMany, words).until(wait)
    })
}

/// One household has one counter: all of an IPv4 address, a /64 of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::net::Ipv4Addr;

    #[test]
    fn one_address_runs_out_and_others_do_not() {
        let rates = Rates::new(&RequestLimits { requests_anonymous: 3, ..RequestLimits::default() });
        let one = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert!((0..3).all(|_| rates.anonymous(one).is_ok()));
        let refused = rates.anonymous(one).unwrap_err();
        assert_eq!(refused.kind, Kind::TooMany);
        assert!(refused.message.contains("limits.requests-anonymous"), "{refused}");
        assert!(rates.anonymous(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))).is_ok());
    }

    #[test]
    fn files_that_machines_install_from_have_a_counter_of_their_own() {
        let limits = RequestLimits { requests_anonymous: 1, requests_files: 2, ..RequestLimits::default() };
        let rates = Rates::new(&limits);
        let one = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert!(rates.anonymous(one).is_ok() && rates.anonymous(one).is_err());
        assert!((0..2).all(|_| rates.files(one).is_ok()));
        assert!(rates.files(one).unwrap_err().message.contains("limits.requests-files"));
    }

    #[test]
    fn wrong_secrets_run_out_and_good_ones_do_not() {
        let rates = Rates::new(&RequestLimits { requests_anonymous: 3, ..RequestLimits::default() });
        let (at, good) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1000);
        assert!(rates.unproven(at, good).is_ok());
        rates.found(good, true);
        assert!((0..2).all(|wrong| rates.unproven(at, wrong).is_ok()));
        assert_eq!(rates.unproven(at, 2).unwrap_err().kind, Kind::TooMany);
        assert!((0..100).all(|_| rates.unproven(at, good).is_ok()));
        assert!(rates.anonymous(at).is_ok(), "it takes nothing from those who send no token");
        rates.found(good, false);
        assert!(rates.unproven(at, good).is_err());
    }

    #[test]
    fn a_household_shares_its_counter() {
        let rates = Rates::new(&RequestLimits { logins: 1, ..RequestLimits::default() });
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(rates.login(at("2001:db8::1")).is_ok());
        assert!(rates.login(at("2001:db8::2")).is_err());
        assert!(rates.login(at("2001:db8:0:1::2")).is_ok());
        assert!(rates.login(at("192.0.2.1")).is_ok() && rates.login(at("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn whoever_waits_as_long_as_told_is_let_in_and_no_sooner() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_minute(NonZeroU32::new(10).unwrap());
        let logins = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        let ask = || check(&logins, &(), "limits.logins");
        assert!((0..10).all(|_| ask().is_ok()));
        for _ in 0..3 {
            let wait = ask().unwrap_err().retry_after.unwrap();
            assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(6), "{wait:?}");
            clock.advance(wait - Duration::from_millis(1));
            assert!(ask().is_err());
            clock.advance(Duration::from_millis(1));
            assert!(ask().is_ok());
        }
    }
}
