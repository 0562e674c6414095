//! Which procedures and functions may be called.
//!
//! An allow-list, because a procedure may do anything: `apoc.load.json` calls itself READ and fetches any address, `apoc.cypher.run`
//! runs Cypher that stands in a string, where the guard does not see it. Those that write are told apart only for the sentence; the
//! server refuses them in READ mode by itself.

/// What may be done with a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Reads, and writes as well, may call it.
    Reads,
    /// Only writes may call it.
    Writes,
    /// Nobody may: it does this.
    Refused(&'static str),
}

/// Names of procedures that only read. `*` at an end stands for anything.
const READING: &[&str] = &[
    "db.awaitindex",
    "db.awaitindexes",
    "db.index.fulltext.awaiteventuallyconsistentindexrefresh",
    "db.index.fulltext.listavailableanalyzers",
    "db.index.fulltext.querynodes",
    "db.index.fulltext.queryrelationships",
    "db.index.vector.querynodes",
    "db.index.vector.queryrelationships",
    "db.info",
    "db.labels",
    "db.ping",
    "db.propertykeys",
    "db.relationshiptypes",
    "db.schema.nodetypeproperties",
    "db.schema.reltypeproperties",
    "db.schema.visualization",
    "dbms.components",
    // APOC: no files, no addresses, no Cypher in strings. Some of these write; the server refuses those in READ mode.
    "apoc.algo.*",
    "apoc.coll.*",
    "apoc.convert.*",
    "apoc.help",
    "apoc.math.*",
    "apoc.meta.*",
    "apoc.neighbors.*",
    "apoc.node.*",
    "apoc.nodes.*",
    "apoc.path.*",
    "apoc.schema.*",
    "apoc.search.*",
    "apoc.stats.*",
    "apoc.text.*",
    // Graph Data Science: what answers without keeping anything.
    "gds.graph.exists",
    "gds.graph.list",
    "gds.list",
    "gds.*.estimate",
    "gds.*.stats",
    "gds.*.stream",
];

/// Names of procedures that write to the graph and to nothing else.
const WRITING: &[&str] = &[
    "db.create.setnodevectorproperty",
    "db.create.setrelationshipvectorproperty",
    "db.create.setvectorproperty",
    "db.createlabel",
    "db.createproperty",
    "db.createrelationshiptype",
    "db.index.vector.createnodeindex",
    "apoc.atomic.*",
    "apoc.create.*",
    "apoc.merge.*",
    "apoc.refactor.*",
];

/// What others do, for the sentence that refuses them.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "reads or writes files of the server, or talks to other servers",
        &[
            "apoc.load.*",
            "apoc.import.*",
            "apoc.export.*",
            "apoc.gephi.*",
            "apoc.spatial.*",
            "apoc.ml.*",
            "apoc.nlp.*",
            "genai.*",
            "ai.*",
        ],
    ),
    (
        "runs Cypher that is hidden in a string; write that Cypher directly",
        &[
            "apoc.case",
            "apoc.when",
            "apoc.cypher.*",
            "apoc.do.*",
            "apoc.periodic.*",
            "apoc.trigger.*",
            "apoc.custom.*",
        ],
    ),
    (
        "tells about the server, not about the graph",
        &[
            "dbms.listconfig",
            "dbms.listconnections",
            "dbms.queryjmx",
            "dbms.routing.*",
            "dbms.cluster.*",
            "dbms.showcurrentuser",
            "db.stats.retrieve*",
            "db.stats.status",
            "apoc.config.*",
            "apoc.monitor.*",
            "apoc.systemdb.*",
        ],
    ),
    (
        "acts on the server, its sessions or its caches",
        &[
            "dbms.*",
            "db.clearquerycaches",
            "db.prepareforreplanning",
            "db.resample*",
            "db.stats.*",
            "tx.*",
            "apoc.lock.*",
            "apoc.log.*",
            "apoc.util.*",
            "apoc.warmup.*",
        ],
    ),
    (
        "keeps a copy of the graph in the server's memory",
        &["gds.graph.project*"],
    ),
];

/// Namespaces of functions that compute and do nothing else: the server's own, APOC's and those of Graph Data Science.
const FUNCTIONS: &[&str] = &[
    "date.*",
    "datetime.*",
    "db.namefromelementid",
    "duration.*",
    "localdatetime.*",
    "localtime.*",
    "point.*",
    "time.*",
    "vector.similarity.*",
    "apoc.agg.*",
    "apoc.any.*",
    "apoc.bitwise.*",
    "apoc.coll.*",
    "apoc.convert.*",
    "apoc.data.*",
    "apoc.date.*",
    "apoc.diff.*",
    "apoc.hashing.*",
    "apoc.json.*",
    "apoc.label.*",
    "apoc.map.*",
    "apoc.math.*",
    "apoc.meta.*",
    "apoc.node.*",
    "apoc.nodes.*",
    "apoc.number.*",
    "apoc.path.*",
    "apoc.rel.*",
    "apoc.schema.*",
    "apoc.scoring.*",
    "apoc.temporal.*",
    "apoc.text.*",
    "apoc.version",
    "gds.graph.exists",
    "gds.similarity.*",
    "gds.util.*",
    "gds.version",
];

/// What may be done with a procedure, whatever the case of its name: the server takes it literally, so at worst there is none.
pub(super) fn procedure(name: &str) -> Verdict {
    let name = name.to_lowercase();
    if matches_one(&name, READING) {
        Verdict::Reads
    } else if matches_one(&name, WRITING) {
        Verdict::Writes
    } else {
        Verdict::Refused(does(&name))
    }
}

/// Whether a function may be called.
///
/// # Errors
/// What it does.
pub(super) fn function(name: &str) -> Result<(), &'static str> {
    let name = name.to_lowercase();
    if matches_one(&name, FUNCTIONS) {
        return Ok(());
    }
    Err(does(&name))
}

fn does(name: &str) -> &'static str {
    let group = REFUSED.iter().find(|(_, patterns)| matches_one(name, patterns));
    group.map_or("is none of those that are known to be harmless", |(does, _)| does)
}

fn matches_one(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| matches(name, pattern))
}

/// Whether a name is what a pattern stands for: at most one `*`.
fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((begins, ends)) => {
            name.len() >= begins.len() + ends.len() && name.starts_with(begins) && name.ends_with(ends)
        }
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_star() {
        for (name, pattern, expected) in [
            ("gds.pagerank.stream", "gds.*.stream", true),
            ("gds.stream", "gds.*.stream", false),
            ("gds.pagerank.write", "gds.*.stream", false),
            ("apoc.path.expand", "apoc.path.*", true),
            ("apoc.pathological", "apoc.path.*", false),
            ("db.labels", "db.labels", true),
            ("db.labelsx", "db.labels", false),
        ] {
            assert_eq!(matches(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn patterns_are_in_lower_case() {
        let refused = REFUSED.iter().flat_map(|(_, patterns)| patterns.iter());
        for pattern in READING.iter().chain(WRITING).chain(FUNCTIONS).chain(refused) {
            assert_eq!(*pattern, pattern.to_lowercase());
        }
    }
}
