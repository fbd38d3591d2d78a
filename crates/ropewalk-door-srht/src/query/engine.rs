//! Execution: documents are read once, run within their time, and answered in the form of upstream.

use super::asked::Asked;
use super::document::{DocumentLimits, Prepared};
use super::refusal::Refusal;
use super::request::Operation;
use super::turns::Turns;
use super::variables::fit;
use crate::enforce::Faults;
use crate::schema::{self, Schema};
use async_graphql::{Response as Outcome, ServerError, Value};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use quick_cache::{Weighter, sync::Cache};
use ropewalk_core::access::{self, Caller};
use ropewalk_core::farm::Farm;
use ropewalk_model::ids::UserId;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Documents that are kept ready.
const DOCUMENTS: usize = 1024;
/// Bytes of their texts altogether. What is made of a text takes some tens of its size.
const DOCUMENT_BYTES: u64 = 1 << 20;
/// Errors of one answer.
const ERRORS_MAX: usize = 250;

type Key = (String, Option<String>);

#[derive(Clone)]
struct TextLength;

impl Weighter<Key, Arc<Prepared>> for TextLength {
    fn weight(&self, (text, _): &Key, _: &Arc<Prepared>) -> u64 {
        // Nothing may weigh nothing.
        u64::try_from(text.len()).unwrap_or(u64::MAX).max(64)
    }
}

/// Answers requests.
pub(crate) struct Engine {
    farm: Arc<Farm>,
    schema: Schema,
    documents: Cache<Key, Arc<Prepared>, TextLength>,
    turns: Turns,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
    data: Value,
}

impl Engine {
    /// An engine over the farm; fails if the schema holds a rule that nobody enforces.
    pub(crate) fn new(farm: Arc<Farm>) -> Result<Engine, String> {
        let documents = Cache::with_weighter(DOCUMENTS, DOCUMENT_BYTES, TextLength);
        let turns = Turns::new(farm.settings().requests.graphql_at_once);
        Ok(Engine { farm, schema: schema::build()?, documents, turns })
    }

    /// Executes an operation. `only_queries` is for methods that must not change anything.
    pub(crate) async fn answer(&self, caller: Caller, asked: Operation, only_queries: bool) -> Response {
        match self.execute(caller, asked, only_queries).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn execute(
        &self,
        caller: Caller,
        asked: Operation,
        only_queries: bool,
    ) -> Result<Response, Refusal> {
        let Operation { query, name, variables } = asked;
        let prepared = self.prepare(query, name.clone())?;
        if only_queries && !prepared.is_query() {
            return Err(Refusal::only_queries());
        }
        let variables = fit(prepared.variables(), variables)?;
        let by = access::owner(&caller).ok().map(|user| user.id);
        let asked = Asked::new(self.farm.clone(), caller);
        let faults = asked.faults.clone();
        let mut request = async_graphql::Request::new(String::new()).variables(variables).data(asked);
        request.operation_name = name;
        request.set_parsed_query(prepared.document());
        let outcome = match prepared.is_query() {
            true => self.in_time(by, request).await,
            // What it does is not to be done half, and its caller is to be told.
            false => self.schema.execute(request).await,
        };
        Ok(finish(outcome, &faults, &prepared))
    }

    fn prepare(&self, query: String, name: Option<String>) -> Result<Arc<Prepared>, Refusal> {
        let key = (query, name);
        if let Some(known) = self.documents.get(&key) {
            return Ok(known);
        }
        let limits = DocumentLimits::from(&self.farm.settings().requests);
        let prepared = Arc::new(Prepared::read(&key.0, key.1.as_deref(), limits)?);
        self.documents.insert(key, prepared.clone());
        Ok(prepared)
    }

    async fn in_time(&self, by: Option<UserId>, request: async_graphql::Request) -> Outcome {
        let seconds = self.farm.settings().requests.graphql_time;
        let executed = async {
            let _turn = self.turns.take(by).await;
            self.schema.execute(request).await
        };
        match tokio::time::timeout(Duration::from_secs(seconds), executed).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let words = format!(
                    "the query took longer than {seconds} s (limits.graphql-time): ask for less at once"
                );
                Outcome::from_errors(vec![with_code(ServerError::new(words, None), "ERR_TIMEOUT")])
            }
        }
    }
}

fn finish(outcome: Outcome, faults: &Faults, prepared: &Prepared) -> Response {
    let Outcome { mut data, mut errors, .. } = outcome;
    let (more, nothing_left) = faults.take();
    errors.extend(more);
    let was_executed = data != Value::Null || errors.iter().any(|error| !error.path.is_empty());
    let timed_out = errors.iter().any(|error| error.extensions.is_some());
    let status = match was_executed || timed_out || errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        errors = errors.into_iter().map(|error| with_code(error, "GRAPHQL_VALIDATION_FAILED")).collect();
    }
    if nothing_left {
        data = Value::Null;
    }
    prepared.put_in_order(&mut data);
    errors.truncate(ERRORS_MAX);
    (status, Json(Answer { errors, data })).into_response()
}

fn with_code(error: ServerError, code: &str) -> ServerError {
    let mut extensions = error.extensions.clone().unwrap_or_default();
    extensions.set("code", code);
    ServerError { extensions: Some(extensions), ..error }
}
