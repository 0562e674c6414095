//! The tree of text in which MySQL tells what happened.

/// What MySQL measured.
#[derive(Debug, Default)]
pub(super) struct Tree(pub(super) Vec<Node>);

/// One line of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) depth: usize,
    pub(super) title: String,
    /// Rows for each run, by the optimizer.
    pub(super) estimated: Option<f64>,
    /// Rows for each run, and how often it ran; nothing when it never did.
    pub(super) actual: Option<(f64, f64)>,
    /// The time of all runs, with the steps below.
    pub(super) ms: f64,
}

impl Tree {
    /// The time of the whole.
    pub(super) fn total_ms(&self) -> Option<f64> {
        self.0.first().map(|node| node.ms)
    }

    /// The steps right below one.
    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = &Node> {
        let depth = self.0.get(index).map_or(0, |node| node.depth);
        let below = self.0.iter().skip(index + 1);
        below
            .take_while(move |node| node.depth > depth)
            .filter(move |node| node.depth == depth + 1)
    }
}

/// Reads the tree. Lines that are no steps are left out.
pub(super) fn read(text: &str) -> Tree {
    Tree(text.lines().filter_map(node).collect())
}

/// `    -> Filter: (a = 1)  (cost=2150 rows=2126) (actual time=0.359..8.04 rows=420 loops=1)`
fn node(line: &str) -> Option<Node> {
    let (indent, rest) = line.split_once("-> ")?;
    let (rest, measured) = match rest.rsplit_once(" (actual ") {
        Some((rest, measured)) => (rest, Some(measured)),
        None => (rest, None),
    };
    let (title, estimates) = match rest.rsplit_once("  (cost=") {
        Some((title, estimates)) => (title, Some(estimates)),
        None => (rest, None),
    };
    let value = |text: Option<&str>, name: &str| {
        let text = text?.trim_end_matches(')');
        let mut parts = text.split(' ');
        parts.find_map(|part| part.strip_prefix(name)?.parse::<f64>().ok())
    };
    let loops = value(measured, "loops=");
    let time = measured.and_then(|text| {
        let (_, last) = text.strip_prefix("time=")?.split(' ').next()?.split_once("..")?;
        last.parse::<f64>().ok()
    });
    Some(Node {
        depth: indent.len() / 4,
        title: title.trim().to_owned(),
        estimated: value(estimates, "rows="),
        actual: value(measured, "rows=").zip(loops),
        ms: time.unwrap_or_default() * loops.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let tree = read(
            "-> Limit: 5 row(s)  (actual time=14.7..14.7 rows=5 loops=1)\n\
             \x20   -> Filter: (b.note = ' (actual x')  (cost=5.91 rows=2.62) (actual time=0.02..0.5 rows=23.3 loops=200)\n\
             \x20       -> Table scan on b  (cost=286..286 rows=1e+3) (actual time=723e-6..723e-6 rows=0.5 loops=200)\n\
             \x20   -> Select #2 (subquery in condition; run only once)\n\
             \x20       -> Index lookup on a using k (x=1)  (never executed)\n",
        );
        let node = |depth, title: &str, estimated, actual, ms| Node {
            depth,
            title: title.to_owned(),
            estimated,
            actual,
            ms,
        };
        assert_eq!(
            tree.0[0],
            node(0, "Limit: 5 row(s)", None, Some((5.0, 1.0)), 14.7)
        );
        assert_eq!(
            tree.0[1],
            node(
                1,
                "Filter: (b.note = ' (actual x')",
                Some(2.62),
                Some((23.3, 200.0)),
                100.0
            )
        );
        assert_eq!(tree.0[2].estimated, Some(1000.0));
        assert_eq!(tree.0[4].actual, None);
        assert_eq!(tree.children(0).count(), 2);
        assert_eq!(tree.total_ms(), Some(14.7));
    }
}
