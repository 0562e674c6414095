//! Where spans and metrics are sent: OTLP, by HTTP or gRPC, as `OTEL_EXPORTER_OTLP_*` say.
//!
//! The exporters themselves are OpenTelemetry's. They are given all their settings from here, because what they read on their own they
//! read from the process alone, and [`sender`] stands around them.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use opentelemetry_otlp::{
    Compression, ExporterBuildError, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use tokio::runtime::Handle;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use self::sender::Sender;
use super::variable::Variables;
use crate::{fault, tls};

pub(super) mod sender;

/// Why there is no exporter. Display is for the log.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("its certificates can't be used")]
    Tls(#[source] tls::Error),
    #[error("{} can't be read", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    #[error("it can't be connected to")]
    Channel(#[source] tonic::transport::Error),
    #[error("there can be no HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("the exporter can't be built")]
    Exporter(#[source] ExporterBuildError),
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Grpc,
    Http,
}

/// What is sent, in words, in the names of variables, and in the path of URLs.
#[derive(Clone, Copy, Debug)]
struct Signal {
    what: &'static str,
    variable: &'static str,
    path: &'static str,
    exporter: &'static str,
    exporters: &'static [&'static str],
}

/// The two variables that can say the same: for one signal, and for all.
struct Names {
    specific: String,
    general: String,
}

impl Signal {
    fn names(self, what: &str) -> Names {
        Names {
            specific: format!("OTEL_EXPORTER_OTLP_{}_{what}", self.variable),
            general: format!("OTEL_EXPORTER_OTLP_{what}"),
        }
    }
}

impl Names {
    /// Both, the one that counts first.
    fn both(&self) -> [&str; 2] {
        [&self.specific, &self.general]
    }
}

const TRACES: Signal = Signal {
    what: "traces",
    variable: "TRACES",
    path: "v1/traces",
    exporter: "OTEL_TRACES_EXPORTER",
    exporters: &["otlp", "none"],
};

const METRICS: Signal = Signal {
    what: "metrics",
    variable: "METRICS",
    path: "v1/metrics",
    exporter: "OTEL_METRICS_EXPORTER",
    // What `prometheus` asks for is served, not sent.
    exporters: &["otlp", "prometheus", "none"],
};

/// The specification's defaults.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_EXPORT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);

/// A collector, and how it wants to be spoken to.
#[derive(Debug, PartialEq)]
struct Collector {
    protocol: Protocol,
    /// `http` or `https`, with the path for HTTP.
    endpoint: Uri,
    headers: http::HeaderMap,
    timeout: Duration,
    gzip: bool,
    authorities: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

/// What sends spans, when there is a collector for them. What stands in the way is among the variables' warnings.
pub(super) fn traces(
    variables: &Variables<'_>,
    runtime: &Handle,
) -> Option<Sender<opentelemetry_otlp::SpanExporter>> {
    use opentelemetry_otlp::SpanExporter;
    let collector = Collector::of(TRACES, variables)?;
    let built = || -> Result<SpanExporter, Error> {
        let built = match collector.protocol {
            Protocol::Grpc => collector.grpc(SpanExporter::builder().with_tonic())?.build(),
            Protocol::Http => collector.http(SpanExporter::builder().with_http())?.build(),
        };
        built.map_err(Error::Exporter)
    };
    let most = variables.time(&["OTEL_BSP_EXPORT_TIMEOUT"]);
    collector.sender(TRACES, built(), most, variables, runtime)
}

/// What collects and sends metrics: a reader for the provider of meters.
pub(crate) type Metrics = PeriodicReader<Sender<opentelemetry_otlp::MetricExporter>>;

/// What sends metrics, when there is a collector for them.
pub(super) fn metrics(variables: &Variables<'_>, runtime: &Handle) -> Option<Metrics> {
    use opentelemetry_otlp::MetricExporter;
    let collector = Collector::of(METRICS, variables)?;
    let preference = variables.choice(
        &["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"],
        &[
            ("cumulative", Temporality::Cumulative),
            ("delta", Temporality::Delta),
            ("lowmemory", Temporality::LowMemory),
        ],
    );
    let temporality = preference.unwrap_or(Temporality::Cumulative);
    let built = || -> Result<MetricExporter, Error> {
        let builder = MetricExporter::builder().with_temporality(temporality);
        let built = match collector.protocol {
            Protocol::Grpc => collector.grpc(builder.with_tonic())?.build(),
            Protocol::Http => collector.http(builder.with_http())?.build(),
        };
        built.map_err(Error::Exporter)
    };
    let most = variables.time(&["OTEL_METRIC_EXPORT_TIMEOUT"]);
    let sender = collector.sender(METRICS, built(), most, variables, runtime)?;
    let interval = variables.time(&["OTEL_METRIC_EXPORT_INTERVAL"]);
    let interval = interval.unwrap_or(DEFAULT_INTERVAL);
    Some(PeriodicReader::builder(sender).with_interval(interval).build())
}

impl Collector {
    /// The collector that the variables name for this signal, if it is to be sent.
    fn of(signal: Signal, variables: &Variables<'_>) -> Option<Self> {
        let exporters = variables.list(signal.exporter, signal.exporters);
        if exporters.as_ref().is_some_and(|words| !words.contains(&"otlp")) {
            return None;
        }
        let protocol = variables.choice(
            &signal.names("PROTOCOL").both(),
            &[("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Http)],
        );
        let protocol = protocol.unwrap_or_else(|| usual_protocol(signal, variables));
        let endpoint = match (named_endpoint(signal, protocol, variables), exporters) {
            (Some(endpoint), _) => endpoint,
            (None, None) => return None,
            // It was asked for, so the specification's default is meant.
            (None, Some(_)) => match protocol {
                Protocol::Grpc => Uri::from_static("http://localhost:4317"),
                Protocol::Http => format!("http://localhost:4318/{}", signal.path).parse().ok()?,
            },
        };
        let file = |what: &str| {
            let names = signal.names(what);
            let file = names.both().iter().find_map(|name| variables.text(name));
            file.map(PathBuf::from)
        };
        let client = match (file("CLIENT_CERTIFICATE"), file("CLIENT_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let problem =
                    "and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together: one without the other is ignored";
                variables.warn("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", problem);
                None
            }
        };
        let gzip = variables.choice(
            &signal.names("COMPRESSION").both(),
            &[("gzip", true), ("none", false)],
        );
        let timeout = variables.time(&signal.names("TIMEOUT").both());
        Some(Self {
            protocol,
            endpoint,
            headers: headers(signal, variables),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            gzip: gzip.unwrap_or_default(),
            authorities: file("CERTIFICATE"),
            client,
        })
    }

    /// Gives an exporter for HTTP its settings.
    fn http<B>(&self, builder: B) -> Result<B, Error>
    where
        B: WithExportConfig + WithHttpConfig,
    {
        let tls = tls::client_config(&tls::Options {
            check: tls::Check::Everything,
            authorities: self.authorities.as_deref(),
            client: self
                .client
                .as_ref()
                .map(|(certificate, key)| (certificate.as_path(), key.as_path())),
        })
        .map_err(Error::Tls)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(self.timeout)
            // Headers are for the collector that was named.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Error::Client)?;
        let headers = self.headers.iter().filter_map(|(name, value)| {
            // The builder decodes values once more.
            let value = value.to_str().ok()?.replace('%', "%25");
            Some((name.as_str().to_owned(), value))
        });
        let builder = builder
            .with_endpoint(self.endpoint.to_string())
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_timeout(self.timeout)
            .with_headers(headers.collect())
            .with_http_client(client);
        Ok(if self.gzip {
            builder.with_compression(Compression::Gzip)
        } else {
            builder
        })
    }

    /// Gives an exporter for gRPC its settings.
    fn grpc<B>(&self, builder: B) -> Result<B, Error>
    where
        B: WithExportConfig + WithTonicConfig,
    {
        let builder = builder
            .with_timeout(self.timeout)
            .with_metadata(MetadataMap::from_headers(self.headers.clone()))
            .with_channel(self.channel()?);
        Ok(if self.gzip {
            builder.with_compression(Compression::Gzip)
        } else {
            builder
        })
    }

    /// A connection that is made when it is needed, and again when it is lost.
    fn channel(&self) -> Result<Channel, Error> {
        let mut endpoint = Endpoint::from(self.endpoint.clone())
            .connect_timeout(self.timeout)
            .timeout(self.timeout)
            // A collector that is gone without a word is noticed by the next batch, which it costs, and not by TCP's own patience.
            .http2_keep_alive_interval(self.timeout / 2)
            .keep_alive_timeout(self.timeout / 2);
        if self.endpoint.scheme() == Some(&http::uri::Scheme::HTTPS) {
            let read = |file: &PathBuf| std::fs::read(file).map_err(|error| Error::File(file.clone(), error));
            let mut tls = ClientTlsConfig::new();
            tls = match &self.authorities {
                Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
                None => tls.trust_anchors(tls::roots(None).map_err(Error::Tls)?.roots),
            };
            if let Some((certificate, key)) = &self.client {
                tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            endpoint = endpoint.tls_config(tls).map_err(Error::Channel)?;
        }
        Ok(endpoint.connect_lazy())
    }

    /// Stands a [`Sender`] around an exporter, or warns that there is none.
    fn sender<E>(
        &self,
        signal: Signal,
        built: Result<E, Error>,
        most: Option<Duration>,
        variables: &Variables<'_>,
        runtime: &Handle,
    ) -> Option<Sender<E>> {
        let most = most.unwrap_or(DEFAULT_EXPORT_TIMEOUT);
        match built {
            Ok(exporter) => Some(Sender::new(
                exporter,
                signal.what,
                self.timeout.min(most),
                runtime.clone(),
            )),
            Err(error) => {
                let problem = format!("names a collector that gets nothing: {}", fault::chain(&error));
                variables.warn("OTEL_EXPORTER_OTLP_ENDPOINT", &problem);
                None
            }
        }
    }
}

/// The specification's default is HTTP. But whoever names the port that is OTLP's for gRPC can't have meant it.
fn usual_protocol(signal: Signal, variables: &Variables<'_>) -> Protocol {
    const GRPC: u16 = 4317;
    let names = signal.names("ENDPOINT");
    let url = names.both().iter().find_map(|name| variables.text(name));
    let port = url.and_then(|url| url.parse::<Uri>().ok()?.port_u16());
    if port == Some(GRPC) {
        Protocol::Grpc
    } else {
        Protocol::Http
    }
}

/// The address that is set: as it stands when it is this signal's, and with the signal's path behind it when it is everything's.
fn named_endpoint(signal: Signal, protocol: Protocol, variables: &Variables<'_>) -> Option<Uri> {
    let insecure = variables.switch(&signal.names("INSECURE").both());
    let Names { specific, general } = signal.names("ENDPOINT");
    let must = "must be a URL that begins with http:// or https://";
    let named = variables.first(&[&specific], must, |value| endpoint(value, protocol, insecure));
    named.or_else(|| {
        variables.first(&[&general], must, |value| match protocol {
            Protocol::Grpc => endpoint(value, protocol, insecure),
            Protocol::Http => {
                let value = format!("{}/{}", value.trim_end_matches('/'), signal.path);
                endpoint(&value, protocol, insecure)
            }
        })
    })
}

/// A collector's address. For gRPC it may be without its scheme, and `insecure` says which one that is.
fn endpoint(value: &str, protocol: Protocol, insecure: bool) -> Option<Uri> {
    let uri = match protocol {
        Protocol::Grpc if !value.contains("://") => {
            let scheme = if insecure { "http" } else { "https" };
            format!("{scheme}://{value}").parse::<Uri>()
        }
        _ => value.parse::<Uri>(),
    };
    uri.ok().filter(|uri| {
        let scheme = uri.scheme_str().unwrap_or_default();
        uri.host().is_some_and(|host| !host.is_empty()) && ["http", "https"].contains(&scheme)
    })
}

/// The headers that are set.
fn headers(signal: Signal, variables: &Variables<'_>) -> http::HeaderMap {
    let names = signal.names("HEADERS");
    let mut headers = http::HeaderMap::new();
    for (name, value) in variables.pairs(&names.both()) {
        let pair = http::HeaderName::try_from(name).ok().zip(value.try_into().ok());
        let Some((name, mut value)): Option<(_, http::HeaderValue)> = pair else {
            let problem = "or its form for one signal has what can't be a header: that is left out";
            variables.warn(&names.general, problem);
            continue;
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

#[cfg(test)]
mod tests;
