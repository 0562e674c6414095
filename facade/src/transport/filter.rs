//! `?tools=postgres_*,health_check`: a part of the catalogue for clients that want less of it.

use std::sync::Arc;

use crate::pattern::matches;

/// Which tools a client sees and may call. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolFilter(Option<Arc<[String]>>);

impl ToolFilter {
    /// All tools.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// Reads the parameter `tools` of a query: patterns with commas in between. All tools, when there is none.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let patterns: Vec<String> = parameters(query, "tools")
            .flat_map(|value| {
                value
                    .split(',')
                    .map(|pattern| pattern.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|pattern| !pattern.is_empty())
            .collect();
        Self((!patterns.is_empty()).then(|| patterns.into()))
    }

    /// Whether it lets all tools through, and what has no tools.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the filter lets a tool through.
    pub(crate) fn allows(&self, tool: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| matches(pattern, tool)))
    }

    /// The parameter again, percent-encoded, for a URL that must carry the filter on.
    pub(crate) fn to_query(&self) -> Option<String> {
        let patterns = self.0.as_ref()?.join(",");
        Some(
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair("tools", &patterns)
                .finish(),
        )
    }
}

/// All values of a query's parameter.
pub(crate) fn parameters<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = String> + 'a {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_tools() {
        let filter = ToolFilter::of_query(Some("x=1&tools=postgres_*,%20health_check&tools=*_query"));
        for (tool, allowed) in [
            ("postgres_query", true),
            ("postgres_", true),
            ("health_check", true),
            ("orders_query", true),
            ("health_checks", false),
            ("orders_execute", false),
            ("", false),
        ] {
            assert_eq!(filter.allows(tool), allowed, "{tool}");
        }
        for query in [None, Some(""), Some("tools="), Some("tools=,"), Some("tool=x")] {
            assert!(ToolFilter::of_query(query).allows("anything"));
        }
    }

    #[test]
    fn a_filter_goes_on_in_a_url() {
        let filter = ToolFilter::of_query(Some("tools=a_*,b%26c"));
        assert_eq!(filter.to_query().unwrap(), "tools=a_*%2Cb%26c");
        assert!(ToolFilter::of_query(filter.to_query().as_deref()).allows("b&c"));
        assert_eq!(ToolFilter::all().to_query(), None);
    }
}
