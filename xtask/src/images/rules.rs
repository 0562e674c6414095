//! What must hold for the Dockerfile.

use super::dockerfile::{Dockerfile, Stage};
use super::{Facts, target_of};

/// The stage that all images stand on.
const RUNTIME: &str = "runtime";
/// Nobody on any host, and the same in Kubernetes.
const USER: &str = "65532:65532";
/// What the steps that have a network do; the others have none.
const FETCHES: [&str; 2] = ["cargo install --locked ", "cargo fetch --locked "];
/// What a name has that stands for a secret: images keep what they are built with.
const SECRET: [&str; 4] = ["PASSWORD", "TOKEN", "SECRET", "KEY"];

/// What is wrong, one sentence each.
pub(super) fn faults(file: &Dockerfile, facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rule = |kept: bool, sentence: String| {
        if !kept {
            faults.push(sentence);
        }
    };
    rule(
        !file.has_syntax_line,
        "a syntax line would be fetched from a registry".to_owned(),
    );
    for (name, default) in &file.arguments {
        let tag = default.rsplit('/').next().and_then(|name| name.split_once(':'));
        rule(
            tag.is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest"),
            format!("{name} has a default without a version"),
        );
    }
    rule(
        file.default("RUST_IMAGE")
            .and_then(|image| image.split_once(':'))
            .is_some_and(|(_, tag)| tag.split('-').next() == Some(&facts.toolchain)),
        format!("RUST_IMAGE is not the toolchain {}", facts.toolchain),
    );
    for (at, stage) in file.stages.iter().enumerate() {
        let argument = stage
            .base
            .strip_prefix("${")
            .and_then(|base| base.strip_suffix('}'));
        let is_known = match argument {
            Some(name) => file.default(name).is_some(),
            None => file.stages[..at].iter().any(|earlier| earlier.name == stage.base),
        };
        rule(
            is_known,
            format!("{} stands on what can't be overridden", stage.name),
        );
        for step in stage.all("RUN") {
            rule(
                step.starts_with("--network=none ") || FETCHES.iter().any(|fetch| step.contains(fetch)),
                format!("{} has a network for what needs none: {step}", stage.name),
            );
        }
        rule(
            stage.all("ADD").next().is_none(),
            format!("{} may fetch by ADD; COPY does not", stage.name),
        );
        let settings = stage
            .all("ENV")
            .chain(stage.all("ARG"))
            .flat_map(str::split_whitespace);
        for setting in settings {
            let name = setting.split('=').next().unwrap_or_default();
            rule(
                !SECRET.iter().any(|part| name.contains(part)),
                format!("{} keeps {name}", stage.name),
            );
        }
    }
    let runtime = file.stage(RUNTIME);
    rule(
        runtime.is_some_and(|stage| stage.all("USER").last() == Some(USER)),
        format!("{RUNTIME} is not for the user {USER}"),
    );
    rule(
        runtime.is_some_and(|stage| {
            stage
                .all("ARG")
                .any(|argument| argument == format!("VERSION={}", facts.version))
        }),
        format!("{RUNTIME} has not the version {}", facts.version),
    );
    faults.extend(images(file, facts));
    faults
}

/// Whether there is an image for each program, and none for anything else.
fn images(file: &Dockerfile, facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let built = |program: &str| {
        let mut options = file.stages.iter().flat_map(|stage| stage.all("ENV"));
        options.any(|options| options.contains(&format!("--package {program} ")))
    };
    for program in &facts.programs {
        let target = target_of(program);
        if !built(program) {
            faults.push(format!("{program} is not built"));
        }
        match file.stage(target) {
            None => faults.push(format!("no stage {target} for {program}")),
            Some(stage) => faults.extend(
                image(file, stage, program)
                    .into_iter()
                    .map(|fault| format!("{target} {fault}")),
            ),
        }
    }
    let is_expected = |stage: &&Stage| {
        facts
            .programs
            .iter()
            .any(|program| target_of(program) == stage.name)
    };
    let images = file
        .stages
        .iter()
        .filter(|stage| stage.all("ENTRYPOINT").next().is_some());
    for stage in images.filter(|stage| !is_expected(stage)) {
        faults.push(format!("{} starts no program of the workspace", stage.name));
    }
    faults
}

