//! Records to text, by the properties of Kafka's `DefaultMessageFormatter`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::properties::Named;

/// What a formatter prints of a record.
pub(crate) struct Printed<'record> {
    /// `None` where the record has no timestamp.
    pub(crate) timestamp: Option<(TimestampType, i64)>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) headers: Vec<(&'record str, Option<&'record [u8]>)>,
    pub(crate) key: Option<&'record [u8]>,
    pub(crate) value: Option<&'record [u8]>,
}

/// Who gave a record its timestamp.
#[derive(Clone, Copy)]
pub(crate) enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// The deserializers whose text does not depend on code of the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deserializer {
    Bytes,
    Boolean,
    Short,
    Integer,
    Long,
    Float,
    Double,
}

/// Which parts of a record are printed, and how they are set apart.
#[derive(Debug)]
pub(crate) struct Formatter {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Deserializer,
    value_deserializer: Deserializer,
    headers_deserializer: Deserializer,
}

const PROPERTIES: &[&str] = &[
    "print.timestamp",
    "print.partition",
    "print.offset",
    "print.delivery",
    "print.epoch",
    "print.headers",
    "print.key",
    "print.value",
    "key.separator",
    "line.separator",
    "headers.separator",
    "null.literal",
    "key.deserializer",
    "value.deserializer",
    "headers.deserializer",
];

impl Formatter {
    /// A formatter from the properties of the command line.
    ///
    /// # Errors
    /// A property or a deserializer that does not exist here.
    pub(crate) fn new(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let named = Named::new("formatter", PROPERTIES, properties)?;
        let deserializer = |name: &str| match properties.get(name) {
            Some(class) => Deserializer::by_class(class),
            None => Ok(Deserializer::Bytes),
        };
        Ok(Self {
            timestamp: named.is_true("print.timestamp", false),
            partition: named.is_true("print.partition", false),
            offset: named.is_true("print.offset", false),
            delivery: named.is_true("print.delivery", false),
            epoch: named.is_true("print.epoch", false),
            headers: named.is_true("print.headers", false),
            key: named.is_true("print.key", false),
            value: named.is_true("print.value", true),
            key_separator: named.text("key.separator", "\t"),
            line_separator: named.text("line.separator", "\n"),
            headers_separator: named.text("headers.separator", ","),
            null_literal: named.text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer")?,
            value_deserializer: deserializer("value.deserializer")?,
            headers_deserializer: deserializer("headers.deserializer")?,
        })
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The output cannot be written, or a value does not have the deserializer's size
    /// (`InvalidData`, with a sentence).
    pub(crate) fn write(&self, record: &Printed<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut parts: Vec<Vec<u8>> = Vec::with_capacity(8);
        if self.timestamp {
            parts.push(match record.timestamp {
                Some((TimestampType::CreateTime, at)) => format!("CreateTime:{at}").into(),
                Some((TimestampType::LogAppendTime, at)) => format!("LogAppendTime:{at}").into(),
                None => b"NO_TIMESTAMP".to_vec(),
            });
        }
        if self.partition {
            parts.push(format!("Partition:{}", record.partition).into());
        }
        if self.offset {
            parts.push(format!("Offset:{}", record.offset).into());
        }
        if self.delivery {
            // Only share groups count deliveries.
            parts.push(b"Delivery:NOT_PRESENT".to_vec());
        }
        if self.epoch {
            let epoch =
                record.leader_epoch.map_or_else(|| "NOT_PRESENT".to_owned(), |e| e.to_string());
            parts.push(format!("Epoch:{epoch}").into());
        }
        if self.headers {
            parts.push(self.headers_text(record)?);
        }
        if self.key {
            parts.push(self.text(self.key_deserializer, record.key)?);
        }
        if self.value {
            parts.push(self.text(self.value_deserializer, record.value)?);
        }
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                out.write_all(self.key_separator.as_bytes())?;
            }
            out.write_all(part)?;
        }
        out.write_all(self.line_separator.as_bytes())
    }

    fn headers_text(&self, record: &Printed<'_>) -> io::Result<Vec<u8>> {
        if record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let mut text = Vec::new();
        for (at, (key, value)) in record.headers.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(self.headers_separator.as_bytes());
            }
            text.extend_from_slice(key.as_bytes());
            text.push(b':');
            text.extend(self.text(self.headers_deserializer, *value)?);
        }
        Ok(text)
    }

    fn text(&self, deserializer: Deserializer, bytes: Option<&[u8]>) -> io::Result<Vec<u8>> {
        match bytes {
            None => Ok(self.null_literal.as_bytes().to_vec()),
            Some(bytes) => deserializer.text(bytes),
        }
    }
}

