//! Caddy in front of the replicas, with this repository's own configuration, over TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use mcp_hub_programs::caddy;
use mcp_hub_testing::{Guard, eventually, free_port, required};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long a start may take: Caddy makes an authority and signs a certificate first.
const DEADLINE: Duration = Duration::from_secs(30);

/// Caddy would wait for open streams if it were asked to end.
const SUPERVISE: &str = r#"
    folder=$1 config=$2
    shift 2
    env -i HOME="$folder" XDG_DATA_HOME="$folder/data" XDG_CONFIG_HOME="$folder/config" "$@" run --config "$config" --adapter caddyfile >"$folder/log" 2>&1 </dev/null &
    server=$!
    cat >/dev/null
    kill -s KILL "$server"
    wait "$server"
    rm -rf -- "$folder"
"#;

/// Caddy on a free port of loopback, by `caddy/Caddyfile.local`. It ends with this value, and with the test process.
#[derive(Debug)]
pub struct Caddy {
    port: u16,
    folder: PathBuf,
    _guard: Guard,
}

impl Caddy {
    /// Starts Caddy in front of these replicas; `environment` are parameters of the configuration beside ports and upstreams. `None` when
    /// Caddy is missing: [`required`] has been called.
    ///
    /// # Panics
    ///
    /// When Caddy is there but does not serve.
    pub async fn start(replicas: &[SocketAddr], environment: &[(&str, &str)]) -> Option<Self> {
        let Some(program) = caddy() else {
            required("no Caddy (program caddy)");
            return None;
        };
        let caddy =
            Self::launch(&program, replicas, environment).unwrap_or_else(|error| panic!("Caddy: {error:#}"));
        caddy_answers(&caddy).await;
        Some(caddy)
    }

    fn launch(program: &Path, replicas: &[SocketAddr], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mcp-hub-caddy-").tempdir()?;
        let port = free_port();
        let upstreams: Vec<String> = replicas.iter().map(ToString::to_string).collect();
        let own = [
            ("HUB_PORT", port.to_string()),
            ("HUB_HTTP_PORT", free_port().to_string()),
            ("HUB_UPSTREAMS", upstreams.join(" ")),
        ];
        let variables = own
            .into_iter()
            .chain(
                environment
                    .iter()
                    .map(|(name, value)| (*name, (*value).to_owned())),
            )
            .map(|(name, value)| format!("{name}={value}"));
        let config = repository().join("caddy/Caddyfile.local");
        let paths = [folder.path(), &config].map(|path| path.display().to_string());
        let arguments = paths
            .into_iter()
            .chain(variables)
            .chain([program.display().to_string()]);
        let guard = Guard::supervise(SUPERVISE, arguments)?;
        Ok(Self {
            port,
            folder: TempDir::keep(folder),
            _guard: guard,
        })
    }

    /// `https://localhost:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The certificate of its authority, which nobody on this machine trusts yet.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("data/caddy/pki/authorities/local/root.crt")
    }

    /// An HTTP client that trusts this authority and no other.
    ///
    /// # Panics
    ///
    /// When there is no certificate.
    pub fn client(&self) -> reqwest::ClientBuilder {
        self.try_client().expect("the authority's certificate")
    }

    fn try_client(&self) -> anyhow::Result<reqwest::ClientBuilder> {
        // An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(self.ca_file())?)?;
        Ok(reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([certificate]))
    }

    /// A connection over TLS, for what no HTTP client would send.
    ///
    /// # Errors
    ///
    /// Caddy is not there, or its certificate is not its authority's.
    pub async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca_file())?)?;
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(connector.connect("localhost".try_into()?, stream).await?)
    }

    /// What Caddy has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            // All but what every request is a line of, and every stream whose client has gone.
            let usual = |line: &&str| {
                ["http.log.access", "context canceled"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            let said: Vec<&str> = log.lines().filter(|line| !usual(line)).collect();
            eprintln!("what Caddy says:\n{}", said.join("\n"));
        }
    }
}

/// The folder of the whole repository.
#[expect(
    clippy::missing_panics_doc,
    reason = "the folder of a crate of a workspace is in one"
)]
pub fn repository() -> &'static Path {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().expect("a folder of the repository")
}

/// Waits until a request comes through to a replica.
async fn caddy_answers(caddy: &Caddy) {
    eventually(DEADLINE, async || {
        let answered = async {
            let status = caddy
                .try_client()?
                .build()?
                .get(caddy.url("/livez"))
                .send()
                .await?
                .status();
            ensure!(status == 200, "{status}");
            Ok::<_, anyhow::Error>(())
        };
        answered
            .await
            .map_err(|error| format!("{error:#}; its log: {}", caddy.log()))
    })
    .await;
}
