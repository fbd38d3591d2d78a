//! https by the server itself, and the client commands over it.

use crate::server::{PATIENCE, PROGRAM, Server, http, program, signal};
use ropewalk_testkit::authority::{Authority, Issued};
use ropewalk_testkit::postgres;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The names of this machine that a server of a test is asked by.
const HERE: &[&str] = &["IP:127.0.0.1"];
const HELLO: &str = "image: host\ntasks:\n  - a: echo over tls\n";

struct Secured {
    server: Server,
    authority: Authority,
    issued: Issued,
    _folder: tempfile::TempDir,
}

/// A server that speaks https, with a certificate of an issuer of the test's own.
async fn secured(more: &[(&str, &str)]) -> Secured {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let issued = authority.issue("server", HERE);
    let (cert, key) = (text(&issued.cert), text(&issued.key));
    let variables = [&[("ROPEWALK_TLS__CERT", cert), ("ROPEWALK_TLS__KEY", key)], more].concat();
    let server = Server::start_with_variables(&[], &variables).await;
    Secured { server, authority, issued, _folder: folder }
}

impl Secured {
    /// A command of ours that trusts these issuers.
    fn asks(&self, arguments: &[&str], trusted: Option<&Path>) -> Output {
        let mut command = self.server.command(arguments);
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        if let Some(file) = trusted {
            command.env("SSL_CERT_FILE", file);
        }
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// What a command that must succeed printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.asks(arguments, Some(&self.authority.cert()));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command must end with this code and these words.
    fn fails(&self, arguments: &[&str], trusted: Option<&Path>, code: i32, words: &str) {
        let output = self.asks(arguments, trusted);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(words), "{:?}: {said}", output.status);
    }

