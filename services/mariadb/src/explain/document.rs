//! The JSON in which MariaDB and MySQL describe a plan.
//!
//! It is a nest of objects in which each operation wraps what it works on. Names differ between the servers and grow with their versions, so
//! what is known gets a line, and what is not is looked through.

use mcp_hub_chassis::Fault;
use serde_json::{Map, Value};

use super::plan::{Actual, Operation, Plan, Step, Table};

/// Reads a document.
pub(super) fn read(document: &str) -> Result<Plan, Fault> {
    let document: Value = serde_json::from_str(document).map_err(|error| Fault::internal(&error))?;
    let mut reader = Reader::default();
    let runs = 1.0;
    reader.walk(&document, 0, runs);
    let block = document.get("query_block").unwrap_or(&Value::Null);
    reader.plan.total_cost = number(block, "cost").or_else(|| number(block.get("cost_info")?, "query_cost"));
    let parts = block
        .pointer("/union_result/query_specifications")
        .and_then(Value::as_array);
    reader.plan.total_ms = number(block, "r_total_time_ms").or_else(|| {
        let times = parts?
            .iter()
            .map(|part| number(part.get("query_block")?, "r_total_time_ms"));
        times.sum()
    });
    if reader.plan.total_cost.is_none() {
        reader.plan.total_cost = parts.and_then(|parts| parts.iter().map(cost_of_part).sum());
    }
    Ok(reader.plan)
}

fn cost_of_part(part: &Value) -> Option<f64> {
    let block = part.get("query_block")?;
    number(block, "cost").or_else(|| number(block.get("cost_info")?, "query_cost"))
}

#[derive(Default)]
struct Reader {
    plan: Plan,
}

impl Reader {
    /// Looks through a value. `runs` is how often it runs; returns how many rows come out of it, as far as it joins tables.
    fn walk(&mut self, value: &Value, depth: usize, runs: f64) -> f64 {
        match value {
            Value::Object(object) => self.object(object, depth, runs),
            Value::Array(items) => {
                for item in items.iter().filter(|item| item.is_object()) {
                    self.walk(item, depth, runs);
                }
                runs
            }
            _ => runs,
        }
    }

    fn object(&mut self, object: &Map<String, Value>, depth: usize, runs: f64) -> f64 {
        let mut rows = runs;
        if let Some(message) = object.get("message").and_then(Value::as_str) {
            self.line(depth, message.trim_end_matches('.'));
        }
        for (key, value) in object {
            match (key.as_str(), value) {
                ("table", Value::Object(table)) => rows = self.table(table, depth, rows, None),
                ("nested_loop" | "nested_loop_join", Value::Array(tables)) => {
                    let inner = if tables.len() > 1 {
                        self.line(depth, "nested loop");
                        depth + 1
                    } else {
                        depth
                    };
                    for table in tables {
                        rows = self.walk(table, inner, rows);
                    }
                }
                ("block-nl-join", Value::Object(join)) => rows = self.join_buffer(join, depth, rows),
                ("query_block", block) => {
                    // A block begins anew: what it reads does not multiply with what stands beside it.
                    self.walk(block, depth, runs);
                }
                (_, Value::Object(inner)) => {
                    let below = match operation(key, inner) {
                        Some(operation) => {
                            self.plan.steps.push((depth, Step::Operation(operation)));
                            depth + 1
                        }
                        None => depth,
                    };
                    rows = self.object(inner, below, rows);
                }
                (
                    "subqueries"
                    | "attached_subqueries"
                    | "optimized_away_subqueries"
                    | "select_list_subqueries"
                    | "having_subqueries"
                    | "group_by_subqueries"
                    | "order_by_subqueries",
                    Value::Array(queries),
                ) => {
                    for query in queries {
                        self.line(depth, "subquery");
                        self.walk(query, depth + 1, 1.0);
                    }
                }
                ("query_specifications", Value::Array(queries)) => {
                    for query in queries {
                        self.walk(query, depth, 1.0);
                    }
                }
                (_, Value::Array(_)) => {
                    self.walk(value, depth, runs);
                }
                _ => {}
            }
        }
        rows
    }

    fn line(&mut self, depth: usize, title: &str) {
        let operation = Operation {
            title: title.to_owned(),
            ..Operation::default()
        };
        self.plan.steps.push((depth, Step::Operation(operation)));
    }

