//! ApiVersions 0-4.
//!
//! - A client whose name or version is not made of letters, digits, `-` and `.` gets
//!   INVALID_REQUEST.
//! - A version that is not served is answered in version 0, with UNSUPPORTED_VERSION and the
//!   versions of ApiVersions itself.
//! - v3: features (KIP-584) · v4: features whose lowest version is 0 too (KIP-1022)

use protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::{ApiKey, ErrorCode};

use crate::config::Audience;
use crate::controller::features;
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn handle(
    context: RequestContext,
    services: &Services,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    if context.version >= 3 {
        let named = [&request.client_software_name, &request.client_software_version];
        if !named.iter().all(|text| is_software_name(text)) {
            let error_code = ErrorCode::InvalidRequest;
            return ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
        }
    }
    let image = services.image();
    let supported = features().filter(|(_, min, _)| *min > 0 || context.version >= 4);
    ApiVersionsResponse {
        api_keys: super::served(context.peer.audience)
            .map(|(key, range)| version(key, *range.start(), *range.end()))
            .collect(),
        supported_features: supported
            .map(|(name, min_version, max_version)| SupportedFeatureKey {
                name: name.to_owned(),
                min_version,
                max_version,
            })
            .collect(),
        finalized_features_epoch: image.end_offset(),
        finalized_features: image
            .features()
            .iter()
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.clone(),
                max_version_level: *level,
                min_version_level: *level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

/// What a client gets whose version of ApiVersions is not known.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    let own = super::find(ApiKey::ApiVersions, Audience::Clients).expect("ApiVersions is served");
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: vec![version(own.key, *own.advertised.start(), *own.advertised.end())],
        ..ApiVersionsResponse::default()
    }
}

fn version(key: ApiKey, min_version: i16, max_version: i16) -> ApiVersion {
    ApiVersion { api_key: key.code(), min_version, max_version }
}

/// Letters and digits at both ends, dashes and dots between them.
fn is_software_name(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_software_follow_kafkas_pattern() {
        for (text, good) in [
            ("librdkafka", true),
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("", false),
            ("not allowed!", false),
            ("-x", false),
            ("x.", false),
        ] {
            assert_eq!(is_software_name(text), good, "{text}");
        }
    }
}
