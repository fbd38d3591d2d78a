//! What the schema has and this server has not yet: one list, and the answer for its members.

use async_graphql::{Error, ErrorExtensions};

/// A member of the schema that answers `ERR_UNSUPPORTED`.
#[derive(Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// `Type.field`, with the argument in brackets if only that is missing.
    pub member: &'static str,
    /// What is missing.
    pub missing: &'static str,
}

macro_rules! unbuilt {
    ($($name:ident: $member:literal, $missing:literal;)*) => {
        $(pub(crate) const $name: Unbuilt = Unbuilt { member: $member, missing: $missing };)*

        /// All of them. A member that is built leaves this list; nothing else decides it.
        pub const UNBUILT: &[Unbuilt] = &[$($name),*];
    };
}

unbuilt! {
    SECRETS: "Query.secrets", "secrets in the server";
    JOB_SECRETS: "Job.secrets", "secrets in the server, where the manifest names some";
    SHARE_SECRET: "Mutation.shareSecret", "secrets in the server";
    USER_WEBHOOK: "Query.userWebhook", "webhooks";
    USER_WEBHOOKS: "Query.userWebhooks", "webhooks";
    WEBHOOK: "Query.webhook", "webhooks";
    CREATE_USER_WEBHOOK: "Mutation.createUserWebhook", "webhooks";
    DELETE_USER_WEBHOOK: "Mutation.deleteUserWebhook", "webhooks";
    GROUP_TRIGGERS: "Mutation.createGroup(triggers)", "mails and webhooks after a group's end";
    DELETE_USER: "Mutation.deleteUser", "the end of an account";
    CLAIM: "Mutation.claim", "workers that speak GraphQL";
    UPDATE_JOB: "Mutation.updateJob", "workers that speak GraphQL";
    UPDATE_TASK: "Mutation.updateTask", "workers that speak GraphQL";
    CREATE_ARTIFACT: "Mutation.createArtifact", "workers that speak GraphQL";
}

impl Unbuilt {
    /// The answer.
    pub(crate) fn error(&self) -> Error {
        let Unbuilt { member, missing } = self;
        Error::new(format!("{member} cannot be used on this server yet: it needs {missing}"))
            .extend_with(|_, extensions| extensions.set("code", "ERR_UNSUPPORTED"))
    }
}

/// A value of a type that nothing makes yet. Its fields need no code, because there is nothing that they could be
/// asked of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Never {}

impl Never {
    /// Whatever is asked of what is not there.
    pub(crate) fn value<T>(self) -> T {
        match self {}
    }
}
