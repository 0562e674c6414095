//! The text of an instance's own files. Each says who wrote it and whose it is from then on.

use std::fmt::Write as _;

use super::checkout::Base;
use crate::adapters::Kind;

/// How a container reaches the machine that it runs on.
const THIS_MACHINE: &str = "host.docker.internal";

/// One more adapter of a kind.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    kind: Kind,
    pub(super) key: String,
    /// The key as names of Kubernetes may be: with "-" for "_".
    pub(super) name: String,
    base: Base,
}

impl Instance {
    pub(super) fn new(kind: Kind, key: &str, base: Base) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            name: key.replace('_', "-"),
            base,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// What its Deployment, Service, Secret and container are called.
    pub(super) fn full_name(&self) -> String {
        format!("mcp-hub-{}", self.name)
    }

    /// Where the facade finds it, in a cluster and in Compose.
    pub(super) fn address(&self) -> String {
        format!("http://{}:{}", self.full_name(), self.kind.port())
    }

    /// Whether a kustomization is that of this instance, whatever was changed in it.
    pub(super) fn wrote(&self, kustomization: &str) -> bool {
        let lines = || kustomization.lines().map(str::trim);
        let (resource, name) = (self.resource(), self.own_name());
        lines().any(|line| line == format!("- {resource}")) && lines().any(|line| line == format!("- {name}"))
    }

    fn resource(&self) -> String {
        format!("../../base/{}/adapter", self.kind())
    }

    fn own_name(&self) -> String {
        format!("MCP_HUB_NAME={}", self.key)
    }

    /// The manifests: those of the kind under another name. Names are in quotes, because YAML takes `on` for true.
    pub(super) fn kustomization(&self) -> String {
        let (kind, key, name, full) = (self.kind(), &self.key, &self.name, self.full_name());
        let (resource, own_name) = (self.resource(), self.own_name());
        let mut text = format!(
            r#"# The adapter `{key}`: one more of {kind}, under a name of its own. Written by `mcp-hub add {kind} {key}`, and yours to change; what is not said
# here is that of {resource}.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization

resources:
  - {resource}

nameSuffix: "{name}"

labels:
  - pairs: {{ app: "{full}" }}
    includeSelectors: true

# Settings of it alone, like {example}: docs/configuration.md has all. A change starts its Pods anew.
configMapGenerator:
  - name: mcp-hub-
    behavior: merge
    literals:
      - {own_name}
"#,
            example = self.example(),
        );
        if let Some((port, setting)) = &self.base.port {
            // A `String` takes whatever is written to it.
            let _ = write!(
                text,
                r"      - {setting}

patches:
  - target: {{ kind: NetworkPolicy }}
    patch: |-
      - {{ op: add, path: /spec/egress/-, value: {{ ports: [{{ port: {port}, protocol: TCP }}] }} }}
"
            );
        }
        let mut paths = vec![];
        if !self.base.variables.is_empty() {
            paths.push("spec.template.spec.containers.[name=mcp-hub].env.*.valueFrom.secretKeyRef.name");
        }
        if !self.base.files.is_empty() {
            paths.push("spec.template.spec.volumes.[name=secrets].secret.secretName");
        }
        if !paths.is_empty() {
            text.push_str(
                r"
# Its Secret is not mcp-hub-secrets, but that of its own name: secret.env says what is in it.
replacements:
  - source: { kind: Deployment, fieldPath: metadata.name }
    targets:
      - select: { kind: Deployment }
        fieldPaths:
",
            );
            for path in paths {
                let _ = writeln!(text, "          - {path}");
            }
        }
        text
    }

    /// The setting that it is best to begin with: what a model is told of the database.
    fn example(&self) -> String {
        let own = self
            .base
            .settings
            .keys()
            .find(|name| !name.starts_with("MCP_HUB_"));
        let prefix = own.and_then(|name| name.split('_').next());
        format!("{}_DESCRIPTION", prefix.unwrap_or("MCP_HUB"))
    }

