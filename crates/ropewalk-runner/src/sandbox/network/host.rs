//! What of the host's surroundings builds may reach.

use super::{Cidr, Inside};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// What is open and blocked besides the fixed ranges. Computed once, when an agent starts: names
/// are looked up for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    allowed: BTreeSet<String>,
    open: BTreeSet<SocketAddrV4>,
    own: BTreeSet<Ipv4Addr>,
    proxies: Vec<Proxy>,
    no_proxy: Option<String>,
    /// Spools of older programs know none.
    #[serde(default)]
    server: Option<Server>,
}

/// The server that builds with a token may speak to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Server {
    url: Url,
    addresses: Vec<SocketAddrV4>,
}

/// Names steps' way to the server; clients of ours read it too.
const SERVER: &str = "ROPEWALK_SERVER";

/// A proxy of the host, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Proxy {
    variable: String,
    url: Url,
    /// On the host's loopback, which inside is at the gateway.
    loopback: bool,
}

/// Variables that name a proxy.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy"];

impl Outside {
    /// What this host's configuration says: its own addresses are blocked; its proxy (variables
    /// `http_proxy`, `https_proxy`, `ftp_proxy`, `all_proxy`, apt's `Acquire::http::Proxy`) and its
    /// package mirrors (apt's sources) are opened by exact address and port. Looks up names, so it
    /// may take seconds.
    #[must_use]
    pub fn of_host() -> Outside {
        let mut outside = Outside::default().own(own_addresses());
        for name in PROXIES {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase()));
            if let Some(url) = value.ok().as_deref().and_then(Url::parse) {
                outside = outside.open_url(&url);
                let loopback = url.addresses().any(|a| a.ip().is_loopback());
                outside.proxies.push(Proxy { variable: name.to_owned(), url, loopback });
            }
        }
        outside.no_proxy = std::env::var("no_proxy").or_else(|_| std::env::var("NO_PROXY")).ok();
        for url in apt_urls(Path::new("/etc/apt")) {
            outside = outside.open_url(&url);
        }
        outside
    }

    /// Opens whole blocks (`sandbox.allow`).
    #[must_use]
    pub fn allow(mut self, blocks: impl IntoIterator<Item = Cidr>) -> Outside {
        self.allowed.extend(blocks.into_iter().map(String::from));
        self
    }

    /// Opens one address and port, for TCP. A port of the host's loopback appears at the gateway.
    #[must_use]
    pub fn open(mut self, address: SocketAddrV4) -> Outside {
        self.open.insert(address);
        self
    }

    /// Says where the server is (its origin, such as `http://127.0.0.1:8420`). Looks up its name. It stays as closed
    /// as before: see [`Outside::for_build`].
    #[must_use]
    pub fn server(mut self, origin: &str) -> Outside {
        self.server = Url::parse(origin).map(|url| {
            // A server that listens everywhere also does so on the loopback.
            let here = |address: SocketAddrV4| match address.ip().is_unspecified() {
                true => SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port()),
                false => address,
            };
            let addresses = url.addresses().map(here).collect();
            Server { url, addresses }
        });
        self
    }

    /// For one build: the server's address and port are opened, and named by the variable `ROPEWALK_SERVER`, if the
    /// build has a token for it; otherwise it is forgotten.
    #[must_use]
    pub fn for_build(mut self, has_token: bool) -> Outside {
        match &self.server {
            Some(server) if has_token => self.open.extend(server.addresses.iter().copied()),
            _ => self.server = None,
        }
        self
    }

    /// Blocks addresses of the host itself.
    #[must_use]
    pub fn own(mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Outside {
        self.own.extend(addresses);
        self
    }

    /// Variables that steps get: the host's proxies, without passwords, and where the server is if it was opened.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let gateway = Inside::beside(self).gateway.to_string();
        let server = self.server.as_ref().map(|server| {
            let is_here = server.addresses.iter().any(|address| address.ip().is_loopback());
            (if is_here { gateway.clone() } else { server.url.host.clone() }, &server.url)
        });
        let proxy = |proxy: &Proxy| {
            let host = if proxy.loopback { &gateway } else { &proxy.url.host };
            (proxy.variable.clone(), format!("{}://{host}:{}", proxy.url.scheme, proxy.url.port))
        };
        let mut variables: Vec<_> = self.proxies.iter().map(proxy).collect();
        let hosts = self.no_proxy.iter().cloned().chain(server.iter().map(|(host, _)| host.clone()));
        let no_proxy = hosts.collect::<Vec<_>>().join(",");
        if !no_proxy.is_empty() {
            variables.push(("no_proxy".to_owned(), no_proxy));
        }
        if let Some((host, url)) = server {
            variables.push((SERVER.to_owned(), format!("{}://{host}:{}", url.scheme, url.port)));
        }
        variables
    }

    /// Whether anything of the host, or anything opened, is in this block.
    pub(super) fn touches(&self, block: Cidr) -> bool {
        let open = self.open.iter().map(|address| *address.ip());
        let mut addresses = self.own.iter().copied().chain(open).map(Cidr::single);
        addresses.any(|a| block.covers(a)) || self.allowed().any(|a| a.covers(block) || block.covers(a))
    }

    fn open_url(mut self, url: &Url) -> Outside {
        self.open.extend(url.addresses());
        self
    }

    pub(super) fn allowed(&self) -> impl Iterator<Item = Cidr> {
        self.allowed.iter().filter_map(|block| block.parse().ok())
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddrV4> {
        self.open.iter().copied().filter(|address| !address.ip().is_loopback())
    }

    pub(super) fn loopback_ports(&self) -> impl Iterator<Item = u16> {
        self.open.iter().filter(|address| address.ip().is_loopback()).map(SocketAddrV4::port)
    }

    pub(super) fn own_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.own.iter().copied()
    }
}

