//! The listener: one request in, one JSON answer out.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use client::Admin;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::negotiate::{answer_type, check_body_type};
use super::paths::{Reply, dispatch};
use super::query::Query;
use crate::error::RegistryError;
use crate::service::Rules;
use crate::store::Store;

/// What a handler needs.
pub(crate) struct Services {
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    /// Asks whether the cluster answers; none where there is no cluster.
    pub(crate) admin: Option<Admin>,
}

impl Services {
    /// Whether the cluster answers now; if not, why.
    pub(crate) async fn health(&self) -> Result<(), String> {
        let Some(admin) = &self.admin else { return Ok(()) };
        match timeout(HEALTH_PATIENCE, admin.describe_cluster()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("the cluster does not answer: {error}")),
            Err(_) => {
                let seconds = HEALTH_PATIENCE.as_secs();
                Err(format!("the cluster did not answer within {seconds} s"))
            }
        }
    }
}

/// How long the cluster may take to answer a question about its health.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// The longest body that is read.
const LONGEST_BODY: usize = 8 * 1024 * 1024;

/// Serves until the token is cancelled; requests that run then are finished.
pub(crate) async fn serve(
    listener: TcpListener,
    services: Arc<Services>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new().fallback(answer).with_state(services);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn answer(Shared(services): Shared<Arc<Services>>, request: Request) -> Response<Body> {
    let content_type = match answer_type(request.headers()) {
        Ok(content_type) => content_type,
        Err(error) => return refuse(&error, "application/json"),
    };
    match handle(&services, request).await {
        Ok(Reply::Json(json)) => respond(StatusCode::OK, content_type, json.to_string()),
        Ok(Reply::Text(text)) => respond(StatusCode::OK, content_type, text),
        Ok(Reply::Nothing) => respond(StatusCode::NO_CONTENT, content_type, String::new()),
        Err(error) => {
            if let RegistryError::Store(error) = &error {
                tracing::error!(%error, "a request could not be stored");
            }
            refuse(&error, content_type)
        }
    }
}

async fn handle(services: &Services, request: Request) -> Result<Reply, RegistryError> {
    let (parts, body) = request.into_parts();
    let sends = matches!(parts.method, Method::POST | Method::PUT);
    if sends {
        check_body_type(&parts.headers)?;
    }
    let body = to_bytes(body, LONGEST_BODY).await.map_err(|error| {
        RegistryError::BadRequest(format!("The body could not be read: {error}"))
    })?;
    if parts.uri.path() == "/health" && matches!(parts.method, Method::GET | Method::HEAD) {
        services.health().await.map_err(RegistryError::Unhealthy)?;
        return Ok(Reply::Json(json!({"status": "healthy"})));
    }
    let query = Query::parse(parts.uri.query());
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    dispatch(services, &method, parts.uri.path(), &query, &body).await
}

fn refuse(error: &RegistryError, content_type: &'static str) -> Response<Body> {
    let code = error.code();
    let status = if code < 1000 { code } else { code / 100 };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let json: Json = json!({"error_code": code, "message": error.to_string()});
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, content_type, json.to_string());
    if matches!(error, RegistryError::MethodNotAllowed) {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,POST,PUT,DELETE,HEAD"));
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
