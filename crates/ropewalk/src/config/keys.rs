//! What each key means: for errors, for `doctor`, for the manual.

/// Key and meaning, in the order of the manual. A test holds it against the configuration's own fields.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("listen", "Address and port of the server."),
    ("origin", "Public address of the server; empty: `http://` (with TLS `https://`) and `listen`."),
    (
        "insecure",
        "Do not warn when passwords and tokens travel without TLS, and let people log in all the same.",
    ),
    ("log", "What the server writes to standard error: `error warn info debug trace`, or `TARGET=LEVEL,…`."),
    ("arch.default-arch", "Architecture of targets without one."),
    ("arch.schedule", "When targets without a schedule are built: `MINUTE HOUR [DAY [MONTH]]`, in UTC."),
    ("arch.base-image", "Image that packages are built in, by agents and by this server's own runner."),
    ("arch.build-timeout", "Seconds that a package build may take."),
    (
        "arch.agent-grace",
        "Seconds for which a package build waits for agents before this server's own runner takes it.",
    ),
    ("arch.max-handouts", "How often a package build is handed out when no log comes back."),
    ("arch.keep-replaced", "Seconds for which the file of a replaced package can still be read."),
    ("arch.max-log-age", "Days for which logs of package builds are listed; 0: for ever. Jobs keep theirs."),
    (
        "arch.log-removal-schedule",
        "When older ones are removed, besides at the start: `MINUTE HOUR [DAY [MONTH]]`, in UTC.",
    ),
    (
        "arch.collect-metrics",
        "Whether `/api/v1/metrics` shows what is counted about requests there; without a token.",
    ),
    ("arch.unpacked", "Bytes that a package may have when it is unpacked."),
    ("arch.file-list", "Bytes that the paths of a package's files may have together."),
    (
        "arch.database",
        "Bytes that the database of a repository's architecture may have, with its lists of files.",
    ),
    ("arch.architectures", "Architectures that a repository may have."),
    (
        "arch.shared-agents",
        "Whether agents of administrators build everybody's targets. Whoever may make a target can then read their keys.",
    ),
    ("arch.architectures-per-user", "Architectures that the targets of one account are built for."),
    (
        "arch.reads-at-once",
        "Packages that are read on arrival at the same time; of one account half of them.",
    ),
    ("database.url", "`postgres://…` or `sqlite:PATH`; empty: SQLite in the data folder."),
    ("images.fetch", "A build whose image is not here fetches it."),
    (
        "images.names",
        "`NAME=SOURCE`, over the built-in table: `docker://HOST/NAME:TAG` or `bootstrap:SUITE`.",
    ),
    ("images.insecure", "Registries, `HOST[:PORT]`, that are spoken to without TLS."),
    ("images.credentials", "File with credentials for registries, as `podman login` writes it."),
    ("limits.manifest", "Bytes of a manifest; it must be shorter than this."),
    ("limits.tags", "Tags of a job."),
    ("limits.tag", "Characters of a tag."),
    ("limits.note", "Characters of a note."),
    ("limits.queued-per-user", "Jobs of one user that have not ended."),
    ("limits.attempts", "Tries at a build whose runner vanished."),
    (
        "limits.requests-anonymous",
        "Requests a second from one address without a token, and as many again with tokens or sessions not yet seen to be valid.",
    ),
    (
        "limits.requests-files",
        "Requests a second for files of package repositories from one address without a token.",
    ),
    ("limits.requests-token", "Requests a second with one token."),
    ("limits.logins", "Log-ins a minute from one address."),
    ("limits.connections", "Connections at the same time."),
    (
        "limits.connections-per-address",
        "Connections at the same time from one address that is no trusted proxy.",
    ),
    ("limits.head-within", "Seconds in which a request's head must arrive, and the next request begin."),
    ("limits.handshake-within", "Seconds in which a TLS handshake must end."),
    ("limits.unused-blobs", "Seconds for which a stored file that no job refers to is kept."),
    ("limits.upload", "Bytes of an uploaded file."),
    ("limits.upload-parts", "Parts of one upload: its fields and files."),
    ("limits.search-bytes", "Bytes of a log that one search looks at; the next one goes on from there."),
    (
        "limits.search-jobs",
        "Jobs that one search of a list, or a badge, looks at; the next search goes on from there.",
    ),
    ("limits.group", "Members of a group of jobs."),
    ("limits.artifact-days", "Days for which a published file can be downloaded."),
    ("limits.graphql-query", "Bytes of a GraphQL document."),
    ("limits.graphql-complexity", "Fields of a GraphQL operation, its fragments written out."),
    ("limits.graphql-depth", "Fields within each other in a GraphQL operation."),
    ("limits.graphql-time", "Seconds in which a GraphQL query is answered."),
    ("limits.graphql-at-once", "GraphQL queries of one account that are answered at the same time."),
    ("limits.graphql-objects", "Objects in the lists of a GraphQL answer."),
    ("limits.graphql-bytes", "Bytes of logs and manifests in a GraphQL answer."),
    ("limits.build-time", "Seconds that a build may take."),
    ("limits.settle", "Seconds that opening a sandbox may take."),
    ("limits.log-step", "Bytes of log of one step."),
    ("limits.log-job", "Bytes of log of a job."),
    ("limits.artifacts", "Files that a job may publish."),
    ("limits.artifact-size", "Bytes of a published file."),
    ("limits.memory", "Bytes of memory of a build."),
    ("limits.cpus", "Processor cores of a build."),
    ("limits.processes", "Processes and threads of a build."),
    ("limits.disk", "Bytes that a build may write."),
    ("limits.image", "Bytes that an image may unpack to, and that its parts may have on the way."),
    ("limits.image-files", "Files and folders of an image."),
    ("limits.image-rate", "Bytes a second with which a registry's answer must come; 0: any rate."),
    ("nix.attribute-time", "Seconds that one attribute of an evaluation may take."),
    (
        "nix.clones-age",
        "Seconds for which the clone of a repository is kept that no evaluation fetches any more.",
    ),
    ("nix.clones-disk", "Bytes of all clones; of more, those go that were not used for the longest time."),
    ("nix.evaluation-disk", "Bytes that an evaluation may write: clones, inputs, derivations."),
    ("nix.evaluation-jobs", "Jobs and errors of an evaluation."),
    (
        "nix.evaluation-memory",
        "Bytes of memory of an evaluation, of each of its processes and of all together.",
    ),
    ("nix.evaluation-time", "Seconds that an evaluation may take."),
    ("nix.failure-memory", "Seconds for which a derivation that failed is not tried again."),
    ("nix.fetch-time", "Seconds for fetching an input, whatever the input asks for."),
    (
        "nix.import-from-derivation",
        "Expressions may read what has to be built first: their builds run as the farm's own account.",
    ),
    (
        "nix.local-inputs",
        "Folders of the runner's machine that jobsets of everybody may read, as far as no link leads out of them; administrators' may read all.",
    ),
    (
        "nix.looks-kept",
        "Evaluations of a jobset that found the same inputs, or failed, whose jobs and logs are kept.",
    ),
    ("nix.max-evaluations", "Evaluations at the same time."),
    ("nix.max-output", "Bytes that all outputs of a derivation may have; 0: any number."),
    ("nix.max-result", "Bytes of the result of an evaluation."),
    (
        "nix.max-silent",
        "Seconds without output after which the build of a derivation ends that asks for none.",
    ),
    ("nix.max-silent-max", "Seconds without output that a derivation can ask for (`meta.maxSilent`)."),
    (
        "nix.program",
        "Path of `nix`, beside which the other programs of Nix lie; empty: looked for in `PATH`.",
    ),
    ("nix.push-requires-login", "Nobody starts an evaluation without an account."),
    ("nix.roots-grace", "Seconds for which outputs stay in the Nix store that nothing asks for any more."),
    ("nix.store", "Empty: a store in the data folder; `system`: `/nix/store`."),
    ("nix.timeout", "Seconds that the build of a derivation may take that asks for none."),
    ("nix.timeout-max", "Seconds that a derivation can ask for (`meta.timeout`)."),
    ("nix.unsupported-after", "Seconds for which a derivation waits for a runner of its system."),
    ("outgoing.allow", "Private networks that registries and jobsets' repositories may lead to."),
    ("proxy.trusted", "Networks of proxies whose `X-Forwarded-For` is believed."),
    ("runner.embedded", "Run builds in this process's care."),
    ("runner.name", "Name of this runner, unique in the farm; empty: the host's name."),
    ("runner.slots", "Builds at the same time; 0: cores divided by `limits.cpus`."),
    ("runner.lost-after", "Seconds after which a silent runner has lost its builds."),
    ("sandbox.network", "`nat`, `none` or `host`."),
    ("sandbox.allow", "Private networks that builds may reach."),
    (
        "tls.cert",
        "PEM file of the server's certificate, with those between it and its issuer; empty: no TLS.",
    ),
    ("tls.key", "PEM file of its private key, without a passphrase."),
];

/// The environment variable of a key: `a.b-c` is `ROPEWALK_A__B_C`.
pub(super) fn variable(key: &str) -> String {
    format!("ROPEWALK_{}", key.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// The key that was probably meant.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let distance = |known: &str| {
        let last = known.rsplit('.').next().unwrap_or(known);
        strsim::osa_distance(key, known).min(strsim::osa_distance(key, last).saturating_add(1))
    };
    let (known, _) = KEYS.iter().min_by_key(|(known, _)| distance(known))?;
    (distance(known) <= 1 + key.len() / 3).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_variable() {
        assert_eq!(variable("runner.lost-after"), "ROPEWALK_RUNNER__LOST_AFTER");
        assert_eq!(variable("listen"), "ROPEWALK_LISTEN");
        let all: std::collections::BTreeSet<String> = KEYS.iter().map(|(key, _)| variable(key)).collect();
        assert_eq!(all.len(), KEYS.len());
    }

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("listn"), Some("listen"));
        assert_eq!(nearest("limits.build_time"), Some("limits.build-time"));
        assert_eq!(nearest("lost-after"), Some("runner.lost-after"));
        assert_eq!(nearest("something.else.entirely"), None);
    }
}
