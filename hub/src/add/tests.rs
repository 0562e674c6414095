//! On copies of what this repository is deployed from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

/// A copy of the parts of this repository that are written to.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for part in ["k8s", "docker", "docker-compose.yml"] {
            copy_all(&repository.join(part), &copy.path(part));
        }
        // What somebody has written with this command is not what is tested.
        let _ = fs::remove_dir_all(copy.path("k8s/instances"));
        copy
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    fn options(&self, kind: Kind, name: &str) -> Options {
        Options {
            kind,
            key: key(name).unwrap(),
            port: None,
            root: self.0.path().to_owned(),
            dry_run: false,
            upstreams_file: vec![],
        }
    }

    fn add(&self, kind: Kind, name: &str) {
        run(&self.options(kind, name)).unwrap();
    }

    fn refused(&self, kind: Kind, name: &str) -> String {
        let before = self.files();
        let error = run(&self.options(kind, name)).unwrap_err();
        assert_eq!(before, self.files(), "{name}");
        mcp_hub_chassis::fault::chain(&error)
    }

    /// All files with their texts.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    files.insert(path.strip_prefix(self.0.path()).unwrap().to_owned(), text);
                }
            }
        }
        files
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn a_postgres_is_written_as_it_is_read() {
    let copy = Copy::new();
    fs::write(copy.path(".env"), "HOST_BIND=127.0.0.1").unwrap();
    let before = copy.files();
    copy.add(Kind::Postgres, "orders");
    insta::assert_snapshot!(
        "kustomization",
        copy.read("k8s/instances/orders/kustomization.yaml")
    );
    insta::assert_snapshot!("secret", copy.read("k8s/instances/orders/secret.env"));
    insta::assert_snapshot!("compose", copy.read("compose.orders.yml"));
    assert_eq!(
        copy.read(".env"),
        "HOST_BIND=127.0.0.1\nCOMPOSE_FILE=docker-compose.yml:compose.orders.yml\n"
    );
    // Of files that were there, only lines have come.
    let after = copy.files();
    let mut changed = vec![];
    for (path, text) in &before {
        let new = &after[path];
        if new == text {
            continue;
        }
        changed.push(path.display().to_string());
        let mut rest = new.lines();
        assert!(
            text.lines().all(|line| rest.any(|other| other == line)),
            "{path:?}"
        );
    }
    let expected = [
        ".env",
        "docker/hub/upstreams.toml",
        "k8s/overlays/kind/kustomization.yaml",
        "k8s/overlays/kind/upstreams.toml",
        "k8s/overlays/production/kustomization.yaml",
        "k8s/overlays/production/upstreams.toml",
    ];
    assert_eq!(changed, expected);
    assert_eq!(after.len(), before.len() + 3);
}

#[cfg(unix)]
#[test]
fn rights_stay_and_a_file_for_passwords_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = Copy::new();
    let mode = |path: &str| fs::metadata(copy.path(path)).unwrap().permissions().mode() & 0o777;
    let upstreams = "docker/hub/upstreams.toml";
    fs::set_permissions(copy.path(upstreams), fs::Permissions::from_mode(0o640)).unwrap();
    copy.add(Kind::Postgres, "orders");
    assert_eq!(mode(upstreams), 0o640);
    assert_eq!(mode("k8s/instances/orders/secret.env"), 0o600);
    assert_eq!(mode("compose.orders.yml") & 0o444, 0o444);
}

#[test]
fn a_second_run_changes_nothing_and_completes_what_is_missing() {
    let copy = Copy::new();
    copy.add(Kind::Neo4j, "graph");
    let mine = copy
        .read("compose.graph.yml")
        .replace("#NEO4J_USER:", "NEO4J_USER: reader");
    fs::write(copy.path("compose.graph.yml"), &mine).unwrap();
    let before = copy.files();
    copy.add(Kind::Neo4j, "graph");
    assert_eq!(before, copy.files());

    let checkout = Checkout::around(copy.0.path()).unwrap();
    let instance = Instance::new(Kind::Neo4j, "graph", checkout.base(Kind::Neo4j).unwrap());
    let plan = plan(&checkout, &instance, &[]).unwrap();
    let report = plan.report(&checkout, &instance, false);
    assert_eq!(report.matches("there already").count(), 8, "{report}");
    assert!(!report.contains("new") && !report.contains("changed"), "{report}");

    fs::remove_file(copy.path("compose.graph.yml")).unwrap();
    copy.add(Kind::Neo4j, "graph");
    assert!(copy.path("compose.graph.yml").is_file());
}

#[test]
fn a_dry_run_writes_nothing() {
    let copy = Copy::new();
    let before = copy.files();
    let options = Options {
        dry_run: true,
        ..copy.options(Kind::Mysql, "crm")
    };
    run(&options).unwrap();
    assert_eq!(before, copy.files());
}

