//! A machine for the scripts: a folder with copies of them, and a PATH with nothing but stand-ins and what every system has.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_hub_e2e::repository;
use mcp_hub_programs::find;
use tempfile::TempDir;

/// What the scripts use of a system beside docker, kind and kubectl.
const TOOLS: [&str; 17] = [
    "base64", "bash", "basename", "cat", "cp", "dirname", "env", "grep", "head", "mkdir", "mktemp", "rm",
    "sed", "sort", "tail", "tr", "touch",
];

/// An overlay as kubectl renders it, as far as the scripts look at it.
pub(crate) const RENDERED: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: mcp-hub
spec:
  template:
    spec:
      containers:
      - image: mcp-hub-facade:0.1.0
        name: mcp-hub
---
kind: Deployment
      containers:
      - image: mcp-hub-postgres:0.1.0
      volumes:
      - secret:
          items:
          - key: postgres-password
            path: postgres-password
          - key: qdrant-api-key
            path: qdrant-api-key
---
kind: Deployment
      containers:
      - image: postgres:18.6-trixie
";

/// What a script did.
#[derive(Debug)]
pub(crate) struct Run {
    /// 0 when all went well.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What it asked others to do, one line each, in order.
    pub(crate) asked: Vec<String>,
}

impl Run {
    /// Asserts that these were asked for in this order, perhaps with others in between: each the beginning of a line.
    pub(crate) fn assert_order(&self, expected: &[&str]) {
        let mut lines = self.asked.iter();
        for &step in expected {
            assert!(
                lines.any(|line| line.starts_with(step)),
                "{step:?} in this order: {self:#?}"
            );
        }
    }

    /// How often something was asked for that has this in it.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked.iter().filter(|line| line.contains(part)).count()
    }

    /// Asserts that it refused: with 1, and this sentence as the last of what it said.
    pub(crate) fn assert_refused(&self, sentence: &str) {
        let last = self.stderr.lines().last().unwrap_or_default();
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(
            last.starts_with("k8s/kind/") && last.contains(sentence),
            "{sentence:?}: {self:#?}"
        );
    }
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// With these programs installed, and no cluster.
    pub(crate) fn with(programs: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = Self { folder };
        let ours = repository();
        for place in [
            "bin",
            "home",
            "world",
            "checkout/k8s/kind",
            "checkout/k8s/overlays/kind",
            "checkout/e2e/clients",
        ] {
            fs::create_dir_all(stage.path(place)).expect("a folder");
        }
        for file in [
            "k8s/kind/up",
            "k8s/kind/down",
            "k8s/kind/redeploy",
            "k8s/kind/lib.sh",
            "k8s/kind/smoke.py",
            "k8s/kind/cluster.yaml",
            "e2e/clients/requirements.txt",
            "Cargo.toml",
        ] {
            symlink(ours.join(file), stage.path("checkout").join(file)).expect("a link");
        }
        for tool in TOOLS {
            let program = find(tool).unwrap_or_else(|| panic!("every system has {tool}"));
            symlink(program, stage.path("bin").join(tool)).expect("a link");
        }
        let stand_in = ours.join("e2e/tests/integration/kind/stand-in");
        for program in programs.iter().chain(&["python"]) {
            symlink(&stand_in, stage.path("bin").join(program)).expect("a link");
        }
        stage.set("clusters", "");
        stage.set("rendered", RENDERED);
        stage.set("content", "0123456789abcdef");
        stage.set("image", "mcp-hub-postgres:0.1.0");
        stage
    }

    /// With all that is needed.
    pub(crate) fn whole() -> Self {
        Self::with(&["docker", "kind", "kubectl"])
    }

    /// A place below the machine's folder.
    pub(crate) fn path(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    /// Changes what the stand-ins know: the scripts' Docker, clusters and so on.
    pub(crate) fn set(&self, what: &str, value: &str) {
        fs::write(self.path("world").join(what), value).expect("a file");
    }

    /// What the stand-ins know.
    pub(crate) fn get(&self, what: &str) -> String {
        fs::read_to_string(self.path("world").join(what)).unwrap_or_default()
    }

    /// Runs one of the scripts, with the client's stand-in.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Run {
        let log = self.path("world/log");
        fs::write(&log, "").expect("a file");
        let python = self.path("bin/python");
        let output = Command::new(self.path("checkout/k8s/kind").join(script))
            .args(arguments)
            .args(["--python".as_ref(), python.as_os_str()])
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("WORLD", self.path("world"))
            .current_dir(self.path("checkout"))
            .output()
            .expect("the script starts");
        Run {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            asked: lines(&log),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("the log");
    text.lines().map(str::to_owned).collect()
}
