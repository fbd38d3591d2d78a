//! Who asks: decided once, before any door.

use crate::credentials::{Presented, presented};
use crate::rates::Rates;
use crate::session::{COOKIE_NAME, Session, cookie, refuse_strangers};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method};
use ipnet::IpNet;
use ropewalk_core::access::Caller;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::farm::Farm;
use ropewalk_core::identity::form_key;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Where a connection came from; put into each request by the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over the network.
    Remote(IpAddr),
    /// Over the administrator's socket: whoever may open it is one.
    Local,
}

/// Address of the client, behind proxies that are trusted; put into each request by the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// How a door shows an error.
pub type Render = fn(&Error) -> Response;
/// How a refusal looks, by the request.
pub type Renders = fn(&Request) -> Render;

/// Decides who asks. Handlers find [`Caller`], [`Client`] and, of a browser that has logged in, [`Session`] in the
/// request's extensions.
#[derive(Clone)]
pub struct Gate {
    /// Knows the tokens and the sessions.
    pub farm: Arc<Farm>,
    /// Counts requests.
    pub rates: Arc<Rates>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted: Arc<[IpNet]>,
    /// How a refusal looks.
    pub render: Renders,
    /// Which requests fetch files that machines install from, many at a time: they are counted by themselves.
    pub is_file: fn(&Request) -> bool,
}

/// Middleware: finds out who asks, counts it, and refuses what is over its limit or comes with a wrong token.
pub async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let render = (gate.render)(&request);
    let peer =
        request.extensions().get::<Peer>().copied().unwrap_or(Peer::Remote(Ipv4Addr::UNSPECIFIED.into()));
    let is_file = (gate.is_file)(&request);
    match identify(&gate, peer, request.method(), request.headers(), is_file).await {
        Ok(Asker { caller, client, session }) => {
            let extensions = request.extensions_mut();
            extensions.insert(caller);
            extensions.insert(client);
            if let Some(session) = session {
                extensions.insert(session);
            }
            next.run(request).await
        }
        Err(error) => render(&error),
    }
}

struct Asker {
    caller: Caller,
    client: Client,
    session: Option<Session>,
}

async fn identify(
    gate: &Gate,
    peer: Peer,
    method: &Method,
    headers: &HeaderMap,
    is_file: bool,
) -> Result<Asker, Error> {
    let Peer::Remote(address) = peer else {
        let client = Client(Ipv4Addr::LOCALHOST.into());
        return Ok(Asker { caller: Caller::Local, client, session: None });
    };
    let address = client(address, headers, &gate.trusted);
    let token = match presented(headers) {
        Presented::Nothing => return browser(gate, address, method, headers, is_file).await,
        Presented::OtherScheme => return Err(unreadable(gate, address, Kind::OtherScheme)),
        Presented::Unreadable => return Err(unreadable(gate, address, Kind::UnreadableToken)),
        Presented::Token(token) => token,
    };
    gate.rates.unproven(address, key(token))?;
    let found = gate.farm.authenticate(token).await;
    match &found {
        Ok(_) => gate.rates.found(key(token), true),
        Err(error) if error.kind == Kind::InvalidToken => gate.rates.found(key(token), false),
        // Nothing was found out.
        Err(_) => {}
    }
    let caller = found?;
    gate.rates.token(key(token))?;
    Ok(Asker { caller, client: Client(address), session: None })
}

fn unreadable(gate: &Gate, address: IpAddr, kind: Kind) -> Error {
    let words = "the credentials cannot be read: send one `Authorization: Bearer TOKEN`";
    gate.rates.anonymous(address).err().unwrap_or_else(|| Error::new(kind, words))
}

/// A session if the cookie is one; else nobody in particular.
async fn browser(
    gate: &Gate,
    address: IpAddr,
    method: &Method,
    headers: &HeaderMap,
    is_file: bool,
) -> Result<Asker, Error> {
    let client = Client(address);
    if let Some(secret) = cookie(headers, COOKIE_NAME)
        && let Some(caller) = session(gate, address, secret).await?
    {
        gate.rates.token(key(secret))?;
        refuse_strangers(method, headers, &gate.farm.settings().origin)?;
        let session = Session { secret: secret.into(), form_key: form_key(secret) };
        return Ok(Asker { caller, client, session: Some(session) });
    }
    match is_file {
        true => gate.rates.files(address)?,
        false => gate.rates.anonymous(address)?,
    }
    Ok(Asker { caller: Caller::Anonymous, client, session: None })
}

async fn session(gate: &Gate, address: IpAddr, secret: &str) -> Result<Option<Caller>, Error> {
    gate.rates.unproven(address, key(secret))?;
    let found = gate.farm.session(secret).await?;
    gate.rates.found(key(secret), found.is_some());
    Ok(found)
}

fn key(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

/// The last address in `X-Forwarded-For` that is no trusted proxy; the connection's own unless that is one. Read from the
/// end, where our proxies write: what stands before a hop that cannot be read, the client may have made up.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
    let hops = values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    let mut nearest = peer;
    for hop in hops {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop.trim().parse().ok()) else {
            break;
        };
        nearest = address;
        if !is_trusted(&address) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.9, 192.0.2.7, 10.0.0.2"));
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(client(at("10.0.0.1"), &headers, &trusted), at("192.0.2.7"));
        assert_eq!(client(at("203.0.113.1"), &headers, &trusted), at("203.0.113.1"));
        assert_eq!(client(at("10.0.0.1"), &HeaderMap::new(), &trusted), at("10.0.0.1"));
    }

    #[test]
    fn nobody_makes_up_an_address_by_what_cannot_be_read() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (forwarded, seen) in [
            ("6.6.6.6, x, 192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, x, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
            ("6.6.6.6, x, 10.0.0.2", "10.0.0.2"),
            ("6.6.6.6, x", "10.0.0.1"),
            ("6.6.6.6, \u{e9}, 192.0.2.7", "192.0.2.7"),
            ("x", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", HeaderValue::from_static("7.7.7.7"));
            headers.append("x-forwarded-for", HeaderValue::from_bytes(forwarded.as_bytes()).unwrap());
            assert_eq!(client(at("10.0.0.1"), &headers, &trusted), at(seen), "{forwarded}");
        }
    }
}
