//! Which addresses may be visited on the way to an image.
//!
//! The administrator names registries, so the registry itself may be anywhere. Where *it* leads to, by redirects or
//! by naming a token server, is the registry's word only: that must be the open world, over TLS.

use super::RegistryError;
use crate::sandbox::network::is_public;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::{Host, Url};

/// What may be visited.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The registry: `host[:port]`.
    registry: String,
    /// Its host and its port.
    place: Option<(String, u16)>,
    /// It is spoken to without TLS.
    plain: bool,
    /// Private networks that are open.
    allow: Vec<IpNet>,
    /// The proxy that the environment names: host and port.
    proxy: Option<(String, u16)>,
}

impl Rules {
    /// For one registry. Without TLS it is spoken to when it is on this machine, or one of `insecure`.
    pub(super) fn new(registry: &str, insecure: &[String], allow: &[IpNet]) -> Rules {
        let plain = insecure.iter().any(|host| host == registry) || is_loopback(host_of(registry));
        let proxy =
            ureq::Proxy::try_from_env().map(|proxy| (proxy.host().to_ascii_lowercase(), proxy.port()));
        let mut rules = Rules { registry: registry.into(), place: None, plain, allow: allow.into(), proxy };
        rules.place = rules.origin().parse().ok().as_ref().and_then(place);
        rules
    }

    /// The registry's own address.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.plain { "http" } else { "https" }, self.registry)
    }

    /// Whether an address is the registry's own: only there may its token go.
    pub(super) fn is_registry(&self, url: &Url) -> bool {
        Url::parse(&self.origin()).is_ok_and(|own| own.origin() == url.origin())
    }

    /// Whether the registry is on this machine, where no proxy is asked.
    pub(super) fn is_here(&self) -> bool {
        is_loopback(host_of(&self.registry))
    }

    /// Refuses what `from` must not lead to. Names are judged once more when they are looked up.
    pub(super) fn admit(&self, from: &str, url: &Url) -> Result<(), RegistryError> {
        let refuse =
            |why: &str| Err(RegistryError::Astray { from: from.into(), to: shown(url), why: why.into() });
        if self.is_registry(url) {
            return Ok(());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("an address with a password in it");
        }
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) => None,
            None => return refuse("it has no host"),
        };
        if address.is_some_and(|ip| !self.is_open(ip)) {
            return refuse(PRIVATE);
        }
        // A registry without TLS may keep its parts in a store without TLS, if that is opened by name.
        let opened = address.is_some_and(|ip| self.allow.iter().any(|net| net.contains(&ip)));
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.plain && opened => Ok(()),
            _ => refuse("only https is followed to another host"),
        }
    }

    /// Whether an address was named by the administrator. Its port may be written or left out.
    fn is_named(&self, uri: &Uri) -> bool {
        let place = place(uri);
        place.is_some() && (place == self.place || place == self.proxy)
    }

    fn is_open(&self, ip: IpAddr) -> bool {
        is_public_address(ip) || self.allow.iter().any(|net| net.contains(&ip))
    }
}

const PRIVATE: &str = "a private address; outgoing.allow opens networks";

/// Looks names up, and refuses those of others that lead to private addresses.
#[derive(Debug)]
pub(super) struct Guard(pub(super) Rules);

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        if self.0.is_named(uri) {
            return Ok(found);
        }
        match found.iter().find(|address: &&SocketAddr| !self.0.is_open(address.ip())) {
            None => Ok(found),
            Some(_) => {
                Err(ureq::Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, PRIVATE)))
            }
        }
    }
}

/// An address as errors show it: what is in its query may be a signature.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Host and port of an address.
fn place(uri: &Uri) -> Option<(String, u16)> {
    let usual = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        Some(socks) if socks.starts_with("socks") => Some(1080),
        _ => None,
    };
    Some((uri.host()?.to_ascii_lowercase(), uri.port_u16().or(usual)?))
}

