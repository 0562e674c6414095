//! TLS as libpq's modes mean it, against a server with a certificate.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::{MariaDb, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::adapter::{Adapter, Server, assert_fault, rows};

/// A server whose certificate is for `localhost` only, and an authority that signed it.
struct Secured {
    mariadb: MariaDb,
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Secured {
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority("ours");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("writes");
        std::fs::write(folder.path().join("other.pem"), self::authority("another").pem()).expect("writes");
        let (certificate, key) = signed(&authority, "localhost");
        let settings = Settings::new()
            .set("ssl-cert", "server.pem")
            .set("ssl-key", "server.key")
            .set("ssl-ca", "ca.pem")
            .file("server.pem", certificate)
            .file("server.key", key)
            .file("ca.pem", authority.pem());
        let mariadb = MariaDb::start_with(&settings).await?;
        let server = Server::of(mariadb.url());
        for (user, requires) in [("open", "none"), ("secure", "ssl"), ("certain", "x509")] {
            server.create_user(user).await;
            server
                .run(&[&format!("alter user '{user}'@'%' require {requires}")])
                .await;
        }
        Some(Self {
            mariadb,
            folder,
            authority,
        })
    }

    /// Whether the connection of an adapter with these settings is secured, or why there is none.
    async fn connect(&self, host: &str, user: &str, settings: &str) -> Result<bool, mcp_hub_chassis::Fault> {
        let port = self.mariadb.port();
        let settings = settings.replace("FOLDER", self.folder.path().to_str().expect("UTF-8"));
        let adapter = Adapter::start(&format!(
            "host = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{user}'\n{settings}"
        ))
        .await;
        let result = adapter.query("show session status like 'Ssl_cipher'").await?;
        Ok(rows(&result) != [r#"["Ssl_cipher",""]"#])
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
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
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
        ("127.0.0.1", "open", "sslmode = 'disable'".to_owned(), Ok(false)),
        ("127.0.0.1", "open", "sslmode = 'allow'".to_owned(), Ok(true)),
        ("127.0.0.1", "open", String::new(), Ok(true)),
        ("127.0.0.1", "secure", "sslmode = 'require'".to_owned(), Ok(true)),
        (
            "127.0.0.1",
            "secure",
            "sslmode = 'disable'".to_owned(),
            Err("login refused for user \"secure\""),
        ),
        // Whose certificate is trusted, and for which name.
        (
            "127.0.0.1",
            "secure",
            format!("sslmode = 'verify-ca'\n{ca}"),
            Ok(true),
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
            Ok(true),
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
            "sslmode = 'require'\nsslrootcert = 'system'".to_owned(),
            Err("nobody trusted has signed"),
        ),
        (
            "localhost",
            "secure",
            "sslmode = 'verify-ca'\nsslrootcert = 'FOLDER/none.pem'".to_owned(),
            Err("certificates of the settings"),
        ),
    ] {
        match (secured.connect(host, user, &settings).await, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{user} {settings}"),
            (Err(fault), Err(part)) => {
                let fault = assert_fault::<bool>(Err(fault), Reason::DatabaseUnavailable, part);
                assert!(!format!("{fault:?}").contains("127.0.0.1"), "{fault:?}");
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
    assert!(
        secured
            .connect("127.0.0.1", "certain", own)
            .await
            .expect("logs in")
    );
    let without = secured
        .connect("127.0.0.1", "certain", "")
        .await
        .expect_err("refused");
    assert_fault::<bool>(
        Err(without),
        Reason::DatabaseUnavailable,
        "login refused for user \"certain\"",
    );
}
