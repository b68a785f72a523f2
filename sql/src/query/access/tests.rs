use super::*;
use crate::analyze::lower::Lowerer;
use crate::analyze::scope::Scope;
use crate::analyze::with::DefaultFormats;
use crate::harness::Harness;
use crate::parser;
use crate::parser::ast::Statement;

/// The keys (each as one text) and the window starts that a condition over a table selects.
fn selected(key: &str, condition: &str) -> (Option<Vec<String>>, RangeInclusive<i64>) {
    let mut harness = Harness::new(DefaultFormats::default());
    let create = format!(
        "CREATE TABLE t ({key}, v INT) WITH (kafka_topic='t', format='JSON', \
         window_type='TUMBLING', window_size='10 MILLISECONDS');"
    );
    harness.execute(&create).expect(&create);
    let text = format!("SELECT * FROM t WHERE {condition};");
    let statement = parser::parse(&text).expect(&text).remove(0).statement;
    let Statement::Select(query) = statement else { panic!("{text}") };
    let source = harness.catalog().find("T").expect("it was made").clone();
    let scope = Scope::of_source(&source, "T");
    let filter = query.filter.as_ref().expect("there is a WHERE");
    let filter = Lowerer::new(&scope, harness.catalog()).condition("WHERE", filter).expect(&text);
    let Selection { keys, starts } = selection(Some(&filter), &source);
    let shown = |key: Vec<ArrayRef>| {
        let value = |(array, column): (&ArrayRef, &Column)| {
            let value = value_at(array, 0);
            cast(&value, &column.ty, &SqlType::String).unwrap().as_str().unwrap().to_owned()
        };
        key.iter().zip(&source.key).map(value).collect::<Vec<_>>().join("|")
    };
    let keys = keys.map(|keys| {
        let mut keys: Vec<String> = keys.into_iter().map(shown).collect();
        keys.sort();
        keys
    });
    (keys, starts)
}

fn check(key: &str, condition: &str, expected: Option<&[&str]>) {
    let (found, _) = selected(key, condition);
    let expected = expected.map(|keys| keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>());
    assert_eq!(found, expected, "{key}: {condition}");
}

#[test]
fn a_key_of_each_type_is_looked_up_by_a_literal_of_any_type_that_it_is_compared_with() {
    check("k INT PRIMARY KEY", "k = 5", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "k = 5", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "5 = k AND v > 1", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "k = 4 + 1", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "k = -5", Some(&["-5"]));
    check("k BIGINT PRIMARY KEY", "k = 5000000000", Some(&["5000000000"]));
    check("k INT PRIMARY KEY", "k = 5000000000", Some(&[]));
    check("k BIGINT PRIMARY KEY", "k = 5.0", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "k = 5.5", Some(&[]));
    check("k BIGINT PRIMARY KEY", "k = 5E0", Some(&["5"]));
    check("k BIGINT PRIMARY KEY", "k = 1E17", None);
    check("k INT PRIMARY KEY", "k = 5.25E0", Some(&[]));
    check("k DOUBLE PRIMARY KEY", "k = 5", Some(&["5.0"]));
    check("k DOUBLE PRIMARY KEY", "k = 0.5", Some(&["0.5"]));
    check("k DECIMAL(6,2) PRIMARY KEY", "k = 5", Some(&["5.00"]));
    check("k DECIMAL(6,2) PRIMARY KEY", "k = 1.5", Some(&["1.50"]));
    check("k DECIMAL(6,2) PRIMARY KEY", "k = 1.505", Some(&[]));
    check("k DECIMAL(6,2) PRIMARY KEY", "k = 1.5E0", None);
    check("k VARCHAR PRIMARY KEY", "k = 'x'", Some(&["x"]));
    check("k VARCHAR PRIMARY KEY", "k = UCASE('x')", Some(&["X"]));
    check("k BOOLEAN PRIMARY KEY", "k = true", Some(&["true"]));
    check("k DATE PRIMARY KEY", "k = '2020-01-02'", Some(&["2020-01-02"]));
    check("k TIME PRIMARY KEY", "k = '10:11'", Some(&["10:11"]));
    check(
        "k TIMESTAMP PRIMARY KEY",
        "k = '2020-01-02T03:04:05'",
        Some(&["2020-01-02T03:04:05.000"]),
    );
    check("k STRUCT<A INT> PRIMARY KEY", "k = STRUCT(A := 7)", Some(&["Struct{A=7}"]));
    check("k ARRAY<INT> PRIMARY KEY", "k = ARRAY[1, 2]", Some(&["[1, 2]"]));
}

#[test]
fn lists_alternatives_and_several_key_columns_are_combined() {
    check("k BIGINT PRIMARY KEY", "k IN (3, 1, 3, 2)", Some(&["1", "2", "3"]));
    check("k BIGINT PRIMARY KEY", "k = 1 OR k = 2 AND v = 3", Some(&["1", "2"]));
    check("k BIGINT PRIMARY KEY", "k IN (1, 2, 3) AND k = 2", Some(&["2"]));
    check("k BIGINT PRIMARY KEY", "k = 1 OR v = 2", None);
    check("k BIGINT PRIMARY KEY", "k <> 1", None);
    check("k BIGINT PRIMARY KEY", "NOT k = 1", None);
    check("k BIGINT PRIMARY KEY", "k NOT IN (1)", None);
    check("k BIGINT PRIMARY KEY", "k > 1", None);
    check("k BIGINT PRIMARY KEY", "k = v", None);
    check("k BIGINT PRIMARY KEY", "k + 1 = 2", None);
    check("k VARCHAR PRIMARY KEY", "k = UUID()", None);
    let two = "a INT PRIMARY KEY, b VARCHAR PRIMARY KEY";
    check(two, "a IN (1, 2) AND b = 'x'", Some(&["1|x", "2|x"]));
    check(two, "a = 1", None);
    let many: Vec<String> = (0..=MAX_LOOKUPS).map(|n| n.to_string()).collect();
    check("k INT PRIMARY KEY", &format!("k IN ({})", many.join(",")), None);
}

#[test]
fn bounds_of_windows_limit_what_is_read() {
    let check = |condition: &str, expected: RangeInclusive<i64>| {
        let (_, starts) = selected("k BIGINT PRIMARY KEY", condition);
        assert_eq!(starts, expected, "{condition}");
    };
    check("k = 1", ALL_STARTS);
    check("WINDOWSTART >= 100 AND WINDOWSTART < 200", 100..=199);
    check("100 <= WINDOWSTART AND WINDOWEND <= 200 AND k = 1", 100..=190);
    check("WINDOWSTART BETWEEN 100 AND 200", 100..=200);
    check("WINDOWSTART = '1970-01-01T00:00:01'", 1000..=1000);
    check("WINDOWSTART = 100 OR WINDOWSTART = 300", 100..=300);
    check("WINDOWSTART = 100 OR k = 300", ALL_STARTS);
    check("NOT WINDOWSTART = 100", ALL_STARTS);
    let (keys, _) = selected("k BIGINT PRIMARY KEY", "WINDOWSTART > 10 AND WINDOWSTART < 5");
    assert_eq!(keys, Some(Vec::new()));
}
