//! ConsumerGroupHeartbeat 0-1, SaslHandshake 0-1: APIs that are answered to be refused.
//!
//! - A client that finds an API missing mostly says so at once, which is why the other APIs that
//!   are not there are not advertised, and close the connection. With these two some client would
//!   wait for ever: they get a code on which it gives up.
//! - ConsumerGroupHeartbeat: advertised, and UNSUPPORTED_VERSION, as Kafka answers where
//!   `group.version` is 0 (KIP-848). librdkafka looks for a coordinator without end where the API
//!   is missing.
//! - SaslHandshake: not advertised, on which kafka-python gives up, and ILLEGAL_SASL_STATE, as
//!   Kafka answers on a listener without SASL. The Java client asks without looking, and connects
//!   anew without end when the connection is closed on it.

use protocol::ErrorCode;
use protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};

use crate::request::RequestContext;
use crate::services::Services;

/// In place of transactions. Of the codes that librdkafka takes as final when it looks for a
/// coordinator, the one with which the Java client shows the broker's own sentence, too; with any
/// other code `init_transactions` of librdkafka's clients asks again without end.
pub(super) const NO_TRANSACTIONS: ErrorCode = ErrorCode::ClusterAuthorizationFailed;

pub(super) async fn consumer_group_heartbeat(
    _context: RequestContext,
    _services: &Services,
    _request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let text = "This broker does not serve the new consumer group protocol yet; set \
                group.protocol=classic.";
    ConsumerGroupHeartbeatResponse {
        error_code: ErrorCode::UnsupportedVersion,
        error_message: Some(text.to_owned()),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

pub(super) async fn sasl_handshake(
    _context: RequestContext,
    _services: &Services,
    _request: SaslHandshakeRequest,
) -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: ErrorCode::IllegalSaslState, mechanisms: Vec::new() }
}
