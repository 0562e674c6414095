//! docs/metrics.md: every metric of every process, from the instruments that record them.

use std::fmt::Write as _;

use mcp_hub_chassis::doctor::report::INSTRUMENTS as DOCTOR;
use mcp_hub_chassis::metrics::instrument::Instrument;
use mcp_hub_chassis::metrics::{adapters, every_process};
use mcp_hub_facade::metrics::INSTRUMENTS as FACADE;

/// The page.
pub(super) fn page() -> String {
    let mut out = include_str!("metrics.md").to_owned();
    write_part(&mut out, "Every process", every_process());
    write_part(&mut out, "Facade", FACADE.iter().copied());
    write_part(&mut out, "Adapters", adapters());
    write_part(&mut out, "Doctor", DOCTOR.iter().copied());
    out
}

fn write_part(out: &mut String, title: &str, instruments: impl Iterator<Item = &'static dyn Instrument>) {
    // Writing to a `String` can't fail.
    let _ = write!(
        out,
        "\n## {title}\n\n| series | type | labels | what it says |\n|---|---|---|---|\n"
    );
    for instrument in instruments {
        let labels: Vec<_> = instrument
            .labels()
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            instrument.series(),
            instrument.kind(),
            labels.join(" "),
            instrument.description().about,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_instruments_of_a_process_have_one_name() {
        for own in [FACADE.to_vec(), adapters().collect(), DOCTOR.to_vec()] {
            let mut known = BTreeMap::new();
            for instrument in every_process().chain(own) {
                let twice = known.insert(instrument.series(), instrument.description().name);
                assert_eq!(twice, None, "{}", instrument.series());
            }
        }
    }
}
