//! `?tools=postgres_*,health_check`: a part of the catalogue for clients that want less of it.

use std::sync::Arc;

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

    /// Whether the filter lets a tool through.
    pub(crate) fn allows(&self, tool: &str) -> bool {
        self.0.as_ref().is_none_or(|patterns| {
            patterns
                .iter()
                .any(|pattern| matches(pattern.as_bytes(), tool.as_bytes()))
        })
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

/// Whether `pattern`, in which `*` stands for any characters, matches all of `name`. Linear in both but for the last `*`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when a character differs: behind the last star, one character of the name later.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((after_star, from)) = retry {
            (p, n) = (after_star, from + 1);
            retry = Some((after_star, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
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
    fn a_star_stands_for_any_characters() {
        for (pattern, name, matched) in [
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("*b*", "aab", true),
            ("a", "ab", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                matched,
                "{pattern} {name}"
            );
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
