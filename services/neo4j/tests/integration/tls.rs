//! TLS as Neo4j's schemes mean it, against a server with a certificate.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::{Neo4j, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::adapter::{Adapter, assert_fault, rows};

/// A server whose certificate is for `localhost` only, and which takes nobody without TLS.
struct Secured {
    neo4j: Neo4j,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority("ours");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("writes");
        std::fs::write(folder.path().join("other.pem"), self::authority("another").pem()).expect("writes");
        let (certificate, key) = signed(&authority, "localhost");
        let settings = Settings::new()
            .set("server.bolt.tls_level", "REQUIRED")
            .set("dbms.ssl.policy.bolt.enabled", "true")
            .set("dbms.ssl.policy.bolt.base_directory", "certificates/bolt")
            .set("dbms.ssl.policy.bolt.private_key", "private.key")
            .set("dbms.ssl.policy.bolt.public_certificate", "public.crt")
            .file("certificates/bolt/private.key", key)
            .file("certificates/bolt/public.crt", certificate);
        let neo4j = Neo4j::start_with(&settings).await?;
        Some(Self { neo4j, folder })
    }

    /// What becomes of a query to this server by a scheme and a host.
    async fn ask(&self, scheme: &str, host: &str, authority: Option<&str>) -> Result<String, Fault> {
        ask(
            &self.neo4j,
            scheme,
            host,
            authority.map(|file| {
                let file = self.folder.path().join(file);
                file.to_str().expect("UTF-8").to_owned()
            }),
        )
        .await
    }
}

async fn ask(neo4j: &Neo4j, scheme: &str, host: &str, authority: Option<String>) -> Result<String, Fault> {
    let authority = authority.map(|file| format!("sslrootcert = '{file}'"));
    let adapter = Adapter::start(&format!(
        "uri = '{scheme}://{host}:{}'\nuser = '{}'\npassword = '{}'\n{}",
        neo4j.port(),
        neo4j.user(),
        neo4j.password(),
        authority.unwrap_or_default()
    ))
    .await;
    let result = adapter.query("return 1 as n").await?;
    Ok(rows(&result).join(""))
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
async fn each_scheme_means_what_neo4j_means() {
    let Some(secured) = Secured::start().await else {
        return;
    };
    let (ours, other) = (Some("ca.pem"), Some("other.pem"));
    for kind in ["bolt", "neo4j"] {
        for (suffix, host, authority, expected) in [
            ("+s", "localhost", ours, Ok("[1]")),
            ("+s", "localhost", other, Err("nobody trusted has signed")),
            ("+s", "localhost", None, Err("TLS: ")),
            ("+s", "127.0.0.1", ours, Err("for another host name")),
            ("+ssc", "localhost", None, Ok("[1]")),
            ("+ssc", "127.0.0.1", None, Ok("[1]")),
            ("", "localhost", None, Err("the server closed the connection")),
        ] {
            let what = format!("{kind}{suffix} {host} {authority:?}");
            let result = secured.ask(&format!("{kind}{suffix}"), host, authority).await;
            match expected {
                Ok(expected) => assert_eq!(result.expect(&what), expected, "{what}"),
                Err(part) => {
                    let fault = assert_fault(result, Reason::DatabaseUnavailable, part);
                    assert!(!format!("{fault:?}").contains("localhost"), "{fault:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told_apart() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    for scheme in ["bolt+ssc", "neo4j+s"] {
        let result = ask(neo4j, scheme, "127.0.0.1", None).await;
        assert_fault(result, Reason::DatabaseUnavailable, "does not speak TLS");
    }
}
