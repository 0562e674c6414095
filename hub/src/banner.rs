//! What a person reads when the hub has started: where it is, what is behind it, how Claude gets to it, what to ask first.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use mcp_hub_facade::registry::{ServiceReport, State};

use crate::claude;

const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const QUIET: Style = Style::new().dimmed();

/// Questions for a hub without the sample database.
const GENERAL_QUESTIONS: [&str; 3] = [
    "Which databases are there, and what is in them?",
    "Which tables have the most rows, and what are they for?",
    "Describe the most important table and show me three rows of it.",
];

/// What the banner is made of.
#[derive(Debug)]
pub struct Banner<'a> {
    /// Scheme, host and port of the hub.
    pub url: &'a str,
    /// The services behind it.
    pub services: &'a [ServiceReport],
    /// Whether callers have to show a token.
    pub asks_for_tokens: bool,
    /// The path of this program.
    pub executable: &'a str,
    /// Questions that suit the data; general ones when empty.
    pub questions: &'a [&'a str],
}

impl Banner<'_> {
    /// The text, with ANSI styles.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a `String` can't fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let url = self.url;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(out, "\n{TITLE}mcp-hub {version}{TITLE:#} is up\n")?;
        writeln!(out, "  MCP            {url}/mcp")?;
        writeln!(out, "  MCP over SSE   {url}/sse")?;

        writeln!(out, "\n{TITLE}Services{TITLE:#}")?;
        self.write_services(out)?;

        writeln!(
            out,
            "\n{TITLE}Claude Desktop{TITLE:#}: Settings > Developer > Edit Config, then paste"
        )?;
        let mcp = format!("{url}/mcp");
        let token = self.asks_for_tokens.then_some(claude::TOKEN_FILE);
        let ours = claude::through_mcp_hub(self.executable, &mcp, token);
        write_indented(out, &claude::pretty("mcp-hub", &ours))?;
        writeln!(out, "\nor, through Node and mcp-remote,")?;
        let remote = claude::through_mcp_remote(&mcp, self.asks_for_tokens);
        write_indented(out, &claude::pretty("mcp-hub", &remote))?;
        writeln!(
            out,
            "\n{TITLE}Claude Code{TITLE:#}: claude mcp add --transport http mcp-hub {mcp}{}",
            if self.asks_for_tokens {
                format!(
                    " --header \"Authorization: Bearer $(cat {})\"",
                    claude::TOKEN_FILE
                )
            } else {
                String::new()
            }
        )?;
        if self.asks_for_tokens {
            writeln!(
                out,
                "\n{TITLE}Tokens{TITLE:#}: callers show one; \"mcp-hub token new NAME --tokens-file FILE > {}\" makes one",
                claude::TOKEN_FILE
            )?;
        }

        writeln!(out, "\n{TITLE}Ask first{TITLE:#}")?;
        let questions = if self.questions.is_empty() {
            &GENERAL_QUESTIONS
        } else {
            self.questions
        };
        for (number, question) in questions.iter().enumerate() {
            writeln!(out, "  {}. {question}", number + 1)?;
        }
        writeln!(out, "\n{QUIET}Ctrl-C ends it.{QUIET:#}\n")
    }

    fn write_services(&self, out: &mut String) -> std::fmt::Result {
        if self.services.is_empty() {
            return writeln!(out, "  none");
        }
        let width = |text: fn(&ServiceReport) -> &str| {
            let lengths = self.services.iter().map(|service| text(service).chars().count());
            lengths.max().unwrap_or_default()
        };
        let (keys, products) = (width(|service| &service.key), width(product));
        for service in self.services {
            let color = if service.state == State::Serving {
                GOOD
            } else {
                BAD
            };
            let (key, product, state) = (&service.key, product(service), service.state.to_string());
            let tools = match service.tools {
                1 => "1 tool".to_owned(),
                count => format!("{count} tools"),
            };
            let mode = if service.mode == "read write" {
                ", writes allowed"
            } else {
                ""
            };
            writeln!(
                out,
                "  {key:keys$}  {product:products$}  {color}{state:11}{color:#}  {tools}{mode}"
            )?;
            let remarks = [&service.description, &service.reason]
                .into_iter()
                .chain(&service.posture)
                .chain(&service.left_out);
            for remark in remarks.filter(|remark| !remark.is_empty()) {
                writeln!(out, "  {:keys$}  {QUIET}{remark}{QUIET:#}", "")?;
            }
        }
        Ok(())
    }
}

/// The product and its version, or only the kind while it has not been reached.
fn product(service: &ServiceReport) -> &str {
    if service.product.is_empty() {
        &service.kind
    } else {
        &service.product
    }
}

fn write_indented(out: &mut String, text: &str) -> std::fmt::Result {
    text.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(key: &str, kind: &str, product: &str, state: State, tools: usize) -> ServiceReport {
        ServiceReport {
            key: key.to_owned(),
            kind: kind.to_owned(),
            description: String::new(),
            product: product.to_owned(),
            database: String::new(),
            adapter_version: String::new(),
            endpoints: String::new(),
            state,
            reason: String::new(),
            settled: true,
            mode: "read only".to_owned(),
            posture: vec![],
            tools,
            prompts: 0,
            left_out: vec![],
            latency_ms: Some(0.4),
        }
    }

    #[test]
    fn the_banner_as_it_is_read() {
        let services = [
            ServiceReport {
                reason: "the server refuses the connection".to_owned(),
                ..service("billing", "postgres", "", State::Unavailable, 6)
            },
            ServiceReport {
                description: "web shop orders since 2019, EUR".to_owned(),
                mode: "read write".to_owned(),
                posture: vec!["the role is a superuser".to_owned()],
                ..service("orders", "postgres", "PostgreSQL 15.18", State::Serving, 8)
            },
            service("notes", "sqlite", "SQLite 3.51.0", State::Serving, 1),
        ];
        let banner = Banner {
            url: "http://127.0.0.1:8000",
            services: &services,
            asks_for_tokens: false,
            executable: "/usr/local/bin/mcp-hub",
            questions: &[],
        };
        let text = anstream::adapter::strip_str(&banner.render()).to_string();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_hub_without_services_and_one_that_asks_for_tokens_say_so() {
        let banner = Banner {
            url: "http://127.0.0.1:8000",
            services: &[],
            asks_for_tokens: true,
            executable: "mcp-hub",
            questions: &["Who bought most?"],
        };
        let text = banner.render();
        for how in [
            "\"--token-file\"",
            "X-API-Key:TOKEN",
            "--header \"Authorization: Bearer $(cat ",
            "mcp-hub token new NAME",
        ] {
            assert!(text.contains(how), "{how}: {text}");
        }
        assert!(
            text.contains("  none\n") && text.contains("  1. Who bought most?\n"),
            "{text}"
        );
    }
}
