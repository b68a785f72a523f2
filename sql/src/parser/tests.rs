use super::ast::*;
use super::*;

fn one(text: &str) -> Statement {
    let mut statements = parse(text).unwrap();
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0).statement
}

/// Checks the whole message with its caret.
fn refused(text: &str, expected: &str) {
    let error = parse(text).expect_err(text);
    assert_eq!(error.render(text), expected.trim_matches('\n'), "{text}");
}

#[test]
fn a_stream_with_its_columns_and_properties() {
    let text = "CREATE OR REPLACE STREAM s (k INT KEY, `v` ARRAY<DECIMAL(4,2)>, \
                h BYTES HEADER('x')) \
                WITH (kafka_topic='t', partitions=2, wrap_single_value=false);";
    let Statement::CreateSource(create) = one(text) else { panic!() };
    assert_eq!(create.name.name, "S");
    assert!(create.or_replace && !create.if_not_exists);
    let columns: Vec<_> =
        create.columns.iter().map(|c| (c.name.name.as_str(), c.role.clone())).collect();
    let header = ColumnRole::Headers(Some("x".into()));
    assert_eq!(columns, [("K", ColumnRole::Key), ("v", ColumnRole::Value), ("H", header)]);
    let with: Vec<_> = create.with.iter().map(|p| (p.name.as_str(), p.value.clone())).collect();
    assert_eq!(
        with,
        [
            ("KAFKA_TOPIC", Literal::Text("t".into())),
            ("PARTITIONS", Literal::Integer(2)),
            ("WRAP_SINGLE_VALUE", Literal::Boolean(false)),
        ]
    );
}

#[test]
fn a_windowed_join_query_has_all_its_clauses() {
    let text = "CREATE TABLE d AS SELECT a.k, COUNT(*) n FROM f AS l LEFT JOIN a ON l.k = a.k \
                WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 2 MINUTES) WHERE x > 1 GROUP BY a.k \
                HAVING COUNT(*) > 2 EMIT CHANGES LIMIT 3;";
    let Statement::CreateAs(create) = one(text) else { panic!() };
    let query = create.query;
    assert_eq!(query.joins[0].kind, JoinKind::Left);
    let window = query.window.unwrap();
    assert_eq!(window.shape, WindowShape::Tumbling { size_ms: 3_600_000 });
    assert_eq!(window.grace_ms, Some(120_000));
    assert_eq!((query.group_by.len(), query.emit, query.limit), (1, Emit::Changes, Some(3)));
    assert!(query.filter.is_some() && query.having.is_some());
}

#[test]
fn operators_bind_as_in_sql() {
    let Statement::Select(query) = one("SELECT 1 + 2 * -3 = 4 AND NOT a IS NULL OR b FROM s;")
    else {
        panic!()
    };
    let SelectItem::Expression { value, .. } = &query.items[0] else { panic!() };
    let ExprKind::Or(left, _) = &value.kind else { panic!() };
    let ExprKind::And(left, right) = &left.kind else { panic!() };
    assert!(matches!(right.kind, ExprKind::Not(_)));
    let ExprKind::Compare { left, .. } = &left.kind else { panic!() };
    let ExprKind::Arithmetic { op: Arithmetic::Add, right, .. } = &left.kind else { panic!() };
    let ExprKind::Arithmetic { op: Arithmetic::Multiply, right, .. } = &right.kind else {
        panic!()
    };
    assert_eq!(right.kind, ExprKind::Literal(Literal::Integer(-3)));
}

#[test]
fn constructors_access_and_lambdas() {
    let text = "SELECT STRUCT(a := 1)->a, MAP('k' := 2)['k'], ARRAY[1][-1], s.*, b->*, \
                TRANSFORM(x, (k, v) => k + v), REDUCE(l, 0, s => s) FROM s;";
    let Statement::Select(query) = one(text) else { panic!() };
    assert_eq!(query.items.len(), 7);
    assert!(matches!(&query.items[3], SelectItem::All { source: Some(_), .. }));
    assert!(matches!(&query.items[4], SelectItem::Fields { .. }));
}

#[test]
fn print_takes_names_with_dashes_and_dots_as_written() {
    let Statement::Print(print) = one("PRINT my-topic.v1 FROM BEGINNING LIMIT 3;") else {
        panic!()
    };
    assert_eq!(print.topic.name, "my-topic.v1");
    assert_eq!((print.from_beginning, print.limit), (true, Some(3)));
}

