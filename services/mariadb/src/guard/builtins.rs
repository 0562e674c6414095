//! The functions that belong to the servers, and the words in front of a bracket that are no functions at all.
//!
//! Anything else that is called may be a stored function or come from a library, and may leave something in the session. Taken from
//! `information_schema.SQL_FUNCTIONS` of MariaDB, `information_schema.KEYWORDS` of MySQL, and the manuals; a name that is missing costs a new
//! connection, no more.

/// Whether a name in front of a bracket, without a database, is the servers' own.
pub(super) fn is_builtin(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let spatial = ["st_", "mbr"].iter().any(|prefix| name.starts_with(prefix));
    spatial || NAMES.binary_search(&name.as_str()).is_ok()
}

/// In alphabetical order.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "abs", "accessible", "acos", "add", "add_months", "adddate", "addtime", "aes_decrypt", "aes_encrypt",
    "against", "all", "alter", "analyze", "and", "any", "any_value", "as", "asc", "ascii", "asensitive",
    "asin", "atan", "atan2", "avg", "before", "between", "bigint", "bin", "bin_to_uuid", "binary",
    "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "blob", "both", "by", "call",
    "can_access_column", "can_access_database", "can_access_table", "can_access_user", "can_access_view",
    "cascade", "case", "cast", "ceil", "ceiling", "change", "char", "char_length", "character",
    "character_length", "charset", "check", "chr", "coalesce", "coercibility", "collate", "collation",
    "column", "column_add", "column_check", "column_create", "column_delete", "column_exists", "column_get",
    "column_json", "column_list", "columns", "compress", "concat", "concat_operator_oracle", "concat_ws",
    "condition", "connection_id", "constraint", "contains", "continue", "conv", "convert", "convert_tz",
    "cos", "cot", "count", "crc32", "crc32c", "create", "cross", "crosses", "cube", "cume_dist", "curdate",
    "current_date", "current_role", "current_time", "current_timestamp", "current_user", "cursor",
    "curtime", "database", "databases", "date", "date_add", "date_format", "date_sub", "datediff",
    "datetime", "day", "day_hour", "day_microsecond", "day_minute", "day_second", "dayname", "dayofmonth",
    "dayofweek", "dayofyear", "dec", "decimal", "declare", "decode", "decode_histogram", "decode_oracle",
    "default", "degrees", "delayed", "delete", "dense_rank", "des_decrypt", "des_encrypt", "desc",
    "describe", "deterministic", "disjoint", "distance", "distinct", "distinctrow", "div", "double", "drop",
    "dual", "each", "else", "elseif", "elt", "empty", "enclosed", "encode", "encrypt", "equals", "escaped",
    "except", "exists", "exit", "exp", "explain", "export_set", "external", "extract", "extractvalue",
    "false", "fetch", "field", "find_in_set", "first", "first_value", "float", "float4", "float8", "floor",
    "for", "force", "foreign", "format", "format_bytes", "format_pico_time", "found_rows", "from",
    "from_base64", "from_days", "from_unixtime", "from_vector", "fulltext", "function", "generated",
    "geometrycollection", "get", "get_format", "glength", "grant", "greatest", "group", "group_concat",
    "grouping", "groups", "gtid_subset", "gtid_subtract", "having", "hex", "high_priority", "hour",
    "hour_microsecond", "hour_minute", "hour_second", "icu_version", "if", "ifnull", "ignore", "in",
    "index", "inet4", "inet6", "inet6_aton", "inet6_ntoa", "inet_aton", "inet_ntoa", "infile", "inner",
    "inout", "insensitive", "insert", "instr", "int", "int1", "int2", "int3", "int4", "int8", "integer",
    "intersect", "intersects", "interval", "into", "io_after_gtids", "io_before_gtids", "is",
    "is_free_lock", "is_ipv4", "is_ipv4_compat", "is_ipv4_mapped", "is_ipv6", "is_used_lock", "is_uuid",
    "isnull", "iterate", "join", "json", "json_array", "json_array_append", "json_array_insert",
    "json_array_intersect", "json_arrayagg", "json_compact", "json_contains", "json_contains_path",
    "json_depth", "json_detailed", "json_equals", "json_exists", "json_extract", "json_insert",
    "json_key_value", "json_keys", "json_length", "json_loose", "json_merge", "json_merge_patch",
    "json_merge_preserve", "json_normalize", "json_object", "json_object_filter_keys",
    "json_object_to_array", "json_objectagg", "json_overlaps", "json_pretty", "json_query", "json_quote",
    "json_remove", "json_replace", "json_schema_valid", "json_schema_validation_report", "json_search",
    "json_set", "json_storage_free", "json_storage_size", "json_table", "json_type", "json_unquote",
    "json_valid", "json_value", "kdf", "key", "keys", "kill", "lag", "last", "last_day", "last_insert_id",
    "last_value", "lastval", "lateral", "lcase", "lead", "leading", "least", "leave", "left", "length",
    "lengthb", "library", "like", "limit", "linear", "lines", "linestring", "ln", "load", "local",
    "localtime", "localtimestamp", "locate", "lock", "log", "log10", "log2", "long", "longblob", "longtext",
    "loop", "low_priority", "lower", "lpad", "lpad_oracle", "ltrim", "ltrim_oracle", "make_set", "makedate",
    "maketime", "master_bind", "master_ssl_verify_server_cert", "match", "max", "maxvalue", "md5", "median",
    "mediumblob", "mediumint", "mediumtext", "member", "microsecond", "mid", "middleint", "min", "minute",
    "minute_microsecond", "minute_second", "mod", "modifies", "month", "monthname", "multilinestring",
    "multipoint", "multipolygon", "name_const", "natural", "natural_sort_key", "nchar",
    "no_write_to_binlog", "not", "now", "nth_value", "ntile", "null", "nullif", "numeric", "nvl", "nvl2",
    "oct", "octet_length", "of", "old_password", "on", "optimize", "optimizer_costs", "option",
    "optionally", "or", "ord", "order", "out", "outer", "outfile", "over", "overlaps", "partition",
    "password", "percent_rank", "percentile_cont", "percentile_disc", "period_add", "period_diff", "pi",
    "point", "polygon", "position", "pow", "power", "precision", "primary", "procedure",
    "ps_current_thread_id", "ps_thread_id", "purge", "qualify", "quarter", "quote", "radians", "rand",
    "random_bytes", "range", "rank", "read", "read_write", "reads", "real", "recursive", "references",
    "regexp", "regexp_instr", "regexp_like", "regexp_replace", "regexp_substr", "release", "rename",
    "repeat", "replace", "replace_oracle", "require", "resignal", "restrict", "return", "reverse", "revoke",
    "right", "rlike", "roles_graphml", "rollup", "round", "row", "row_count", "row_number", "rownum",
    "rows", "rpad", "rpad_oracle", "rtrim", "rtrim_oracle", "schema", "schemas", "sec_to_time", "second",
    "second_microsecond", "select", "sensitive", "separator", "session_user", "set", "sformat", "sha",
    "sha1", "sha2", "show", "sign", "signal", "signed", "sin", "sleep", "smallint", "some", "soundex",
    "space", "spatial", "specific", "sql", "sql_big_result", "sql_calc_found_rows", "sql_small_result",
    "sqlexception", "sqlstate", "sqlwarning", "sqrt", "ssl", "starting", "statement_digest",
    "statement_digest_text", "std", "stddev", "stddev_pop", "stddev_samp", "stored", "str_to_date",
    "straight_join", "strcmp", "string_to_vector", "subdate", "substr", "substr_oracle", "substring",
    "substring_index", "subtime", "sum", "sys_guid", "sysdate", "system", "system_user", "table",
    "tablesample", "tan", "terminated", "then", "time", "time_format", "time_to_sec", "timediff",
    "timestamp", "timestampadd", "timestampdiff", "tinyblob", "tinyint", "tinytext", "to", "to_base64",
    "to_char", "to_days", "to_seconds", "to_vector", "touches", "trailing", "trigger", "trim",
    "trim_oracle", "true", "truncate", "ucase", "uncompress", "uncompressed_length", "undo", "unhex",
    "union", "unique", "unix_timestamp", "unlock", "unsigned", "update", "updatexml", "upper", "usage",
    "use", "user", "using", "utc_date", "utc_time", "utc_timestamp", "uuid", "uuid_short", "uuid_to_bin",
    "uuid_v4", "uuid_v7", "validate_password_strength", "value", "values", "var_pop", "var_samp",
    "varbinary", "varchar", "varcharacter", "variance", "varying", "vec_distance", "vec_distance_cosine",
    "vec_distance_euclidean", "vec_fromtext", "vec_totext", "vector", "vector_dim", "vector_distance",
    "vector_to_string", "version", "virtual", "week", "weekday", "weekofyear", "weight_string", "when",
    "where", "while", "window", "with", "within", "write", "wsrep_last_seen_gtid",
    "wsrep_last_written_gtid", "xmltype", "xor", "year", "year_month", "yearweek", "zerofill",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(NAMES.is_sorted());
        for name in ["COUNT", "st_astext", "in", "abs", "yearweek"] {
            assert!(is_builtin(name), "{name}");
        }
        assert!(!is_builtin("my_function"));
    }
}
