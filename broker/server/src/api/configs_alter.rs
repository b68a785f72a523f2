//! AlterConfigs 0-2, IncrementalAlterConfigs 0-1.
//!
//! - Changes are in the metadata log, and the logs of this broker follow them, before they are
//!   answered.
//! - AlterConfigs replaces all settings of a resource; IncrementalAlterConfigs sets, deletes,
//!   appends to and subtracts from single ones (KIP-339).
//! - A setting that is a hint about Kafka's threads and buffers is taken, as Kafka takes it, and
//!   named in a line of the log, because it changes nothing here.

use broker_metadata::ConfigResource;
use protocol::ErrorCode;
use protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Replaced;
use protocol::messages::incremental_alter_configs_response as adjusted;
use protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use tracing::{error, warn};

use super::error::{code_of_commit_error, code_of_config_error};
use crate::config::hint_note;
use crate::controller::configs::{self as decide, Alteration, Operation, Resource};
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn replace(
    _context: RequestContext,
    services: &Services,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let resources = request.resources.into_iter().map(|resource| {
        let pairs = resource.configs.into_iter().map(|config| (config.name, config.value));
        let alteration = Alteration::Replace(pairs.collect());
        let type_code = resource.resource_type;
        (Resource { type_code, name: resource.resource_name }, alteration)
    });
    let results = commit(services, resources.collect(), request.validate_only).await;
    let responses = results.into_iter().map(|result| Replaced {
        error_code: result.error_code,
        error_message: result.error_message,
        resource_type: result.resource.type_code,
        resource_name: result.resource.name,
    });
    AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() }
}

pub(super) async fn adjust(
    _context: RequestContext,
    services: &Services,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let resources = request.resources.into_iter().map(|resource| {
        let operations = resource.configs.into_iter().map(|config| Operation {
            name: config.name,
            code: config.config_operation,
            value: config.value,
        });
        let alteration = Alteration::Adjust(operations.collect());
        let type_code = resource.resource_type;
        (Resource { type_code, name: resource.resource_name }, alteration)
    });
    let results = commit(services, resources.collect(), request.validate_only).await;
    let responses = results.into_iter().map(|result| adjusted::AlterConfigsResourceResponse {
        error_code: result.error_code,
        error_message: result.error_message,
        resource_type: result.resource.type_code,
        resource_name: result.resource.name,
    });
    let responses = responses.collect();
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

struct ResourceResult {
    resource: Resource,
    error_code: ErrorCode,
    error_message: Option<String>,
}

async fn commit(
    services: &Services,
    resources: Vec<(Resource, Alteration)>,
    validate_only: bool,
) -> Vec<ResourceResult> {
    let asked: Vec<Resource> = resources.iter().map(|(resource, _)| resource.clone()).collect();
    let node_id = services.config.node_id;
    let configs = services.configs.clone();
    let hints = decide::hints(&resources);
    let decision = services.controller.commit(move |image| {
        let fit = |resource: ConfigResource, name: &str, layer: &_| match resource {
            ConfigResource::Broker => configs.check_broker(image, name, layer),
            _ => configs.check_topic(image, layer),
        };
        let mut altered = decide::alter(image, node_id, &resources, &fit);
        if validate_only {
            altered.records.clear();
        }
        (altered.records, altered.results)
    });
    match decision.await {
        Ok(results) => {
            if !validate_only {
                services.cleaner.wake();
                if !hints.is_empty() && results.iter().any(Result::is_ok) {
                    warn!("{}", hint_note(&hints));
                }
            }
            let results = asked.into_iter().zip(results).map(|(resource, result)| match result {
                Ok(()) => {
                    ResourceResult { resource, error_code: ErrorCode::None, error_message: None }
                }
                Err(problem) => ResourceResult {
                    resource,
                    error_code: code_of_config_error(&problem),
                    error_message: Some(problem.to_string()),
                },
            });
            results.collect()
        }
        Err(problem) => {
            error!("configurations could not be changed: {problem}");
            let failed = asked.into_iter().map(|resource| ResourceResult {
                resource,
                error_code: code_of_commit_error(&problem),
                error_message: Some(problem.to_string()),
            });
            failed.collect()
        }
    }
}
