//! `mcp-hub add` as it is used. `cargo xtask lint` renders what it writes.

use std::path::Path;

use crate::support::run;

/// A copy of what this repository is deployed from.
fn checkout() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args(["k8s", "docker", "docker-compose.yml"].map(|part| repository.join(part)))
        .arg(copy.path())
        .status();
    assert!(copied.expect("cp").success());
    let _ = std::fs::remove_dir_all(copy.path().join("k8s/instances"));
    copy
}

#[tokio::test]
async fn what_was_written_is_said_and_a_mistake_is_a_sentence() {
    let checkout = checkout();
    let root = checkout.path().display().to_string();
    let add = async |arguments: &[&str]| run(&[&["add"], arguments].concat(), &[]).await;
    let dry = add(&["postgres", "orders", "--root", &root, "--dry-run"]).await;
    let exit = add(&["postgres", "orders", "--root", &root]).await;
    for part in [
        "  new            k8s/instances/orders/kustomization.yaml\n",
        "  changed        k8s/overlays/kind/upstreams.toml\n",
        "kubectl create secret generic mcp-hub-orders --from-env-file=k8s/instances/orders/secret.env",
        "COMPOSE_FILE=docker-compose.yml:compose.orders.yml",
        "docker compose up -d --wait mcp-hub-orders",
    ] {
        assert!(exit.stdout.contains(part), "no {part:?} in {exit:?}");
        assert!(dry.stdout.contains(part), "no {part:?} in {dry:?}");
    }
    assert!(dry.stdout.contains("(nothing is written)"), "{dry:?}");
    let again = add(&["postgres", "orders", "--root", &root]).await;
    assert!(
        again.status.success() && !again.stdout.contains("  new"),
        "{again:?}"
    );
    for (arguments, part) in [
        (
            ["oracle", "x", "--root", &root],
            "known are: mariadb, mysql, neo4j, postgres, qdrant, sqlite",
        ),
        (
            ["postgres", "Orders", "--root", &root],
            "it takes a lower-case letter",
        ),
        (["postgres", "postgres", "--root", &root], "choose another key"),
        (["postgres", "x", "--root", "/"], "it is no checkout of mcp-hub"),
    ] {
        let exit = add(&arguments).await;
        assert!(
            !exit.status.success() && exit.stderr.contains(part),
            "no {part:?} in {exit:?}"
        );
    }
}
