//! The table of docs/network.md: everything that doctor can say, and what to do then.

use std::fmt::Write as _;

use mcp_hub_chassis::doctor::{Severity, Verdict};

/// What stands above the rows of each severity, from the worst.
const PARTS: [(Severity, &str); 4] = [
    (Severity::Failure, "It does not work; doctor exits with 1"),
    (Severity::Warning, "It works, and is not as it should be"),
    (Severity::Skipped, "It was not looked at"),
    (Severity::Fine, "It is as it should be"),
];

/// The table.
pub(super) fn page() -> String {
    let mut out = String::new();
    for (severity, title) in PARTS {
        let verdicts = Verdict::ALL
            .iter()
            .filter(|verdict| verdict.severity() == severity);
        // Writing to a `String` can't fail.
        let _ = write!(
            out,
            "\n### {title}\n\n| verdict | what it means | what to do |\n|---|---|---|\n"
        );
        for verdict in verdicts {
            let code = verdict.code();
            let [meaning, mend] =
                [verdict.meaning().to_owned(), verdict.mend_in_words()].map(|text| cell(&text));
            let _ = writeln!(out, "| <a id=\"{code}\"></a>`{code}` | {meaning} | {mend} |");
        }
    }
    out
}

/// A text as it stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_its_row() {
        let page = page();
        for verdict in Verdict::ALL {
            let row = format!("`{}` | {} |", verdict.code(), cell(verdict.meaning()));
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
    }
}
