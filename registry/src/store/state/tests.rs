use super::*;

fn schema(subject: &str, version: i32, id: i32, text: &str) -> Record {
    let row = SchemaRow {
        subject: subject.into(),
        version,
        id,
        md5: None,
        schema_type: None,
        references: Vec::new(),
        metadata: None,
        rule_set: None,
        schema: text.into(),
        deleted: false,
    };
    Record::Schema { subject: subject.into(), version, row: Some(row) }
}

#[test]
fn an_id_lives_as_long_as_a_version_has_it() {
    let mut state = State::default();
    state.apply(schema("a", 1, 1, "\"int\""));
    state.apply(schema("b", 1, 1, "\"int\""));
    let uses: Vec<_> = state.uses_of_id(".", 1).map(|(subject, _)| subject).collect();
    assert_eq!(uses, ["a", "b"]);
    let content = Arc::clone(state.content(".", 1).unwrap());
    assert_eq!(state.id_of(".", &content), Some(1));

    state.apply(Record::DeleteSubject { subject: "a".into(), version: Some(1) });
    assert_eq!((state.live("a").count(), state.versions("a").count()), (0, 1));
    state.apply(Record::Schema { subject: "a".into(), version: 1, row: None });
    assert!(state.content(".", 1).is_some());
    state.apply(Record::Schema { subject: "b".into(), version: 1, row: None });
    assert!(state.content(".", 1).is_none() && state.id_of(".", &content).is_none());
    assert_eq!(state.highest_id("."), 1, "ids are not given twice");
    assert_eq!(state.subjects().count(), 0);
}

#[test]
fn contexts_have_their_own_ids() {
    let mut state = State::default();
    state.apply(schema("a", 1, 1, "\"int\""));
    state.apply(schema(":.c:a", 1, 1, "\"long\""));
    assert_eq!(&*state.content(".", 1).unwrap().text, "\"int\"");
    assert_eq!(&*state.content(".c", 1).unwrap().text, "\"long\"");
    assert_eq!(state.contexts().collect::<Vec<_>>(), [".", ".c"]);
}

fn gone(subject: &str, version: i32) -> Record {
    Record::Schema { subject: subject.into(), version, row: None }
}

fn kept(context: &str, id: i32) -> Record {
    Record::HighestId { context: context.into(), id: Some(id) }
}

#[test]
fn the_highest_id_is_kept_before_the_last_row_that_says_it_goes() {
    let mut state = State::default();
    state.apply(schema("a", 1, 1, "\"int\""));
    state.apply(schema("b", 1, 2, "\"long\""));
    state.apply(schema("c", 1, 2, "\"long\""));
    let to_keep = |state: &State, records: &[Record]| state.highest_ids_to_keep(records);
    assert_eq!(to_keep(&state, &[]), []);
    assert_eq!(to_keep(&state, &[gone("a", 1)]), []);
    assert_eq!(to_keep(&state, &[gone("b", 1)]), [], "c has it still");
    assert_eq!(to_keep(&state, &[gone("b", 1), gone("c", 1)]), [kept(".", 2)]);
    let higher = schema("d", 1, 3, "\"float\"");
    assert_eq!(to_keep(&state, &[gone("b", 1), gone("c", 1), higher]), []);
    let imported = |version| schema("b", version, 1, "\"int\"");
    assert_eq!(to_keep(&state, &[imported(1), gone("c", 1)]), [kept(".", 2)], "written over");
    assert_eq!(to_keep(&state, &[imported(2)]), [], "beside it");

    state.apply(kept(".", 2));
    assert_eq!(to_keep(&state, &[gone("b", 1), gone("c", 1)]), [], "once is enough");
}

#[test]
fn what_earlier_deletions_left_on_the_topic_is_kept_too() {
    let mut state = State::default();
    state.apply(schema(":.c:a", 1, 4, "\"int\""));
    state.apply(gone(":.c:a", 1));
    assert_eq!(state.highest_ids_to_keep(&[]), [kept(".c", 4)]);
}

#[test]
fn a_context_that_was_deleted_gives_its_ids_no_second_time() {
    let mut state = State::default();
    state.apply(schema(":.c:a", 1, 4, "\"int\""));
    state.apply(gone(":.c:a", 1));
    state.apply(Record::Context { context: ".c".into(), present: false });
    assert_eq!((state.contexts().count(), state.highest_id(".c")), (0, 4));
    let mut compacted = State::default();
    compacted.apply(kept(".c", 4));
    assert_eq!((compacted.contexts().count(), compacted.highest_id(".c")), (0, 4));
}

#[test]
fn a_content_with_two_ids_keeps_the_one_that_is_left() {
    let mut state = State::default();
    state.apply(schema("a", 1, 5, "\"int\""));
    state.apply(schema("b", 1, 7, "\"int\""));
    let content = Arc::clone(state.content(".", 5).unwrap());
    state.apply(gone("b", 1));
    assert_eq!(state.id_of(".", &content), Some(5));
    state.apply(gone("a", 1));
    assert_eq!(state.id_of(".", &content), None);
}
