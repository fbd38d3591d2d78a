//! Two network namespaces: one for the agent and its builds, one for the world that it sees. Made
//! by root with ip(8); servers are this very program.

use crate::account::prepare;
use ropewalk_testkit::account::Account;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Addresses of the world: one that anybody may have, and three that are near.
pub(crate) const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
pub(crate) const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 10);
pub(crate) const ALLOWED: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 10);
pub(crate) const LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The agent's machine.
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// What a server answers.
pub(crate) const ANSWER: &str = "served";

/// The namespaces and servers. Dropping it ends them.
pub(crate) struct Farm {
    pub(crate) agent: String,
    world: String,
    servers: Vec<Child>,
    /// What the world's git server serves: a repository `r` with a file `read-me`.
    repositories: PathBuf,
}

impl Farm {
    pub(crate) fn new(account: &Account) -> Result<Farm, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (agent, world) = (format!("ropewalk-a-{tag}"), format!("ropewalk-w-{tag}"));
        let mut farm = Farm {
            agent: agent.clone(),
            world: world.clone(),
            servers: vec![],
            repositories: std::env::temp_dir().join(format!("ropewalk-git-{tag}")),
        };
        ip(&format!("netns add {agent}"))?;
        ip(&format!("netns add {world}"))?;
        ip(&format!("-n {agent} link add f0 type veth peer name w0 netns {world}"))?;
        for address in ["203.0.113.1/24", "10.99.0.1/24", "192.168.7.1/24", "169.254.0.1/16"] {
            ip(&format!("-n {agent} addr add {address} dev f0"))?;
        }
        let near = [
            format!("{PUBLIC}/24"),
            format!("{PRIVATE}/24"),
            format!("{ALLOWED}/24"),
            format!("{LINK_LOCAL}/16"),
        ];
        for address in near.into_iter().chain(resolver().map(|address| format!("{address}/32"))) {
            ip(&format!("-n {world} addr add {address} dev w0"))?;
        }
        for (namespace, link) in [(&agent, "lo"), (&agent, "f0"), (&world, "lo"), (&world, "w0")] {
            ip(&format!("-n {namespace} link set {link} up"))?;
        }
        ip(&format!("-n {agent} route add default via {PUBLIC}"))?;
        // At its own address, so that answers come from where they are expected.
        let dns = resolver().map(|address| (&world, "dns", format!("{address}:53")));
        let servers = [
            (&world, "tcp", "0.0.0.0:8080"),
            (&world, "tcp", "0.0.0.0:3128"),
            (&agent, "tcp", "0.0.0.0:8081"),
            (&agent, "tcp", "127.0.0.1:3142"),
        ];
        let servers = servers.map(|(namespace, kind, address)| (namespace, kind, address.to_owned()));
        for (namespace, kind, address) in servers.into_iter().chain(dns) {
            let server = farm.serve(account, namespace, kind, &address)?;
            farm.servers.push(server);
        }
        farm.serve_git()?;
        Ok(farm)
    }

    fn serve_git(&mut self) -> Result<(), String> {
        let script = "mkdir -p $1/r && cd $1/r && git init -q && echo hello > read-me && git add . &&
            git -c user.name=x -c user.email=x@y commit -qm x && touch .git/git-daemon-export-ok";
        let made = Command::new("sh").args(["-ec", script, "sh"]).arg(&self.repositories).status();
        if !made.is_ok_and(|status| status.success()) {
            return Err("no repository to serve: is git installed?".into());
        }
        // Not by way of git, which would be killed in its place.
        let programs = Command::new("git").arg("--exec-path").output().map_err(|e| format!("git: {e}"))?;
        let daemon = PathBuf::from(String::from_utf8_lossy(&programs.stdout).trim()).join("git-daemon");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.world)).arg(daemon).arg("--reuseaddr");
        // It asks who owns a repository before it serves it.
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*");
        command.arg(format!("--base-path={}", self.repositories.display())).arg(&self.repositories);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.servers.push(child.map_err(|e| format!("git daemon: {e}"))?);
        Ok(())
    }

    fn serve(&self, account: &Account, namespace: &str, kind: &str, address: &str) -> Result<Child, String> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}")).arg(prepare(account));
        command.args(["--serve", kind, address]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("nsenter: {e}"))?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).map_err(|e| e.to_string())?;
        if ready == "ready\n" { Ok(child) } else { Err(format!("no server on {address}")) }
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = std::fs::remove_dir_all(&self.repositories);
        for namespace in [&self.agent, &self.world] {
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The machine's name server, which the world answers for.
pub(crate) fn resolver() -> Option<Ipv4Addr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let first = text.lines().find_map(|line| line.strip_prefix("nameserver "))?;
    first.trim().parse().ok().filter(|address: &Ipv4Addr| !address.is_loopback())
}

/// What the program does as a server, until its standard input ends.
pub(crate) fn serve(kind: &str, address: &str) -> ! {
    match kind {
        "tcp" => {
            let listener = TcpListener::bind(address).unwrap();
            std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
        }
        "dns" => {
            let socket = UdpSocket::bind(address).unwrap();
            std::thread::spawn(move || {
                loop {
                    let mut query = [0; 512];
                    let (length, from) = socket.recv_from(&mut query).unwrap();
                    socket.send_to(&name_is_public(&query[..length]), from).unwrap();
                }
            });
        }
        other => panic!("no server {other}"),
    }
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut vec![]);
    std::process::exit(0)
}

fn answer(mut stream: std::net::TcpStream) {
    let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(2)));
    let _ = stream.read(&mut [0; 4096]);
    let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len());
}

/// An answer to a DNS query (RFC 1035): every name is at [`PUBLIC`], and has no other addresses.
fn name_is_public(query: &[u8]) -> Vec<u8> {
    let name_end = 12 + query[12..].iter().position(|b| *b == 0).unwrap() + 1;
    let question = &query[12..name_end + 4];
    let is_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(PUBLIC.octets());
    }
    answer
}
