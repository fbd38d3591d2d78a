//! The route table: every address of a door, as data beside what answers there.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, any, delete, get, post, put};

/// One method of one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// In capitals; `*` for all of them. `HEAD` comes with `GET` and has no row.
    pub method: String,
    /// With `{name}` for a variable segment and `{*name}` for a variable end.
    pub path: String,
}

/// Routes of a door, and what they lead to.
pub struct Routes<S> {
    router: Router<S>,
    table: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Routes { router: Router::new(), table: vec![] }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Answers `GET` and `HEAD`.
    pub fn get<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.with("GET", path, get(handler))
    }

    /// Answers `POST`.
    pub fn post<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.with("POST", path, post(handler))
    }

    /// Answers `PUT`.
    pub fn put<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.with("PUT", path, put(handler))
    }

    /// Answers `DELETE`.
    pub fn delete<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.with("DELETE", path, delete(handler))
    }

    /// Answers every method.
    pub fn any<T: 'static>(self, path: &str, handler: impl Handler<T, S>) -> Self {
        self.with("*", path, any(handler))
    }

    #[allow(clippy::disallowed_methods, reason = "here the address gets into the table")]
    fn with(mut self, method: &str, path: &str, answers: MethodRouter<S>) -> Self {
        self.table.push(Route { method: method.into(), path: path.into() });
        Routes { router: self.router.route(path, answers), ..self }
    }

    /// Adds routes that describe themselves in their own way.
    pub fn described(mut self, router: Router<S>, table: impl IntoIterator<Item = Route>) -> Self {
        self.table.extend(table);
        Routes { router: self.router.merge(router), ..self }
    }

    /// Adds all routes of another.
    pub fn merge(self, other: Routes<S>) -> Self {
        self.described(other.router, other.table)
    }

    /// Puts all routes of another below an address. Its `/` becomes that address itself.
    pub fn nest(mut self, below: &str, other: Routes<S>) -> Self {
        let path =
            |route: Route| Route { path: format!("{below}{}", route.path.trim_end_matches('/')), ..route };
        self.table.extend(other.table.into_iter().map(path));
        Routes { router: self.router.nest(below, other.router), ..self }
    }

    /// Puts something around all routes so far.
    pub fn around(self, layer: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Routes { router: layer(self.router), ..self }
    }

    /// What answers.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    /// The table.
    pub fn into_table(self) -> Vec<Route> {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_in_the_table_once_for_each_method() {
        async fn nothing() {}
        let some = Routes::<()>::default().get("/a", nothing).post("/a", nothing);
        let all = some.merge(Routes::default().any("/{*rest}", nothing)).into_table();
        let rows: Vec<_> = all.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(rows, ["GET /a", "POST /a", "* /{*rest}"]);
    }
}
