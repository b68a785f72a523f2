//! The APIs, their versions and the headers that go with them.

use std::fmt;
use std::ops::RangeInclusive;

include!(concat!(env!("OUT_DIR"), "/api_key.rs"));

struct Api {
    key: ApiKey,
    name: &'static str,
    first: i16,
    /// Below `first` where the API is retired.
    last: i16,
    flexible: i16,
    unstable: bool,
    broker: bool,
}

impl ApiKey {
    /// All APIs by number, the retired ones included.
    pub fn all() -> impl Iterator<Item = ApiKey> {
        APIS.iter().map(|api| api.key)
    }

    pub fn from_code(code: i16) -> Option<Self> {
        let api = APIS.get(usize::try_from(code).ok()?)?;
        Some(api.key)
    }

    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn name(self) -> &'static str {
        self.api().name
    }

    /// The versions that this crate can encode and decode; `None` for a retired API.
    pub fn versions(self) -> Option<RangeInclusive<i16>> {
        let api = self.api();
        (api.first <= api.last).then_some(api.first..=api.last)
    }

    /// The versions that a broker in production advertises: without one still in development.
    pub fn stable_versions(self) -> Option<RangeInclusive<i16>> {
        let versions = self.versions()?;
        Some(*versions.start()..=versions.end() - i16::from(self.api().unstable))
    }

    /// What a broker puts into its `ApiVersions` response: the stable versions, but 0 for the
    /// first of Produce, since some clients take a broker without it for one too old (KIP-896).
    pub fn advertised_versions(self) -> Option<RangeInclusive<i16>> {
        let stable = self.stable_versions()?;
        Some(if self == ApiKey::Produce { 0..=*stable.end() } else { stable })
    }

    /// Whether Kafka serves the API on a broker's listener, and not on a controller's only.
    pub fn is_for_brokers(self) -> bool {
        self.api().broker
    }

    /// Whether this version has compact lengths and tagged fields (KIP-482).
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.api().flexible
    }

    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// A client may not know yet what the broker speaks when it asks for the versions: that
    /// response has the oldest header always.
    pub fn response_header_version(self, version: i16) -> i16 {
        if self != ApiKey::ApiVersions && self.is_flexible(version) { 1 } else { 0 }
    }

    fn api(self) -> &'static Api {
        &APIS[self as usize]
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_up_to_92_names_an_api() {
        assert_eq!(ApiKey::all().count(), 93);
        for (code, key) in (0..).zip(ApiKey::all()) {
            assert_eq!(key.code(), code);
            assert_eq!(ApiKey::from_code(code), Some(key));
        }
        assert_eq!(ApiKey::from_code(-1), None);
        assert_eq!(ApiKey::from_code(93), None);
    }

    #[test]
    fn versions_are_those_of_kafka_4_3() {
        assert_eq!(ApiKey::Produce.versions(), Some(3..=13));
        assert_eq!(ApiKey::Fetch.versions(), Some(4..=18));
        assert_eq!(ApiKey::LeaderAndIsr.versions(), None);
        assert_eq!(ApiKey::InitProducerId.versions(), Some(0..=6));
        assert_eq!(ApiKey::InitProducerId.stable_versions(), Some(0..=5));
        assert_eq!(ApiKey::Produce.advertised_versions(), Some(0..=13));
        assert_eq!(ApiKey::Fetch.advertised_versions(), Some(4..=18));
    }

    #[test]
    fn headers_follow_the_encoding_except_for_api_versions() {
        assert_eq!(ApiKey::Produce.request_header_version(8), 1);
        assert_eq!(ApiKey::Produce.request_header_version(9), 2);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(4), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    }
}
