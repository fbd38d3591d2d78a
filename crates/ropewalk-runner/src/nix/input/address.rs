//! Which addresses repositories may be fetched from: whoever writes a jobset must not see what lies near this machine.

use super::failed;
use crate::image::is_public_address;
use crate::supervisor::Stop;
use ipnet::IpNet;
use std::net::{IpAddr, ToSocketAddrs};
use url::{Host, Url};

/// Ports of the protocols that are looked at.
const PORTS: [(&str, u16); 3] = [("http", 80), ("https", 443), ("git", 9418)];

/// The proxies of this machine, and what they are not asked for. Git is told of a proxy or of none: what is left out of
/// the proxies is ours to judge, not the library's that git uses, for only what is not proxied is looked up first.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    /// `no_proxy`: names with all below them, addresses and networks, or `*`.
    without: String,
}

impl Proxies {
    /// What the environment says, as git reads it.
    pub(super) fn of_machine() -> Proxies {
        let value = |names: &[&str]| {
            names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        Proxies {
            http: value(&["http_proxy"]),
            https: value(&["https_proxy", "HTTPS_PROXY"]),
            without: value(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        }
    }

    /// The variable and the proxy that git is told for an address, if one is asked for it.
    pub(super) fn of(&self, uri: &str) -> Option<(&'static str, &str)> {
        let url = Url::parse(uri).ok()?;
        let (name, proxy) = match url.scheme() {
            "http" => ("http_proxy", self.http.as_deref()?),
            "https" => ("https_proxy", self.https.as_deref()?),
            _ => return None,
        };
        let is_left_out = match url.host()? {
            Host::Ipv4(ip) => self.leaves_out_address(ip.into()),
            Host::Ipv6(ip) => self.leaves_out_address(ip.into()),
            Host::Domain(host) => self.leaves_out_name(host),
        };
        (!is_left_out).then_some((name, proxy))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.without.split([',', ' ', '\t']).filter(|word| !word.is_empty())
    }

    fn leaves_out_address(&self, ip: IpAddr) -> bool {
        self.words().any(|word| {
            let bare = word.trim_matches(['[', ']']);
            word == "*" || bare.parse() == Ok(ip) || bare.parse::<IpNet>().is_ok_and(|net| net.contains(&ip))
        })
    }

    fn leaves_out_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.words().any(|word| {
            let word = word.trim_matches('.').to_ascii_lowercase();
            let is_below = || host.strip_suffix(&word).is_some_and(|rest| rest.ends_with('.'));
            word == "*" || (!word.is_empty() && (host == word || is_below()))
        })
    }
}

/// An address that was looked up and may be visited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Admitted {
    /// What git is told to fetch.
    pub(super) uri: String,
    /// Options of git's that keep it there.
    pub(super) options: Vec<String>,
}

/// Looks an address up, and refuses one that leads to a private network, unless that is among `allow`. Git goes to the
/// addresses that were found, whatever the name stands for later, and follows no redirect. Where a proxy is asked, it
/// is the proxy's business where names lead.
pub(super) fn admit(uri: &str, allow: &[IpNet], proxied: bool) -> Result<Admitted, Stop> {
    let plain = || Admitted { uri: uri.to_owned(), options: vec![] };
    let Ok(mut url) = Url::parse(uri) else { return Ok(plain()) };
    let Some((_, port)) = PORTS.into_iter().find(|(scheme, _)| *scheme == url.scheme()) else {
        // Git refuses all other protocols.
        return Ok(plain());
    };
    let port = url.port().unwrap_or(port);
    let (host, addresses) = match url.host() {
        Some(Host::Ipv4(ip)) => (ip.to_string(), vec![ip.into()]),
        Some(Host::Ipv6(ip)) => (format!("[{ip}]"), vec![ip.into()]),
        // Of protocols that are not the web's, an address is not read.
        Some(Host::Domain(name)) => match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => (name.to_owned(), vec![ip]),
            Err(_) if proxied => (name.to_owned(), vec![]),
            Err(_) => (name.to_owned(), look_up(name, port)?),
        },
        None => return Err(failed(format_args!("{uri} names no host"))),
    };
    let is_open = |ip: &IpAddr| is_public_address(*ip) || allow.iter().any(|net| net.contains(ip));
    if let Some(private) = addresses.iter().find(|ip| !is_open(ip)) {
        let message = format_args!(
            "{uri} leads to {private}, a private address: an administrator can open its network with outgoing.allow"
        );
        return Err(failed(message));
    }
    let mut options = vec!["http.followRedirects=false".to_owned()];
    match addresses.first() {
        Some(first) if url.scheme() == "git" => {
            let first = *first;
            // The one way to tell git.
            if url.set_host(Some(&bracketed(first))).is_err() {
                return Err(failed(format_args!("{uri} names no host")));
            }
            return Ok(Admitted { uri: url.into(), options });
        }
        Some(_) => {
            let found: Vec<String> = addresses.iter().map(|ip| bracketed(*ip)).collect();
            options.push(format!("http.curloptResolve={host}:{port}:{}", found.join(",")));
        }
        None => {}
    }
    // As it was read here: git may read the other form in another way.
    Ok(Admitted { uri: url.into(), options })
}

