//! The page on the protocol says what is served.

/// Key and "served" of each row of the table of APIs.
fn rows(page: &str) -> Vec<(i16, bool)> {
    let cells = page.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| {
        let key = cells.get(1)?.parse().ok()?;
        let served = cells.get(cells.len().checked_sub(2)?)?;
        Some((key, served.starts_with("yes")))
    });
    rows.collect()
}

#[test]
fn the_pages_table_is_that_of_the_dispatch() {
    let rows = rows(&std::fs::read_to_string("../../docs/protocol.md").unwrap());
    assert!(rows.len() > 90, "the table of APIs is there: {rows:?}");
    let said: Vec<i16> = rows.iter().filter(|(_, served)| *served).map(|(key, _)| *key).collect();
    let served: Vec<i16> = broker_server::served(broker_server::config::Audience::Clients)
        .map(|(key, _)| key.code())
        .collect();
    assert_eq!(said, served);
}
