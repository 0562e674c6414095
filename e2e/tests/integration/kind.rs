//! k8s/kind: what its scripts do and in which order, what they refuse, and on a real cluster, where one is named.

use std::fs;
use std::process::Command;

use mcp_hub_e2e::repository;
use mcp_hub_programs::variable;

use stage::{RENDERED, Stage};

mod stage;

/// What `up` asks of the others on an empty machine, in this order.
const STEPS: [&str; 14] = [
    "docker info",
    "kind get clusters",
    "kubectl kustomize",
    "docker network create --driver bridge --subnet 172.23.0.0/16",
    "kind create cluster --name mcp-hub",
    "kubectl --context kind-mcp-hub --namespace default create secret generic mcp-hub-secrets",
    "docker buildx bake --load hub facade postgres",
    "kind load docker-image --name mcp-hub mcp-hub-facade:0.1.0-0123456789ab mcp-hub-postgres:0.1.0-0123456789ab",
    "docker create --network none mcp-hub:0.1.0-0123456789ab token new",
    "kubectl --context kind-mcp-hub --namespace default create secret generic mcp-hub-tokens",
    "kubectl --context kind-mcp-hub --namespace default apply --kustomize",
    "kubectl --context kind-mcp-hub --namespace default rollout status deployment.apps/mcp-hub-postgres",
    "kubectl --context kind-mcp-hub --namespace default wait --for condition=complete job.batch/demo",
    "python ",
];

