//! One more line in a file that people have written: all else stays as it is, comments and order too.

use mcp_hub_facade::upstream::Upstreams;
use serde::Deserialize;

use super::checkout::Problem;
use super::instance::Instance;

/// The Compose file that every other one goes with.
pub(super) const COMPOSE: &str = "docker-compose.yml";

/// What a file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Nothing: it is there.
    There,
    /// This is the text with the line.
    Changed(String),
    /// The file has a form in which people put it in better; this is the line.
    ByHand(String),
}

/// Names an instance in an upstreams file.
pub(super) fn upstream(text: &str, instance: &Instance) -> Result<Edit, Problem> {
    let (key, address) = (&instance.key, instance.address());
    let before = Upstreams::parse(text)?;
    if before.keys().any(|known| known == key) {
        return if address_of(text, key).as_deref() == Some(&address) {
            Ok(Edit::There)
        } else {
            Err(Problem::OtherUpstream {
                key: key.clone(),
                address,
            })
        };
    }
    let end = if text.is_empty() || text.ends_with("\n\n") {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    let text = format!("{text}{end}[upstreams.{key}]\naddress = \"{address}\"\n");
    // A file that has its upstreams in one line can't be added to at its end.
    match Upstreams::parse(&text) {
        Ok(after) if after.keys().count() == before.keys().count() + 1 => Ok(Edit::Changed(text)),
        _ => Ok(Edit::ByHand(format!("{key} = \"{address}\""))),
    }
}

/// The one address of an upstream.
fn address_of(text: &str, key: &str) -> Option<String> {
    let file: toml::Table = text.parse().ok()?;
    let upstream = file.get(key).or_else(|| file.get("upstreams")?.get(key))?;
    let address = upstream.get("address").unwrap_or(upstream).as_str()?;
    let address = address.trim_end_matches('/');
    let scheme = if address.contains("://") { "" } else { "http://" };
    Some(format!("{scheme}{address}"))
}

/// As much of a kustomization as is looked at.
#[derive(Deserialize)]
struct Kustomization {
    #[serde(default)]
    resources: Vec<String>,
}

/// Adds a line to the list `resources` of a kustomization, behind the last of them.
pub(super) fn resource(text: &str, resource: &str) -> Result<Edit, Problem> {
    let resources = |text: &str| serde_saphyr::from_str::<Kustomization>(text).map(|file| file.resources);
    let before = resources(text).map_err(|error| Problem::Manifest(error.to_string()))?;
    if before.iter().any(|known| known.trim_end_matches('/') == resource) {
        return Ok(Edit::There);
    }
    let by_hand = || Edit::ByHand(format!("- {resource}"));
    let Some(changed) = behind_last(text, "resources:", resource) else {
        return Ok(by_hand());
    };
    let expected: Vec<String> = before.into_iter().chain([resource.to_owned()]).collect();
    match resources(&changed) {
        Ok(after) if after == expected => Ok(Edit::Changed(changed)),
        _ => Ok(by_hand()),
    }
}

/// The text with an item behind the last of a list that is written an item a line.
fn behind_last(yaml: &str, list: &str, entry: &str) -> Option<String> {
    let mut end = 0;
    let mut inside = false;
    let mut found = None;
    for line in yaml.split_inclusive('\n') {
        end += line.len();
        let content = line.trim();
        if !inside {
            inside = line.starts_with(list) && content == list;
        } else if content.starts_with("- ") {
            found = Some((end, &line[..line.len() - line.trim_start().len()]));
        } else if !content.is_empty() && !content.starts_with('#') {
            break;
        }
    }
    let (end, indentation) = found?;
    let (before, after) = yaml.split_at(end);
    let newline = if before.ends_with('\n') { "" } else { "\n" };
    Some(format!("{before}{newline}{indentation}- {entry}\n{after}"))
}

/// Adds a file to `COMPOSE_FILE` in the text of an `.env`.
pub(super) fn compose_files(text: &str, name: &str) -> Edit {
    let value = |variable: &str| {
        let assignment = format!("{variable}=");
        let mut start = 0;
        let mut found = None;
        for line in text.split_inclusive('\n') {
            if line.starts_with(&assignment) {
                found = Some(start + assignment.len()..start + line.trim_end().len());
            }
            start += line.len();
        }
        found
    };
    let separator =
        value("COMPOSE_PATH_SEPARATOR").map_or(if cfg!(windows) { ";" } else { ":" }, |at| &text[at]);
    let Some(at) = value("COMPOSE_FILE") else {
        let newline = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return Edit::Changed(format!(
            "{text}{newline}COMPOSE_FILE={COMPOSE}{separator}{name}\n"
        ));
    };
    let files = &text[at.clone()];
    if files.contains(['"', '\'', '#', '$']) {
        return Edit::ByHand(format!("{separator}{name}"));
    }
    if files.split(separator).any(|file| file == name) {
        return Edit::There;
    }
    let files = if files.is_empty() { COMPOSE } else { files };
    Edit::Changed(format!(
        "{}{files}{separator}{name}{}",
        &text[..at.start],
        &text[at.end..]
    ))
}
