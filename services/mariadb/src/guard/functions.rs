//! Functions that no read may call: what they do is not undone by a rollback, not stopped by READ ONLY, or outside the database.
//!
//! It is a deny-list because an allow-list would break every function of the user's own. It is the second wall, not the first: the
//! account's rights and READ ONLY come before it, and a stored function can hide any of these. Names are compared without the database
//! in front: `mariadb_schema.get_lock` is `get_lock`.

/// Functions that have the same fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What they do, after "it": shown to the caller.
    pub(super) does: &'static str,
    /// Whether a write may call them.
    pub(super) in_writes: bool,
    /// Names. `*` at the end stands for anything.
    names: &'static [&'static str],
}

const GROUPS: &[Group] = &[
    // Allowed in READ ONLY to whoever has FILE.
    Group {
        does: "reads files of the server",
        in_writes: false,
        names: &["load_file"],
    },
    // Functions from shared libraries run as the server's user and know nothing of transactions. These are the known ones.
    Group {
        does: "runs programs, or talks to other servers",
        in_writes: false,
        names: &[
            "sys_exec",
            "sys_eval",
            "sys_get",
            "sys_set",
            "sys_bineval",
            "do_system",
            "cmdshell",
            "lib_mysqludf_*",
            "http_get",
            "http_post",
            "http_put",
            "http_delete",
            "memc_*",
            "gman_*",
            "spider_*",
            "mroonga_command",
        ],
    },
    // They outlive the transaction and, on a pooled connection, the call; the application may wait for them. RELEASE_ALL_LOCKS and
    // RELEASE_LOCK concern only our own session, and have nothing to release.
    Group {
        does: "takes or releases a lock that outlives the statement",
        in_writes: false,
        names: &[
            "get_lock",
            "release_lock",
            "release_all_locks",
            "service_get_read_locks",
            "service_get_write_locks",
            "service_release_locks",
            "version_tokens_*",
        ],
    },
    // A connection is a scarce thing, and these hold one for what no statement of ours can depend on.
    Group {
        does: "waits for other servers",
        in_writes: false,
        names: &[
            "master_pos_wait",
            "source_pos_wait",
            "master_gtid_wait",
            "wait_for_executed_gtid_set",
            "wait_until_sql_thread_after_gtids",
            "wsrep_sync_wait_upto_gtid",
        ],
    },
    // SLEEP() holds a connection too, but no processor, and no longer than the time limit.
    Group {
        does: "keeps the server's processor busy to no end",
        in_writes: false,
        names: &["benchmark"],
    },
    // Numbers that were drawn stay drawn. The servers refuse them in READ ONLY; this gives the clearer sentence.
    Group {
        does: "changes a sequence",
        in_writes: true,
        names: &["nextval", "setval"],
    },
    Group {
        does: "acts on the whole server",
        in_writes: false,
        names: &[
            "group_replication_*",
            "asynchronous_connection_failover_*",
            "audit_log_*",
            "set_firewall_*",
            "read_firewall_*",
            "mysql_firewall_*",
            "firewall_*",
            "load_rewrite_rules",
            "flush_rewrite_rules",
            "keyring_*",
            "masking_dictionary_*",
            "masking_dictionaries_*",
            "set_master_key",
            "binlog_gtid_pos",
            "calflushcache",
            "calonlinealter",
            "calsetparms",
            "calcleartablelock",
            "mcssetconfig",
        ],
    },
];

/// `LAST_INSERT_ID()` reads, `LAST_INSERT_ID(expression)` sets.
pub(super) const LAST_INSERT_ID: &str = "last_insert_id";

/// The group that a function belongs to, if it may not be called.
pub(super) fn denied(name: &str) -> Option<&'static Group> {
    GROUPS
        .iter()
        .find(|group| group.names.iter().any(|pattern| matches(pattern, name)))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => may_be(name, pattern),
        Some(start) => name
            .char_indices()
            .nth(start.len())
            .is_some_and(|(end, _)| may_be(&name[..end], start)),
    }
}

/// Whether the server may take `name` for `wanted`. Case does not count, and a character that is not ASCII
/// may be the other case, or a form of one that is, by the collation of names: MariaDB 11.8 runs `load_file` when its `i` has no dot, and
/// `sleep` when it begins with a long s.
pub(crate) fn may_be(name: &str, wanted: &str) -> bool {
    let mut wanted = wanted.chars();
    name.chars().all(|character| {
        wanted
            .next()
            .is_some_and(|wanted| !character.is_ascii() || character.eq_ignore_ascii_case(&wanted))
    }) && wanted.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for name in [
            "get_lock",
            "GET_LOCK",
            "load_f\u{131}le",
            "relea\u{17f}e_lock",
            "spider_direct_sql",
            "keyring_x",
        ] {
            assert!(denied(name).is_some(), "{name}");
        }
        for name in [
            "get_locks",
            "my_get_lock",
            "get",
            "",
            "spider",
            "spider_",
            "is_free_lock",
            "ü",
        ] {
            assert!(denied(name).is_none(), "{name}");
        }
    }
}
