//! What stands around every page.

use super::assets;
use super::show::Icon;
use crate::visible::visible;
use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_http::session::{Session, cookie};
use std::convert::Infallible;

/// Who looks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Who asks.
    pub(crate) by: Caller,
    /// Of a browser that has logged in.
    pub(crate) session: Option<Session>,
    /// `light`, `dark`, or empty for what the browser prefers.
    pub(crate) theme: &'static str,
    /// Which part of the navigation this is.
    pub(crate) here: &'static str,
    /// A glyph before the title in the browser's tab.
    pub(crate) favicon: &'static str,
    /// Host of the farm.
    pub(crate) host: String,
}

impl Frame {
    /// Where the style sheet and its kin are.
    pub(crate) fn assets(&self) -> &'static str {
        assets::folder()
    }

    /// Version of the program.
    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Name of who has logged in.
    pub(crate) fn name(&self) -> Option<&str> {
        self.by.user().map(|user| user.name.as_str())
    }

    /// What forms of this session carry; empty without one.
    pub(crate) fn key(&self) -> &str {
        self.session.as_ref().map_or("", |session| &session.form_key)
    }

    /// `page` for the part of the navigation that is shown.
    pub(crate) fn is_at(&self, part: &str) -> bool {
        self.here == part
    }

    /// A picture of 16 pixels.
    pub(crate) fn icon(&self, name: &'static str) -> Icon {
        Icon { name, size: 16, class: None }
    }

    /// A picture of another size.
    pub(crate) fn icon_of(&self, name: &'static str, size: u32) -> Icon {
        Icon { name, size, class: None }
    }

    /// The same page as part of the navigation.
    pub(crate) fn at(mut self, here: &'static str) -> Frame {
        self.here = here;
        self
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(frame(parts))
    }
}

/// The frame of a request, whatever became of it.
pub(super) fn frame(parts: &Parts) -> Frame {
    let theme = match cookie(&parts.headers, "theme") {
        Some("light") => "light",
        Some("dark") => "dark",
        _ => "",
    };
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Frame {
        by: parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anonymous),
        session: parts.extensions.get::<Session>().cloned(),
        theme,
        here: "",
        favicon: "favicon.svg",
        host: host.to_string(),
    }
}

/// The frame of a refusal before anybody knew who asks.
pub(super) fn nobodys() -> Frame {
    Frame {
        by: Caller::Anonymous,
        session: None,
        theme: "",
        here: "",
        favicon: "favicon.svg",
        host: String::new(),
    }
}

/// A template as an answer.
pub(super) fn page(template: &impl Template) -> Response {
    answer(StatusCode::OK, template)
}

/// The same with another status.
pub(super) fn answer(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(visible(&html).into_owned())).into_response(),
        Err(error) => {
            crate::answer::render(&Error::internal(format_args!("a page could not be written: {error}")))
        }
    }
}
