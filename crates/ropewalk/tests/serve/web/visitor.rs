//! A browser without script: it follows links, sends forms and keeps its cookie.

use crate::server::{PATIENCE, Server, http};
use std::collections::HashMap;

/// What came back.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The page holds all of these.
    #[track_caller]
    pub(crate) fn holds(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.text.contains(text), "no {text:?} in ({}) {}", self.status, self.text);
        }
    }

    #[track_caller]
    pub(crate) fn holds_not(&self, texts: &[&str]) {
        for text in texts {
            assert!(!self.text.contains(text), "{text:?} in {}", self.text);
        }
    }

    /// The key that its forms carry.
    pub(crate) fn key(&self) -> String {
        let start = self.text.find("name=\"key\" value=\"").expect("a form with a key") + 18;
        self.text[start..].split('"').next().unwrap().to_string()
    }
}

/// The one way of several to write the characters of markup.
fn plainly(text: String) -> String {
    let pairs = [("&#60;", "&lt;"), ("&#62;", "&gt;"), ("&#38;", "&amp;"), ("&#34;", "&quot;")];
    pairs.iter().fold(text, |text, (number, name)| text.replace(number, name))
}

pub(crate) struct Visitor {
    http: reqwest::Client,
    pub(crate) origin: String,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    /// Nobody in particular.
    pub(crate) fn stranger(server: &Server) -> Visitor {
        let http = http().redirect(reqwest::redirect::Policy::none());
        // A server that was killed leaves connections that look alive.
        let http = http.pool_max_idle_per_host(0);
        Visitor { http: http.build().unwrap(), origin: server.origin.clone(), cookie: None }
    }

    /// The first administrator, logged in through the form.
    pub(crate) async fn admin(server: &Server) -> Visitor {
        let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
        let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
        Visitor::user(server, "admin", password).await
    }

    /// A new user who is no administrator, logged in.
    pub(crate) async fn newcomer(server: &Server, name: &str) -> Visitor {
        server.done(&["user", "create", name]);
        set_password(server, name, "correct horse");
        Visitor::user(server, name, "correct horse").await
    }

    pub(crate) async fn user(server: &Server, name: &str, password: &str) -> Visitor {
        let mut visitor = Visitor::stranger(server);
        let page = visitor.post("/session", &[("name", name), ("password", password)]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let cookie = page.header("set-cookie").split(';').next().unwrap();
        visitor.cookie = Some(cookie.to_string());
        visitor
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.origin));
        let request = request.header("accept", "text/html").timeout(PATIENCE);
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let response = request.send().await.unwrap();
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or("?").to_string();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        Page {
            headers: headers.collect(),
            status: response.status().as_u16(),
            text: plainly(response.text().await.unwrap()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.request("GET", path)).await
    }

    /// Sends a form as it is.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(body.finish())).await
    }

    /// Sends a form of a page, with the key that the page gave it.
    pub(crate) async fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let key = self.get(page).await.key();
        let fields: Vec<_> = std::iter::once(("key", key.as_str())).chain(fields.iter().copied()).collect();
        self.post(path, &fields).await
    }
}

/// Sets a user's password as an administrator does.
pub(crate) fn set_password(server: &Server, name: &str, password: &str) {
    use std::io::Write;
    let mut command = server.command(&["user", "password", name]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
