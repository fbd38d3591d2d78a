//! The schema of builds.sr.ht, member by member.

#![allow(clippy::duplicated_attributes, reason = "fields of interfaces that have the same type")]

mod groups;
mod jobs;
mod logs;
mod mutation;
mod query;
mod scalars;
mod secrets;
mod together;
mod triggers;
mod users;
mod version;
mod webhooks;

use crate::access::Rules;
use crate::enforce::Enforcer;
use async_graphql::registry::{MetaDirective, MetaInputValue, Registry};
use async_graphql::{
    ContextDirective, CustomDirective, CustomDirectiveFactory, EmptySubscription, InputType,
    SDLExportOptions, SchemaBuilder, ServerError, ServerResult,
};
use mutation::Mutation;
use query::Query;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What requests are executed on.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Selection sets within each other, fragments counted. Ours is looked at before and is lower.
const NESTING_MAX: usize = 128;

static SDL: LazyLock<String> = LazyLock::new(|| {
    let options = SDLExportOptions::new().prefer_single_line_descriptions().use_space_ident();
    bare().finish().sdl_with_options(options)
});

/// The schema as it is served, with its rules.
pub fn sdl() -> &'static str {
    &SDL
}

/// The schema with its rules in force.
pub(crate) fn build() -> Result<Schema, String> {
    let rules = Rules::of_sdl(sdl())?;
    Ok(bare().extension(Enforcer::new(rules)).finish())
}

fn bare() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    async_graphql::Schema::build(Query, Mutation, EmptySubscription)
        .register_output_type::<users::Entity>()
        .register_output_type::<secrets::Secret>()
        .register_output_type::<triggers::Trigger>()
        .register_output_type::<webhooks::WebhookPayload>()
        .register_output_type::<webhooks::WebhookSubscription>()
        .limit_recursive_depth(NESTING_MAX)
        .disable_suggestions()
        .directive(Defer)
}

/// `@defer` is known and has no effect: the specification lets a server send everything at once.
struct Defer;

impl CustomDirectiveFactory for Defer {
    fn name(&self) -> Cow<'static, str> {
        "defer".into()
    }

    fn register(&self, registry: &mut Registry) {
        use async_graphql::registry::__DirectiveLocation as At;
        let argument = |name: &str, ty: String, default_value: Option<String>| {
            let value = MetaInputValue {
                name: name.into(),
                description: None,
                ty,
                deprecation: Default::default(),
                default_value,
                visible: None,
                inaccessible: false,
                tags: vec![],
                is_secret: false,
                directive_invocations: vec![],
            };
            (name.to_string(), value)
        };
        let condition = Option::<bool>::create_type_info(registry);
        let label = Option::<String>::create_type_info(registry);
        registry.add_directive(MetaDirective {
            name: "defer".into(),
            description: Some("Known, and without effect: everything is sent at once.".into()),
            locations: vec![At::FRAGMENT_SPREAD, At::INLINE_FRAGMENT],
            args: [argument("if", condition, Some("true".into())), argument("label", label, None)]
                .into_iter()
                .collect(),
            is_repeatable: false,
            visible: None,
            composable: None,
        });
    }

    fn create(
        &self,
        _: &ContextDirective<'_>,
        _: &async_graphql::parser::types::Directive,
    ) -> ServerResult<Box<dyn CustomDirective>> {
        Err(ServerError::new("@defer stands at fragments only", None))
    }
}
