//! What happens around every field: its rule, the limits of the whole answer, and what an error takes with it.
//!
//! The library leaves a failed field out of its object. Here a field that may be null becomes null, and one that may
//! not takes the next object above that may, as the GraphQL specification has it.

use crate::access::Rules;
use crate::answer::of_field;
use crate::query::Asked;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo};
use async_graphql::{PathSegment, QueryPathNode, QueryPathSegment, ServerError, ServerResult, Value};
use ropewalk_core::error::{Error, Kind};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Stands around the fields of all requests.
#[derive(Debug)]
pub(crate) struct Enforcer {
    rules: Arc<Rules>,
}

impl Enforcer {
    /// Enforces these rules.
    pub(crate) fn new(rules: Rules) -> Enforcer {
        Enforcer { rules: Arc::new(rules) }
    }
}

impl ExtensionFactory for Enforcer {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Enforcer { rules: self.rules.clone() })
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Enforcer {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        // Where nothing waits for anything outside, time limits would never be looked at.
        tokio::task::coop::consume_budget().await;
        let asked =
            ctx.data_opt::<Asked>().ok_or_else(|| ServerError::new("a request without a caller", None))?;
        let (path, return_type, pos) = (info.path_node, info.return_type, info.field.name.pos);
        let outcome = match self.admit(asked, &info) {
            Ok(()) => next.run(ctx, info).await,
            Err(error) => {
                let error = of_field(error).into_server_error(pos);
                Err(ServerError { path: segments(path), ..error })
            }
        };
        asked.faults.settle(path, return_type, outcome)
    }
}

impl Enforcer {
    fn admit(&self, asked: &Asked, info: &ResolveInfo<'_>) -> Result<(), Error> {
        match info.path_node.segment {
            QueryPathSegment::Index(_) => asked.sizes.count_object(),
            QueryPathSegment::Name(_) => match self.rules.of(info.parent_type, info.name) {
                Some(rule) => rule.check(&asked.caller),
                None => Ok(()),
            },
        }
    }
}

/// What went wrong in one answer, and what became null by it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// Those that the library is not told of.
    errors: Vec<ServerError>,
    /// Paths of what must not stay as it is because something in it is missing that may not.
    broken: HashSet<Vec<String>>,
}

impl Faults {
    /// Errors beside those of the library, and whether nothing at all is left of the data.
    pub(crate) fn take(&self) -> (Vec<ServerError>, bool) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut found.errors), found.broken.contains(&names(None)))
    }

    fn settle(
        &self,
        path: &QueryPathNode<'_>,
        return_type: &str,
        outcome: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>> {
        let may_be_null = !return_type.ends_with('!');
        if outcome.is_ok() && !self.any.load(Ordering::Acquire) {
            return outcome;
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(value) if !found.broken.contains(&names(Some(path))) => Ok(value),
            Ok(_) if may_be_null => Ok(Some(Value::Null)),
            Ok(_) => {
                found.broken.insert(names(path.parent));
                Ok(Some(Value::Null))
            }
            Err(error) if may_be_null => {
                found.errors.push(error);
                Ok(Some(Value::Null))
            }
            Err(error) => {
                found.broken.insert(names(path.parent));
                self.any.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

fn segments(path: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let mut segments = path.parent.map(segments).unwrap_or_default();
    segments.push(match path.segment {
        QueryPathSegment::Index(at) => PathSegment::Index(at),
        QueryPathSegment::Name(name) => PathSegment::Field(name.into()),
    });
    segments
}

/// A path as text: no name begins with a digit, so that names and indices stay apart. Nothing is the whole answer.
fn names(path: Option<&QueryPathNode<'_>>) -> Vec<String> {
    let Some(path) = path else { return vec![] };
    let mut names = names(path.parent);
    names.push(match path.segment {
        QueryPathSegment::Index(at) => at.to_string(),
        QueryPathSegment::Name(name) => name.into(),
    });
    names
}

/// How large an answer has become, against what it may.
#[derive(Debug)]
pub(crate) struct Sizes {
    objects: std::sync::atomic::AtomicUsize,
    bytes: std::sync::atomic::AtomicUsize,
    objects_max: usize,
    bytes_max: usize,
}

impl Sizes {
    /// Counters with these limits.
    pub(crate) fn new(objects_max: usize, bytes_max: usize) -> Sizes {
        Sizes { objects: 0.into(), bytes: 0.into(), objects_max, bytes_max }
    }

    fn count_object(&self) -> Result<(), Error> {
        match self.objects.fetch_add(1, Ordering::Relaxed) < self.objects_max {
            true => Ok(()),
            false => Err(too_large(self.objects_max, "objects in lists", "graphql-objects")),
        }
    }

    /// Counts bytes of a log or manifest before they are read.
    pub(crate) fn count_bytes(&self, bytes: usize) -> Result<(), Error> {
        match self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.bytes_max {
            true => Ok(()),
            false => Err(too_large(self.bytes_max, "bytes of logs and manifests", "graphql-bytes")),
        }
    }
}

fn too_large(most: usize, of_what: &str, limit: &str) -> Error {
    let text =
        format!("the answer would hold more than {most} {of_what} (limits.{limit}): ask for less at once");
    Error::new(Kind::TooLarge, text)
}