    /// MariaDB's wrapper of a table that is compared with many rows at once.
    fn join_buffer(&mut self, join: &Map<String, Value>, depth: usize, runs: f64) -> f64 {
        let kind = join.get("join_type").and_then(Value::as_str).unwrap_or("flat");
        match join.get("table") {
            Some(Value::Object(table)) => {
                let mut table = table.clone();
                // The wrapper's condition is that of the join.
                for key in ["attached_condition", "r_filtered"] {
                    if let (None, Some(value)) = (table.get(key), join.get(key)) {
                        table.insert(key.to_owned(), value.clone());
                    }
                }
                self.table(&table, depth, runs, Some(kind.to_owned()))
            }
            _ => self.object(join, depth, runs),
        }
    }

    /// A table, and what it is made of when it is made on the way. Returns how many rows the join has behind it.
    fn table(
        &mut self,
        table: &Map<String, Value>,
        depth: usize,
        runs: f64,
        join_buffer: Option<String>,
    ) -> f64 {
        let value = Value::Object(table.clone());
        if let Some(message) = table.get("message").and_then(Value::as_str) {
            self.line(depth, message.trim_end_matches('.'));
            return runs;
        }
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let texts = |key: &str| -> Vec<String> {
            let items = table.get(key).and_then(Value::as_array);
            items
                .into_iter()
                .flatten()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let rows = number(&value, "rows").or_else(|| number(&value, "rows_examined_per_scan"));
        let filtered = number(&value, "filtered");
        let actual = number(&value, "r_loops").map(|loops| Actual {
            rows: number(&value, "r_rows").unwrap_or_default(),
            loops,
            filtered: number(&value, "r_filtered").unwrap_or(100.0),
            ms: number(&value, "r_table_time_ms")
                .or_else(|| number(&value, "r_total_time_ms"))
                .unwrap_or_default()
                + number(&value, "r_other_time_ms").unwrap_or_default(),
        });
        let rows = rows.unwrap_or_default();
        let kept = rows * filtered.unwrap_or(100.0) / 100.0;
        // MySQL says how many rows the join has so far.
        let behind = number(&value, "rows_produced_per_join").unwrap_or(runs * kept);
        let is_set = |key: &str| table.get(key).and_then(Value::as_bool) == Some(true);
        self.plan.steps.push((
            depth,
            Step::Table(Box::new(Table {
                name: text("table_name").unwrap_or_default(),
                access: text("access_type").unwrap_or_default(),
                key: text("key"),
                key_parts: texts("used_key_parts"),
                possible_keys: texts("possible_keys"),
                rows,
                loops: number(&value, "loops").unwrap_or(runs),
                filtered,
                condition: text("attached_condition").or_else(|| text("index_condition")),
                join_buffer: join_buffer.or_else(|| text("using_join_buffer")),
                covering: is_set("using_index"),
                actual,
            })),
        ));
        for (key, inner) in table {
            match (key.as_str(), inner) {
                ("materialized" | "materialized_from_subquery", inner) => {
                    self.line(depth + 1, "made from");
                    self.walk(inner, depth + 2, 1.0);
                }
                ("cost_info" | "r_engine_stats", _) => {}
                (_, Value::Object(inner)) => {
                    self.object(inner, depth + 1, 1.0);
                }
                ("attached_subqueries", Value::Array(queries)) => {
                    for query in queries {
                        self.line(depth + 1, "subquery");
                        self.walk(query, depth + 2, 1.0);
                    }
                }
                _ => {}
            }
        }
        behind
    }
}

/// What a wrapper does, if it does something.
fn operation(key: &str, inner: &Map<String, Value>) -> Option<Operation> {
    let value = Value::Object(inner.clone());
    let is_set = |name: &str| inner.get(name).and_then(Value::as_bool) == Some(true);
    let sort_key = inner.get("sort_key").and_then(Value::as_str);
    let mut operation = Operation {
        is_sort: key == "filesort" || is_set("using_filesort"),
        is_temporary: key == "temporary_table" || is_set("using_temporary_table"),
        rows: number(&value, "r_output_rows"),
        passes: number(&value, "r_sort_passes"),
        ..Operation::default()
    };
    let mut title = match key {
        "filesort" => match sort_key {
            Some(key) => format!("sort by {key}"),
            None => "sort".to_owned(),
        },
        "temporary_table" => "temporary table".to_owned(),
        "ordering_operation" => "order".to_owned(),
        "grouping_operation" => "group".to_owned(),
        "duplicates_removal" => "remove duplicates".to_owned(),
        "windowing" | "window_functions_computation" => "window functions".to_owned(),
        "union_result" => "union".to_owned(),
        "intersect_result" => "intersect".to_owned(),
        "except_result" => "except".to_owned(),
        "recursive_union" => "recursive union".to_owned(),
        "buffer_result" => "buffer".to_owned(),
        "having_filter" => "having".to_owned(),
        "expression_cache" => "subquery with a cache".to_owned(),
        _ => return None,
    };
    if key != "filesort" && operation.is_sort {
        title.push_str(" with a sort");
    }
    if key != "temporary_table" && operation.is_temporary {
        title.push_str(" in a temporary table");
    }
    if let Some(rows) = operation.rows {
        title = format!("{title}  (actual rows={})", super::plan::rounded(rows));
    }
    operation.title = title;
    Some(operation)
}

/// A number, which MySQL writes as text in places.
fn number(value: &Value, key: &str) -> Option<f64> {
    match value.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_mariadb_is_read() {
        let plan = read(
            r#"{"query_block": {"select_id": 1, "cost": 5.5, "r_total_time_ms": 6.4, "filesort": {"sort_key": "sum(b.total) desc", "r_output_rows": 6,
                "temporary_table": {"nested_loop": [
                 {"table": {"table_name": "c", "access_type": "range", "possible_keys": ["PRIMARY", "c"], "key": "c", "used_key_parts": ["country"],
                            "rows": 225, "r_loops": 1, "r_rows": 225, "r_table_time_ms": 0.25, "r_other_time_ms": 0.25, "filtered": 100, "r_filtered": 100,
                            "index_condition": "c.country = 'de'"}},
                 {"block-nl-join": {"table": {"table_name": "b", "access_type": "ALL", "rows": 10, "filtered": 50}, "join_type": "BNL",
                                    "attached_condition": "b.x = c.x"}},
                 {"table": {"table_name": "d", "access_type": "eq_ref", "key": "PRIMARY", "rows": 1, "filtered": 100, "using_index": true}}]}},
                "subqueries": [{"query_block": {"table": {"message": "Impossible WHERE"}}}]}}"#,
        )
        .expect("a plan");
        insta::assert_snapshot!(plan.lines().join("\n"), @r"
        sort by sum(b.total) desc  (actual rows=6)
          temporary table
            nested loop
              c: range by index c (country)  (rows=225 kept=100 %) (actual rows=225 kept=100 % runs=1 time=0.500 ms)
                  condition: c.country = 'de'
              b: full scan  (rows=10 kept=50 %)
                  condition: b.x = c.x
                  join buffer: BNL
              d: look-up of one row by index PRIMARY, from the index alone  (rows=1 kept=100 %)
        subquery
          Impossible WHERE
        ");
        // 225 + 225 * 10 + 225 * 5 * 1
        assert_eq!(
            (plan.rows_examined(), plan.total_cost, plan.execution_ms()),
            (3600.0, Some(5.5), Some(6.4))
        );
    }

    #[test]
    fn a_plan_of_mysql_is_read() {
        let plan = read(
            r#"{"query_block": {"select_id": 1, "cost_info": {"query_cost": "1885.57"}, "ordering_operation": {"using_filesort": true,
                "grouping_operation": {"using_temporary_table": true, "using_filesort": false, "nested_loop": [
                 {"table": {"table_name": "c", "access_type": "ref", "key": "c", "rows_examined_per_scan": 225, "rows_produced_per_join": 25,
                            "filtered": "11.11", "cost_info": {"read_cost": "3.00"}}},
                 {"table": {"table_name": "b", "access_type": "ALL", "rows_examined_per_scan": 10, "rows_produced_per_join": 250, "filtered": "100.00",
                            "using_join_buffer": "hash join", "attached_subqueries": [{"query_block": {"table": {"table_name": "u", "access_type": "ALL",
                            "rows_examined_per_scan": 7}}}]}}]}}}}"#,
        )
        .expect("a plan");
        insta::assert_snapshot!(plan.lines().join("\n"), @r"
        order with a sort
          group in a temporary table
            nested loop
              c: look-up of some rows by index c  (rows=225 kept=11.11 %)
              b: full scan  (rows=10 kept=100 %)
                  join buffer: hash join
                subquery
                  u: full scan  (rows=7)
        ");
        assert_eq!(
            (plan.rows_examined(), plan.total_cost),
            (225.0 + 250.0 + 7.0, Some(1885.57))
        );
    }

    #[test]
    fn a_plan_of_nobody_is_no_fault_of_the_caller() {
        assert!(read("no plan").is_err());
        assert!(
            read("{\"new\": [{\"shape\": 1}]}")
                .expect("looked through")
                .lines()
                .is_empty()
        );
    }
}
