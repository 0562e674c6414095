//! The bundle for whoever helps: what is in it, and above all what is not.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use mcp_hub_testing::Machines;
use serde_json::Value;

use crate::support::{Hub, run};

/// Secrets, each planted in another place.
const SECRETS: [&str; 15] = [
    "planted-in-environment",
    "planted-in-password-file",
    "planted-in-url",
    "planted-in-url-file",
    "planted-in-table",
    "planted-in-table-url",
    "planted-in-misspelt-setting",
    "planted-in-upstream-url",
    "planted-in-upstream-header",
    "planted-in-key-of-qdrant",
    "planted-in-session-keys",
    "planted-in-token-file",
    "planted-in-log-url",
    "planted-in-mysql",
    "planted-in-orders",
];

/// Names and addresses of hosts, as far as they are nobody's but the operator's.
const HOSTS: [&str; 10] = [
    "pg-of-the-shop",
    "203.0.113.77",
    "qdrant.internal.example",
    "2001:db8::77",
    "neo.example.org",
    "mcp.example.org",
    "adapters.example.net",
    "198.51.100.9",
    "log-host.example.com",
    "192.0.2.44",
];

fn unpack(path: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(path).expect("a bundle");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("a file");
        let name = entry
            .path()
            .expect("a name")
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        files.insert(name, text);
    }
    files
}

