//! The command line.

use std::path::PathBuf;

/// A Qdrant for tests. Listens on 127.0.0.1 only.
#[derive(clap::Parser, Debug)]
#[command(version)]
pub(crate) struct Options {
    /// The port of gRPC; 0 chooses a free one. The line `grpc PORT` on stdout says which.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The port of REST, which has `/` and `/readyz` only; 0 chooses a free one. The line `rest PORT` on stdout says
    /// which. No REST without it.
    #[arg(long)]
    pub(crate) rest_port: Option<u16>,
    /// The folder that the collections are kept in. It is made if need be.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The key that every call must bring, but health checks.
    #[arg(long)]
    pub(crate) api_key: Option<String>,
    /// A file with the server's certificate (PEM): gRPC and REST then speak TLS only.
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// A file with the certificate's key (PEM).
    #[arg(long, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
