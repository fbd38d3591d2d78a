//! Every limit on what strangers may ask for: its name, its default, its unit.

use serde::{Deserialize, Serialize};

/// What one build may use. Part of the sealed plan, so a later change of the defaults changes no queued build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildLimits {
    /// Seconds from the start of the attempt to its end.
    pub build_time: u64,
    /// Seconds that opening the sandbox may take.
    pub settle: u64,
    /// Bytes of log of one step; the cause past it is `log-limit`.
    pub log_step: u64,
    /// Bytes of log of the whole job.
    pub log_job: u64,
    /// Files that a job may publish.
    pub artifacts: u32,
    /// Bytes of one published file.
    pub artifact_size: u64,
    /// Bytes of memory of all processes together.
    pub memory: u64,
    /// Processor cores.
    pub cpus: u32,
    /// Processes and threads at the same time.
    pub processes: u64,
    /// Bytes that a build may write to disk.
    pub disk: u64,
}

impl Default for BuildLimits {
    fn default() -> Self {
        BuildLimits {
            build_time: 45 * 60,
            settle: 120,
            log_step: 256 << 20,
            log_job: 1 << 30,
            artifacts: 8,
            artifact_size: 1 << 30,
            memory: 4 << 30,
            cpus: 2,
            processes: 4096,
            disk: 24 << 30,
        }
    }
}

/// What one request or user may ask of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestLimits {
    /// Bytes of a manifest; it must be shorter than this.
    pub manifest: usize,
    /// Tags of a job.
    pub tags: usize,
    /// Characters of one tag.
    pub tag: usize,
    /// Characters of a note.
    pub note: usize,
    /// Jobs of one user that have not ended.
    pub queued_per_user: u64,
    /// Tries at one work; only lost ones are tried again.
    pub attempts: u32,
    /// Requests a second without a token, from one address.
    pub requests_anonymous: u32,
    /// Requests a second for files of package repositories without a token, from one address: a machine that installs
    /// hundreds of packages asks for each and its signature.
    pub requests_files: u32,
    /// Requests a second with one token.
    pub requests_token: u32,
    /// Logins a minute from one address, whatever comes of them.
    pub logins: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// Connections at the same time from one address.
    pub connections_per_address: u32,
    /// Seconds in which a request's head must arrive, and the next one begin.
    pub head_within: u64,
    /// Seconds in which a TLS handshake must end.
    pub handshake_within: u64,
    /// Seconds for which a stored file that no job refers to is kept.
    pub unused_blobs: u64,
    /// Bytes of an uploaded file.
    pub upload: u64,
    /// Parts of one upload: its fields and files.
    pub upload_parts: usize,
    /// Bytes of a log that one search looks at; the next one goes on.
    pub search_bytes: u64,
    /// Jobs that one search of a list, or a badge, looks at; the next search goes on.
    pub search_jobs: u32,
    /// Members of a group of jobs.
    pub group: usize,
    /// Days for which a published file can be downloaded.
    pub artifact_days: u32,
    /// Bytes of a GraphQL document.
    pub graphql_query: usize,
    /// Fields of a GraphQL operation, those of its fragments counted wherever they are used.
    pub graphql_complexity: usize,
    /// Fields within each other in a GraphQL operation.
    pub graphql_depth: usize,
    /// Seconds in which a GraphQL query is answered. Mutations are carried to their end.
    pub graphql_time: u64,
    /// GraphQL queries of one account that are answered at the same time; further ones wait.
    pub graphql_at_once: usize,
    /// Objects in the lists of one GraphQL answer.
    pub graphql_objects: usize,
    /// Bytes of logs and manifests in one GraphQL answer.
    pub graphql_bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            manifest: 16 << 10,
            tags: 16,
            tag: 256,
            note: 4096,
            queued_per_user: 10_000,
            attempts: 3,
            requests_anonymous: 50,
            requests_files: 1000,
            requests_token: 5000,
            logins: 10,
            connections: 4096,
            connections_per_address: 256,
            head_within: 30,
            handshake_within: 10,
            unused_blobs: 24 * 3600,
            upload: 2 << 30,
            upload_parts: 32,
            search_bytes: 256 << 20,
            search_jobs: 2000,
            group: 1000,
            artifact_days: 90,
            graphql_query: 128 << 10,
            graphql_complexity: 250,
            graphql_depth: 25,
            graphql_time: 3,
            graphql_at_once: 4,
            graphql_objects: 10_000,
            graphql_bytes: 32 << 20,
        }
    }
}
