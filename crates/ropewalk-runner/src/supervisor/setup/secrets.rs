//! Putting secrets into the place. Their bytes lie on a tmpfs only; where a build looks for them
//! there are links.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::{failed, with_arguments};
use crate::backend::{Place, Run, in_memory};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ropewalk_model::link::{LogName, SecretKind, SecretValue};
use ropewalk_model::status::Cause;

/// `set -- PATH MODE NUMBER` comes before it, the bytes over standard input.
const PLACE: &str = include_str!("secret.sh");
/// Makes the tmpfs folder; run as root.
const PREPARE: &str = "install -d -o build -g build -m 0700 /run/secrets\n";
/// The key over standard input.
const IMPORT: &str = "mkdir -p -m 0700 /run/secrets/gnupg\n\
    [ -e ~/.gnupg ] || ln -s /run/secrets/gnupg ~/.gnupg\n\
    gpg --batch --import\n";

/// A file with secrets in it.
pub(super) struct SecretFile<'a> {
    /// Where the build looks for it: absolute, or below `~/`.
    pub(super) path: &'a str,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) bytes: &'a [u8],
}

impl Attempt<'_> {
    pub(super) fn send_secrets(&mut self, place: &dyn Place) -> Result<(), Stop> {
        let missing: Vec<String> = self.missing_secrets();
        for name in missing {
            self.say(format_args!("Warning: secret {name} not found"))?;
        }
        if self.values.secrets.is_empty() {
            return Ok(());
        }
        self.say("Sending secrets")?;
        let mut first_key = true;
        for secret in self.values.secrets.clone() {
            self.say(format_args!("Resolving secret {}", secret.id))?;
            let bytes = decode(&secret)?;
            match &secret.kind {
                SecretKind::SshKey => {
                    let path = format!("~/.ssh/{}", secret.id);
                    self.secret_file(place, &SecretFile { path: &path, mode: 0o600, bytes: &bytes })?;
                    if std::mem::take(&mut first_key) {
                        let path = "~/.ssh/id_rsa";
                        self.secret_file(place, &SecretFile { path, mode: 0o600, bytes: &bytes })?;
                    }
                }
                SecretKind::PgpKey => self.with_input(place, IMPORT, &bytes, &secret.id)?,
                SecretKind::File { path, mode } => {
                    self.secret_file(place, &SecretFile { path, mode: *mode, bytes: &bytes })?;
                }
            }
        }
        Ok(())
    }

    fn missing_secrets(&self) -> Vec<String> {
        let found = |name: &String| self.values.secrets.iter().any(|secret| secret.id == *name);
        self.plan.secrets.iter().filter(|name| !found(name)).cloned().collect()
    }

    pub(super) fn secret_file(&mut self, place: &dyn Place, file: &SecretFile<'_>) -> Result<(), Stop> {
        if !self.secrets_prepared {
            match self.root_script(place, "secrets", PREPARE)? {
                0 => self.secrets_prepared = true,
                exit => return Err(failed(Cause::SetupFailed, "cannot make a folder for secrets", exit)),
            }
        }
        let mode = format!("{:04o}", file.mode & 0o7777);
        let script = with_arguments([file.path, mode.as_str()], PLACE);
        self.with_input(place, &script, file.bytes, file.path)
    }

    fn with_input(&mut self, place: &dyn Place, script: &str, input: &[u8], what: &str) -> Result<(), Stop> {
        let run =
            Run { name: "secret", script: script.as_bytes(), input: Some(in_memory(input)?), root: false };
        match self.run(place, LogName::Setup, run)? {
            0 => Ok(()),
            exit => Err(failed(Cause::SetupFailed, format_args!("cannot place the secret {what}"), exit)),
        }
    }
}

/// The secret's bytes.
pub(crate) fn decode(secret: &SecretValue) -> Result<Vec<u8>, Stop> {
    STANDARD
        .decode(secret.base64.reveal())
        .map_err(|_| Stop::new(Cause::Infrastructure, format_args!("the secret {} is no base64", secret.id)))
}
