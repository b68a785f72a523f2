use bytes::Bytes;
use serde_json::{Value as Json, json};
use streams::OutputRecord;

use super::Harness;
use crate::analyze::with::DefaultFormats;
use crate::records::Schemas;

fn harness(statements: &[&str]) -> Harness {
    let mut harness = Harness::new(DefaultFormats::default());
    for statement in statements {
        if let Err(error) = harness.execute(statement) {
            panic!("{}", error.render(statement));
        }
    }
    harness
}

fn feed(harness: &mut Harness, topic: &str, records: &[(Option<&str>, Option<&str>, i64)]) {
    for (key, value, timestamp) in records {
        let bytes = |text: &Option<&str>| text.map(|t| Bytes::from(t.to_owned()));
        let record = OutputRecord {
            key: bytes(key),
            value: bytes(value),
            timestamp: *timestamp,
            ..OutputRecord::default()
        };
        harness.feed(topic, record).unwrap();
    }
}

/// What was written to a topic: `key:value@timestamp`, with the start of a windowed key.
fn written(harness: &mut Harness, topic: &str) -> Vec<String> {
    let windowed = harness.source_of(topic).is_some_and(|s| s.window.is_some());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let key = |bytes: &Bytes| {
        if !windowed {
            return text(bytes);
        }
        let (key, start) = bytes.split_last_chunk::<8>().unwrap();
        format!("{}/{}", text(key), i64::from_be_bytes(*start))
    };
    let mine = |(to, record): (String, OutputRecord)| {
        let key = record.key.as_ref().map_or_else(|| "null".to_owned(), key);
        let value = record.value.as_ref().map_or_else(|| "null".to_owned(), |v| text(v));
        (to == topic).then(|| format!("{key}:{value}@{}", record.timestamp))
    };
    harness.take_written().into_iter().filter_map(mine).collect()
}

fn refused(statements: &[&str], statement: &str) -> String {
    let mut harness = harness(statements);
    harness.execute(statement).expect_err(statement).render(statement)
}

const SOURCE: &str = "CREATE STREAM s (k VARCHAR KEY, i INT, l BIGINT, d DOUBLE, t VARCHAR, \
                      b BOOLEAN, m DECIMAL(6, 2), a ARRAY<INT>, p MAP<VARCHAR, INT>, \
                      x STRUCT<f INT, g VARCHAR>, n INT) \
                      WITH (kafka_topic='s', value_format='JSON');";

const ROW: &str = r#"{"I":7,"L":9000000000,"D":2.5,"T":" Abc ","B":true,"M":12.34,"A":[1,2,3],
                     "P":{"u":5},"X":{"F":4,"G":"g"},"N":null}"#;

/// Evaluates each expression over one row.
fn check(cases: &[(&str, Json)]) {
    for (expression, expected) in cases {
        let create = format!("CREATE STREAM o AS SELECT k, {expression} AS v FROM s;");
        let mut harness = harness(&[SOURCE, &create]);
        feed(&mut harness, "s", &[(Some("k"), Some(ROW), 0)]);
        let (_, record) = harness.take_written().remove(0);
        let value: Json = serde_json::from_slice(&record.value.unwrap()).unwrap();
        assert_eq!(value["V"], *expected, "{expression}");
    }
}

#[test]
fn arithmetic_is_javas() {
    check(&[
        ("i / 2", json!(3)),
        ("i % 4 + 2 * 3", json!(9)),
        ("2147483647 + 1", json!(-2147483648)),
        ("l + i", json!(9_000_000_007_i64)),
        ("d * 2", json!(5.0)),
        ("i / 0", json!(null)),
        ("i + n", json!(null)),
        ("-i", json!(-7)),
        ("t + 'x' || 'y'", json!(" Abc xy")),
    ]);
    let exact = |digits: &str| serde_json::from_str::<Json>(digits).unwrap();
    check(&[
        ("m + m", exact("24.68")),
        ("m * 2", exact("24.68")),
        ("m / 4", exact("3.0850000000000")),
        ("m + 0.001", exact("12.341")),
    ]);
}

