//! Speaking to one registry about one image (OCI distribution specification 1.1): bounded answers, redirects by our
//! own rules, tokens that go nowhere else.

use super::credentials::{self, Basic};
use super::pace::{Pace, Paced};
use super::rules::{Guard, Rules, shown};
use super::{HUB, RegistryError};
use crate::image::Origins;
use oci_spec::distribution::Reference;
use serde::Deserialize;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, BodyReader};
use url::Url;

/// Where Docker Hub's registry really is.
const HUB_HOST: &str = "registry-1.docker.io";
/// Redirects on the way to one answer.
const MAX_REDIRECTS: u32 = 5;
/// Bytes of a token server's answer.
const MAX_TOKEN: u64 = 64 << 10;
/// Bytes of an error's text that are looked at.
const MAX_ERROR: u64 = 8 << 10;
/// Characters of an error's text that are shown.
const MAX_MESSAGE: usize = 200;
/// Bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);

/// A conversation about one image.
pub(super) struct Client {
    agent: Agent,
    /// How fast its answers must come.
    pub(super) pace: Pace,
    rules: Rules,
    reference: Reference,
    credentials: Option<Basic>,
    /// The `Authorization` that the registry wants.
    authorization: Option<String>,
}

/// An answer whose status is 200 or 206.
pub(super) struct Answer {
    /// Where the bytes came from in the end.
    pub(super) url: String,
    pub(super) response: Response<Body>,
    pace: Pace,
}

impl Answer {
    /// Its bytes as they come; they fail when they come too slowly.
    pub(super) fn body(self) -> Paced<BodyReader<'static>> {
        self.pace.hold(self.response.into_body().into_reader())
    }

    /// Its bytes, at most `limit` of them.
    pub(super) fn bounded(self, limit: u64, what: &str) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = vec![];
        self.body()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| RegistryError::Transport { url: what.into(), why: e.to_string() })?;
        match bytes.len() as u64 > limit {
            true => Err(RegistryError::TooLong { what: what.into(), limit }),
            false => Ok(bytes),
        }
    }
}

impl Client {
    pub(super) fn new(reference: &Reference, origins: &Origins) -> Result<Client, RegistryError> {
        let host = if reference.registry() == HUB { HUB_HOST } else { reference.registry() };
        let rules = Rules::new(&host.to_ascii_lowercase(), &origins.insecure, &origins.allow);
        let credentials = match &origins.credentials {
            Some(file) => credentials::read(file, reference.registry(), reference.repository())?,
            None => None,
        };
        let agent = agent(&rules);
        Ok(Client {
            agent,
            pace: origins.pace,
            rules,
            reference: reference.clone(),
            credentials,
            authorization: None,
        })
    }

    /// Asks for `manifests/…` or `blobs/…` of the image, from byte `from` on.
    pub(super) fn get(&mut self, part: &str, accept: &str, from: u64) -> Result<Answer, RegistryError> {
        let url = format!("{}/v2/{}/{part}", self.rules.origin(), self.reference.repository());
        let url = parse(&url, &url)?;
        let answer = self.follow(url.clone(), accept, from)?;
        if answer.response.status() != 401 {
            return self.judge(answer);
        }
        let challenges = header_values(&answer.response, header::WWW_AUTHENTICATE.as_str());
        self.authorization = Some(self.authorize(&url, &challenges)?);
        let answer = self.follow(url, accept, from)?;
        self.judge(answer)
    }

    fn follow(&self, start: Url, accept: &str, from: u64) -> Result<Answer, RegistryError> {
        let mut url = start;
        for _ in 0..=MAX_REDIRECTS {
            let own = self.rules.is_registry(&url);
            let authorization = self.authorization.as_deref().filter(|_| own);
            let answer = self.ask(&url, accept, from, authorization)?;
            if !answer.response.status().is_redirection() {
                return Ok(answer);
            }
            let location =
                header_values(&answer.response, header::LOCATION.as_str()).pop().unwrap_or_default();
            let next = url.join(&location).map_err(|e| RegistryError::Malformed {
                what: format!("the redirect of {}", shown(&url)),
                why: e.to_string(),
            })?;
            self.rules.admit(&shown(&url), &next)?;
            url = next;
        }
        let why = format!("more than {MAX_REDIRECTS} redirects");
        Err(RegistryError::Malformed { what: format!("the way to {}", shown(&url)), why })
    }