    /// What its Secret is made of, without a value; `None` where the kind has none.
    pub(super) fn secret(&self) -> Option<String> {
        let keys = self
            .base
            .variables
            .iter()
            .map(|(key, variable)| (key, Some(variable)));
        let keys: Vec<_> = keys
            .chain(self.base.files.iter().map(|key| (key, None)))
            .collect();
        if keys.is_empty() {
            return None;
        }
        let (key, full, apply) = (&self.key, self.full_name(), self.apply_secret());
        let mut text = format!(
            "# The Secret {full}: where the database of `{key}` is, and who logs in. Take away the # of what you fill in; what stays a comment is left to the\n\
             # manifests. git ignores this file, and who has applied it may delete it:\n\
             #\n\
             #   {apply}\n\
             #   kubectl rollout restart deployment/{full}          # what is not a password is read at the start\n\n"
        );
        for (key, variable) in keys {
            let usual = variable.and_then(|variable| self.base.settings.get(variable));
            let value = usual.map_or("", String::as_str);
            let _ = writeln!(text, "#{key}={value}");
        }
        Some(text)
    }

    /// The command that makes the Secret, or changes it.
    pub(super) fn apply_secret(&self) -> String {
        let (full, name) = (self.full_name(), &self.name);
        format!(
            "kubectl create secret generic {full} --from-env-file=k8s/instances/{name}/secret.env --dry-run=client -o yaml | kubectl apply -f -"
        )
    }

    pub(super) fn compose_file(&self) -> String {
        format!("compose.{}.yml", self.name)
    }

    /// The names of its secrets in Compose, which are files below `secrets/`, with the variable that names each in the container.
    pub(super) fn compose_secrets(&self) -> Vec<(String, &str)> {
        let of = |key: &String| {
            let what = key
                .strip_prefix(self.kind())
                .map_or(key.as_str(), |rest| rest.trim_start_matches('-'));
            let path = format!("/{key}");
            let mut settings = self.base.settings.iter();
            let (variable, _) =
                settings.find(|(name, value)| name.ends_with("_FILE") && value.ends_with(&path))?;
            Some((format!("{}-{what}", self.name), variable.as_str()))
        };
        self.base.files.iter().filter_map(of).collect()
    }

    /// The Compose file.
    pub(super) fn compose(&self) -> String {
        let (kind, key, full) = (self.kind(), &self.key, self.full_name());
        let program = if self.kind == Kind::Mysql {
            Kind::Mariadb.name()
        } else {
            kind
        };
        let mut text = format!(
            r#"# The adapter `{key}`: one more of {kind}. Written by `mcp-hub add {kind} {key}`, and yours to change; what is not said here is that of
# docker/parts.yml. It is there when COMPOSE_FILE in .env names this file too.
services:
  {full}:
    extends: {{ file: docker/parts.yml, service: {program} }}
    environment:
      MCP_HUB_NAME: "{key}"
"#
        );
        for (_, variable) in &self.base.variables {
            let _ = match self.base.settings.get(variable) {
                Some(usual) => writeln!(text, "      {variable}: {}", self.elsewhere(usual)),
                None => writeln!(text, "      #{variable}:"),
            };
        }
        let secrets = self.compose_secrets();
        for (secret, variable) in &secrets {
            let _ = writeln!(text, "      {variable}: /run/secrets/{secret}");
        }
        if self.kind == Kind::Sqlite {
            let volume = format!("{}-sqlite", self.name);
            let _ = write!(
                text,
                r#"      SQLITE_PATH: /var/lib/mcp-hub/data.sqlite
    # Or a folder of this machine, /srv/data:/var/lib/mcp-hub, and as `user` one who may read it there.
    volumes: ["{volume}:/var/lib/mcp-hub"]
volumes:
  {volume}:
"#
            );
        }
        if !secrets.is_empty() {
            let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
            let _ = writeln!(text, "    secrets: [{}]\nsecrets:", names.join(", "));
            for name in names {
                let _ = writeln!(text, "  {name}: {{ file: ./secrets/{name} }}");
            }
        }
        text
    }

    /// A default of the manifests, whose databases have names of the cluster, for a database on this machine.
    fn elsewhere(&self, usual: &str) -> String {
        let here = format!("//{}:", self.kind());
        if usual == self.kind() {
            THIS_MACHINE.to_owned()
        } else {
            usual.replace(&here, &format!("//{THIS_MACHINE}:"))
        }
    }
}
