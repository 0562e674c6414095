//! The nodes of the grammar by what they may do: what a read is made of, and the statements that no call may run.

use squawk_syntax::SyntaxKind;

/// Whether a node may stand in a read.
///
/// An allow-list, so that a construct that a later version of the grammar adds is refused until somebody has looked at it. It is what the
/// grammar reaches from SELECT, VALUES, TABLE, SHOW and the options of EXPLAIN, without the statements that change data (which a `WITH`
/// may hold), SELECT INTO, the locking clause, and property graphs.
#[expect(clippy::too_many_lines, reason = "it is one list")]
pub(super) fn is_read(kind: SyntaxKind) -> bool {
    // The lint is silent in tests.
    #[cfg_attr(not(test), expect(clippy::enum_glob_use, reason = "some hundred of them"))]
    use SyntaxKind::*;
    matches!(
        kind,
        ALL | ALL_FN
            | ANY_FN
            | ARG
            | ARG_LIST
            | ARRAY_BOUND
            | ARRAY_EXPR
            | ARRAY_TYPE
            | ASYMMETRIC
            | AS_NAME
            | AT_LOCAL
            | AT_TIME_ZONE
            | BETWEEN_EXPR
            | BIN_EXPR
            | BIT_TYPE
            | BIT_VARYING_TYPE
            | BREADTH_FIRST
            | CALL_EXPR
            | CASE_EXPR
            | CAST_EXPR
            | CHARACTER_TYPE
            | COLLATE
            | COLLATION_FOR_FN
            | COLLATION_REF
            | COLON_COLON
            | COLUMN_DEF
            | COLUMN_DEF_LIST
            | COLUMN_LIST
            | COLUMN_NAME
            | COLUMN_NAME_REF
            | COLUMN_REF_LIST
            | COMPOUND_SELECT
            | CONFIG_PARAMETER_REF
            | CTE_NAME
            | CURRENT_ROW
            | CUSTOM_OP
            | CYCLE_CLAUSE
            | CYCLE_COLUMNS
            | CYCLE_COLUMN_TO
            | CYCLE_DEFAULT
            | CYCLE_PATH
            | CYCLE_SET_COLUMN
            | DEPTH_FIRST
            | DISTINCT
            | DISTINCT_CLAUSE
            | DISTINCT_ON
            | DOUBLE_TYPE
            | ELEMENT_TAG
            | ELSE_CLAUSE
            | EXCEPT
            | EXISTS_FN
            | EXPLAIN
            | EXPLAIN_ANALYZE
            | EXPLAIN_OPTION
            | EXPLAIN_OPTION_LIST
            | EXPLAIN_OPTION_NAME
            | EXPLAIN_OPTION_VALUE
            | EXPLAIN_VERBOSE
            | EXPR_AS_ELEMENT_TAG
            | EXPR_AS_ELEMENT_TAG_LIST
            | EXPR_AS_XML_ATTR
            | EXPR_AS_XML_ATTR_LIST
            | EXPR_FOLLOWING
            | EXPR_FROM_ITEM
            | EXPR_PRECEDING
            | EXTRACT_FIELD_LITERAL
            | EXTRACT_FIELD_NAME
            | EXTRACT_FN
            | FETCH_CLAUSE
            | FETCH_ONLY
            | FIELD_EXPR
            | FILTER_CLAUSE
            | FRAME_BETWEEN
            | FRAME_CLAUSE
            | FRAME_EXCLUDE
            | FRAME_GROUPS
            | FRAME_RANGE
            | FRAME_ROWS
            | FROM_ALIAS
            | FROM_CLAUSE
            | FUNCTION_FROM_ITEM
            | GROUP
            | GROUPING_CUBE
            | GROUPING_EXPR
            | GROUPING_ROLLUP
            | GROUPING_SETS
            | GROUP_BY_CLAUSE
            | GROUP_BY_LIST
            | HAVING_CLAUSE
            | IGNORE_NULLS
            | INDENT
            | INDEX_EXPR
            | INTERSECT
            | INTERVAL_DAY
            | INTERVAL_HOUR
            | INTERVAL_MINUTE
            | INTERVAL_MONTH
            | INTERVAL_SECOND
            | INTERVAL_TYPE
            | INTERVAL_YEAR
            | IS_DISTINCT_FROM
            | IS_JSON
            | IS_JSON_ARRAY
            | IS_JSON_OBJECT
            | IS_JSON_SCALAR
            | IS_JSON_VALUE
            | IS_NORMALIZED
            | IS_NOT
            | IS_NOT_DISTINCT_FROM
            | IS_NOT_JSON
            | IS_NOT_JSON_ARRAY
            | IS_NOT_JSON_OBJECT
            | IS_NOT_JSON_SCALAR
            | IS_NOT_JSON_VALUE
            | IS_NOT_NORMALIZED
            | JOIN
            | JOIN_CROSS
            | JOIN_EXPR
            | JOIN_FULL
            | JOIN_INNER
            | JOIN_LEFT
            | JOIN_RIGHT
            | JOIN_USING_CLAUSE
            | JSON_ABSENT_ON_NULL
            | JSON_ARRAY_AGG_FN
            | JSON_ARRAY_FN
            | JSON_BEHAVIOR_DEFAULT
            | JSON_BEHAVIOR_EMPTY_ARRAY
            | JSON_BEHAVIOR_EMPTY_OBJECT
            | JSON_BEHAVIOR_ERROR
            | JSON_BEHAVIOR_FALSE
            | JSON_BEHAVIOR_NULL
            | JSON_BEHAVIOR_TRUE
            | JSON_BEHAVIOR_UNKNOWN
            | JSON_ENCODING
            | JSON_ENCODING_CLAUSE
            | JSON_EXISTS_FN
            | JSON_EXPR_FORMAT
            | JSON_FN
            | JSON_FORMAT_CLAUSE
            | JSON_KEY_VALUE
            | JSON_NULL_ON_NULL
            | JSON_OBJECT_AGG_FN
            | JSON_OBJECT_FN
            | JSON_ON_EMPTY_CLAUSE
            | JSON_ON_ERROR_CLAUSE
            | JSON_PASSING_ARG
            | JSON_PASSING_CLAUSE
            | JSON_PATH_CLAUSE
            | JSON_PATH_NAME
            | JSON_PATH_NAME_CLAUSE
            | JSON_PATH_NAME_REF
            | JSON_QUERY_FN
            | JSON_QUOTES_CLAUSE
            | JSON_RETURNING_CLAUSE
            | JSON_SCALAR_FN
            | JSON_SELECT_FORMAT
            | JSON_SERIALIZE_FN
            | JSON_TABLE
            | JSON_TABLE_COLUMN_LIST
            | JSON_TABLE_EXISTS_COLUMN
            | JSON_TABLE_FROM_ITEM
            | JSON_TABLE_NESTED_COLUMN
            | JSON_TABLE_ORDINALITY_COLUMN
            | JSON_TABLE_PLAN_CHOICE
            | JSON_TABLE_PLAN_CLAUSE
            | JSON_TABLE_PLAN_CROSS
            | JSON_TABLE_PLAN_INNER
            | JSON_TABLE_PLAN_JOIN
            | JSON_TABLE_PLAN_OUTER
            | JSON_TABLE_PLAN_UNION
            | JSON_TABLE_VALUE_COLUMN
            | JSON_VALUE_EXPR
            | JSON_VALUE_FN
            | JSON_VARIABLE_NAME
            | JSON_WITHOUT_UNIQUE_KEYS
            | JSON_WITHOUT_WRAPPER
            | JSON_WITH_CONDITIONAL_WRAPPER
            | JSON_WITH_UNCONDITIONAL_WRAPPER
            | JSON_WITH_UNIQUE_KEYS
            | KEEP_QUOTES
            | LIMIT_CLAUSE
            | LITERAL
            | MATERIALIZED
            | NAMED_ARG
            | NAME_REF
            | NOT_ILIKE
            | NOT_IN
            | NOT_LIKE
            | NOT_MATERIALIZED
            | NOT_SIMILAR_TO
            | NO_INDENT
            | NO_OTHERS
            | NULLS_FIRST
            | NULLS_LAST
            | OFFSET_CLAUSE
            | OMIT_QUOTES
            | ON_CLAUSE
            | ON_SCALAR_STRING
            | OP
            | OPERATOR_CALL
            | OPTION_DEFAULT
            | OPTION_IDENT
            | OPTION_NOT_NULL
            | OPTION_NULL
            | OPTION_PATH
            | ORDER_BY_CLAUSE
            | OVERLAY_EXPRS
            | OVERLAY_FN
            | OVERLAY_PLACING
            | OVER_CLAUSE
            | OVER_WINDOW_SPEC
            | PARAM_NAME_REF
            | PAREN_EXPR
            | PAREN_FROM_ITEM
            | PAREN_JSON_TABLE_PLAN
            | PAREN_SELECT
            | PARTITION_BY_CLAUSE
            | PATH_REF
            | PATH_SEGMENT_REF
            | PATH_TYPE
            | POSITION_FN
            | POSTFIX_EXPR
            | PREFIX_EXPR
            | PRESERVE_WHITESPACE
            | RELATION_FROM_ITEM
            | RELATION_NAME
            | RELATION_NAME_REF
            | REPEATABLE_CLAUSE
            | REQUIRED_AS_ALIAS
            | RESPECT_NULLS
            | ROW
            | ROWS_FROM_ARG
            | ROWS_FROM_ITEM
            | ROW_LIST
            | SEARCH_CLAUSE
            | SEARCH_COLUMNS
            | SEARCH_SET_COLUMN
            | SELECT
            | SELECT_CLAUSE
            | SESSION_AUTHORIZATION
            | SHOW
            | SIMILAR_TO
            | SLICE_EXPR
            | SOME_FN
            | SORT_ASC
            | SORT_BY
            | SORT_BY_LIST
            | SORT_DESC
            | SORT_USING
            | STANDALONE_NO
            | STANDALONE_NO_VALUE
            | STANDALONE_YES
            | STRIP_WHITESPACE
            | SUBSTRING_EXPRS
            | SUBSTRING_FN
            | SUBSTRING_FOR_FROM
            | SUBSTRING_FROM_FOR
            | SUBSTRING_SIMILAR_ESCAPE
            | SYMMETRIC
            | TABLE
            | TABLESAMPLE_CLAUSE
            | TABLE_ALIAS
            | TARGET
            | TARGET_LIST
            | TIES
            | TIMESTAMP_TYPE
            | TIME_TYPE
            | TIME_ZONE
            | TRANSACTION_ISOLATION_LEVEL
            | TRIM_BOTH
            | TRIM_EXPRS
            | TRIM_EXPR_FROM
            | TRIM_FN
            | TRIM_FROM
            | TRIM_LEADING
            | TRIM_TRAILING
            | TUPLE_EXPR
            | UNBOUNDED_FOLLOWING
            | UNBOUNDED_PRECEDING
            | UNICODE_NORMAL_FORM
            | UNION
            | VALUES
            | VARCHAR_TYPE
            | WHEN_CLAUSE
            | WHEN_CLAUSE_LIST
            | WHERE_CLAUSE
            | WINDOW
            | WINDOW_CLAUSE
            | WINDOW_DEF
            | WINDOW_REF
            | WINDOW_SPEC
            | WITHIN_CLAUSE
            | WITHOUT_TIMEZONE
            | WITH_CLAUSE
            | WITH_ORDINALITY
            | WITH_TABLE
            | WITH_TIES
            | WITH_TIMEZONE
            | XML_ATTR
            | XML_COLUMN_OPTION_LIST
            | XML_CONTENT
            | XML_DOCUMENT
            | XML_ELEMENT_FN
            | XML_EXISTS_FN
            | XML_FOREST_FN
            | XML_NAMESPACE
            | XML_NAMESPACE_LIST
            | XML_NAMESPACE_PREFIX
            | XML_PARSE_FN
            | XML_PASSING_DOC
            | XML_PASSING_MECH_BY_REF
            | XML_PASSING_MECH_BY_VALUE
            | XML_PI_FN
            | XML_PI_TARGET
            | XML_ROOT_FN
            | XML_ROW_PASSING_CLAUSE
            | XML_SERIALIZE_FN
            | XML_TABLE
            | XML_TABLE_COLUMN
            | XML_TABLE_COLUMN_LIST
            | XML_TABLE_FROM_ITEM
            | XML_VERSION_EXPR
            | XML_VERSION_NO_VALUE
    )
}

