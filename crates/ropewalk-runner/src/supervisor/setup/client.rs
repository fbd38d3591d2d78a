//! `~/.config/hut/config`: lets `hut` in the build speak to the server that runs it.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::secrets::SecretFile;
use crate::backend::Place;

impl Attempt<'_> {
    pub(super) fn send_client_configuration(&mut self, place: &dyn Place) -> Result<(), Stop> {
        let (Some(token), Some(url)) = (&self.values.oauth2_token, &self.values.job_url) else {
            return Ok(());
        };
        let text = configuration(url, token.reveal());
        let file = SecretFile { path: "~/.config/hut/config", mode: 0o600, bytes: text.as_bytes() };
        self.secret_file(place, &file)
    }
}

/// In scfg, whose quoted strings escape `"` and `\` with a backslash.
fn configuration(job_url: &str, token: &str) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let origin = job_url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let name = origin.rsplit('/').next().unwrap_or_default();
    let (name, token, origin) = (quote(name), quote(token), quote(&origin));
    format!("instance {name} {{\n\taccess-token {token}\n\tbuilds {{\n\t\torigin {origin}\n\t}}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_instance_by_its_host_and_builds_by_its_origin() {
        insta::assert_snapshot!(configuration("https://ci.example.org:8420/~me/job/7", "a\"b"), @r#"
        instance "ci.example.org:8420" {
        	access-token "a\"b"
        	builds {
        		origin "https://ci.example.org:8420"
        	}
        }
        "#);
    }
}