#[test]
fn what_is_missing_is_said_in_a_sentence_and_nothing_is_done() {
    let all = ["docker", "kind", "kubectl"];
    for missing in all {
        let others: Vec<_> = all.into_iter().filter(|&program| program != missing).collect();
        let stage = Stage::with(&others);
        for (script, arguments) in [("up", &[] as &[&str]), ("down", &[]), ("redeploy", &["postgres"])] {
            let run = stage.run(script, arguments);
            run.assert_refused(&format!("{missing} is missing: https://"));
            assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
            assert_eq!(
                run.count("create") + run.count("delete") + run.count("set image"),
                0,
                "{run:#?}"
            );
        }
    }

    let stage = Stage::whole();
    stage.set("engine-down", "");
    let run = stage.run("up", &[]);
    run.assert_refused("the Docker engine does not answer: start it");
    assert_eq!(run.asked, ["docker info"], "{run:#?}");
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_done() {
    let stage = Stage::whole();
    for (arguments, sentence) in [
        (&["--nmae", "x"] as &[&str], "--nmae is no option"),
        (&["--host-address", "127.0.0.1"], "is the Pod itself"),
        (&["--host-address", "db.example.com"], "wants an IPv4 address"),
        (
            &["--overlay", "k8s/overlays/none"],
            "there is no folder k8s/overlays/none",
        ),
        (&["--overlay", "/"], "is outside the checkout"),
        (&["--secrets", "none.env"], "none.env can't be read"),
        (&["--timeout", "soon"], "wants a number of seconds"),
        (&["--name", "Big Cluster"], "can't be the name of a cluster"),
        (&["--context", "kind-other"], "--load names the command"),
        (
            &["--no-build", "--context", "elsewhere"],
            "there is no cluster for kubectl's context elsewhere",
        ),
    ] {
        let run = stage.run("up", arguments);
        run.assert_refused(sentence);
        assert_eq!(run.count("create") + run.count("apply"), 0, "{run:#?}");
    }
    for (arguments, sentence) in [
        (&[] as &[&str], "which part?"),
        (&["postgres", "neo4j"], "one part at a time"),
        (
            &["postgres"],
            "there is no cluster mcp-hub; `k8s/kind/up --name mcp-hub` makes it",
        ),
    ] {
        stage.run("redeploy", arguments).assert_refused(sentence);
    }
}

#[test]
fn each_script_explains_itself() {
    let stage = Stage::with(&[]);
    for script in ["up", "down", "redeploy"] {
        let run = stage.run(script, &["--help"]);
        assert_eq!(run.code, Some(0), "{run:#?}");
        assert!(
            run.stdout.contains(&format!("k8s/kind/{script}")) && run.stdout.contains("Options:"),
            "{run:#?}"
        );
        let source = fs::read_to_string(repository().join("k8s/kind").join(script)).unwrap();
        for option in source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--")?.split_once(')'))
        {
            let option = option.0.split(' ').next().unwrap_or_default();
            assert!(
                run.stdout.contains(&format!("--{option}")) || option == "help",
                "--{option}: {}",
                run.stdout
            );
        }
    }
}

#[test]
fn one_command_makes_everything_and_again_changes_nothing() {
    let stage = Stage::whole();
    let first = stage.run("up", &["--port", "30900"]);
    assert_eq!(first.code, Some(0), "{first:#?}");
    first.assert_order(&STEPS);
    assert!(
        stage.get("config").contains("hostPort: 30900"),
        "{}",
        stage.get("config")
    );
    // Where Docker publishes the NodePort first, and then each node.
    assert_eq!(
        first.count("smoke.py --url http://127.0.0.1:30800 --url http://172.23.0.3:30800"),
        1,
        "{first:#?}"
    );
    // Whether it is listed already or not, every adapter that was applied has to answer.
    assert_eq!(
        first.count("/token --timeout 300 --service postgres"),
        1,
        "{first:#?}"
    );
    let applied = stage.get("applied");
    for image in ["mcp-hub-facade", "mcp-hub-postgres"] {
        let line = format!("{{ name: {image}, newName: {image}, newTag: 0.1.0-0123456789ab }}");
        assert!(applied.contains(&line), "{applied}");
    }
    assert!(
        !applied.contains("trixie"),
        "a database's image is not ours: {applied}"
    );

    // The token is where it is said to be, for its owner alone, and on no command line.
    let token = stage.path("home/.local/state/mcp-hub/mcp-hub/token");
    assert!(first.stdout.contains(&token.display().to_string()), "{first:#?}");
    assert_eq!(fs::read_to_string(&token).unwrap(), "a-very-secret-token\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&token).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    assert_eq!(first.count("a-very-secret-token"), 0, "{first:#?}");
    // Values of Secrets are files as well.
    assert_eq!(first.count("--from-literal"), 0, "{first:#?}");
    for key in ["postgres-password=", "qdrant-api-key="] {
        assert_eq!(first.count(&format!("--from-file={key}")), 1, "{first:#?}");
    }

    let second = stage.run("up", &[]);
    assert_eq!(second.code, Some(0), "{second:#?}");
    for made in [
        "create cluster",
        "create secret",
        "network create",
        "docker create",
    ] {
        assert_eq!(second.count(made), 0, "{made}: {second:#?}");
    }
    assert_eq!(stage.get("applied"), applied);
}

#[test]
fn a_cluster_that_was_there_is_joined_and_stays() {
    let stage = Stage::whole();
    stage.set("clusters", "k8s\n");
    stage.set("network", "172.18.0.0/16 ");
    stage.set("secret-mcp-hub-tokens", "");
    let refused = stage.run("up", &["--name", "k8s"]);
    refused.assert_refused("has only digests: --token-file names a file with one");
    assert_eq!(
        refused.count("create secret") + refused.count("bake --load"),
        0,
        "{refused:#?}"
    );

    stage.set("token", "a token\n");
    let token = stage.path("world/token").display().to_string();
    let up = stage.run("up", &["--name", "k8s", "--token-file", &token]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert_eq!(up.count("create cluster"), 0, "{up:#?}");
    up.assert_order(&[
        "kind load docker-image --name k8s",
        "kubectl --context kind-k8s",
        "python ",
    ]);
    // It publishes no port, so the nodes are asked.
    assert_eq!(up.count("--url http://127"), 0, "{up:#?}");
    assert_eq!(
        up.count("smoke.py --url http://172.23.0.3:30800 --url http://172.23.0.4:30800"),
        1,
        "{up:#?}"
    );

    let down = stage.run("down", &["--name", "k8s"]);
    down.assert_refused("kind-k8s was there before `up` and stays");
    assert_eq!(down.count("delete"), 0, "{down:#?}");

    let down = stage.run("down", &["--name", "k8s", "--delete-applied"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    down.assert_order(&[
        "kubectl --context kind-k8s --namespace default delete --kustomize",
        "kubectl --context kind-k8s --namespace default delete secrets --selector mcp-hub/made-by=up",
        "kubectl --context kind-k8s --namespace default delete configmaps --selector app.kubernetes.io/part-of=mcp-hub",
    ]);
    assert_eq!(down.count("delete cluster"), 0, "{down:#?}");
}

#[test]
fn what_up_made_down_takes_down() {
    let stage = Stage::whole();
    assert_eq!(stage.run("up", &[]).code, Some(0));
    let down = stage.run("down", &[]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    down.assert_order(&["kind delete cluster --name mcp-hub"]);
    assert!(!stage.path("home/.local/state/mcp-hub/mcp-hub").exists());

    let again = stage.run("down", &[]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert!(again.stdout.contains("there is no cluster mcp-hub"), "{again:#?}");
}

#[test]
fn the_databases_of_the_host_have_one_address_and_logins_that_nobody_invents() {
    let stage = Stage::whole();
    fs::create_dir_all(stage.path("checkout/k8s/overlays/production")).unwrap();
    stage.set("clusters", "k8s\n");
    stage.set("rendered", &format!("{RENDERED}---\nkind: EndpointSlice\n"));
    let arguments = ["--name", "k8s", "--host-address", "203.0.113.7"];
    let refused = stage.run("up", &arguments);
    refused.assert_refused("the logins of the host's databases are yours to give: --secrets");
    assert_eq!(
        refused.count("bake --load"),
        0,
        "said before the long part: {refused:#?}"
    );

    stage.set("my.env", "postgres-password=x\n");
    let secrets = stage.path("world/my.env").display().to_string();
    let more = ["--secrets", &secrets, "--services", "qdrant,neo4j"];
    let up = stage.run("up", &[&arguments[..], &more].concat());
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert_eq!(up.count("--from-env-file="), 1, "{up:#?}");
    assert!(
        up.asked
            .iter()
            .any(|line| line.ends_with("--service qdrant --service neo4j")),
        "{up:#?}"
    );
    let applied = stage.get("applied");
    assert!(
        applied.contains("../../../../k8s/overlays/production"),
        "{applied}"
    );
    assert!(
        applied.contains("kind: EndpointSlice") && applied.contains("[203.0.113.7]"),
        "{applied}"
    );
}

#[test]
fn a_hub_that_does_not_get_ready_or_does_not_answer_is_a_failure() {
    let stage = Stage::whole();
    stage.set("never-ready", "mcp-hub");
    stage
        .run("up", &["--timeout", "7"])
        .assert_refused("not everything got ready within 7 s");

    fs::remove_file(stage.path("world/never-ready")).unwrap();
    stage.set("no-answer", "");
    stage.run("up", &[]).assert_refused("the smoke test did not pass");
}

#[test]
fn one_part_is_rolled_and_asked() {
    let stage = Stage::whole();
    stage.set("clusters", "k8s\n");
    assert_eq!(stage.run("up", &["--name", "k8s"]).code, Some(0));
    let rolled = stage.run("redeploy", &["postgres", "--name", "k8s"]);
    assert_eq!(rolled.code, Some(0), "{rolled:#?}");
    rolled.assert_order(&[
        "docker buildx bake --load postgres",
        "kind load docker-image --name k8s mcp-hub-postgres:0.1.0-0123456789ab",
        "kubectl --context kind-k8s --namespace default set image deployment/mcp-hub-postgres mcp-hub=mcp-hub-postgres:0.1.0-0123456789ab",
        "kubectl --context kind-k8s --namespace default rollout status deployment/mcp-hub-postgres",
        "python ",
    ]);
    assert!(
        rolled.asked.last().unwrap().ends_with("--service postgres"),
        "{rolled:#?}"
    );

    // The same contents have the same name, and nothing is rolled.
    let again = stage.run("redeploy", &["postgres", "--name", "k8s"]);
    assert_eq!(
        (again.code, again.count("set image"), again.count("kind load")),
        (Some(0), 0, 0),
        "{again:#?}"
    );

    assert_eq!(rolled.count("apply"), 0, "nothing else is touched: {rolled:#?}");

    stage
        .run("redeploy", &["mongodb", "--name", "k8s"])
        .assert_refused("there is no Deployment mcp-hub-mongodb");
}

#[test]
fn what_does_not_get_ready_is_rolled_back() {
    let stage = Stage::whole();
    stage.set("clusters", "k8s\n");
    assert_eq!(stage.run("up", &["--name", "k8s"]).code, Some(0));
    stage.set("content", "badbadbadbad");
    stage.set("never-ready", "-badbadbadbad");
    let run = stage.run("redeploy", &["postgres", "--name", "k8s"]);
    run.assert_refused("did not get ready with mcp-hub-postgres:0.1.0-badbadbadbad within 300 s, and runs mcp-hub-postgres:0.1.0 again");
    run.assert_order(&[
        "kubectl --context kind-k8s --namespace default set image deployment/mcp-hub-postgres mcp-hub=mcp-hub-postgres:0.1.0-bad",
        "kubectl --context kind-k8s --namespace default logs",
        "kubectl --context kind-k8s --namespace default set image deployment/mcp-hub-postgres mcp-hub=mcp-hub-postgres:0.1.0",
        "kubectl --context kind-k8s --namespace default rollout status",
    ]);
    assert_eq!(stage.get("image"), "mcp-hub-postgres:0.1.0");
}

/// On a real cluster with the hub on it: `MCP_HUB_TEST_KUBECONFIG`, whose current context is meant, and `MCP_HUB_TEST_KUBE_TOKEN`, a file
/// with a token of that hub. It can't be had everywhere, so without them the test returns and is not skipped.
#[test]
fn a_real_cluster_takes_an_image_back_that_it_can_not_get() {
    let (Some(kubeconfig), Some(token)) = (
        variable("MCP_HUB_TEST_KUBECONFIG"),
        variable("MCP_HUB_TEST_KUBE_TOKEN"),
    ) else {
        return;
    };
    let kubectl = |arguments: &[&str]| {
        let output = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &kubeconfig)
            .output()
            .expect("kubectl");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let context = kubectl(&["config", "current-context"]);
    let image = || {
        let path = "jsonpath={.spec.template.spec.containers[0].image}";
        kubectl(&["get", "deployment", "mcp-hub-postgres", "--output", path])
    };
    let redeploy = |arguments: &[&str]| {
        let mut command = Command::new(repository().join("k8s/kind/redeploy"));
        command
            .args(["postgres", "--context", &context, "--token-file", &token])
            .args(arguments)
            .env("KUBECONFIG", &kubeconfig);
        if let Some(python) = variable("MCP_HUB_TEST_PYTHON") {
            command.args(["--python", &python]);
        }
        command.output().expect("the script starts")
    };

    let before = image();
    let answered = redeploy(&["--image", &before]);
    assert!(answered.status.success(), "{answered:?}");
    assert!(
        String::from_utf8_lossy(&answered.stdout).contains("postgres_list_databases: answered"),
        "{answered:?}"
    );

    let refused = redeploy(&["--image", "mcp-hub-postgres:not-there", "--timeout", "20"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains(&format!("runs {before} again")),
        "{refused:?}"
    );
    assert_eq!(image(), before);
}