#[test]
fn only_the_named_deployments_are_written_to() {
    let copy = Copy::new();
    let production = copy.path("k8s/overlays/production/upstreams.toml");
    let of = |file: PathBuf, name: &str| Options {
        upstreams_file: vec![file],
        ..copy.options(Kind::Postgres, name)
    };
    run(&of(production, "orders")).unwrap();
    assert!(
        copy.read("k8s/overlays/production/kustomization.yaml")
            .contains("/orders\n")
    );
    assert!(
        !copy
            .read("k8s/overlays/kind/kustomization.yaml")
            .contains("orders")
    );
    assert!(!copy.path("compose.orders.yml").exists());
    run(&of(copy.path(COMPOSE), "billing")).unwrap();
    assert!(copy.path("compose.billing.yml").exists());
    assert!(!copy.path("k8s/instances/billing").exists());
}

const COMPOSE: &str = checkout::COMPOSE_UPSTREAMS;

#[test]
fn every_name_that_is_taken_is_refused() {
    let copy = Copy::new();
    for kind in Kind::ALL {
        let error = copy.refused(Kind::Postgres, kind.name());
        assert!(error.contains("choose another key"), "{error}");
    }
    for name in [
        "facade",
        "peers",
        "service",
        "secrets",
        "tokens",
        "upstreams",
        "deny_all",
    ] {
        let error = copy.refused(Kind::Postgres, name);
        assert!(error.contains("is there already, in "), "{error}");
    }
    copy.add(Kind::Postgres, "web_shop");
    assert!(copy.path("k8s/instances/web-shop").is_dir());
    copy.add(Kind::Postgres, "web");
    // Another kind by the name, and what would be the same name in Kubernetes.
    copy.refused(Kind::Mariadb, "web_shop");
    fs::write(
        copy.path("docker/hub/upstreams.toml"),
        "notes = 'http://elsewhere:1'\n",
    )
    .unwrap();
    let error = copy.refused(Kind::Postgres, "notes");
    assert!(
        error.contains("at another address than http://mcp-hub-notes:50051"),
        "{error}"
    );
}

#[test]
fn keys_are_those_that_the_facade_and_kubernetes_take() {
    for wrong in ["", "Orders", "1a", "a-b", "a_", "health", "list", &"a".repeat(25)] {
        assert!(key(wrong).is_err(), "{wrong}");
    }
    assert!(key("a_1").is_ok() && key(&"a".repeat(24)).is_ok());
    let error = kind("oracle").unwrap_err();
    assert!(
        error.contains("mariadb, mysql, neo4j, postgres, qdrant, sqlite"),
        "{error}"
    );
}

#[test]
fn what_is_no_checkout_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        root: folder.path().to_owned(),
        ..Copy::new().options(Kind::Postgres, "orders")
    };
    let error = mcp_hub_chassis::fault::chain(&run(&options).unwrap_err());
    assert!(
        error.contains("it is no checkout of mcp-hub") && error.contains("--root"),
        "{error}"
    );
    // A folder inside one is inside it.
    let copy = Copy::new();
    let options = Options {
        root: copy.path("k8s/overlays"),
        ..copy.options(Kind::Postgres, "orders")
    };
    run(&options).unwrap();
    assert!(copy.path("compose.orders.yml").is_file());
}

#[test]
fn a_file_that_can_not_be_written_takes_everything_back() {
    let copy = Copy::new();
    let before = copy.files();
    // A folder is where a file is to be, so that the last step fails.
    let mut plan = Plan::default();
    plan.create(copy.path("k8s/instances/orders/a"), "a".to_owned(), false);
    plan.edit(&copy.path(COMPOSE), |text| {
        Ok(edit::Edit::Changed(format!("{text}#")))
    })
    .unwrap();
    plan.create(copy.path("k8s/instances/orders/b"), "b".to_owned(), false);
    fs::create_dir_all(copy.path("k8s/instances/orders/b")).unwrap();
    assert!(plan.carry_out().is_err());
    fs::remove_dir_all(copy.path("k8s/instances")).unwrap();
    assert_eq!(before, copy.files());
}

#[test]
fn each_kind_has_what_it_needs_and_no_value() {
    for kind in Kind::ALL {
        let copy = Copy::new();
        copy.add(kind, "on");
        let secret = copy.path("k8s/instances/on/secret.env");
        assert_eq!(secret.exists(), kind != Kind::Sqlite);
        if secret.exists() {
            let secret = fs::read_to_string(secret).unwrap();
            assert!(
                secret
                    .lines()
                    .all(|line| line.is_empty() || line.starts_with('#')),
                "{secret}"
            );
        }
        let compose = copy.read("compose.on.yml");
        // A name that YAML would take for true.
        assert!(compose.contains("MCP_HUB_NAME: \"on\""), "{compose}");
        let upstreams = copy.read(COMPOSE);
        let address = format!("[upstreams.on]\naddress = \"http://mcp-hub-on:{}\"", kind.port());
        assert!(upstreams.contains(&address), "{upstreams}");
    }
}

