//! docs/configuration.md: every setting of every process, from the descriptions that the command lines are made of.

use std::fmt::Write as _;

use mcp_hub_chassis::config::{Setting, reference};

use super::{Part, parts};
use crate::adapters::Kind;

/// What to know before the settings of an adapter.
pub(super) fn introduction(kind: Kind) -> String {
    let name = kind.name();
    format!(
        "Inside `mcp-hub`, from the environment or from a table `[database.<key>]` with `kind = \"{name}\"`; and for `mcp-hub-{name}`, the \
         adapter as a process of its own, to which alone `listen` and `name` belong."
    )
}

/// The page.
pub(super) fn page() -> String {
    let mut out = include_str!("configuration.md").to_owned();
    // What every process has is listed once, first.
    let shared = reference(&mcp_hub_chassis::command::<Nothing>("mcp-hub"));
    let hub = Part {
        title: "mcp-hub".to_owned(),
        introduction: "The command: `up`, `stdio`, and the clients of a running hub.".to_owned(),
        command: crate::program().command::<crate::Arguments>(),
    };
    let every = Part {
        title: "Every process".to_owned(),
        introduction:
            "`mcp-hub` has a `shutdown-grace` of 1.5 seconds, because somebody waits at a terminal."
                .to_owned(),
        command: mcp_hub_chassis::command::<Nothing>("mcp-hub"),
    };
    write_part(&mut out, &every, &reference(&every.command));
    for part in std::iter::once(hub).chain(parts()) {
        let mut settings = reference(&part.command);
        // What has no variable is an argument of one command; its help tells.
        settings.retain(|setting| {
            setting.variable.is_some() && !shared.iter().any(|known| known.name == setting.name)
        });
        write_part(&mut out, &part, &settings);
    }
    out
}

/// No settings of its own.
#[derive(clap::Args, Clone, Debug)]
struct Nothing {}

fn write_part(out: &mut String, part: &Part, settings: &[Setting]) {
    // Writing to a `String` can't fail.
    let _ = write!(
        out,
        "\n## {}\n\n{}\n\n| setting | variable | default | values | meaning |\n|---|---|---|---|---|\n",
        part.title, part.introduction
    );
    for setting in settings {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(&setting.name),
            code(setting.variable.as_deref().unwrap_or_default()),
            code(&setting.default),
            cell(&setting.range),
            cell(&setting.meaning)
        );
    }
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

/// Text as one cell of a Markdown table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_a_part_is_listed_with_its_variable() {
        let page = page();
        for expected in [
            "| `port` | `MCP_HUB_PORT` |  | port | The port, when only that is to be another; 0 takes any free one |",
            "| `host` | `POSTGRES_HOST` |",
            "| `log-format` | `MCP_HUB_LOG_FORMAT` | `pretty` | pretty, json | How log lines look |",
        ] {
            assert_eq!(page.matches(expected).count(), 1, "{expected}\n{page}");
        }
    }
}
