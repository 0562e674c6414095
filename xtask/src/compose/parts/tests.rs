//! Each rule is broken once.

use super::*;

fn parts() -> Parts {
    let stage =
        |name: &str, port: u16| format!("FROM runtime AS {name}\nENV MCP_HUB_LISTEN=0.0.0.0:{port}\n");
    Parts {
        facts: Facts {
            programs: vec!["mcp-hub-facade".to_owned(), "mcp-hub-postgres".to_owned()],
            version: "0.1.0".to_owned(),
            toolchain: "1.95".to_owned(),
        },
        dockerfile: Dockerfile::parse(&(stage("facade", 8_000) + &stage("postgres", 50_051))),
        upstreams: toml::from_str(
            "[upstreams.postgres]\naddress = \"http://mcp-hub-postgres:50051\"\noptional = true\n",
        )
        .expect("valid"),
        reference: "## The postgres adapter\n| setting | variable |\n| `host` | `POSTGRES_HOST` |\n\
                    | `url` | `POSTGRES_URL` |\n| `password-file` | `POSTGRES_PASSWORD_FILE` |\n\
                    | `listen` | `MCP_HUB_LISTEN` |\n\n## More\n| `x` | `POSTGRES_OTHER` |\n"
            .to_owned(),
    }
}

fn service(program: &str) -> Value {
    json!({
        "image": format!("{program}:0.1.0"),
        "build": {"target": target_of(program)},
        "pull_policy": "never",
        "read_only": true,
        "user": "65532:65532",
        "pids_limit": 512,
        "restart": "unless-stopped",
        "networks": {HUB: null},
        "environment": {"MCP_HUB_METRICS_LISTEN": "0.0.0.0:9090"},
        "healthcheck": {"test": ["CMD", program, "healthcheck"]},
    })
}

fn good() -> Value {
    let mut facade = service(FACADE);
    facade["environment"]["MCP_HUB_AUTH"] = json!("tokens");
    facade["ports"] = json!([{"published": "8000"}]);
    let mut postgres = service("mcp-hub-postgres");
    postgres["networks"]["databases"] = Value::Null;
    postgres["secrets"] = json!([{"source": "postgres-password"}]);
    postgres["environment"]["POSTGRES_HOST"] = Value::Null;
    json!({"services": {FACADE: facade, "mcp-hub-postgres": postgres, "postgres": {"image": "postgres:18"}}})
}

#[test]
fn each_rule_can_be_broken() {
    let faults = |config: &Value| parts().faults(config);
    assert_eq!(faults(&good()), [""; 0]);
    for (place, value, fault) in [
        (
            "mcp-hub-postgres/image",
            json!("mcp-hub-postgres:latest"),
            "mcp-hub-postgres runs no image of this version",
        ),
        (
            "mcp-hub-postgres/build/target",
            json!("sqlite"),
            "mcp-hub-postgres is built from another stage than its image",
        ),
        (
            "mcp-hub-postgres/pull_policy",
            json!("always"),
            "mcp-hub-postgres may fetch what is built here",
        ),
        (
            "mcp-hub-postgres/read_only",
            json!(false),
            "mcp-hub-postgres may write into its container",
        ),
        (
            "mcp-hub-postgres/user",
            json!("root"),
            "mcp-hub-postgres runs as another user",
        ),
        (
            "mcp-hub-postgres/pids_limit",
            Value::Null,
            "mcp-hub-postgres may start any number of processes",
        ),
        (
            "mcp-hub-postgres/networks",
            json!({"databases": null}),
            "mcp-hub-postgres is not in the network of the hub",
        ),
        (
            "mcp-hub-postgres/secrets",
            json!([{"source": "mariadb-password"}]),
            "mcp-hub-postgres has another's secret",
        ),
        (
            "mcp-hub-postgres/secrets",
            json!([]),
            "mcp-hub-postgres has no secret",
        ),
        (
            "mcp-hub-postgres/healthcheck/test",
            json!(["CMD", "true"]),
            "mcp-hub-postgres is not asked for its health by itself",
        ),
        (
            "mcp-hub-postgres/environment",
            json!({"MCP_HUB_METRICS_LISTEN": "0.0.0.0:9090"}),
            "mcp-hub-postgres takes no POSTGRES_HOST from .env",
        ),
        (
            "mcp-hub-facade/environment/MCP_HUB_METRICS_LISTEN",
            json!("127.0.0.1:9090"),
            "mcp-hub-facade has no metrics",
        ),
        (
            "mcp-hub-facade/environment/MCP_HUB_AUTH",
            json!("none"),
            "mcp-hub-facade asks for no tokens",
        ),
        (
            "mcp-hub-facade/networks",
            json!({HUB: null, "databases": null}),
            "mcp-hub-facade has a way to databases",
        ),
    ] {
        let mut config = good();
        *config
            .pointer_mut(&format!("/services/{place}"))
            .expect("it is there") = value;
        assert_eq!(faults(&config), [fault]);
    }
    let mut config = good();
    config["services"]["mcp-hub-postgres"]["ports"] = json!([{"published": "50051"}]);
    assert_eq!(
        faults(&config),
        ["mcp-hub-postgres is published, and asks for no token"]
    );
}

#[test]
fn each_image_has_a_service() {
    let mut config = good();
    config["services"][FACADE]["build"] = Value::Null;
    assert_eq!(
        parts().faults(&config),
        [r#"runs {"mcp-hub-postgres"}, and the images are {"mcp-hub-facade", "mcp-hub-postgres"}"#]
    );
}

#[test]
fn the_facade_is_told_of_each_adapter() {
    for (upstreams, fault) in [
        (
            "[upstreams]\n",
            "docker/hub/upstreams.toml: nothing names http://mcp-hub-postgres:50051",
        ),
        (
            "[upstreams.postgres]\naddress = \"http://mcp-hub-postgres:50051\"\n",
            "docker/hub/upstreams.toml: postgres is missed where its profile is off",
        ),
    ] {
        let parts = Parts {
            upstreams: toml::from_str(upstreams).expect("valid"),
            ..parts()
        };
        assert_eq!(parts.faults(&good()), [fault]);
    }
    let elsewhere = "[upstreams.postgres]\naddress = \"http://mcp-hub-postgres:50052\"\noptional = true\n";
    let parts = Parts {
        upstreams: toml::from_str(elsewhere).expect("valid"),
        ..parts()
    };
    assert_eq!(parts.faults(&good()).len(), 2);
}

#[test]
fn an_example_without_an_adapter_shows_nothing() {
    assert_eq!(parts().instance_faults(&good()), [""; 0]);
    assert_eq!(
        parts().instance_faults(&json!({"services": {}})),
        ["shows no adapter"]
    );
}
