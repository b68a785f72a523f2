//! Every message, in every version, there and back.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use protocol::EncodeError;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::codecs::{CODECS, Failure};
use crate::tables::SCHEMA;
use crate::walker::{self, Unfit};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_message_keeps_its_bytes_in_every_version(seed in any::<u64>()) {
        let mut rng = StdRng::seed_from_u64(seed);
        for message in &SCHEMA.messages {
            for version in message.versions.clone() {
                let value = walker::make_up(&mut rng, message, version);
                let bytes = walker::encode(message, &value, version).expect("it was made for it");
                let recode = CODECS[message.name.as_str()].recode;
                let again = recode(Bytes::from(bytes.clone()), version, version);
                match again {
                    Ok(again) => prop_assert_eq!(
                        &again[..], &bytes[..], "{} {}: {:?}", &message.name, version, value
                    ),
                    Err(e) => prop_assert!(false, "{} {version}: {e:?}", message.name),
                }
            }
        }
    }

    /// A field that a version lacks has its default after decoding; encoding drops it where the
    /// table allows that and is an error elsewhere, as is a null that the version does not have.
    #[test]
    fn what_a_version_lacks_is_defaulted_dropped_or_refused(seed in any::<u64>()) {
        let mut rng = StdRng::seed_from_u64(seed);
        for message in &SCHEMA.messages {
            let recode = CODECS[message.name.as_str()].recode;
            for from in message.versions.clone() {
                let to = rng.random_range(message.versions.clone());
                let value = walker::make_up(&mut rng, message, from);
                let bytes = walker::encode(message, &value, from).expect("it was made for it");
                let received = walker::through(message, message.root(), &value, from);
                let expected = walker::encode(message, &received, to);
                let context = format!("{} {from} to {to}: {value:?}", message.name);
                match (recode(Bytes::from(bytes), from, to), expected) {
                    (Ok(bytes), Ok(expected)) => {
                        prop_assert_eq!(&bytes[..], &expected[..], "{}", context);
                    }
                    (Err(Failure::Encode(EncodeError::Lacks { field, version })), Err(unfit)) => {
                        prop_assert_eq!(version, to);
                        prop_assert_eq!(unfit, Unfit::Lacks(field.to_string()), "{}", context);
                    }
                    (Err(Failure::Encode(EncodeError::Null { field })), Err(unfit)) => {
                        prop_assert_eq!(unfit, Unfit::Null(field.to_string()), "{}", context);
                    }
                    (ours, expected) => {
                        prop_assert!(false, "{context}: {ours:?} and not {expected:?}");
                    }
                }
            }
        }
    }
}