#[test]
fn comparisons_are_never_null() {
    check(&[
        ("n = 1", json!(false)),
        ("NOT (n = 1)", json!(true)),
        ("n IS NULL", json!(true)),
        ("n IS DISTINCT FROM 1", json!(true)),
        ("i BETWEEN 7 AND 8", json!(true)),
        ("i NOT IN (1, 2)", json!(true)),
        ("l > i AND m < 12.5", json!(true)),
        ("t LIKE '%b%'", json!(true)),
        ("a = ARRAY[1, 2, 3]", json!(true)),
        ("CASE WHEN n > 1 THEN 'a' WHEN i = 7 THEN 'b' ELSE 'c' END", json!("b")),
        ("CASE i WHEN 1 THEN 1 END", json!(null)),
    ]);
}

#[test]
fn functions_casts_and_access() {
    check(&[
        ("UCASE(TRIM(t))", json!("ABC")),
        ("SUBSTRING('hello', 2, 3)", json!("ell")),
        ("SUBSTRING('hello', -2)", json!("lo")),
        ("LEN(t)", json!(5)),
        ("COALESCE(n, i)", json!(7)),
        ("IFNULL(n, 1)", json!(1)),
        ("ROUND(2.5)", json!(3)),
        ("ABS(-3)", json!(3)),
        ("CAST(d AS INT)", json!(2)),
        ("CAST('x' AS INT)", json!(null)),
        ("CAST(i AS STRING) + '!'", json!("7!")),
        ("CAST(b AS STRING)", json!("true")),
        ("a[1] + a[-1]", json!(4)),
        ("a[9]", json!(null)),
        ("p['u']", json!(5)),
        ("x->g", json!("g")),
        ("STRUCT(q := i)->q", json!(7)),
        ("MAP('z' := 1)['z']", json!(1)),
        ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), 'yyyy-MM-dd HH:mm')", json!("1970-01-01 00:00")),
        ("UNIX_TIMESTAMP(PARSE_TIMESTAMP('1970-01-02', 'yyyy-MM-dd'))", json!(86_400_000)),
        ("ROWTIME", json!(0)),
        (r#"EXTRACTJSONFIELD('{"a":[1,{"b":"x"}]}', '$.a[1].b')"#, json!("x")),
        ("EXTRACTJSONFIELD('no', '$.a')", json!(null)),
        ("JSON_ARRAY_LENGTH('[1,2]')", json!(2)),
    ]);
}

#[test]
fn functions_of_texts_have_ksqldbs_edges() {
    check(&[
        ("SUBSTRING('hello', 0)", json!("hello")),
        ("SUBSTRING('hello', 0, 2)", json!("he")),
        ("SUBSTRING('hello', 9)", json!("")),
        ("SUBSTRING('hello', -9, 2)", json!("he")),
        ("SUBSTRING('hello', 2, -1)", json!("")),
        ("SUBSTRING('hello', 2, 2147483647)", json!("ello")),
        ("SUBSTRING('', 1)", json!("")),
        ("SUBSTRING('😀é', 3)", json!("é")),
        ("SUBSTRING(CAST(n AS STRING), 1)", json!(null)),
        ("CAST(SUBSTRING(CAST('AQID' AS BYTES), 2) AS BYTES)", json!("AgM=")),
        ("TRIM(' \u{a0}x\t')", json!("\u{a0}x")),
        ("INITCAP('  the   Quick br0wn')", json!("The   Quick Br0wn")),
        ("CONCAT('a', NULL, 'b')", json!("ab")),
        ("CONCAT_WS('-', 'a', NULL, 'b')", json!("a-b")),
        ("CONCAT_WS(NULL, 'a', 'b')", json!(null)),
        ("LPAD('é😀', 5, '-')", json!("--é😀")),
        ("LPAD('hello', 2, 'x')", json!("he")),
        ("RPAD('', 3, 'ab')", json!("aba")),
        ("RPAD('x', -1, 'y')", json!(null)),
        ("RPAD('x', 3, '')", json!(null)),
        ("RPAD('x', 2147483647, 'y')", json!(null)),
        ("INSTR('corporate floor', 'or', -3, 2)", json!(2)),
        ("INSTR('corporate floor', 'or', -1)", json!(14)),
        ("INSTR('abc', '')", json!(1)),
        ("INSTR('abc', 'c', 0)", json!(0)),
        ("INSTR('abc', 'c', 4)", json!(0)),
        ("INSTR('aaa', 'aa', 1, 2)", json!(2)),
        ("INSTR(NULL, 'x')", json!(0)),
        ("INSTR('abc', 'b', -2147483647)", json!(0)),
        ("SPLIT('', '')", json!([""])),
        ("SPLIT('a,,b,', ',')", json!(["a", "", "b", ""])),
        ("CHR(128512)", json!("😀")),
        ("CHR(-1)", json!(null)),
        ("CHR('\\u004b\\u0053')", json!("KS")),
        ("CHR('\\uD83D\\uDE00')", json!("😀")),
        ("CHR('\\u00')", json!(null)),
        ("CHR('abcdefg')", json!(null)),
        ("REPLACE('abc', '', '-')", json!("-a-b-c-")),
    ]);
}

