//! Addresses that answer programs with JSON and people with a page.
//!
//! Programs say what they want as Hydra's clients do: by the type of what they send, even where they send nothing.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tower::ServiceExt;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A program's.
    Json,
    /// A page.
    Html,
}

/// What a door answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Nothing: the address is another's.
    Nothing,
    /// JSON; whoever wants a page asks the others.
    Json,
    /// Whatever is asked for.
    Everything,
}

/// Which addresses a door answers, by method and path.
pub type Answers = fn(&Method, &str) -> Speaks;

/// The format that a request wants: the type of its body if that says, the query's `content-type` of a GET, what it
/// accepts most, else a page.
pub fn format(method: &Method, uri: &Uri, headers: &HeaderMap) -> Format {
    let own = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(of_type);
    let asked = || match *method == Method::GET || *method == Method::HEAD {
        true => form_urlencoded::parse(uri.query()?.as_bytes())
            .find(|(name, _)| name == "content-type")
            .and_then(|(_, value)| of_type(&value)),
        false => None,
    };
    own.or_else(asked).or_else(|| accepted(headers)).unwrap_or(Format::Html)
}

fn of_type(text: &str) -> Option<Format> {
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" | "text/x-json" => Some(Format::Json),
        "text/html" => Some(Format::Html),
        _ => None,
    }
}

/// The known type with the highest weight; of equal ones the first.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut best: Option<(Format, f32)> = None;
    for range in values.flat_map(|value| value.split(',')) {
        let Some(format) = of_type(range) else { continue };
        let weight = weight(range);
        if weight > 0.0 && best.is_none_or(|(_, known)| weight > known) {
            best = Some((format, weight));
        }
    }
    best.map(|(format, _)| format)
}

fn weight(range: &str) -> f32 {
    let named = range.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
    let weight =
        named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, value)| value.trim());
    weight
        .last()
        .map_or(1.0, |value| value.parse().ok().filter(|weight: &f32| weight.is_finite()).unwrap_or(0.0))
}

/// Whether a door that [`Speaks`] so answers this request.
pub fn is_for(speaks: Speaks, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    match speaks {
        Speaks::Nothing => false,
        Speaks::Json => format(method, uri, headers) == Format::Json,
        Speaks::Everything => true,
    }
}

#[derive(Clone)]
struct Beside {
    door: Router,
    answers: Answers,
}

/// Puts a door beside others that have some of its addresses for people. Neither knows of the other.
pub fn beside(others: Router, door: Router, answers: Answers) -> Router {
    let door = door.route_layer(from_fn(tell_route));
    others.layer(from_fn_with_state(Beside { door, answers }, choose))
}

/// Middleware: tells those outside, who count requests by route, which one it was.
pub async fn tell_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

async fn choose(State(Beside { door, answers }): State<Beside>, request: Request, next: Next) -> Response {
    let speaks = answers(request.method(), request.uri().path());
    let mut response = match is_for(speaks, request.method(), request.uri(), request.headers()) {
        false => next.run(request).await,
        true => match door.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
    };
    if speaks == Speaks::Json {
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept, Content-Type"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, uri: &str, pairs: &[(&'static str, &'static str)]) -> Format {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        format(&method, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn what_is_sent_comes_before_what_is_accepted() {
        let get = |pairs: &[_]| of(Method::GET, "/", pairs);
        assert_eq!(get(&[("content-type", "application/json"), ("accept", "*/*")]), Format::Json);
        assert_eq!(get(&[("content-type", "text/x-json")]), Format::Json);
        assert_eq!(get(&[("content-type", "text/html"), ("accept", "application/json")]), Format::Html);
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_eq!(get(&[form, ("accept", "application/json")]), Format::Json);
        assert_eq!(get(&[form]), Format::Html);
    }

    #[test]
    fn the_query_counts_for_a_look_only() {
        let json = "/?content-type=application/json";
        assert_eq!(of(Method::GET, json, &[("accept", "text/html")]), Format::Json);
        assert_eq!(of(Method::POST, json, &[]), Format::Html);
    }

    #[test]
    fn weights_decide_and_ties_go_by_order() {
        let accept = |value| of(Method::GET, "/", &[("accept", value)]);
        for json in [
            "application/json",
            "application/json;q=0.9",
            "text/html;q=0.5, application/json;q=0.6",
            "application/json, text/html",
            "text/html;q=0, application/json;q=0.1",
            "*/*, application/json; charset=utf-8",
        ] {
            assert_eq!(accept(json), Format::Json, "{json}");
        }
        for html in [
            "*/*",
            "text/plain",
            "application/xml",
            "text/html, application/json",
            "application/json;q=0",
            "application/json;q=x",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "",
        ] {
            assert_eq!(accept(html), Format::Html, "{html}");
        }
        assert_eq!(of(Method::GET, "/", &[]), Format::Html);
    }
}
