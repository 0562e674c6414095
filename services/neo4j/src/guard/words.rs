//! The words that clauses begin with, and those between which names stand.

/// Words that a clause that changes data begins with.
pub(super) const WRITING: [&str; 10] = [
    "CREATE", "MERGE", "SET", "DELETE", "DETACH", "NODETACH", "REMOVE", "INSERT", "FOREACH", "DROP",
];

/// Words that a statement that reads can begin with, in Cypher 5 and 25.
pub(super) const READING: [&str; 12] = [
    "MATCH", "OPTIONAL", "WITH", "UNWIND", "RETURN", "CALL", "SHOW", "FINISH", "LET", "FILTER", "FOR", "WHEN",
];

/// Words that a command on the server or the system database begins with; they are commands only there.
pub(super) const COMMANDS: [&str; 13] = [
    "ALTER",
    "DEALLOCATE",
    "DENY",
    "DRYRUN",
    "ENABLE",
    "GRANT",
    "REALLOCATE",
    "RENAME",
    "REVOKE",
    "START",
    "STOP",
    "TERMINATE",
    "DISABLE",
];

/// Words that can stand behind an operand: operators, and what begins the next clause or part of one.
pub(super) const CONTINUING: [&str; 40] = [
    "AND",
    "AS",
    "ASC",
    "ASCENDING",
    "CALL",
    "CONCURRENT",
    "CONTAINS",
    "DESC",
    "DESCENDING",
    "ELSE",
    "END",
    "ENDS",
    "EXCEPT",
    "FILTER",
    "FINISH",
    "FOR",
    "IN",
    "INTERSECT",
    "IS",
    "LET",
    "LIMIT",
    "MATCH",
    "NEXT",
    "OFFSET",
    "ON",
    "OPTIONAL",
    "OR",
    "ORDER",
    "RETURN",
    "SKIP",
    "STARTS",
    "THEN",
    "UNION",
    "UNWIND",
    "USING",
    "WHEN",
    "WHERE",
    "WITH",
    "XOR",
    "YIELD",
];

/// Words behind which an operand stands, so that the next word is a name.
pub(super) const OPENING: [&str; 31] = [
    "ALL", "AND", "AS", "BY", "CASE", "CONTAINS", "DISTINCT", "ELSE", "FILTER", "IN", "IS", "LET", "LIMIT",
    "MATCH", "NOT", "OFFSET", "OPTIONAL", "OR", "RETURN", "SKIP", "THEN", "TO", "UNWIND", "USING", "WHEN",
    "WHERE", "WITH", "XOR", "YIELD", "ON", "FROM",
];