    fn ask(
        &self,
        url: &Url,
        accept: &str,
        from: u64,
        authorization: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        let mut request = self.agent.get(url.as_str()).header(header::ACCEPT, accept);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| transport(&shown(url), &error))?;
        Ok(Answer { url: shown(url), response, pace: self.pace })
    }

    /// What is no success becomes an error in words.
    fn judge(&self, answer: Answer) -> Result<Answer, RegistryError> {
        let status = answer.response.status().as_u16();
        if status == 200 || status == 206 {
            return Ok(answer);
        }
        let url = answer.url.clone();
        let message = message(answer);
        Err(match status {
            404 => RegistryError::NotFound(self.reference.to_string()),
            401 | 403 => self.forbidden(message),
            _ => RegistryError::Status { url, status, message },
        })
    }

    fn forbidden(&self, message: String) -> RegistryError {
        RegistryError::Forbidden {
            host: self.reference.registry().into(),
            name: self.reference.repository().into(),
            message,
        }
    }

    /// The `Authorization` that answers the registry's challenge.
    fn authorize(&self, url: &Url, challenges: &[String]) -> Result<String, RegistryError> {
        let parsed = challenges.iter().filter_map(|text| http_auth::parse_challenges(text).ok()).flatten();
        for challenge in parsed {
            let parameter = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = parameter("realm").unwrap_or_default();
                let realm = parse(&realm, &shown(url))?;
                self.rules.admit(&shown(url), &realm)?;
                return self.token(realm, parameter("service"));
            }
            if challenge.scheme.eq_ignore_ascii_case("basic")
                && let Some(basic) = &self.credentials
            {
                return Ok(basic.header().into());
            }
        }
        Err(self.forbidden(String::new()))
    }

    /// Asks a token server. It gets the credentials only where the registry itself would send its users.
    fn token(&self, mut realm: Url, service: Option<String>) -> Result<String, RegistryError> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let scope = format!("repository:{}:pull", self.reference.repository());
        realm.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            realm.query_pairs_mut().append_pair("service", &service);
        }
        let basic = self.credentials.as_ref().filter(|_| self.is_kin(&realm)).map(Basic::header);
        let answer = self.ask(&realm, "application/json", 0, basic)?;
        let status = answer.response.status().as_u16();
        if status != 200 {
            let message = message(answer);
            return Err(match status {
                401 | 403 => self.forbidden(message),
                _ => RegistryError::Status { url: shown(&realm), status, message },
            });
        }
        let what = || format!("the token of {}", shown(&realm));
        let text = answer.bounded(MAX_TOKEN, &what())?;
        let malformed = |why: &str| RegistryError::Malformed { what: what(), why: why.into() };
        // Not serde's message: it would quote what it read.
        let answer: Token = serde_json::from_slice(&text).map_err(|_| malformed("no JSON with a token"))?;
        let token = answer.token.or(answer.access_token).unwrap_or_default();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("no JSON with a token"));
        }
        Ok(format!("Bearer {token}"))
    }

    /// The registry's own host, or a neighbour below the same domain (`auth.docker.io` of `registry-1.docker.io`).
    fn is_kin(&self, realm: &Url) -> bool {
        let own = parse(&self.rules.origin(), "").ok().and_then(|url| url.domain().map(str::to_owned));
        let parent = own.as_deref().and_then(|own| own.split_once('.')).map(|(_, parent)| parent);
        let related = match (parent, realm.domain()) {
            (Some(parent), Some(domain)) if parent.contains('.') => {
                domain == parent || domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
            }
            _ => false,
        };
        self.rules.is_registry(realm) || related && realm.scheme() == "https"
    }
}

pub(super) fn header_values(response: &Response<Body>, name: &str) -> Vec<String> {
    let values = response.headers().get_all(name).iter();
    values.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
}

fn agent(rules: &Rules) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let mut config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEAD)
        .user_agent(concat!("ropewalk/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_recv_response(Some(ANSWER_WITHIN))
        .timeout_per_read(Some(SILENCE));
    if rules.is_here() {
        config = config.proxy(None);
    }
    Agent::with_parts(config.build(), DefaultConnector::default(), Guard(rules.clone()))
}

fn parse(text: &str, from: &str) -> Result<Url, RegistryError> {
    Url::parse(text).map_err(|e| RegistryError::Malformed {
        what: format!("the address `{}` of {from}", printable(text)),
        why: e.to_string(),
    })
}

fn transport(url: &str, error: &ureq::Error) -> RegistryError {
    match error {
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            RegistryError::Astray { from: "the registry".into(), to: url.into(), why: e.to_string() }
        }
        ureq::Error::Rustls(why) => RegistryError::Untrusted { url: url.into(), why: why.to_string() },
        ureq::Error::Io(e) if e.get_ref().is_some_and(|within| within.is::<rustls::Error>()) => {
            RegistryError::Untrusted { url: url.into(), why: e.to_string() }
        }
        _ => RegistryError::Transport { url: url.into(), why: error.to_string() },
    }
}

/// The first error of a registry's answer, else its text.
fn message(answer: Answer) -> String {
    let mut bytes = vec![];
    let _ = answer.body().take(MAX_ERROR).read_to_end(&mut bytes);
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let error = json.pointer("/errors/0/message").or_else(|| json.pointer("/details"));
    match error.and_then(|message| message.as_str()) {
        Some(message) => printable(message),
        None => String::new(),
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}
