//! Which version of each API a connection speaks (ApiVersions, KIP-35 and KIP-511).

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::{ApiKey, ErrorCode, Message as _, Reader, Request};
use tokio::time::timeout;

use super::Shared;
use crate::error::ConnectionError;

/// The range of versions that a broker serves, by API.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    ranges: BTreeMap<i16, (i16, i16)>,
    /// Finalized features of the cluster and their levels.
    features: BTreeMap<String, i16>,
}

impl Versions {
    fn from_response(response: &ApiVersionsResponse) -> Self {
        let ranges = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        let features = response
            .finalized_features
            .iter()
            .map(|feature| (feature.name.clone(), feature.max_version_level))
            .collect();
        Self { ranges, features }
    }

    /// Every API code served with its lowest and highest version.
    pub fn ranges(&self) -> impl Iterator<Item = (i16, i16, i16)> + '_ {
        self.ranges.iter().map(|(key, (min, max))| (*key, *min, *max))
    }

    /// The lowest and highest version served of `key`.
    pub fn range(&self, key: ApiKey) -> Option<(i16, i16)> {
        self.ranges.get(&key.code()).copied()
    }

    /// The level at which a feature of the cluster is finalized.
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }

    /// The highest common version of `R` up to `limit`, or both ranges in words.
    pub(super) fn pick<R: Request>(&self, limit: i16) -> Result<i16, Option<String>> {
        let (min, max) = self.range(R::KEY).ok_or(None)?;
        let ours = (*R::VERSIONS.start(), (*R::VERSIONS.end()).min(limit));
        let highest = max.min(ours.1);
        if highest < min.max(ours.0) {
            return Err(Some(format!(
                " in a common version: it serves {min}..={max}, this client speaks {}..={}",
                ours.0, ours.1
            )));
        }
        Ok(highest)
    }
}

/// Asks in our highest version; a broker that does not know it says which one it does know.
pub(super) async fn negotiate(shared: &Shared) -> Result<Versions, ConnectionError> {
    let mut version = *ApiVersionsRequest::VERSIONS.end();
    loop {
        let request = ApiVersionsRequest {
            client_software_name: "yeoul".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let reply = shared.submit(version, &request).await?;
        let after = shared.request_timeout;
        let late = || ConnectionError::Timeout {
            address: shared.address.clone(),
            api: ApiVersionsRequest::NAME,
            after,
        };
        let body = match timeout(after, reply).await {
            Ok(Ok(reply)) => reply?,
            Ok(Err(_)) => return Err(shared.waiting.cause(&shared.address)),
            Err(_) => return Err(late()),
        };
        let response = decode(shared, version, body)?;
        match response.error_code {
            ErrorCode::None => return Ok(Versions::from_response(&response)),
            ErrorCode::UnsupportedVersion if version > 0 => {
                let known = Versions::from_response(&response).range(ApiKey::ApiVersions);
                version = known.map_or(0, |(_, max)| max.min(version - 1));
            }
            code => {
                let address = shared.address.clone();
                return Err(ConnectionError::Negotiation { address, code });
            }
        }
    }
}

/// A broker that does not know the version answers in version 0.
fn decode(
    shared: &Shared,
    version: i16,
    body: Bytes,
) -> Result<ApiVersionsResponse, ConnectionError> {
    let unsupported = ErrorCode::UnsupportedVersion.code().to_be_bytes();
    let version = if body.starts_with(&unsupported) { 0 } else { version };
    let mut reader = Reader::new(body);
    ApiVersionsResponse::decode(&mut reader, version).map_err(|error| ConnectionError::Decode {
        address: shared.address.clone(),
        api: ApiVersionsResponse::NAME,
        version,
        reason: error.to_string(),
    })
}
