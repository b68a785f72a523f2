//! Kafka's error codes, generated from `schema/error_codes.txt`.

use std::fmt;

include!(concat!(env!("OUT_DIR"), "/error_code.rs"));

impl ErrorCode {
    /// Whether this is anything but `None`.
    pub fn is_error(self) -> bool {
        self != ErrorCode::None
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorCode::Other(code) => write!(f, "UNKNOWN({code})"),
            known => f.write_str(known.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_the_way_to_its_number_and_back() {
        for code in i16::MIN..=i16::MAX {
            assert_eq!(ErrorCode::from(code).code(), code);
        }
        assert_eq!(ErrorCode::ALL.len(), 135);
        assert_eq!(ErrorCode::from(16), ErrorCode::NotCoordinator);
        assert_eq!(ErrorCode::NotCoordinator.name(), "NOT_COORDINATOR");
        assert_eq!(ErrorCode::Other(999).to_string(), "UNKNOWN(999)");
    }

    #[test]
    fn what_a_retry_can_mend_is_told_apart() {
        assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
        assert!(!ErrorCode::TopicAlreadyExists.is_retriable());
        assert!(!ErrorCode::None.is_retriable());
    }
}
