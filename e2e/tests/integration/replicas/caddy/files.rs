//! The Caddyfile of a real set-up is the tested one, but for the names and the certificates.

use std::process::Command;

use mcp_hub_e2e::repository;
use mcp_hub_testing::required;
use serde_json::Value;

/// A Caddyfile as Caddy understands it.
fn adapted(program: &std::path::Path, name: &str) -> Value {
    let output = Command::new(program)
        .args(["adapt", "--adapter", "caddyfile", "--config"])
        .arg(repository().join(name))
        .env_clear()
        .envs([
            ("HUB_DOMAIN", "mcp.example.com"),
            ("HUB_UPSTREAMS", "127.0.0.1:1 127.0.0.1:2"),
        ])
        .output()
        .expect("Caddy runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_real_site_is_the_tested_one() {
    let Some(program) = mcp_hub_programs::caddy() else {
        required("no Caddy (program caddy)");
        return;
    };
    let [mut real, mut local] = ["Caddyfile", "caddy/Caddyfile.local"].map(|name| adapted(&program, name));
    assert_eq!(real["logging"], local["logging"]);
    assert_eq!(
        real["apps"]["http"]["grace_period"],
        local["apps"]["http"]["grace_period"]
    );
    let [real, local] =
        [&mut real, &mut local].map(|config| config["apps"]["http"]["servers"]["srv0"].take());
    for part in [
        "routes",
        "errors",
        "logs",
        "read_header_timeout",
        "idle_timeout",
        "max_header_bytes",
    ] {
        assert!(!real[part].is_null(), "{part}: {real}");
        assert_eq!(real[part], local[part], "{part}");
    }
    // What would end a stream that is open for longer.
    for part in ["read_timeout", "write_timeout"] {
        assert!(real[part].is_null(), "{part}: {real}");
    }
    assert_eq!(real["listen"], serde_json::json!([":443"]));
    assert_eq!(local["listen"], serde_json::json!(["127.0.0.1:8443"]));
}