/// What is wrong with the image of a program.
fn image(file: &Dockerfile, stage: &Stage, program: &str) -> Vec<&'static str> {
    let port = file.port(&stage.name).map(|port| port.to_string());
    let has = |word, wanted: String| stage.all(word).any(|rest| rest == wanted);
    let health = stage.all("HEALTHCHECK").collect::<Vec<_>>();
    [
        (stage.base == RUNTIME, "does not stand on the common stage"),
        (
            has(
                "COPY",
                format!("--from=build /programs/{program} /usr/local/bin/"),
            ),
            "has not its program",
        ),
        (
            has("RUN", format!("--network=none [\"{program}\", \"--version\"]")),
            "is made without trying the program on its base",
        ),
        (
            has("ENTRYPOINT", format!("[\"{program}\"]")),
            "does not start its program",
        ),
        (
            matches!(&*health, [check] if check.ends_with(&format!(" CMD [\"{program}\", \"healthcheck\"]"))),
            "does not ask its program for its health",
        ),
        (
            port.is_some_and(|port| {
                stage
                    .all("EXPOSE")
                    .flat_map(str::split_whitespace)
                    .any(|exposed| exposed == port)
            }),
            "does not expose the port that it listens on",
        ),
        (
            stage
                .all("LABEL")
                .any(|label| label.contains(&format!("org.opencontainers.image.title=\"{program}\""))),
            "has not its name as a label",
        ),
        (stage.all("USER").next().is_none(), "changes its user"),
    ]
    .into_iter()
    .filter_map(|(kept, sentence)| (!kept).then_some(sentence))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            programs: vec!["mcp-hub-postgres".to_owned(), "mcp-hub".to_owned()],
            version: "0.1.0".to_owned(),
            toolchain: "1.95".to_owned(),
        }
    }

    fn good() -> String {
        let mut text = r#"# A comment
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=registry.example.com:5000/cc:nonroot
FROM ${RUST_IMAGE} AS build
ENV BUILD="--package mcp-hub --package mcp-hub-postgres --locked"
RUN cargo fetch --locked --target x
RUN --network=none cargo build ${BUILD}
FROM ${RUNTIME_IMAGE} AS runtime
ARG VERSION=0.1.0
USER 65532:65532
"#
        .to_owned();
        for (target, program, port) in [
            ("postgres", "mcp-hub-postgres", 50_051),
            ("hub", "mcp-hub", 8_000),
        ] {
            text.push_str(
                &r#"FROM runtime AS TARGET
LABEL org.opencontainers.image.title="PROGRAM"
COPY --from=build /programs/PROGRAM /usr/local/bin/
RUN --network=none ["PROGRAM", "--version"]
ENV MCP_HUB_LISTEN=0.0.0.0:PORT
EXPOSE PORT 9090
HEALTHCHECK --interval=10s CMD ["PROGRAM", "healthcheck"]
ENTRYPOINT ["PROGRAM"]
"#
                .replace("TARGET", target)
                .replace("PROGRAM", program)
                .replace("PORT", &port.to_string()),
            );
        }
        text
    }

    /// Expects each change to break what the sentence beside it says.
    fn break_each(changes: &[(&str, &str, &str)]) {
        for (from, to, fault) in changes {
            let broken = good().replacen(from, to, 1);
            assert_ne!(broken, good(), "{from}");
            let found = faults(&Dockerfile::parse(&broken), &facts());
            assert!(found.contains(&(*fault).to_owned()), "{fault}: {found:?}");
        }
    }

    #[test]
    fn what_is_right_has_no_fault() {
        assert_eq!(faults(&Dockerfile::parse(&good()), &facts()), [""; 0]);
    }

    #[test]
    fn each_rule_of_the_recipe_can_be_broken() {
        break_each(&[
            (
                "# A comment",
                "# syntax=docker/dockerfile:1",
                "a syntax line would be fetched from a registry",
            ),
            (
                "cc:nonroot",
                "cc",
                "RUNTIME_IMAGE has a default without a version",
            ),
            (
                "cc:nonroot",
                "cc:latest",
                "RUNTIME_IMAGE has a default without a version",
            ),
            ("rust:1.95-", "rust:1.94-", "RUST_IMAGE is not the toolchain 1.95"),
            (
                "${RUNTIME_IMAGE}",
                "debian:12",
                "runtime stands on what can't be overridden",
            ),
            (
                "${RUNTIME_IMAGE}",
                "${OTHER}",
                "runtime stands on what can't be overridden",
            ),
            (
                "--network=none cargo build",
                "cargo build",
                "build has a network for what needs none: cargo build ${BUILD}",
            ),
            (
                "ARG VERSION=0.1.0",
                "ARG VERSION=0.1.0\nADD a b",
                "runtime may fetch by ADD; COPY does not",
            ),
            (
                "ARG VERSION=0.1.0",
                "ARG VERSION=0.1.0\nARG NPM_TOKEN",
                "runtime keeps NPM_TOKEN",
            ),
            (
                "VERSION=0.1.0",
                "VERSION=0.2.0",
                "runtime has not the version 0.1.0",
            ),
            (
                "USER 65532:65532",
                "USER root",
                "runtime is not for the user 65532:65532",
            ),
        ]);
    }

    #[test]
    fn each_rule_of_an_image_can_be_broken() {
        break_each(&[
            ("--package mcp-hub --", "--", "mcp-hub is not built"),
            (
                "AS postgres",
                "AS mysql",
                "no stage postgres for mcp-hub-postgres",
            ),
            (
                "FROM runtime AS hub",
                "FROM build AS hub",
                "hub does not stand on the common stage",
            ),
            (
                "/programs/mcp-hub ",
                "/programs/mcp-hub-x ",
                "hub has not its program",
            ),
            (
                "[\"mcp-hub\", \"--version\"]",
                "[\"true\"]",
                "hub is made without trying the program on its base",
            ),
            (
                "ENTRYPOINT [\"mcp-hub\"]",
                "ENTRYPOINT [\"sh\"]",
                "hub does not start its program",
            ),
            (
                "[\"mcp-hub\", \"healthcheck\"]",
                "[\"true\"]",
                "hub does not ask its program for its health",
            ),
            (
                "EXPOSE 8000",
                "EXPOSE 80",
                "hub does not expose the port that it listens on",
            ),
            (
                "title=\"mcp-hub\"",
                "title=\"hub\"",
                "hub has not its name as a label",
            ),
            (
                "ENTRYPOINT [\"mcp-hub\"]",
                "USER root\nENTRYPOINT [\"mcp-hub\"]",
                "hub changes its user",
            ),
        ]);
        let more = good() + "FROM runtime AS testkit\nENTRYPOINT [\"mcp-hub-testkit\"]\n";
        assert_eq!(
            faults(&Dockerfile::parse(&more), &facts()),
            ["testkit starts no program of the workspace"]
        );
    }
}
