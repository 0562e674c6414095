//! The operations that metrics tell apart. Callers write statements, so what is not known is not a label.

/// Stands for all others.
const OTHER: &str = "_OTHER";

/// The first words of statements in SQL and Cypher, and below them the methods of Qdrant; both in order.
#[rustfmt::skip]
const KNOWN: [&str; 75] = [
    "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "CHECK", "COMMENT", "COMMIT", "COPY", "CREATE",
    "DEALLOCATE", "DECLARE", "DELETE", "DESCRIBE", "DETACH", "DISCARD", "DO", "DROP", "EXECUTE",
    "EXPLAIN", "FETCH", "FOREACH", "GRANT", "INSERT", "KILL", "LOAD", "LOCK", "MATCH", "MERGE",
    "OPTIMIZE", "OPTIONAL", "PRAGMA", "PREPARE", "PROFILE", "REFRESH", "REINDEX", "RELEASE", "REMOVE",
    "RENAME", "REPLACE", "RESET", "RETURN", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW",
    "START", "TABLE", "TERMINATE", "TRUNCATE", "UNWIND", "UPDATE", "USE", "VACUUM", "VALUES", "WITH",
    "collection_exists", "count_points", "create_collection", "create_field_index", "delete_points",
    "facet_counts", "get_collection_info", "get_points", "health_check", "list_aliases",
    "list_collections", "query_point_groups", "query_points", "scroll_points", "update_aliases",
    "update_batch_points", "upsert_points",
];

/// An operation as metrics have it.
pub(super) fn bounded(operation: &str) -> &'static str {
    match KNOWN.binary_search(&operation) {
        Ok(index) => KNOWN[index],
        Err(_) => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_operations_are_labels() {
        assert!(KNOWN.is_sorted(), "{KNOWN:?}");
        for known in KNOWN {
            assert_eq!(bounded(known), known);
        }
        for unknown in ["", "select", "SELECT 1", "zzz"] {
            assert_eq!(bounded(unknown), OTHER, "{unknown}");
        }
    }
}