fn look_up(name: &str, port: u16) -> Result<Vec<IpAddr>, Stop> {
    let found = (name, port).to_socket_addrs();
    let found = found.map_err(|error| failed(format_args!("cannot look {name} up: {error}")))?;
    Ok(found.map(|address| address.ip()).collect())
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_near_is_not_visited() {
        for uri in [
            "http://127.0.0.1/r",
            "http://localhost:3000/r",
            "https://10.1.2.3/r.git",
            "http://169.254.169.254/latest",
            "http://[::1]/r",
            "http://0x7f000001/r",
            "git://127.0.0.1/r",
            "git://[fe80::1]/r",
            "http://user:password@192.168.0.1/r",
        ] {
            let refused = admit(uri, &[], false).unwrap_err();
            assert!(refused.message.contains("private address"), "{uri}: {}", refused.message);
        }
        // What a proxy is asked for is its business, but for addresses.
        assert!(admit("http://10.1.2.3/r", &[], true).is_err());
        assert!(admit("https://example.invalid/r", &[], true).is_ok());
    }

    #[test]
    fn what_the_proxy_is_not_asked_for_is_looked_up() {
        let proxies = Proxies {
            http: Some("http://proxy:3128".into()),
            https: None,
            without: "localhost,.corp.example 10.0.0.0/8,,192.168.1.1".into(),
        };
        let asked = |uri: &str| proxies.of(uri).is_some();
        for uri in
            ["http://example.org/r", "http://notlocalhost/r", "http://corp.example.org/", "http://11.0.0.1/"]
        {
            assert!(asked(uri), "{uri}");
        }
        for uri in [
            "http://localhost:8420/x",
            "http://LOCALHOST./x",
            "http://wiki.corp.example/",
            "http://corp.example/",
            "http://10.1.2.3/r",
            "http://192.168.1.1/r",
            "https://example.org/r",
            "git://example.org/r",
        ] {
            assert!(!asked(uri), "{uri}");
        }
        let refused = admit("http://localhost:8420/x", &[], asked("http://localhost:8420/x")).unwrap_err();
        assert!(refused.message.contains("private address"), "{}", refused.message);
        let none = Proxies { without: "*".into(), ..proxies.clone() };
        assert!(none.of("http://example.org/").is_none() && none.of("http://1.1.1.1/").is_none());
    }

    #[test]
    fn what_was_opened_or_is_public_is_kept_to() {
        let allow = ["127.0.0.0/8".parse().unwrap()];
        let admitted = admit("http://127.0.0.1:3000/r", &allow, false).unwrap();
        assert_eq!(admitted.uri, "http://127.0.0.1:3000/r");
        let options = ["http.followRedirects=false", "http.curloptResolve=127.0.0.1:3000:127.0.0.1"];
        assert_eq!(admitted.options, options);
        let admitted = admit("git://1.1.1.1/r", &[], false).unwrap();
        assert_eq!(admitted.uri, "git://1.1.1.1/r");
        assert_eq!(admit("ext::sh", &[], false).unwrap().options, Vec::<String>::new());
    }
}
