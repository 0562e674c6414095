//! What a hub does with the spans of its calls.

use std::fmt;

use serde::Serialize;

/// What a hub does with spans. Metrics are sent by none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Nothing: the SDK is off. What the others are compared with.
    Off,
    /// They have ids, for the log and for `_meta`, and are not recorded: no collector is configured.
    Ids,
    /// One trace of ten is recorded and sent.
    Tenth,
    /// All are.
    All,
    /// All are, and the database is not told.
    AllButDatabase,
}

impl Mode {
    /// All, the one to compare with first.
    pub(crate) const ALL: [Self; 5] = [Self::Off, Self::Ids, Self::Tenth, Self::All, Self::AllButDatabase];

    /// Whether anything is sent.
    pub(crate) fn exports(self) -> bool {
        !matches!(self, Self::Off | Self::Ids)
    }

    /// The settings of its processes.
    pub(crate) fn settings(self, endpoint: &str) -> Vec<(&'static str, String)> {
        let mut settings = match self {
            Self::Off => vec![("OTEL_SDK_DISABLED", "true".to_owned())],
            Self::Tenth => vec![
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
                ("OTEL_TRACES_SAMPLER_ARG", "0.1".to_owned()),
            ],
            Self::Ids | Self::All => vec![],
            Self::AllButDatabase => vec![("MCP_HUB_TRACE_DATABASE", "false".to_owned())],
        };
        if self.exports() {
            settings.extend([
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
                ("OTEL_METRICS_EXPORTER", "none".to_owned()),
            ]);
        }
        settings
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::Ids => "ids only",
            Self::Tenth => "10 % sent",
            Self::All => "100 % sent",
            Self::AllButDatabase => "100 %, database not told",
        })
    }
}