#[test]
fn functions_of_expressions_arrays_numbers_and_times_have_ksqldbs_edges_too() {
    check(&[
        ("REGEXP_REPLACE('foo', '(o+)', '$1_')", json!("foo_")),
        ("REGEXP_REPLACE('price 5', '(?<=price )[0-9]', 'n')", json!("price n")),
        ("REGEXP_REPLACE('a', '(', 'x')", json!(null)),
        ("REGEXP_EXTRACT('(.*) (.*)', 'hello there', 2)", json!("there")),
        ("REGEXP_EXTRACT('(.*)', 'x', 2)", json!(null)),
        ("REGEXP_EXTRACT_ALL('[0-9]+', 'a1b22')", json!(["1", "22"])),
        ("REGEXP_SPLIT_TO_ARRAY('aXXbX', 'X+')", json!(["a", "b", ""])),
        ("ARRAY_JOIN(ARRAY[1, NULL, 3], NULL)", json!("1null3")),
        ("ARRAY_JOIN(ARRAY[1.50, 2.25])", json!("1.50,2.25")),
        ("ARRAY_JOIN(ARRAY[true])", json!("true")),
        ("ARRAY_EXCEPT(ARRAY[3, 1, 1, NULL], ARRAY[3])", json!([1, null])),
        ("ARRAY_INTERSECT(ARRAY[3, 1, 3], ARRAY[3, 2])", json!([3])),
        ("AS_MAP(ARRAY['x', 'y', 'x'], ARRAY[1, 2])", json!({"x": null, "y": 2})),
        ("MAP_UNION(p, MAP('u' := 6, 'w' := 7))", json!({"u": 6, "w": 7})),
        ("MAP_UNION(p, NULL)", json!({"u": 5})),
        ("SPLIT_TO_MAP('a=1;b;a=2;;c=3=4', ';', '=')", json!({"a": "2", "c": "3"})),
        ("SPLIT_TO_MAP('a=1', '', '=')", json!(null)),
        ("TO_BYTES('ff00', 'hex')", json!("/wA=")),
        ("TO_BYTES('ff0', 'hex')", json!(null)),
        ("FROM_BYTES(TO_BYTES('é', 'utf8'), 'HEX')", json!("C3A9")),
        ("FROM_BYTES(TO_BYTES('x', 'ascii'), 'rot13')", json!(null)),
        ("ENCODE('0x1F', 'hex', 'base64')", json!("Hw==")),
        ("ENCODE('é', 'utf8', 'ascii')", json!("\u{fffd}\u{fffd}")),
        ("ENCODE('é', 'utf8', 'utf8')", json!(null)),
        ("SLICE(a, 1, 1)", json!([1])),
        ("SLICE(a, NULL, 2)", json!([1, 2])),
        ("SLICE(a, 2, NULL)", json!([2, 3])),
        ("SLICE(a, 0, 2)", json!(null)),
        ("SLICE(a, 1, 4)", json!(null)),
        ("SLICE(a, 2, 1)", json!([])),
        ("SLICE(a, 3, 1)", json!(null)),
        ("ROUND(0.49999999999999994E0)", json!(0)),
        ("ROUND(-1.5E0)", json!(-1)),
        ("ROUND(2.345E0, 2)", json!(2.35)),
        ("ROUND(1E300, 2) = 1E300", json!(true)),
        ("LOG(1)", json!(0.0)),
        ("LOG(10E0) > 2.3 AND LOG(10E0) < 2.31", json!(true)),
        ("SIGN(-0.5E0)", json!(-1)),
        ("ABS(-2147483648)", json!(-2_147_483_648_i64)),
        ("CAST('1' AS BOOLEAN)", json!(false)),
        ("CAST('Yes' AS BOOLEAN)", json!(true)),
        ("CAST('1.5' AS INT)", json!(null)),
        ("CAST(' 12 ' AS INT)", json!(12)),
        ("CAST('NaN' AS DOUBLE)", json!(null)),
        ("CAST(1E20 AS INT)", json!(2_147_483_647)),
        ("CAST(4294967297 AS INT)", json!(1)),
        ("TIMESTAMPADD(HOURS, -1, FROM_UNIXTIME(0))", json!(-3_600_000)),
        ("DATEADD(HOURS, 25, FROM_DAYS(10))", json!(11)),
        ("DATESUB(MILLISECONDS, 1, FROM_DAYS(10))", json!(9)),
        ("TIMEADD(DAYS, 1, CAST('10:00' AS TIME))", json!(36_000_000)),
        ("PARSE_DATE('2020-01-02 03', 'yyyy-MM-dd HH')", json!(null)),
        ("PARSE_TIME('2020 03', 'yyyy HH')", json!(null)),
        (r#"EXTRACTJSONFIELD('{"a":null}', '$.a')"#, json!("null")),
        (r#"EXTRACTJSONFIELD('{"a":[1]}', '$.a.0')"#, json!("1")),
        ("t LIKE '%b_ '", json!(true)),
        ("NULL LIKE '%'", json!(false)),
        ("t NOT LIKE 'x%'", json!(true)),
        ("i IN (1, 7, 9)", json!(true)),
        ("n IN (1, NULL)", json!(false)),
        ("n NOT IN (1)", json!(true)),
    ]);
}

#[test]
fn texts_that_grow_without_bound_are_refused_row_by_row() {
    let wide = "REPLACE(LPAD('', 1000000, 'a'), 'a', LPAD('', 1000000, 'b'))";
    let joined = format!("CONCAT({})", vec!["LPAD('', 1000000, 'a')"; 20].join(", "));
    let array = "ARRAY_JOIN(SPLIT(LPAD('', 5000, 'a'), ''), LPAD('', 100000, 'b'))";
    check(&[(wide, json!(null)), (joined.as_str(), json!(null)), (array, json!(null))]);
}

#[test]
fn a_list_of_any_length_is_one_test() {
    let many: Vec<String> = (0..50_000).map(|n| (n * 2 + 1).to_string()).collect();
    let list = format!("i IN ({})", many.join(", "));
    let arrays: Vec<String> = (0..3000).map(|n| format!("ARRAY[{n}, 2, 3]")).collect();
    let arrays = format!("a IN ({})", arrays.join(", "));
    check(&[(list.as_str(), json!(true)), (arrays.as_str(), json!(true))]);
}

#[test]
fn windows_and_values_without_end_are_refused_before_anything_is_made() {
    let query = |size: &str, advance: &str| {
        format!(
            "CREATE TABLE o AS SELECT k, COUNT(*) FROM s WINDOW HOPPING (SIZE {size}, ADVANCE BY \
             {advance}) GROUP BY k;"
        )
    };
    let message = refused(&[SOURCE], &query("1 DAY", "1 MILLISECOND"));
    assert!(message.contains("in 86400000 windows"), "{message}");
    harness(&[SOURCE, &query("1 HOUR", "1 SECOND")]);
    for call in ["TOPK(i, 2000000000)", "LATEST_BY_OFFSET(i, 1001)"] {
        let query = format!("CREATE TABLE o AS SELECT k, {call} AS v FROM s GROUP BY k;");
        let message = refused(&[SOURCE], &query);
        assert!(message.contains("keeps 1000 values of a group at most"), "{message}");
    }
}

#[test]
fn what_is_no_boolean_is_refused_where_the_statement_is_read() {
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT * FROM s WHERE b IN (true, '1');");
    assert!(message.contains("invalid input syntax for type BOOLEAN: \"1\"."), "{message}");
    let message =
        refused(&[SOURCE], "CREATE STREAM o AS SELECT * FROM s WHERE t LIKE 'a!' ESCAPE '!';");
    assert!(message.contains("must not end with escape character"), "{message}");
}

#[test]
fn records_carry_the_headers_of_the_record_that_made_them() {
    let copy = "CREATE STREAM o AS SELECT k, i FROM s;";
    let grouped = "CREATE TABLE g AS SELECT t, COUNT(*) AS c FROM s GROUP BY t;";
    let mut harness = harness(&[SOURCE, copy, grouped]);
    let header = |value: &'static [u8]| streams::Header {
        key: "trace".to_owned(),
        value: Some(Bytes::from_static(value)),
    };
    let record = |value: &str, headers: &[streams::Header]| OutputRecord {
        key: Some("a".to_owned().into()),
        value: Some(value.to_owned().into()),
        headers: headers.to_vec(),
        ..OutputRecord::default()
    };
    let first = [header(b"1"), header(b"2")];
    harness.feed("s", record(r#"{"I":1,"T":"x"}"#, &first)).unwrap();
    harness.feed("s", record(r#"{"I":2,"T":"x"}"#, &[])).unwrap();
    let written = harness.take_written();
    let headers = |topic: &str| -> Vec<Vec<streams::Header>> {
        let mine = written.iter().filter(|(to, _)| to == topic);
        mine.map(|(_, record)| record.headers.clone()).collect()
    };
    let expected = [first.to_vec(), Vec::new()];
    assert_eq!((headers("O").as_slice(), headers("G").as_slice()), (&expected[..], &expected[..]));
}

#[test]
fn declared_columns_are_registered_where_the_topic_has_no_schema() {
    let first = "CREATE STREAM a (k INT KEY, v INT) WITH (kafka_topic='x', format='AVRO');";
    let second = "CREATE STREAM b (k INT KEY, w VARCHAR) WITH (kafka_topic='x', format='AVRO');";
    let inferred = "CREATE STREAM c WITH (kafka_topic='x', value_format='AVRO');";
    let harness = harness(&[first, second, inferred]);
    assert_eq!(harness.catalog().find("C").unwrap().schema_text(), "`V` INTEGER");
    assert!(harness.registry.latest("x-key").unwrap().is_some());
}

#[test]
fn a_stream_is_filtered_rekeyed_and_written_in_another_format() {
    let query = "CREATE STREAM o WITH (value_format='DELIMITED') AS SELECT t AS new, k, i FROM s \
                 WHERE i > 1 PARTITION BY t;";
    let mut harness = harness(&[SOURCE, query]);
    let rows = [
        (Some("a"), Some(r#"{"I":1,"T":"x"}"#), 1),
        (Some("b"), Some(r#"{"I":2,"T":"y"}"#), 2),
        (None, Some(r#"{"I":3,"T":null}"#), 3),
        (Some("c"), Some("no json"), 4),
        (Some("d"), None, 5),
    ];
    feed(&mut harness, "s", &rows);
    assert_eq!(written(&mut harness, "O"), ["y:b,2@2", "null:,3@3"]);
    let reports = harness.take_reports();
    assert!(reports["CSAS_O_1"][0].starts_with("the value cannot be read"), "{reports:?}");
}

#[test]
fn each_record_changes_its_window_until_the_grace_is_over() {
    let query = "CREATE TABLE o AS SELECT k, COUNT(*) AS c, SUM(i) AS s, AVG(i) AS a, MIN(i) AS l, \
                 MAX(i) AS h FROM s WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 5 \
                 MILLISECONDS) GROUP BY k;";
    let mut harness = harness(&[SOURCE, query]);
    let row = |i: i32| format!("{{\"I\":{i}}}");
    let rows = [row(4), row(2), row(9), row(1), row(7)];
    let times = [3, 12, 8, 16, 9];
    let records: Vec<_> =
        rows.iter().zip(times).map(|(r, t)| (Some("a"), Some(r.as_str()), t)).collect();
    feed(&mut harness, "s", &records);
    assert_eq!(
        written(&mut harness, "O"),
        [
            r#"a/0:{"C":1,"S":4,"A":4.0,"L":4,"H":4}@3"#,
            r#"a/10:{"C":1,"S":2,"A":2.0,"L":2,"H":2}@12"#,
            r#"a/0:{"C":2,"S":13,"A":6.5,"L":4,"H":9}@8"#,
            r#"a/10:{"C":2,"S":3,"A":1.5,"L":1,"H":2}@16"#,
        ]
    );
}

#[test]
fn having_removes_a_row_that_no_longer_meets_it() {
    let query = "CREATE TABLE o AS SELECT t, SUM(i) AS s FROM s GROUP BY t HAVING SUM(i) > 5;";
    let mut harness = harness(&[SOURCE, query]);
    let rows = [
        (None, Some(r#"{"I":3,"T":"x"}"#), 1),
        (None, Some(r#"{"I":3,"T":"x"}"#), 2),
        (None, Some(r#"{"I":1,"T":null}"#), 3),
        (None, Some(r#"{"I":-4,"T":"x"}"#), 4),
    ];
    feed(&mut harness, "s", &rows);
    assert_eq!(written(&mut harness, "O"), [r#"x:{"S":6}@2"#, "x:null@4"]);
}

const NAMES: &str = "CREATE TABLE names (code VARCHAR PRIMARY KEY, name VARCHAR) \
                     WITH (kafka_topic='names', value_format='DELIMITED');";

#[test]
fn a_stream_finds_its_partner_in_a_table_by_any_expression() {
    let query = "CREATE STREAM o AS SELECT n.code, s.i, n.name FROM s LEFT JOIN names n \
                 ON UCASE(s.t) = n.code;";
    let mut harness = harness(&[SOURCE, NAMES, query]);
    feed(&mut harness, "names", &[(Some("X"), Some("ex"), 0)]);
    feed(&mut harness, "s", &[(Some("1"), Some(r#"{"I":1,"T":"x"}"#), 1)]);
    feed(&mut harness, "names", &[(Some("X"), None, 2)]);
    feed(&mut harness, "s", &[(Some("2"), Some(r#"{"I":2,"T":"x"}"#), 3)]);
    assert_eq!(
        written(&mut harness, "O"),
        [r#"X:{"I":1,"NAME":"ex"}@1"#, r#"X:{"I":2,"NAME":null}@3"#]
    );
}

#[test]
fn a_table_is_filtered_and_grouped_by_its_changes() {
    let filtered = "CREATE TABLE f AS SELECT code, UCASE(name) AS n FROM names WHERE name <> 'no';";
    let grouped = "CREATE TABLE g AS SELECT name, COUNT(*) AS c FROM names GROUP BY name;";
    let mut harness = harness(&[NAMES, filtered, grouped]);
    let rows = [
        (Some("a"), Some("x"), 1),
        (Some("b"), Some("x"), 2),
        (Some("a"), Some("no"), 3),
        (Some("b"), None, 4),
    ];
    feed(&mut harness, "names", &rows);
    let all = harness.take_written();
    let text = |bytes: &Option<Bytes>| {
        let shown = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
        bytes.as_ref().map_or_else(|| "null".to_owned(), shown)
    };
    let of = |topic: &str| -> Vec<String> {
        let mine = all.iter().filter(|(to, _)| to == topic);
        mine.map(|(_, r)| format!("{}:{}", text(&r.key), text(&r.value))).collect()
    };
    assert_eq!(of("F"), ["a:X", "b:X", "a:null", "b:null"]);
    assert_eq!(of("G"), ["x:1", "x:2", "x:1", "no:1", "x:0"]);
}

#[test]
fn mistakes_in_queries_are_pointed_at() {
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT i FROM s;");
    assert!(message.contains("must include the key column K in its projection"), "{message}");
    let message = refused(&[SOURCE], "CREATE TABLE o AS SELECT t, i, COUNT(*) FROM s GROUP BY t;");
    let expected = "line 1:29: Non-aggregate SELECT expression(s) not part of GROUP BY: I";
    assert!(message.starts_with(expected), "{message}");
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT k, LENGTH(t) FROM s;");
    assert!(message.contains("Can't find any functions with the name 'LENGTH'"), "{message}");
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT k, t > i AS v FROM s;");
    let expected = "line 1:30: Cannot compare T (STRING) to I (INTEGER) with GREATER_THAN.";
    assert!(message.starts_with(expected), "{message}");
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT * FROM s WHERE COUNT(*) > 1;");
    assert!(message.contains("COUNT is an aggregate function"), "{message}");
    let message = refused(
        &[SOURCE, NAMES],
        "CREATE STREAM o AS SELECT * FROM s JOIN names n ON s.t = n.name;",
    );
    assert!(message.contains("the key of NAMES is CODE"), "{message}");
    let message = refused(&[SOURCE], "CREATE STREAM o AS SELECT * FROM s a JOIN s b ON a.k = b.k;");
    assert!(message.contains("A join of two streams is not supported"), "{message}");
}

#[test]
fn avro_columns_come_from_the_registry_and_go_back_to_it() {
    let first = "CREATE STREAM raw (k VARCHAR KEY, id INT, tags ARRAY<VARCHAR>) \
                 WITH (kafka_topic='raw', value_format='AVRO');";
    let copy = "CREATE STREAM typed AS SELECT k, id, tags[1] AS tag FROM raw;";
    let inferred = "CREATE STREAM again WITH (kafka_topic='TYPED', value_format='AVRO');";
    let mut harness = harness(&[first, copy]);
    harness.execute("INSERT INTO raw VALUES ('a', 5, ARRAY['x', 'y']);").unwrap();
    harness.execute(inferred).unwrap();
    assert_eq!(
        harness.catalog().find("AGAIN").unwrap().schema_text(),
        "`ID` INTEGER, `TAG` STRING"
    );
    let text = "CREATE STREAM text WITH (value_format='JSON') AS SELECT * FROM again;";
    harness.execute(text).unwrap();
    harness.execute("INSERT INTO raw VALUES ('b', 6, NULL);").unwrap();
    assert_eq!(written(&mut harness, "TEXT").last().unwrap(), "null:{\"ID\":6,\"TAG\":null}@0");
}

#[test]
fn expressions_as_high_as_the_parser_lets_them_be_are_evaluated() {
    let (sum, text) = (format!("i{}", " + 1".repeat(200)), format!("t{}", " || 'x'".repeat(200)));
    let nots = format!("{}b", "NOT ".repeat(90));
    let cases = format!("{}1{}", "CASE WHEN b THEN ".repeat(60), " ELSE 0 END".repeat(60));
    let either = format!("i = 7{}", " OR i = 1".repeat(3000));
    let expected = json!(format!(" Abc {}", "x".repeat(200)));
    check(&[
        (sum.as_str(), json!(207)),
        (text.as_str(), expected),
        (nots.as_str(), json!(true)),
        (cases.as_str(), json!(1)),
        (either.as_str(), json!(true)),
    ]);
}

#[test]
fn times_beyond_the_calendar_are_null() {
    let far = "FROM_UNIXTIME(CAST(9223372036854775807 AS BIGINT))";
    let moved = format!("CONVERT_TZ({far}, 'UTC', '+01:00')");
    let later = format!("TIMESTAMPADD(DAYS, 1, {far})");
    check(&[(moved.as_str(), json!(null)), (later.as_str(), json!(null))]);
}
