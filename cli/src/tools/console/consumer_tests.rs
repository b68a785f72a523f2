use super::*;

fn parse(line: &str) -> Parsed {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    SPEC.parse(&words).expect("the options exist")
}

#[test]
fn where_to_start_is_read_from_the_options() {
    let start = |line: &str| {
        let line = format!("--bootstrap-server b:1 {line}");
        check(&parse(&line)).map_err(|error| error.0)
    };
    assert_eq!(start("--topic t"), Ok(Start::Latest));
    assert_eq!(start("--topic t --from-beginning"), Ok(Start::Earliest));
    assert_eq!(start("--topic t --partition 0 --offset 7"), Ok(Start::Offset(7)));
    assert_eq!(start("--topic t --partition 0 --offset earliest"), Ok(Start::Earliest));
    let refused = |line: &str| start(line).expect_err("refused");
    assert!(refused("--topic t --include u").starts_with("Exactly one of the following"));
    assert!(refused("--topic t --offset 1").starts_with("The partition is required"));
    assert!(refused("--topic t --partition 0 --offset -1").contains("'-1' is incorrect"));
    assert!(refused("--topic t --partition 0 --group g").contains("group and partition"));
}

#[test]
fn a_group_that_was_not_named_keeps_no_offsets() {
    let parsed = parse("--bootstrap-server b:1 --topic t");
    let properties = properties(&parsed, Start::Latest).expect("all are right");
    assert!(properties.get("group.id").is_some_and(|id| id.starts_with("console-consumer-")));
    assert_eq!(properties.get("enable.auto.commit"), Some("false"));
    assert_eq!(properties.get("auto.offset.reset"), Some("latest"));
}

#[test]
fn contradictions_are_said() {
    let refused = |line: &str, start| {
        let line = format!("--bootstrap-server b:1 --topic t {line}");
        properties(&parse(&line), start).map(|_| ()).expect_err("refused")
    };
    let latest = "--from-beginning --command-property auto.offset.reset=latest";
    assert!(refused(latest, Start::Earliest).contains("auto.offset.reset=latest"));
    let two = "--group g --command-property group.id=h";
    assert!(refused(two, Start::Latest).contains("'g', 'h'"));
}
