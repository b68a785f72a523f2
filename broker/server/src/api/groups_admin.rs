//! DescribeGroups 0-6, ListGroups 0-5, DeleteGroups 0-2.
//!
//! - DescribeGroups v6: a group that is not there is an error (KIP-1043); before, it is a Dead one
//! - ListGroups v4: filter by state (KIP-518) · v5: by type (KIP-848); the groups here are classic
//!   ones

use protocol::ErrorCode;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse,
};

use super::repeats::once;
use crate::request::RequestContext;
use crate::services::Services;

/// The operations on a group, a bit each, that everybody has while there is no authoriser: read,
/// delete, describe, and those on its configs.
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// The first version in which an absent group is an error.
const ABSENT_IS_ERROR_FROM: i16 = 6;

pub(super) async fn describe(
    context: RequestContext,
    services: &Services,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in once(request.groups, String::clone) {
        let mut group = match services.groups.describe(&group_id).await {
            Ok(Some(group)) => group,
            Ok(None) => absent(group_id, context.version),
            Err(error_code) => DescribedGroup { error_code, group_id, ..DescribedGroup::default() },
        };
        if request.include_authorized_operations {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        groups.push(group);
    }
    DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
}

fn absent(group_id: String, version: i16) -> DescribedGroup {
    let group_state = "Dead".to_owned();
    if version < ABSENT_IS_ERROR_FROM {
        return DescribedGroup { group_id, group_state, ..DescribedGroup::default() };
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound,
        error_message: Some(format!("Group {group_id} not found.")),
        group_id,
        group_state,
        ..DescribedGroup::default()
    }
}

pub(super) async fn list(
    _context: RequestContext,
    services: &Services,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    services.groups.list(&request.states_filter, &request.types_filter).await
}

pub(super) async fn delete(
    _context: RequestContext,
    services: &Services,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let results = services.groups.delete(&request.groups_names).await;
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