/// Variables that name this host's proxies, without passwords, for who is in the host's own network.
pub(crate) fn proxies_of_host() -> Vec<(String, String)> {
    let value = |name: &str| std::env::var(name).or_else(|_| std::env::var(name.to_uppercase())).ok();
    let proxy = |name: &str| {
        let url = Url::parse(&value(name)?)?;
        Some((name.to_owned(), format!("{}://{}:{}", url.scheme, url.host, url.port)))
    };
    let no_proxy = value("no_proxy").map(|hosts| ("no_proxy".to_owned(), hosts));
    PROXIES.into_iter().filter_map(proxy).chain(no_proxy).collect()
}

/// The parts of a URL that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Url {
    scheme: String,
    host: String,
    port: u16,
}

impl Url {
    /// Reads `[scheme://][user:password@]host[:port][/…]`; `http` where no scheme is given.
    fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let port = port.unwrap_or(match scheme {
            "https" => 443,
            "ftp" => 21,
            "socks5" | "socks5h" | "socks4" => 1080,
            _ => 80,
        });
        let known = ["http", "https", "ftp", "socks5", "socks5h", "socks4"].contains(&scheme);
        let named = !host.is_empty() && !host.contains(['[', ' ']);
        (known && named).then(|| Url { scheme: scheme.into(), host: host.into(), port })
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddrV4> {
        let found = (self.host.as_str(), self.port).to_socket_addrs().into_iter().flatten();
        found.filter_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        })
    }
}

/// Proxies and mirrors in apt's configuration.
fn apt_urls(folder: &Path) -> Vec<Url> {
    let sources = files(folder, "sources.list", "sources.list.d", &["list", "sources"]);
    let settings = files(folder, "apt.conf", "apt.conf.d", &["", "conf"]);
    let mut urls: Vec<Url> = vec![];
    for text in sources {
        urls.extend(text.lines().filter(|l| !l.trim_start().starts_with('#')).flat_map(|line| {
            line.split_whitespace().filter(|word| word.contains("://")).filter_map(Url::parse)
        }));
    }
    for text in settings {
        let lines = text.lines().filter(|line| line.to_ascii_lowercase().contains("proxy"));
        urls.extend(lines.filter_map(|line| Url::parse(line.split('"').nth(1)?)));
    }
    let mut seen = BTreeSet::new();
    urls.retain(|url| seen.insert((url.host.clone(), url.port)));
    urls
}

