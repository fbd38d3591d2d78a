//! Real `hut` over https, with an issuer that it is told to trust.

use crate::forge::{Forge, HELLO, said};
use crate::server::Server;
use ropewalk_testkit::authority::Authority;

#[tokio::test]
async fn hut_works_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let issued = authority.issue("server", &["IP:127.0.0.1"]);
    let files = [("ROPEWALK_TLS__CERT", &issued.cert), ("ROPEWALK_TLS__KEY", &issued.key)];
    let variables = files.map(|(name, path)| (name, path.to_str().unwrap()));
    let forge = Forge::with(Server::start_with_variables(&[], &variables).await);
    assert!(forge.server.origin.starts_with("https://"), "{}", forge.server.welcome);
    let path = forge.file("m.yml", HELLO);
    let submit = ["builds", "submit", "-f", &path];

    let untrusting = said(forge.command(&forge.alice, &submit).env_remove("SSL_CERT_FILE").output().unwrap());
    untrusting.fails("certificate signed by unknown authority");

    let hut = |arguments: &[&str]| {
        let mut command = forge.command(&forge.alice, arguments);
        said(command.env("SSL_CERT_FILE", authority.cert()).output().unwrap()).succeeds()
    };
    // Follows the log to the end.
    let followed = hut(&submit);
    assert!(followed.out.lines().any(|line| line == "hi"), "{followed:?}");
    assert!(hut(&["builds", "list"]).out.contains("SUCCESS"));
    let shown = hut(&["builds", "show", "1"]);
    assert!(shown.out.contains("SUCCESS"), "{shown:?}");
}