impl Deserializer {
    /// By the class name of Kafka's deserializer, with or without its package.
    fn by_class(class: &str) -> Result<Self, String> {
        let name = class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or(class);
        Ok(match name {
            "StringDeserializer" | "ByteArrayDeserializer" | "BytesDeserializer" => Self::Bytes,
            "BooleanDeserializer" => Self::Boolean,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            _ => {
                return Err(format!(
                    "Unknown deserializer {class}; there are those of Kafka for String, ByteArray, \
                     Boolean, Short, Integer, Long, Float and Double"
                ));
            }
        })
    }

    fn text(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        fn number<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
            bytes.try_into().map_err(|_| {
                let text = format!("Size of data received is {}, not {N}", bytes.len());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })
        }
        Ok(match self {
            Self::Bytes => bytes.to_vec(),
            Self::Boolean => match number::<1>(bytes)? {
                [0] => b"false".to_vec(),
                _ => b"true".to_vec(),
            },
            Self::Short => i16::from_be_bytes(number(bytes)?).to_string().into(),
            Self::Integer => i32::from_be_bytes(number(bytes)?).to_string().into(),
            Self::Long => i64::from_be_bytes(number(bytes)?).to_string().into(),
            Self::Float => format!("{:?}", f32::from_be_bytes(number(bytes)?)).into(),
            Self::Double => format!("{:?}", f64::from_be_bytes(number(bytes)?)).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(properties: &[(&str, &str)], record: &Printed<'_>) -> Result<String, String> {
        let owned = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut out = Vec::new();
        Formatter::new(&owned)?.write(record, &mut out).map_err(|error| error.to_string())?;
        String::from_utf8(out).map_err(|error| error.to_string())
    }

    fn record() -> Printed<'static> {
        Printed {
            timestamp: Some((TimestampType::CreateTime, 17)),
            partition: 2,
            offset: 5,
            leader_epoch: Some(0),
            headers: vec![("a", Some(b"1")), ("b", None)],
            key: None,
            value: Some(b"hello"),
        }
    }

    #[test]
    fn a_value_stands_alone_unless_told_otherwise() {
        assert_eq!(print(&[], &record()), Ok("hello\n".to_owned()));
    }

    #[test]
    fn every_part_is_printed_in_the_order_of_kafka() {
        let all = [
            ("print.timestamp", "true"),
            ("print.partition", "true"),
            ("print.offset", "true"),
            ("print.epoch", "true"),
            ("print.headers", "true"),
            ("print.key", "true"),
            ("key.separator", "|"),
            ("null.literal", "nil"),
        ];
        assert_eq!(
            print(&all, &record()),
            Ok("CreateTime:17|Partition:2|Offset:5|Epoch:0|a:1,b:nil|nil|hello\n".to_owned())
        );
        let bare = Printed { timestamp: None, headers: vec![], leader_epoch: None, ..record() };
        assert_eq!(
            print(&all, &bare),
            Ok("NO_TIMESTAMP|Partition:2|Offset:5|Epoch:NOT_PRESENT|NO_HEADERS|nil|hello\n".into())
        );
    }

    #[test]
    fn numbers_are_read_by_the_deserializers_of_kafka() {
        let class = "org.apache.kafka.common.serialization.LongDeserializer";
        let properties = [("value.deserializer", class)];
        let record = Printed { value: Some(&[0, 0, 0, 0, 0, 0, 1, 0]), ..record() };
        assert_eq!(print(&properties, &record), Ok("256\n".to_owned()));
        let short = Printed { value: Some(&[0, 1]), ..record };
        assert_eq!(print(&properties, &short), Err("Size of data received is 2, not 8".to_owned()));
    }

    #[test]
    fn an_unknown_property_is_named() {
        assert!(print(&[("print.keys", "true")], &record()).unwrap_err().contains("print.keys"));
        assert!(print(&[("key.deserializer", "My")], &record()).unwrap_err().contains("My"));
    }
}