#[test]
fn another_port_is_opened_and_asked() {
    for (kind, setting) in [
        (Kind::Postgres, "POSTGRES_PORT=5433"),
        (Kind::Qdrant, "QDRANT_PORT=5433"),
        (Kind::Neo4j, "NEO4J_URI=bolt://neo4j:5433"),
    ] {
        let copy = Copy::new();
        let options = Options {
            port: Some(5433),
            ..copy.options(kind, "orders")
        };
        run(&options).unwrap();
        let kustomization = copy.read("k8s/instances/orders/kustomization.yaml");
        assert!(
            kustomization.contains(&format!("- {setting}\n")),
            "{kustomization}"
        );
        assert!(
            kustomization.contains("{ port: 5433, protocol: TCP }"),
            "{kustomization}"
        );
        assert!(copy.read("compose.orders.yml").contains("5433"));
    }
    let copy = Copy::new();
    let options = Options {
        port: Some(1),
        ..copy.options(Kind::Sqlite, "notes")
    };
    assert!(matches!(run(&options), Err(Error::Usage(_))));
}

#[test]
fn a_line_goes_behind_the_last_of_its_list() {
    use edit::Edit;
    let changed = |text: &str| match edit::resource(text, "../new") {
        Ok(Edit::Changed(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = "# a\nresources:\n  - ../a   # the first\n  # - ../b\n  - ../c\n  # - ../d\n\ncomponents:\n  - ../e\n";
    assert_eq!(changed(text), text.replace("../c\n", "../c\n  - ../new\n"));
    assert_eq!(changed("resources:\n- ../a"), "resources:\n- ../a\n- ../new\n");
    let there = "resources: [../a, ../new/]\n";
    assert_eq!(edit::resource(there, "../new").unwrap(), Edit::There);
    for by_hand in [
        "resources: [../a]\n",
        "kind: Kustomization\n",
        "resources:\n  - |\n    ../a\n",
    ] {
        assert!(
            matches!(edit::resource(by_hand, "../new"), Ok(Edit::ByHand(_))),
            "{by_hand}"
        );
    }
    assert!(edit::resource("resources: 7\n", "../new").is_err());
}

#[test]
fn a_file_of_compose_is_added_to_those_that_are_named() {
    use edit::Edit;
    let of = |text: &str| edit::compose_files(text, "x.yml");
    let changed = |text: &str| Edit::Changed(text.to_owned());
    assert_eq!(
        of("A=1\n#COMPOSE_FILE=y\n"),
        changed("A=1\n#COMPOSE_FILE=y\nCOMPOSE_FILE=docker-compose.yml:x.yml\n")
    );
    assert_eq!(
        of("COMPOSE_FILE=a.yml:b.yml\nA=1"),
        changed("COMPOSE_FILE=a.yml:b.yml:x.yml\nA=1")
    );
    assert_eq!(
        of("COMPOSE_FILE=\n"),
        changed("COMPOSE_FILE=docker-compose.yml:x.yml\n")
    );
    assert_eq!(
        of("COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=a.yml\n"),
        changed("COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=a.yml;x.yml\n")
    );
    assert_eq!(of("COMPOSE_FILE=a.yml:x.yml\n"), Edit::There);
    assert!(matches!(of("COMPOSE_FILE=\"a.yml\" # mine\n"), Edit::ByHand(_)));
}

#[test]
fn an_upstreams_file_in_any_form_is_added_to_or_told_of() {
    use edit::Edit;
    let copy = Copy::new();
    let base = Checkout::around(copy.0.path())
        .unwrap()
        .base(Kind::Postgres)
        .unwrap();
    let instance = Instance::new(Kind::Postgres, "orders", base);
    let line = "[upstreams.orders]\naddress = \"http://mcp-hub-orders:50051\"\n";
    for (text, expected) in [
        ("", line.to_owned()),
        (
            "# mine\na = 'http://a:1'",
            format!("# mine\na = 'http://a:1'\n\n{line}"),
        ),
    ] {
        assert_eq!(edit::upstream(text, &instance).unwrap(), Edit::Changed(expected));
    }
    for there in [
        "orders = 'mcp-hub-orders:50051'",
        "[upstreams.orders]\naddress = 'http://mcp-hub-orders:50051/'\nconcurrency = 3",
    ] {
        assert_eq!(edit::upstream(there, &instance).unwrap(), Edit::There, "{there}");
    }
    assert!(matches!(
        edit::upstream("upstreams = { a = 'a:1' }", &instance),
        Ok(Edit::ByHand(_))
    ));
    assert!(edit::upstream("a = 7", &instance).is_err());
}
