//! kafka-storage and zookeeper-server-start: steps that other set-ups need and this one does not.
//!
//! They say why there is nothing to do and succeed, so that scripts from Kafka's books run on.

use futures::FutureExt;

use super::Tool;
use super::connection::id_text;

pub(crate) const KAFKA_STORAGE: Tool = Tool {
    name: "kafka-storage",
    about: "Nothing to do: a data folder is made at the first start",
    options: &[],
    run: |arguments| async move { storage(&arguments) }.boxed(),
};

pub(crate) const ZOOKEEPER_SERVER_START: Tool = Tool {
    name: "zookeeper-server-start",
    about: "Nothing to do: there is no ZooKeeper",
    options: &[],
    run: |_| async { zookeeper() }.boxed(),
};

fn storage(arguments: &[String]) -> i32 {
    match arguments.first().map(String::as_str) {
        Some("random-uuid") => println!("{}", random_uuid()),
        Some("format" | "info" | "version-mapping" | "feature-dependencies") => println!(
            "Nothing to format: the broker makes its data folder at its first start and gives it a \
             cluster id. Start it with: kafka-server-start.sh server.properties"
        ),
        other => {
            match other {
                Some(word) => eprintln!("kafka-storage: {word} is no command of it"),
                None => eprintln!("kafka-storage: too few arguments"),
            }
            eprintln!(
                "There are format, info, random-uuid, version-mapping and feature-dependencies. A \
                 broker makes its data folder at its first start, so that there is nothing to do."
            );
            return 1;
        }
    }
    0
}

fn zookeeper() -> i32 {
    println!(
        "No ZooKeeper is needed: the broker keeps the cluster's metadata itself. Start it with: \
         kafka-server-start.sh server.properties"
    );
    0
}

/// A random id as Kafka writes ids, and never one that starts with a dash, which a command line
/// would take for an option.
fn random_uuid() -> String {
    loop {
        let text = id_text(uuid::Uuid::new_v4());
        if !text.starts_with('-') {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_has_the_22_characters_of_a_uuid() {
        let id = random_uuid();
        assert_eq!(id.len(), 22);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{id}");
        // Two bits are left for the last digit, so it is one of four.
        assert!(id.ends_with(['A', 'Q', 'g', 'w']), "{id}");
    }
}
