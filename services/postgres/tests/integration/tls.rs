//! TLS as libpq's modes mean it, against a server with a certificate.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::adapter::{Adapter, Server, assert_fault, rows};

/// A server whose certificate is for `localhost` only, and an authority that signed it.
pub(crate) struct Secured {
    pub(crate) postgres: Postgres,
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Secured {
    pub(crate) async fn start() -> Option<Self> {
        let postgres = Postgres::start().await?;
        let server = Server::of(postgres.url());
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority("ours");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("writes");
        std::fs::write(folder.path().join("other.pem"), self::authority("another").pem()).expect("writes");

        let data = PathBuf::from(server.value("show data_directory").await);
        let (certificate, key) = signed(&authority, "localhost");
        for (name, text) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("ca.crt", authority.pem()),
        ] {
            place(&data, name, &text);
        }
        // The superuser may come without TLS, to look behind; `secure` must not, and `certain` needs a certificate of its own.
        let rules = "host all postgres 127.0.0.1/32 trust\nhost all postgres ::1/128 trust\n\
                     hostssl all secure 127.0.0.1/32 trust\nhostssl all secure ::1/128 trust\n\
                     hostssl all certain 127.0.0.1/32 cert\nhostssl all certain ::1/128 cert\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("writes pg_hba.conf");
        server
            .run(&["create role secure login", "create role certain login"])
            .await;
        for setting in ["ssl_ca_file = 'ca.crt'", "ssl = on"] {
            server.run_alone(&format!("alter system set {setting}")).await;
        }
        server.value("select pg_reload_conf()").await;
        Some(Self {
            postgres,
            folder,
            authority,
        })
    }

    /// Gives the server another certificate for `localhost`, which ended in the year 2001.
    pub(crate) async fn expire(&self) {
        let server = Server::of(self.postgres.url());
        let data = PathBuf::from(server.value("show data_directory").await);
        let (certificate, key) = signed_until(&self.authority, "localhost", 2001);
        place(&data, "server.crt", &certificate);
        place(&data, "server.key", &key);
        server.value("select pg_reload_conf()").await;
    }

    /// The settings of a login. `FOLDER` is where the certificates are.
    pub(crate) fn settings(&self, host: &str, user: &str, settings: &str) -> String {
        let settings = settings.replace("FOLDER", self.folder.path().to_str().expect("UTF-8"));
        let port = self.postgres.port();
        format!("host = '{host}'\nport = {port}\nuser = '{user}'\ndb = 'postgres'\n{settings}")
    }

    /// What the connection of an adapter with these settings is like, or why there is none.
    async fn connect(
        &self,
        host: &str,
        user: &str,
        settings: &str,
    ) -> Result<String, mcp_hub_chassis::Fault> {
        let adapter = Adapter::start(&self.settings(host, user, settings)).await;
        let result = adapter
            .query("select ssl, coalesce(client_dn, '') from pg_stat_ssl where pid = pg_backend_pid()")
            .await?;
        Ok(rows(&result).join(""))
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate and its key.
fn signed(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    signed_until(authority, name, 4000)
}

fn signed_until(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, year: i32) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// Writes a file that the server owns and nobody else reads.
fn place(data: &Path, name: &str, text: &str) {
    let file = data.join(name);
    std::fs::write(&file, text).expect("writes");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets permissions");
    let owner = data.metadata().expect("metadata");
    std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).expect("changes the owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_means_what_libpq_means() {
    let Some(secured) = Secured::start().await else {
        return;
    };
    let ca = "sslrootcert = 'FOLDER/ca.pem'";
    let other = "sslrootcert = 'FOLDER/other.pem'";
    for (host, user, settings, expected) in [
        // Whether TLS is used.
        (
            "127.0.0.1",
            "postgres",
            "sslmode = 'disable'".to_owned(),
            Ok("[false,\"\"]"),
        ),
        (
            "127.0.0.1",
            "postgres",
            "sslmode = 'allow'".to_owned(),
            Ok("[false,\"\"]"),
        ),
        ("127.0.0.1", "postgres", String::new(), Ok("[true,\"\"]")),
        (
            "127.0.0.1",
            "secure",
            "sslmode = 'allow'".to_owned(),
            Ok("[true,\"\"]"),
        ),
        (
            "127.0.0.1",
            "secure",
            "sslmode = 'require'".to_owned(),
            Ok("[true,\"\"]"),
        ),
        (
            "127.0.0.1",
            "secure",
            "sslmode = 'disable'".to_owned(),
            Err("without TLS"),
        ),
        // Whose certificate is trusted, and for which name.
        (
            "127.0.0.1",
            "secure",
            format!("sslmode = 'verify-ca'\n{ca}"),
            Ok("[true,\"\"]"),
        ),
        (
            "127.0.0.1",
            "secure",
            format!("sslmode = 'verify-ca'\n{other}"),
            Err("nobody trusted has signed"),
        ),
        (
            "127.0.0.1",
            "secure",
            format!("sslmode = 'require'\n{other}"),
            Err("nobody trusted has signed"),
        ),
        (
            "127.0.0.1",
            "secure",
            format!("sslmode = 'verify-full'\n{ca}"),
            Err("another host name"),
        ),
        (
            "localhost",
            "secure",
            format!("sslmode = 'verify-full'\n{ca}"),
            Ok("[true,\"\"]"),
        ),
        (
            "localhost",
            "secure",
            "sslmode = 'verify-full'".to_owned(),
            Err("nobody trusted has signed"),
        ),
        (
            "localhost",
            "secure",
            "sslrootcert = 'system'".to_owned(),
            Err("nobody trusted has signed"),
        ),
        (
            "localhost",
            "secure",
            "sslmode = 'verify-ca'\nsslrootcert = 'FOLDER/none.pem'".to_owned(),
            Err("can't be read as PEM"),
        ),
    ] {
        match (secured.connect(host, user, &settings).await, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{user} {settings}"),
            (Err(fault), Err(part)) => {
                assert_fault::<String>(Err(fault), Reason::DatabaseUnavailable, part);
            }
            (found, expected) => panic!("{host} {user} {settings}: {found:?}, not {expected:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_logs_in() {
    let Some(secured) = Secured::start().await else {
        return;
    };
    let (certificate, key) = signed(&secured.authority, "certain");
    std::fs::write(secured.folder.path().join("client.pem"), certificate).expect("writes");
    std::fs::write(secured.folder.path().join("client.key"), key).expect("writes");
    let own = "sslcert = 'FOLDER/client.pem'\nsslkey = 'FOLDER/client.key'";
    assert_eq!(
        secured
            .connect("127.0.0.1", "certain", own)
            .await
            .expect("logs in"),
        "[true,\"/CN=certain\"]"
    );
    let without = secured
        .connect("127.0.0.1", "certain", "")
        .await
        .expect_err("refused");
    assert_fault::<String>(
        Err(without),
        Reason::DatabaseUnavailable,
        "login refused for role \"certain\"",
    );
}