/// The texts of a file and of those in a folder that apt reads: the ones with these extensions.
fn files(folder: &Path, file: &str, more: &str, extensions: &[&str]) -> Vec<String> {
    let mut paths: Vec<PathBuf> = vec![folder.join(file)];
    let listed = std::fs::read_dir(folder.join(more)).into_iter().flatten().flatten();
    paths.extend(listed.map(|entry| entry.path()).filter(|path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        extensions.contains(&extension)
    }));
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// Addresses of this host's interfaces, loopback apart.
fn own_addresses() -> Vec<Ipv4Addr> {
    // /proc/net/fib_trie lists the addresses of the local table as `host LOCAL` leaves.
    let text = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    local_leaves(&text)
}

fn local_leaves(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut last = None;
    let mut found = BTreeSet::new();
    for line in fib_trie.lines() {
        let line = line.trim_start();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.trim().parse::<IpAddr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(IpAddr::V4(address)) = last
            && !address.is_loopback()
        {
            found.insert(address);
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn url(text: &str) -> Option<(String, String, u16)> {
        Url::parse(text).map(|u| (u.scheme, u.host, u.port))
    }

    #[test]
    fn urls_are_taken_apart_and_passwords_left_out() {
        let expected = |s: &str, h: &str, p| Some((s.to_owned(), h.to_owned(), p));
        assert_eq!(url("http://u:p@proxy:3128/"), expected("http", "proxy", 3128));
        assert_eq!(url("https://deb.example.org/debian"), expected("https", "deb.example.org", 443));
        assert_eq!(url("proxy.lan"), expected("http", "proxy.lan", 80));
        for text in ["", "file:///srv/mirror", "http://:80", "http://x:y", "cdrom:[Debian]/"] {
            assert_eq!(url(text), None, "{text}");
        }
    }

    #[test]
    fn a_proxy_on_the_hosts_loopback_is_at_the_gateway_inside() {
        let url = Url::parse("http://u:p@127.0.0.1:3142").unwrap();
        let mut outside = Outside::default().open_url(&url);
        outside.proxies.push(Proxy { variable: "http_proxy".into(), url, loopback: true });
        let expected = ("http_proxy".to_owned(), "http://198.18.77.2:3142".to_owned());
        assert_eq!(outside.environment(), [expected]);
        assert_eq!(outside.loopback_ports().collect::<Vec<_>>(), [3142]);
    }

    #[test]
    fn the_server_is_there_for_builds_with_a_token_only() {
        for (origin, inside, port) in [
            ("http://127.0.0.1:8420", "http://198.18.77.2:8420", Some(8420)),
            ("http://0.0.0.0:99", "http://198.18.77.2:99", Some(99)),
            ("https://10.1.2.3/", "https://10.1.2.3:443", None),
        ] {
            let outside = Outside { no_proxy: Some("a.b".into()), ..Outside::default() }.server(origin);
            let without = outside.clone().for_build(false);
            assert_eq!(without, Outside { no_proxy: Some("a.b".into()), ..Outside::default() });
            let with = outside.for_build(true);
            let host = inside.split("://").nth(1).unwrap().split(':').next().unwrap();
            let variables =
                [("no_proxy".to_owned(), format!("a.b,{host}")), (SERVER.to_owned(), inside.to_owned())];
            assert_eq!(with.environment(), variables);
            assert_eq!(with.loopback_ports().next(), port);
            assert_eq!(with.addresses().count(), usize::from(port.is_none()));
        }
    }

    #[test]
    fn apt_configuration_gives_mirrors_and_proxies() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sources.list", "# deb http://no/ x\ndeb [signed-by=/k] http://10.1.1.1/debian stable main\n");
        write("sources.list.d/d.sources", "Types: deb\nURIs: https://10.1.1.2/debian http://10.1.1.1/x\n");
        write("sources.list.d/off.list.disabled", "deb http://10.1.1.9/debian stable main\n");
        write("apt.conf.d/01proxy", "Acquire::http::Proxy \"http://10.1.1.3:3142\";\nAPT::X \"y\";\n");
        let mut found: Vec<_> = apt_urls(folder.path()).into_iter().map(|u| (u.host, u.port)).collect();
        found.sort();
        let expected = [("10.1.1.1", 80), ("10.1.1.2", 443), ("10.1.1.3", 3142)];
        assert_eq!(found, expected.map(|(h, p)| (h.to_owned(), p)));
    }

    #[test]
    fn own_addresses_are_the_local_leaves() {
        let text = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_leaves(text), ["10.0.0.5".parse::<Ipv4Addr>().unwrap()]);
    }
}