/// Whether a node is the name of what a statement of a write is about: it stands in the statement's summary.
pub(super) fn is_shown(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::RELATION_NAME_REF
            | SyntaxKind::TABLE_NAME
            | SyntaxKind::TABLE_NAME_REF
            | SyntaxKind::VIEW
            | SyntaxKind::VIEW_REF
            | SyntaxKind::INDEX
            | SyntaxKind::INDEX_REF
            | SyntaxKind::SEQUENCE
            | SyntaxKind::SEQUENCE_REF
            | SyntaxKind::FUNCTION_NAME
            | SyntaxKind::FUNCTION_NAME_REF
            | SyntaxKind::PROCEDURE_NAME
            | SyntaxKind::PROCEDURE_NAME_REF
    )
}

/// Whether a statement begins or ends a transaction: ours must stay as it is, in reads and in writes.
pub(super) fn controls_transaction(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::BEGIN
            | SyntaxKind::COMMIT_TRANSACTION
            | SyntaxKind::COMMIT_PREPARED
            | SyntaxKind::ROLLBACK_TRANSACTION
            | SyntaxKind::ROLLBACK_PREPARED
            | SyntaxKind::ROLLBACK_TO_SAVEPOINT
            | SyntaxKind::RELEASE_SAVEPOINT
            | SyntaxKind::SAVEPOINT_CREATE
            | SyntaxKind::PREPARE_TRANSACTION
            | SyntaxKind::SET_TRANSACTION
    )
}

/// Whether a statement leaves something in the session, which calls share, or uses what another has left there.
pub(super) fn changes_session(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::SET
            | SyntaxKind::SET_ROLE
            | SyntaxKind::SET_SESSION_AUTH
            | SyntaxKind::RESET
            | SyntaxKind::RESET_ROLE
            | SyntaxKind::RESET_SESSION_AUTH
            | SyntaxKind::DISCARD
            | SyntaxKind::LISTEN
            | SyntaxKind::UNLISTEN
            | SyntaxKind::LOAD
            | SyntaxKind::PREPARE
            | SyntaxKind::EXECUTE
            | SyntaxKind::DEALLOCATE
            | SyntaxKind::DECLARE
            | SyntaxKind::FETCH
            | SyntaxKind::MOVE
            | SyntaxKind::CLOSE
    )
}
