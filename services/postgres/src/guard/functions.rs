//! Functions that no read may call: what they do is not undone by a rollback, not stopped by READ ONLY, or outside the database.
//!
//! It is a deny-list because an allow-list would break every extension (`PostGIS` alone has a thousand functions) and every function of
//! the user's own. It is the second wall, not the first: the role's rights and READ ONLY come before it, and a function of the user's
//! own can hide any of these. Names are compared without schema, since a schema may be on the search path.

/// Functions that have the same fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What they do, after "it": shown to the caller.
    pub(super) does: &'static str,
    /// Whether a write may call them.
    pub(super) in_writes: bool,
    /// Names. `*` at the beginning or end stands for anything.
    names: &'static [&'static str],
}

/// Schemas of extensions all of whose functions act on something outside the transaction.
const SCHEMAS: Group = Group {
    does: "acts on something outside the database",
    in_writes: false,
    names: &[
        // Jobs that run later and elsewhere.
        "cron",
        "pgagent", // HTTP from inside the database (pg_net), other clouds' storage and functions.
        "net",
        "aws_s3",
        "aws_lambda",
        "azure_storage",
        "google_ml", // Files and pipes (orafce).
        "utl_file",
        "dbms_pipe",
        "dbms_alert", // Replication by extension.
        "pglogical",
        "spock",
    ],
};