    fn curl(&self, arguments: &[&str], path: &str) -> (bool, String) {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "--max-time", "60", "--cacert"]).arg(self.authority.cert());
        let output = command.args(arguments).arg(format!("{}{path}", self.server.origin)).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn client(&self) -> reqwest::Client {
        let root = std::fs::read(self.authority.cert()).unwrap();
        let root = reqwest::Certificate::from_pem(&root).unwrap();
        http().tls_certs_merge([root]).build().unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn address(&self) -> &str {
        self.server.origin.strip_prefix("https://").unwrap()
    }

    /// The certificate that a new connection is given, as openssl shows it.
    fn served(&self) -> String {
        let mut command = Command::new("openssl");
        let output = command.args(["s_client", "-connect", self.address()]).stdin(Stdio::null()).output();
        pem(&String::from_utf8_lossy(&output.unwrap().stdout))
    }

    fn wait_until_served(&self, cert: &Path) {
        let wanted = pem(&std::fs::read_to_string(cert).unwrap());
        let deadline = Instant::now() + PATIENCE;
        while self.served() != wanted {
            assert!(Instant::now() < deadline, "the new certificate is not served: {}", self.server.words());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Puts certificate and key in the place of those that are served, as `mv` does.
    fn replace(&self, with: &Issued) {
        for (new, old) in [(&with.cert, &self.issued.cert), (&with.key, &self.issued.key)] {
            let fresh = old.with_extension("new");
            std::fs::copy(new, &fresh).unwrap();
            std::fs::rename(&fresh, old).unwrap();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The first certificate in a text.
fn pem(text: &str) -> String {
    let end = "-----END CERTIFICATE-----";
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap();
    let length = text[start..].find(end).unwrap() + end.len();
    text[start..start + length].replace('\r', "")
}

#[tokio::test]
async fn everything_works_over_https() {
    let secured = secured(&[]).await;
    assert!(secured.server.origin.starts_with("https://127.0.0.1:"), "{}", secured.server.welcome);
    assert!(!secured.server.words().contains("WARN"), "{}", secured.server.words());

    // The client commands, with the settings that the first start left.
    let manifest = secured.server.manifest(HELLO);
    let said = secured.done(&["submit", "--follow", &manifest]);
    assert!(said.contains("over tls"), "{said}");
    assert!(secured.done(&["logs", "1"]).contains("over tls"));
    assert!(secured.done(&["show", "--json", "1"]).contains("\"success\""));

    // curl, with each version of TLS that is spoken, and with one that is not.
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"], &["--http2"]] {
        let said = secured.curl(&[version, &["-w", "|%{http_code} %{http_version}"]].concat(), "/healthz");
        assert!(said.0 && said.1.ends_with("|200 1.1"), "{version:?}: {said:?}");
    }
    let old = ["--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"];
    let said = secured.curl(&old, "/healthz");
    assert!(!said.0 && said.1.contains("35"), "TLS 1.1 must be refused: {said:?}");

    // Who logs in gets a cookie for TLS only.
    let first = std::fs::read_to_string(secured.server.data().join("first-run.txt")).unwrap();
    let password = first.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    let password = format!("password={password}");
    let form = ["-i", "--data-urlencode", "name=admin", "--data-urlencode", &password];
    let said = secured.curl(&form, "/session").1;
    let cookie = said.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).unwrap();
    assert!(cookie.contains("hydra_session=") && cookie.contains("; Secure"), "{cookie}");

    // Who speaks without TLS is told.
    let plain = secured.server.origin.replace("https://", "http://");
    let mut command = Command::new("curl");
    let output = command.args(["-sS", "--noproxy", "*", "-i"]).arg(format!("{plain}/healthz")).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(said.starts_with("HTTP/1.1 400") && said.ends_with("\"kind\":\"malformed\"}"), "{said}");
    let trusted = secured.authority.cert();
    secured.fails(&["list", "--server", &plain], None, 1, "this server speaks https");

    // Whom nobody should trust.
    secured.fails(&["list"], None, 3, "nobody whom this machine trusts has issued its certificate");
    let by_name = secured.server.origin.replace("127.0.0.1", "localhost");
    let words = "its certificate is for 127.0.0.1, not for localhost";
    secured.fails(&["list", "--server", &by_name], Some(&trusted), 3, words);
    let nothing = secured.server.home().join("nothing");
    secured.fails(&["list"], Some(&nothing), 2, "no certificate of an issuer could be read");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off_and_keeps_nobody_waiting() {
    let secured = secured(&[("ROPEWALK_LIMITS__HANDSHAKE_WITHIN", "2")]).await;
    let silent: Vec<TcpStream> = (0..50).map(|_| secured.connect()).collect();
    // The beginning of a handshake: a record that promises 512 bytes.
    let mut halves: Vec<TcpStream> = (0..50).map(|_| secured.connect()).collect();
    for half in &mut halves {
        half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).unwrap();
    }
    let said = secured.curl(&["--max-time", "2"], "/healthz");
    assert!(said.0, "{said:?}");
    for mut stream in silent.into_iter().chain(halves) {
        let mut rest = vec![];
        // An alert may come first.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 100, "{rest:?}");
    }
    // What is no handshake at all ends at once.
    let mut stream = secured.connect();
    stream.write_all(&[0; 64]).unwrap();
    let _ = stream.read_to_end(&mut vec![]);
    assert!(secured.curl(&[], "/healthz").0);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let secured = secured(&[]).await;
    let client = secured.client();
    let address = format!("{}/healthz", secured.server.origin);
    let ask = async || client.get(&address).send().await.unwrap().status().as_u16();
    assert_eq!(ask().await, 200);

    // Files that change are read again by themselves.
    let second = secured.authority.issue("second", HERE);
    secured.replace(&second);
    secured.wait_until_served(&second.cert);

    // A key that does not fit changes nothing, and is said.
    let third = secured.authority.issue("third", HERE);
    std::fs::copy(&third.key, &secured.issued.key).unwrap();
    signal(secured.server.pid(), rustix::process::Signal::HUP);
    let deadline = Instant::now() + PATIENCE;
    while !secured.server.words().contains("going on with the certificate from before") {
        assert!(Instant::now() < deadline, "{}", secured.server.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(secured.served(), pem(&std::fs::read_to_string(&second.cert).unwrap()));

    // A signal reads them at once.
    std::fs::copy(&third.cert, &secured.issued.cert).unwrap();
    signal(secured.server.pid(), rustix::process::Signal::HUP);
    secured.wait_until_served(&third.cert);
    // The connection from before all this still works.
    assert_eq!(ask().await, 200);

    // One that has ended is served, since nobody can renew a server that is down; clients say what is wrong.
    let ended = secured.authority.issue_for("ended", HERE, -1);
    secured.replace(&ended);
    secured.wait_until_served(&ended.cert);
    let trusted = secured.authority.cert();
    secured.fails(&["list"], Some(&trusted), 3, "its certificate has ended");
}

/// PostgreSQL over TLS, as `sslmode` in its address says: trusted by `sslrootcert`, or as everything else is.
#[tokio::test]
async fn the_database_is_asked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let database = match postgres::Secured::start(&authority.issue("database", &["DNS:localhost"])) {
        Ok(database) => database,
        Err(not_here) => {
            println!("{not_here}");
            panic!("{not_here}");
        }
    };
    let own = authority.cert();
    let refused = |url: &str, trusted: Option<&Path>, words: &str| {
        let mut command = program(folder.path());
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        command.env("ROPEWALK_DATABASE__URL", url).arg("--data").arg(folder.path().join("data"));
        let output =
            command.args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(words), "{url}: {said}");
    };
    let ca = text(&own);
    refused(&database.url("localhost", "sslmode=disable"), None, "no encryption");
    refused(&database.url("localhost", "sslmode=verify-full"), None, "UnknownIssuer");
    refused(&database.url("127.0.0.1", "sslmode=verify-full"), Some(&own), "not valid for name");

    let works = async |url: String, variables: &[(&str, &str)]| {
        let variables = [&[("ROPEWALK_DATABASE__URL", url.as_str())], variables].concat();
        let server = Server::start_with_variables(&["--no-runner"], &variables).await;
        assert_eq!(server.submit(HELLO), 1);
        let sessions = "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                        WHERE client_addr IS NOT NULL";
        let seen = database.ask(sessions).unwrap();
        assert!(seen.ends_with("|t") && !seen.starts_with("0|"), "{seen}");
        drop(server);
        assert!(database.ask("DROP SCHEMA public CASCADE; CREATE SCHEMA public").is_some());
    };
    works(database.url("127.0.0.1", "sslmode=require"), &[]).await;
    works(database.url("localhost", &format!("sslmode=verify-full&sslrootcert={ca}")), &[]).await;
    works(database.url("localhost", "sslmode=verify-full"), &[("SSL_CERT_FILE", ca)]).await;
}

#[tokio::test]
async fn a_hangup_without_tls_ends_nothing() {
    let server = Server::start_with_variables(&[], &[]).await;
    signal(server.pid(), rustix::process::Signal::HUP);
    let deadline = Instant::now() + PATIENCE;
    while !server.words().contains("nothing to read again") {
        assert!(Instant::now() < deadline, "{}", server.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.client().get("/healthz", None).await.0, 200);
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let (own, other) = (authority.issue("own", HERE), authority.issue("other", HERE));
    let file = |name: &str, text: &[u8]| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let empty = file("empty", b"");
    let binary = file("binary", b"-----BEGIN CERTIFICATE-----\n\xff\xfe\n-----END CERTIFICATE-----\n");
    let locked = folder.path().join("locked");
    let mut lock = Command::new("openssl");
    lock.args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"]).arg(&own.key).arg("-out").arg(&locked);
    assert!(lock.status().unwrap().success());
    let nowhere = folder.path().join("nowhere");
    let (cert, key) = (text(&own.cert), text(&own.key));
    let none = "";
    for (cert, key, origin, words) in [
        (cert, none, none, "`tls.cert` is set and `tls.key` is not"),
        (none, key, none, "`tls.key` is set and `tls.cert` is not"),
        (text(&nowhere), key, none, "nowhere (tls.cert): No such file"),
        (cert, text(&nowhere), none, "nowhere (tls.key): No such file"),
        (text(&empty), key, none, "empty (tls.cert): there is no certificate in it"),
        (cert, text(&empty), none, "empty (tls.key): there is no private key in it"),
        (key, key, none, "own.key (tls.cert): there is no certificate in it"),
        (cert, text(&locked), none, "the key without a passphrase"),
        (cert, text(&other.key), none, "is not that of the first certificate"),
        (text(&binary), key, none, "binary (tls.cert)"),
        ("/dev/zero", key, none, "it is longer than"),
        (cert, key, "http://builds.example.org", "is not https"),
    ] {
        let mut command = program(folder.path());
        command.arg("--data").arg(folder.path().join("data")).args(["serve", "--listen", "127.0.0.1:0"]);
        command.env("ROPEWALK_TLS__CERT", cert).env("ROPEWALK_TLS__KEY", key);
        command.env("ROPEWALK_ORIGIN", origin).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{words}: {said}");
    }
    assert!(!folder.path().join("data/ropewalk.db").exists(), "nothing is made before");
}

#[test]
fn a_key_that_the_account_may_not_read_is_named() {
    if !rustix::process::geteuid().is_root() {
        // Own files are the only ones that this account can take its own right from.
        return refused_as(|command| command);
    }
    refused_as(|command| {
        let mut as_nobody = Command::new("setpriv");
        as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(command.get_program());
        as_nobody.args(command.get_args());
        as_nobody
    });
}

fn refused_as(account: impl Fn(Command) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let issued = Authority::new(folder.path()).issue("own", HERE);
    for (path, mode) in [(folder.path(), 0o777), (&issued.key, 0o000)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let copy = folder.path().join("ropewalk");
    std::fs::copy(PROGRAM, &copy).unwrap();
    let mut command = Command::new(&copy);
    command.arg("--data").arg(folder.path().join("data")).args(["serve", "--listen", "127.0.0.1:0"]);
    let mut command = account(command);
    command.env("ROPEWALK_TLS__CERT", &issued.cert).env("ROPEWALK_TLS__KEY", &issued.key);
    let output = command.env("HOME", folder.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let words = "own.key (tls.key): Permission denied (os error 13): the account that runs the server must";
    assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
}