#[test]
fn every_small_statement_is_read() {
    let text = "SHOW STREAMS; LIST ALL TOPICS EXTENDED; DESCRIBE s EXTENDED; SET 'a'='b'; \
                UNSET 'a'; DROP TABLE IF EXISTS t DELETE TOPIC; TERMINATE ALL; EXPLAIN CTAS_A_1; \
                INSERT INTO s (a, b) VALUES (1, 'x'); DEFINE x = 'y'; DESCRIBE FUNCTION len; \
                CREATE TYPE p AS STRUCT<a INT>; INSERT INTO s SELECT * FROM t; PAUSE q;";
    assert_eq!(parse(text).unwrap().len(), 14);
}

#[test]
fn a_misspelt_clause_is_shown_with_a_caret() {
    refused(
        "SELECT a\nFORM s;",
        "
line 2:6: Syntax error: expected FROM, found s
  FORM s;
       ^",
    );
    refused(
        "CREATE STREAM s (a INT KEY b INT);",
        "
line 1:28: Syntax error: expected ')', found b
  CREATE STREAM s (a INT KEY b INT);
                             ^",
    );
    refused(
        "SELECT a FROM s WINDOW TUMBLING (SIZE 5 WEEKS);",
        "
line 1:41: Syntax error: expected DAYS, HOURS, MINUTES, SECONDS or MILLISECONDS, found WEEKS
  SELECT a FROM s WINDOW TUMBLING (SIZE 5 WEEKS);
                                          ^^^^^",
    );
    refused(
        "SHOW TOPICS",
        "
line 1:12: Syntax error: expected ';', found the end of the input
  SHOW TOPICS
             ^",
    );
    refused(
        "SELECT select FROM s;",
        "
line 1:8: Syntax error: expected an expression, found select (a reserved word: put it in \
`back ticks` to use it as a name)
  SELECT select FROM s;
         ^^^^^^",
    );
}

#[test]
fn what_is_known_but_missing_is_refused_by_name() {
    refused(
        "ALTER STREAM s ADD COLUMN a INT;",
        "
line 1:1: ALTER is not supported
  ALTER STREAM s ADD COLUMN a INT;
  ^^^^^",
    );
    refused(
        "SELECT DISTINCT a FROM s;",
        "
line 1:8: SELECT DISTINCT is not supported
  SELECT DISTINCT a FROM s;
         ^^^^^^^^",
    );
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let text = format!("SELECT {}1{} FROM s;", "(".repeat(5000), ")".repeat(5000));
    assert!(parse(&text).unwrap_err().message.contains("nested more than"));
    let text = format!("SELECT {}1 FROM s;", "- ".repeat(5000));
    assert!(parse(&text).unwrap_err().message.contains("nested more than"));
    for chain in ["+ 1", "|| 'x'", "* 2", "[1]", "->a", " IS NULL", " = 1"] {
        let text = format!("SELECT a {} FROM s;", chain.repeat(100_000));
        assert!(parse(&text).unwrap_err().message.contains("nests more than"), "{chain}");
    }
}

#[test]
fn any_number_of_conditions_may_stand_side_by_side() {
    for word in ["AND", "OR"] {
        let many = format!(" {word} a = 1").repeat(20_000);
        let parsed = parse(&format!("SELECT a FROM s WHERE a = 1{many} EMIT CHANGES;"));
        assert_eq!(parsed.unwrap().len(), 1, "{word}");
    }
}

#[test]
fn a_script_is_split_at_its_semicolons() {
    let text = "SHOW a; -- c;\n SET 'x;'='y';; rest ";
    let (mut parts, mut at) = (Vec::new(), 0);
    loop {
        let begin = next_begin(text, at).unwrap();
        if begin == text.len() {
            break;
        }
        at = statement_end(text, begin).unwrap();
        parts.push(&text[begin..at]);
    }
    assert_eq!(parts, ["SHOW a;", "SET 'x;'='y';", "rest"]);
}

#[test]
fn variables_are_put_in_and_unknown_ones_are_left() {
    let variables = HashMap::from([("t".to_owned(), "orders".to_owned())]);
    let text = substitute("PRINT ${T} '${t}' ${u} ${", &variables);
    assert_eq!(text, "PRINT orders 'orders' ${u} ${");
}
