//! OTLP in JSON: what is zero or empty may be absent, 64-bit numbers are texts, bytes are base64, ids are hexadecimal.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::trace::{Attributes, Event, Kind, Link, Span, Status, Trace};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TracesData {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    #[serde(default)]
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default)]
    scope: Scope,
    spans: Vec<Exported>,
}

#[derive(Default, Deserialize)]
struct Scope {
    #[serde(default)]
    name: String,
}

/// A span.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    trace_state: String,
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "kind")]
    kind: Kind,
    start_time_unix_nano: Number<u64>,
    end_time_unix_nano: Number<u64>,
    #[serde(default)]
    attributes: Vec<KeyValue>,
    #[serde(default)]
    events: Vec<ExportedEvent>,
    #[serde(default)]
    links: Vec<ExportedLink>,
    #[serde(default, deserialize_with = "status")]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportedEvent {
    #[serde(default)]
    name: String,
    time_unix_nano: Number<u64>,
    #[serde(default)]
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportedLink {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: AnyValue,
}

/// At most one of them is there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "they are the names of OTLP")]
struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Number<i64>>,
    double_value: Option<f64>,
    bytes_value: Option<String>,
    array_value: Option<Values<AnyValue>>,
    kvlist_value: Option<Values<KeyValue>>,
}

#[derive(Deserialize)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

/// A number as a text.
#[derive(Clone, Copy)]
struct Number<T>(T);

impl<'de, T: FromStr> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().map(Self);
        number.map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &"a number in range"))
    }
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    Ok(match u8::deserialize(deserializer)? {
        0 => Kind::Unspecified,
        1 => Kind::Internal,
        2 => Kind::Server,
        3 => Kind::Client,
        4 => Kind::Producer,
        5 => Kind::Consumer,
        other => {
            let unexpected = Unexpected::Unsigned(other.into());
            return Err(D::Error::invalid_value(unexpected, &"a kind of span"));
        }
    })
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    #[derive(Deserialize)]
    struct Exported {
        #[serde(default)]
        code: u8,
        #[serde(default)]
        message: String,
    }
    let Exported { code, message } = Exported::deserialize(deserializer)?;
    Ok(match code {
        0 => Status::Unset,
        1 => Status::Ok,
        2 => Status::Error(message),
        other => {
            let unexpected = Unexpected::Unsigned(other.into());
            return Err(D::Error::invalid_value(unexpected, &"the code of a status"));
        }
    })
}

impl From<TracesData> for Trace {
    fn from(data: TracesData) -> Self {
        let mut spans = Vec::new();
        for ResourceSpans {
            resource,
            scope_spans,
        } in data.resource_spans
        {
            let resource = attributes(resource.attributes);
            for ScopeSpans {
                scope,
                spans: exported,
            } in scope_spans
            {
                spans.extend(exported.into_iter().map(|span| span.read(&resource, &scope.name)));
            }
        }
        spans.sort_by_key(|span: &Span| span.start);
        Self { spans }
    }
}

impl Exported {
    fn read(self, resource: &Attributes, scope: &str) -> Span {
        let service = resource.get("service.name").and_then(Value::as_str);
        let nanoseconds = self
            .end_time_unix_nano
            .0
            .saturating_sub(self.start_time_unix_nano.0);
        Span {
            trace_id: self.trace_id,
            id: self.span_id,
            parent_id: Some(self.parent_span_id).filter(|id| !id.is_empty()),
            trace_state: self.trace_state,
            service: service.unwrap_or_default().to_owned(),
            resource: resource.clone(),
            scope: scope.to_owned(),
            name: self.name,
            kind: self.kind,
            start: time(self.start_time_unix_nano),
            duration: Duration::from_nanos(nanoseconds),
            attributes: attributes(self.attributes),
            events: self.events.into_iter().map(Event::from).collect(),
            links: self.links.into_iter().map(Link::from).collect(),
            status: self.status,
        }
    }
}

impl From<ExportedEvent> for Event {
    fn from(event: ExportedEvent) -> Self {
        Self {
            name: event.name,
            time: time(event.time_unix_nano),
            attributes: attributes(event.attributes),
        }
    }
}

impl From<ExportedLink> for Link {
    fn from(link: ExportedLink) -> Self {
        Self {
            trace_id: link.trace_id,
            span_id: link.span_id,
            attributes: attributes(link.attributes),
        }
    }
}

impl From<AnyValue> for Value {
    fn from(value: AnyValue) -> Self {
        let text = value.string_value.or(value.bytes_value).map(Self::from);
        text.or_else(|| value.bool_value.map(Self::from))
            .or_else(|| value.int_value.map(|Number(number)| number.into()))
            .or_else(|| value.double_value.map(Self::from))
            .or_else(|| {
                value
                    .array_value
                    .map(|Values { values }| values.into_iter().collect())
            })
            .or_else(|| {
                value
                    .kvlist_value
                    .map(|Values { values }| attributes(values).into_iter().collect())
            })
            .unwrap_or_default()
    }
}

fn attributes(list: Vec<KeyValue>) -> Attributes {
    list.into_iter()
        .map(|KeyValue { key, value }| (key, value.into()))
        .collect()
}

fn time(since_epoch: Number<u64>) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(since_epoch.0)
}
