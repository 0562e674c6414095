//! The findings as one table, and under each that is not well what it means and what to do.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};

use super::Counts;
use crate::doctor::{Finding, Severity, Verdict};

const TITLE: Style = Style::new().bold();
const FINE: Style = AnsiColor::Green.on_default();
const QUIET: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default();
const FAILURE: Style = AnsiColor::Red.on_default().bold();

/// Where the lines below a row begin.
const INDENT: &str = "    ";

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Fine => FINE,
        Severity::Skipped => QUIET,
        Severity::Warning => WARNING,
        Severity::Failure => FAILURE,
    }
}

/// The text, with ANSI styles.
pub(super) fn of(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["HOP", "WHAT", "VERDICT", "DETAIL"]);
    for finding in findings {
        let Finding {
            hop,
            subject,
            verdict,
            detail,
            ..
        } = finding;
        table.add_row([hop.name(), &plain(subject), verdict.code(), &plain(detail)]);
    }
    let mut lines = table.lines();
    let mut out = String::new();
    let header = lines.next().unwrap_or_default();
    // Writing to a `String` can't fail.
    let _ = writeln!(out, "{TITLE}{}{TITLE:#}", header.trim());
    for (finding, line) in findings.iter().zip(lines) {
        let style = style(finding.verdict.severity());
        let _ = writeln!(out, "{style}{}{style:#}", line.trim());
        explain(&mut out, finding);
    }
    let Counts {
        failures,
        warnings,
        skipped,
    } = Counts::of(findings);
    let _ = writeln!(
        out,
        "\n{} checks: {failures} failed, {warnings} with a warning, {skipped} not looked at",
        findings.len()
    );
    out
}

/// What a verdict means and what to do about it; nothing where all is well, and only the latter where nothing was looked at.
fn explain(out: &mut String, finding: &Finding) {
    let verdict = finding.verdict;
    let mend = finding.mend();
    match verdict.severity() {
        Severity::Fine => return,
        Severity::Skipped if verdict == Verdict::Skipped => return,
        Severity::Skipped => {
            let _ = writeln!(out, "{INDENT}{QUIET}{}{QUIET:#}", plain(&mend));
            return;
        }
        Severity::Warning | Severity::Failure => {}
    }
    let _ = writeln!(out, "{INDENT}{}", verdict.meaning());
    if !mend.is_empty() {
        let _ = writeln!(out, "{INDENT}{TITLE}mend:{TITLE:#} {}", plain(&mend));
    }
}

/// A text from outside as one line of plain text: a server must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
