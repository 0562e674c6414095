//! A reverse proxy in front of the replicas: round robin, and no affinity of any kind.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use mcp_hub_programs::nginx;
use mcp_hub_testing::{Guard, eventually, free_port, required};
use tempfile::TempDir;

use crate::http;

/// How long a start or a reload may take. Other tests run at the same time on the same cores.
const DEADLINE: Duration = Duration::from_secs(20);

/// SIGKILL of nginx's master would leave its worker behind: only the master's own end takes it along.
const SUPERVISE: &str = r#"
    "$1" -p "$2" -c "$2/nginx.conf" >>"$2/log" 2>&1 </dev/null &
    master=$!
    while read -r signal; do
        kill -s "$signal" "$master"
    done
    kill -s TERM "$master"
    wait "$master"
    rm -rf -- "$2"
"#;

/// What the worker says when it has closed its listener and goes on only with the connections that it has.
const REPLACED: &str = "gracefully shutting down";

/// nginx on a free port of 127.0.0.1, which hands each request to the next replica. It ends with this value, and with the test process.
///
/// What it can't get to a replica goes to the next one; what it has sent is never sent again, unless it is a GET.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    folder: PathBuf,
    guard: Mutex<Guard>,
}

/// A request as the proxy saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The status that the client got.
    pub status: u16,
    /// The replicas that it was for, in the order in which they were tried.
    pub replicas: Vec<SocketAddr>,
}

impl Proxy {
    /// Starts a proxy in front of these replicas. `None` when nginx is missing: [`required`] has been called.
    ///
    /// # Panics
    ///
    /// When nginx is there but does not start.
    pub async fn start(replicas: &[SocketAddr]) -> Option<Self> {
        let Some(program) = nginx() else {
            required("no nginx (program nginx)");
            return None;
        };
        let proxy = Self::launch(&program, replicas).unwrap_or_else(|error| panic!("nginx: {error:#}"));
        eventually(DEADLINE, async || {
            let answer = http::get(proxy.port, ALIVE).await;
            answer.with_context(|| format!("its log: {}", proxy.log()))
        })
        .await;
        Some(proxy)
    }

    fn launch(program: &Path, replicas: &[SocketAddr]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mcp-hub-nginx-").tempdir()?;
        let port = free_port();
        configure(folder.path(), port, replicas)?;
        let guard = Guard::supervise(SUPERVISE, [program, folder.path()])?;
        Ok(Self {
            port,
            folder: TempDir::keep(folder),
            guard: Mutex::new(guard),
        })
    }

    /// From now on the requests go to these replicas. Streams that are open stay open.
    ///
    /// # Panics
    ///
    /// When nginx does not take them.
    pub async fn replace(&self, replicas: &[SocketAddr]) {
        let before = self.log().matches(REPLACED).count();
        configure(&self.folder, self.port, replicas).expect("the configuration is written");
        let told = self.guard.lock().expect("no panic while locked").tell("HUP");
        told.expect("nginx runs");
        eventually(DEADLINE, async || {
            let log = self.log();
            if log.matches(REPLACED).count() > before {
                Ok(())
            } else {
                Err(log)
            }
        })
        .await;
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests that have been answered to the end: an open stream is not among them.
    ///
    /// # Panics
    ///
    /// When nginx wrote what nobody can read.
    pub fn requests(&self) -> Vec<Proxied> {
        let lines = std::fs::read_to_string(self.folder.join("requests")).unwrap_or_default();
        lines
            .lines()
            .map(|line| Proxied::parse(line).unwrap_or_else(|| panic!("a line of the requests: {line:?}")))
            .collect()
    }

    /// What nginx has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Proxied {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let status = words.next()?.parse().ok()?;
        // "127.0.0.1:1, 127.0.0.1:2"; "-" when none was asked.
        let replicas = words.filter_map(|word| word.trim_end_matches(',').parse().ok());
        Some(Self {
            method,
            path,
            status,
            replicas: replicas.collect(),
        })
    }
}

/// Answered by the proxy itself.
const ALIVE: &str = "/proxy/alive";

fn configure(folder: &Path, port: u16, replicas: &[SocketAddr]) -> anyhow::Result<()> {
    // Never taken for dead, so that every replica gets its turn in every test: each request finds out for itself.
    let servers: Vec<String> = replicas
        .iter()
        .map(|address| format!("server {address} max_fails=0;"))
        .collect();
    // root's workers would become another user, who can't read what is in this folder. Others can't change who they are.
    let user = if is_root(folder)? { "user root root;\n" } else { "" };
    let here = folder.display();
    let text = format!(
        "{user}daemon off;
worker_processes 1;
pid {here}/pid;
error_log {here}/log notice;
events {{ worker_connections 8192; }}
http {{
    log_format requests '$request_method $uri $status $upstream_addr';
    access_log {here}/requests requests;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    upstream replicas {{
        {servers}
        keepalive 16;
    }}
    server {{
        listen {address}:{port};
        location = {ALIVE} {{ access_log off; return 204; }}
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_buffering off;
            # The next replica gets what could not be sent to this one; a POST that was sent is not sent again.
            proxy_next_upstream error timeout;
            proxy_connect_timeout 2s;
            # Streams say something every 15 s.
            proxy_read_timeout 60s;
        }}
    }}
}}
",
        servers = servers.join("\n        "),
        address = Ipv4Addr::LOCALHOST,
    );
    std::fs::write(folder.join("nginx.conf"), text).context("writing nginx.conf")
}

#[cfg(unix)]
fn is_root(folder: &Path) -> anyhow::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata(folder)?.uid() == 0)
}

#[cfg(not(unix))]
fn is_root(_folder: &Path) -> anyhow::Result<bool> {
    Ok(false)
}