fn json(files: &BTreeMap<String, String>, name: &str) -> Value {
    serde_json::from_str(&files[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A folder full of secrets, and the environment that leads to them.
fn planted(folder: &Path) -> Vec<(&'static str, String)> {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("writes");
        folder.join(name).display().to_string()
    };
    write(
        "mcp-hub.toml",
        "[database.orders]\nkind = 'postgres'\nhost = '203.0.113.77'\npassword = 'planted-in-table'\n\
         [database.bills]\nkind = 'mariadb'\nurl = 'mysql://app:planted-in-table-url@[2001:db8::77]:3306/bills'\n\
         [database.odd]\nkind = 'postgres'\nhost = 'pg-of-the-shop'\npasword = 'planted-in-misspelt-setting'\n",
    );
    let log = concat!(
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","target":"x","message":"down","error":"connecting to log-host.example.com:5432 (192.0.2.44): refused"}"#,
        "\n",
        r#"{"timestamp":"2026-01-01T00:00:01Z","level":"ERROR","target":"x","message":"postgres://app:planted-in-log-url@pg-of-the-shop/x failed; password planted-in-environment"}"#,
        "\n{\"level\":\"INFO\",\"message\":\"nothing of it\"}\nnot of ours: planted-in-environment\n",
    );
    write("log", log);
    vec![
        ("POSTGRES_HOST", "pg-of-the-shop".to_owned()),
        ("POSTGRES_PASSWORD", "planted-in-environment".to_owned()),
        (
            "POSTGRES_WRITE_PASSWORD_FILE",
            write("password", "planted-in-password-file\n"),
        ),
        (
            "MARIADB_URL",
            "mysql://app:planted-in-url@198.51.100.9:3306/shop".to_owned(),
        ),
        (
            "NEO4J_URI_FILE",
            write("uri", "neo4j+s://u:planted-in-url-file@neo.example.org\n"),
        ),
        ("QDRANT_HOST", "qdrant.internal.example".to_owned()),
        ("QDRANT_API_KEY", "planted-in-key-of-qdrant".to_owned()),
        ("MYSQL_PASSWORD", "planted-in-mysql".to_owned()),
        ("ORDERS_WRITE_PASSWORD", "planted-in-orders".to_owned()),
        ("MCP_HUB_PUBLIC_URL", "https://mcp.example.org".to_owned()),
        ("MCP_HUB_TOKEN_FILE", write("token", "planted-in-token-file\n")),
        (
            "MCP_HUB_SESSION_KEYS_FILE",
            write("keys", "k1:planted-in-session-keys\n"),
        ),
        (
            "MCP_HUB_UPSTREAMS",
            write(
                "upstreams.toml",
                "shop = 'http://u:planted-in-upstream-url@adapters.example.net:50051'\n\
                 [docs]\naddress = 'http://adapters.example.net:50054'\nheader = 'planted-in-upstream-header'\n",
            ),
        ),
    ]
}

/// Has a bundle made with all that is planted, on a machine from which nothing can be reached: doctor looks at what the settings name.
///
/// `None` where there can be no such machine: return from the test.
fn bundle(more: &[&str]) -> Option<BTreeMap<String, String>> {
    let machines = Machines::joined_by("eth0")?;
    let (folder, outside) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let output = outside.path().join("bundle.tar.gz");
    let output = machines
        .here(env!("CARGO_BIN_EXE_mcp-hub"))
        .args([
            "support-bundle",
            "--log-file",
            "log",
            "--url",
            "http://127.0.0.1:1/mcp",
            "--output",
        ])
        .arg(&output)
        .args(more)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder.path())
        .envs(planted(folder.path()))
        .output()
        .map(|exit| {
            assert!(exit.status.success(), "{}", String::from_utf8_lossy(&exit.stderr));
            output
        })
        .expect("runs");
    Some(unpack(&output))
}

#[test]
fn nothing_that_was_planted_is_in_it() {
    let Some(files) = bundle(&[]) else { return };
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "configuration.json",
            "doctor.json",
            "errors.json",
            "files.json",
            "services.json",
            "versions.json"
        ]
    );
    for (name, text) in &files {
        for secret in SECRETS.iter().chain(&HOSTS) {
            assert!(!text.contains(secret), "{secret} is in {name}: {text}");
        }
    }

    // What helps is there, and says the same of the same host everywhere.
    let configuration = json(&files, "configuration.json");
    let host = &configuration["mcp-hub-postgres"]["host"];
    assert_eq!(host["source"], "environment");
    assert_eq!(host["variable"], "POSTGRES_HOST");
    let pseudonym = host["value"].as_str().expect("a pseudonym");
    assert!(pseudonym.starts_with("host-"), "{pseudonym}");
    assert_eq!(configuration["mcp-hub-postgres"]["password"]["value"], "***");
    assert_eq!(
        configuration["orders of mcp-hub.toml"]["write-password"]["source"],
        "environment"
    );
    let shown = json(&files, "files.json").to_string();
    assert!(shown.contains(&format!(r#""host":"{pseudonym}""#)), "{shown}");
    assert!(shown.contains(r#""pasword":"***""#), "{shown}");
    let errors = json(&files, "errors.json");
    assert_eq!(errors["lines_read"], 4);
    let errors = errors["errors"].as_array().expect("a list");
    assert_eq!(errors.len(), 2, "{errors:?}");
    let message = errors[1]["message"].as_str().expect("a message");
    assert_eq!(
        message,
        format!("postgres://***@{pseudonym}/x failed; password ***")
    );
    assert!(
        json(&files, "doctor.json")["checks"]
            .as_u64()
            .is_some_and(|checks| checks > 0)
    );
    assert!(json(&files, "services.json")["error"].is_string());
}

#[test]
fn addresses_stay_when_they_are_wanted_and_secrets_do_not() {
    let Some(files) = bundle(&["--with-addresses"]) else {
        return;
    };
    assert!(files["configuration.json"].contains("pg-of-the-shop"));
    for (name, text) in &files {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {name}: {text}");
        }
    }
}

/// Whoever says what is wrong with a file quotes it.
#[tokio::test]
async fn a_file_that_is_damaged_gives_nothing_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstreams = folder.path().join("upstreams.toml");
    std::fs::write(
        &upstreams,
        "shop = 'http://u:planted-in-upstream-url@shop:50051\n",
    )
    .expect("writes");
    let output = folder.path().join("bundle.tar.gz").display().to_string();
    let environment = [("MCP_HUB_UPSTREAMS", upstreams.to_str().expect("UTF-8"))];
    let exit = run(&["support-bundle", "--output", &output], &environment).await;
    assert!(exit.status.success(), "{exit:?}");
    let files = unpack(Path::new(&output));
    assert!(files["files.json"].contains("it is not valid TOML"), "{files:?}");
    for (name, text) in files {
        assert!(!text.contains("planted"), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_running_hub_tells_its_services() {
    let hub = Hub::start(&[], &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("bundle.tar.gz").display().to_string();
    let exit = run(&["support-bundle", "--output", &output, "--url", &hub.url()], &[]).await;
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.stderr.contains("bundle.tar.gz is written"), "{exit:?}");
    let services = &json(&unpack(Path::new(&output)), "services.json")["services"];
    assert_eq!(services[0]["kind"], "sqlite", "{services}");
    // Nothing is overwritten.
    let again = run(&["support-bundle", "--output", &output, "--url", &hub.url()], &[]).await;
    assert!(!again.status.success(), "{again:?}");
    assert!(again.stderr.contains("can't write"), "{again:?}");
}