const GROUPS: &[Group] = &[
    // Allowed in READ ONLY to a superuser and to members of pg_read_server_files. The functions behind pg_hba_file_rules and
    // pg_file_settings read configuration files; pg_get_wal_* read the log of all databases.
    Group {
        does: "reads or writes files of the server",
        in_writes: false,
        names: &[
            "pg_read_file*",
            "pg_read_binary_file",
            "pg_stat_file",
            "pg_ls_*",
            "pg_hba_file_rules",
            "pg_ident_file_mappings",
            "pg_show_all_file_settings",
            "pg_get_wal_record*",
            "pg_get_wal_block_info",
            "pg_get_wal_fpi_info",
            "pg_get_wal_stats*",
            "lo_import",
            "lo_import_with_oid",
            "lo_export",
            // adminpack
            "pg_file_*",
            "pg_logdir_ls",
        ],
    },
    // Another session, another server or another process runs the SQL, and it knows nothing of our READ ONLY: dblink_exec really
    // created a table.
    Group {
        does: "talks to another server or session",
        in_writes: false,
        names: &[
            "dblink*",
            "postgres_fdw_disconnect*",
            // pgsql-http. Not http_*: columns have such names.
            "http",
            "http_get",
            "http_post",
            "http_put",
            "http_patch",
            "http_delete",
            "http_head",
            "http_set_curlopt",
            "http_reset_curlopt",
            "pg_background_*",
            "run_command_on_*",
            "master_run_on_worker",
        ],
    },
    // They run SQL that stands in a string, where the guard does not see it.
    Group {
        does: "runs SQL that is hidden in a string; write that SQL directly",
        in_writes: true,
        names: &[
            "query_to_xml*",
            "cursor_to_xml*",
            "ts_stat",
            "ts_rewrite",
            "crosstab*",
            "connectby",
            "xpath_table",
        ],
    },
    // They read what their arguments name, past the configuration's list of schemas.
    Group {
        does: "reads tables that are named in a string; select from them instead",
        in_writes: false,
        names: &["table_to_xml*", "schema_to_xml*", "database_to_xml*"],
    },
    // A session-level lock outlives the transaction and, on a pooled connection, the call; it can block the application.
    Group {
        does: "takes or releases a lock that outlives the statement",
        in_writes: false,
        names: &[
            "pg_advisory_lock*",
            "pg_advisory_unlock*",
            "pg_try_advisory_lock*",
        ],
    },
    Group {
        does: "takes a lock that the application may wait for",
        in_writes: true,
        names: &["pg_advisory_xact_*", "pg_try_advisory_xact_*"],
    },
    // Sent at commit even of a READ ONLY transaction; pg_logical_emit_message writes to the log at once if not transactional.
    Group {
        does: "sends a message to other sessions",
        in_writes: true,
        names: &["pg_notify", "pg_logical_emit_message"],
    },
    // set_config can lift the time limit, and for the rest of the session even READ ONLY.
    Group {
        does: "changes settings of the session",
        in_writes: false,
        names: &[
            "set_config",
            "pg_replication_origin_session_*",
            "pgv_*",
            "plv8_reset",
        ],
    },
    // Numbers that were drawn stay drawn. PostgreSQL refuses them in READ ONLY; this gives the clearer sentence.
    Group {
        does: "changes a sequence",
        in_writes: true,
        names: &["nextval", "setval"],
    },
    // The server before 16 lets a READ ONLY transaction change large objects.
    Group {
        does: "changes large objects",
        in_writes: true,
        names: &[
            "lo_creat",
            "lo_create",
            "lo_unlink",
            "lo_put",
            "lo_from_bytea",
            "lo_truncate*",
            "lowrite",
        ],
    },
    Group {
        does: "acts on other sessions or on the whole server",
        in_writes: false,
        names: &[
            "pg_terminate_backend",
            "pg_cancel_backend",
            "pg_reload_conf",
            "pg_rotate_logfile*",
            "pg_log_backend_memory_contexts",
            "pg_log_standby_snapshot",
            "pg_promote",
            "pg_switch_wal",
            "pg_switch_xlog",
            "pg_create_restore_point",
            "pg_wal_replay_pause",
            "pg_wal_replay_resume",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_backup_start",
            "pg_backup_stop",
            // Slots keep the log from being removed until the disk is full; reading from one consumes it.
            "pg_create_physical_replication_slot",
            "pg_create_logical_replication_slot",
            "pg_copy_physical_replication_slot",
            "pg_copy_logical_replication_slot",
            "pg_drop_replication_slot",
            "pg_replication_slot_advance",
            "pg_sync_replication_slots",
            "pg_logical_slot_*",
            "pg_replication_origin_*",
        ],
    },
    Group {
        does: "throws statistics away",
        in_writes: false,
        names: &[
            "pg_stat_reset*",
            "pg_stat_*_reset",
            "pg_qualstats_reset",
            "pg_wait_sampling_reset_profile",
            "pg_restore_relation_stats",
            "pg_restore_attribute_stats",
            "pg_clear_relation_stats",
            "pg_clear_attribute_stats",
        ],
    },
    // They change pages, caches or catalogues in place and survive a rollback.
    Group {
        does: "changes the storage of tables or indexes",
        in_writes: false,
        names: &[
            "gin_clean_pending_list",
            "brin_summarize_*",
            "brin_desummarize_range",
            "pg_prewarm",
            "autoprewarm_*",
            "pg_buffercache_evict*",
            "pg_truncate_visibility_map",
            "heap_force_kill",
            "heap_force_freeze",
            "pg_import_system_collations",
            "pg_nextoid",
            "pg_stop_making_pinned_objects",
            "binary_upgrade_*",
        ],
    },
];

/// Views of the system that read files, as the functions above do.
const RELATIONS: &[&str] = &["pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings"];

/// The group that a function belongs to, if it may not be called.
pub(super) fn denied(schema: Option<&str>, name: &str) -> Option<&'static Group> {
    if schema.is_some_and(|schema| SCHEMAS.names.contains(&schema)) {
        return Some(&SCHEMAS);
    }
    GROUPS
        .iter()
        .find(|group| group.names.iter().any(|pattern| matches(pattern, name)))
}

/// Whether a relation reads files of the server.
pub(super) fn reads_files(relation: &str) -> bool {
    RELATIONS.contains(&relation)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        assert!(denied(None, "pg_ls_dir").is_some());
        assert!(denied(None, "pg_stat_statements_reset").is_some());
        assert!(denied(None, "pg_stat_get_activity").is_none());
        assert!(denied(None, "my_nextval").is_none());
        assert!(denied(Some("net"), "anything").is_some());
        assert!(denied(Some("public"), "anything").is_none());
        assert!(denied(None, "lo_get").is_none());
    }
}
