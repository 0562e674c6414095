//! Media types that requests name.

use http::{HeaderMap, HeaderName};

pub(super) const JSON: &str = "application/json";
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// Whether an `Accept` header allows a media type; all are allowed where there is none.
pub(super) fn accepts(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let mut named = headers.get_all(name).iter().peekable();
    if named.peek().is_none() {
        return true;
    }
    let whole = wanted.split('/').next().unwrap_or_default();
    named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let covered = essence == "*/*"
                || essence.eq_ignore_ascii_case(wanted)
                || essence
                    .strip_suffix("/*")
                    .is_some_and(|range| range.eq_ignore_ascii_case(whole));
            covered && !refused
        })
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn an_accept_header_allows_what_it_covers() {
        let accepts = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, http::HeaderValue::from_static(value));
            }
            super::accepts(&headers, &ACCEPT, JSON)
        };
        for allowed in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["text/html, Application/JSON;q=0.1"],
            &["text/html", "application/*"],
            &["application/json; charset=utf-8"],
        ] {
            assert!(accepts(allowed), "{allowed:?}");
        }
        for refused in [
            &["text/html"][..],
            &["application/json;q=0"],
            &[""],
            &["text/*"],
            &["application/jsonl"],
        ] {
            assert!(!accepts(refused), "{refused:?}");
        }
    }
}