fn host_of(registry: &str) -> &str {
    registry.rsplit_once(':').map_or(registry, |(host, _)| host)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// RFC 6890 and its kin: neither this machine nor its neighbours.
pub(crate) fn is_public_address(ip: IpAddr) -> bool {
    let ip = match ip {
        IpAddr::V4(ip) => return is_public(ip),
        IpAddr::V6(ip) => ip,
    };
    // Addresses that stand for IPv4 ones: mapped, NAT64, 6to4.
    let [a, b, c, ..] = ip.segments();
    let low = |ip: Ipv6Addr| std::net::Ipv4Addr::from_bits((ip.to_bits() & u128::from(u32::MAX)) as u32);
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public(ip);
    }
    if (a, b) == (0x64, 0xff9b) {
        return is_public(low(ip));
    }
    if a == 0x2002 {
        return is_public(std::net::Ipv4Addr::from_bits(u32::from(b) << 16 | u32::from(c)));
    }
    // What is assigned to the world at all.
    a & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_registry_leads_to_the_open_world_only() {
        let rules = Rules::new("registry.example.org", &[], &["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(rules.origin(), "https://registry.example.org");
        for open in ["https://cdn.example.net/x", "https://registry.example.org/y", "https://10.1.2.3/z"] {
            assert!(rules.admit("r", &url(open)).is_ok(), "{open}");
        }
        for closed in [
            "http://cdn.example.net/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[fd00::1]/x",
            "https://169.254.169.254/latest/meta-data",
            "https://10.2.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://user:secret@cdn.example.net/x",
            "ftp://cdn.example.net/x",
            "file:///etc/passwd",
            "http://registry.example.org/y",
        ] {
            assert!(rules.admit("r", &url(closed)).is_err(), "{closed}");
        }
    }

    #[test]
    fn tls_is_left_out_for_this_machine_and_where_it_is_said() {
        let insecure = ["registry.lan:5000".to_owned()];
        let origin = |registry: &str| Rules::new(registry, &insecure, &[]).origin();
        assert_eq!(origin("127.0.0.1:5000"), "http://127.0.0.1:5000");
        assert_eq!(origin("localhost:5000"), "http://localhost:5000");
        assert_eq!(origin("registry.lan:5000"), "http://registry.lan:5000");
        assert_eq!(origin("registry.lan"), "https://registry.lan");
        assert_eq!(origin("127.0.0.1.example.org"), "https://127.0.0.1.example.org");
    }

    #[test]
    fn a_registry_is_known_with_and_without_its_usual_port() {
        let plain = ["10.0.0.1:80".to_owned()];
        for (registry, insecure, named, other) in [
            ("10.0.0.1:443", &[][..], "https://10.0.0.1/v2/", "https://10.0.0.1:444/v2/"),
            ("10.0.0.1", &[], "https://10.0.0.1:443/v2/", "http://10.0.0.1/v2/"),
            ("10.0.0.1:80", &plain, "http://10.0.0.1/v2/", "http://10.0.0.1:81/v2/"),
            ("reg.lan:443", &[], "https://reg.lan/v2/", "https://reg2.lan/v2/"),
            ("[fd00::1]:443", &[], "https://[fd00::1]/v2/", "https://[fd00::2]/v2/"),
        ] {
            let rules = Rules::new(registry, insecure, &[]);
            assert!(rules.is_registry(&url(named)) && rules.is_named(&named.parse().unwrap()), "{registry}");
            assert!(
                !rules.is_registry(&url(other)) && !rules.is_named(&other.parse().unwrap()),
                "{registry}"
            );
            // What the client asks for is written as addresses are written.
            let asked = url(&format!("{}/v2/", rules.origin()));
            assert!(rules.is_named(&asked.as_str().parse().unwrap()), "{asked}");
        }
    }

    #[test]
    fn another_port_is_another_host() {
        let rules = Rules::new("127.0.0.1:5000", &[], &[]);
        assert!(rules.is_registry(&url("http://127.0.0.1:5000/v2/")));
        assert!(!rules.is_registry(&url("http://127.0.0.1:5001/v2/")));
        assert!(rules.admit("r", &url("http://127.0.0.1:5001/v2/")).is_err());
    }

    #[test]
    fn private_addresses_are_known_in_every_form() {
        for (ip, public) in [
            ("1.1.1.1", true),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd12::1", false),
            ("ff02::1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(is_public_address(ip.parse().unwrap()), public, "{ip}");
        }
    }

    #[test]
    fn errors_show_no_signature() {
        assert_eq!(shown(&url("https://u:p@h.example/x?sig=1#y")), "https://h.example/x");
    }
}
