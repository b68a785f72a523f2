//! Text in the forms that Java's library gives it, which is what Kafka's files and tools are
//! written in: `.properties` files, dates and times, their patterns, zones and durations.
//!
//! One parser of each for all parts: the broker and its tools, connectors, SQL. It knows nothing
//! of Kafka, reads no clock and no file.
//!
//! | module | what it reads |
//! |---|---|
//! | [`properties`] | what `java.util.Properties.load` reads |
//! | [`iso`] | ISO 8601 dates, times and timestamps as data has them |
//! | [`datetime`] | the strict date-time of Kafka's tools |
//! | [`duration`] | what `java.time.Duration.parse` reads |
//! | [`pattern`] | by the patterns of `DateTimeFormatter`; prints by those of `SimpleDateFormat` |
//! | [`zone`] | offsets from UTC |

pub mod datetime;
pub mod duration;
pub mod iso;
pub mod pattern;
pub mod properties;
pub mod zone;
