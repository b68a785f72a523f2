//! Consumer groups: listing, describing, deleting.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use protocol::messages::delete_groups_request::DeleteGroupsRequest;
use protocol::messages::describe_groups_request::DescribeGroupsRequest;
use protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::messages::list_groups_request::ListGroupsRequest;
use protocol::{ErrorCode, Message as _};

use super::{Admin, PerItem, item};
use crate::TopicPartition;
use crate::cluster::{TopicSelection, is_about_coordinator};
use crate::consumer::embedded;
use crate::error::{AdminError, RequestError};
use crate::metadata::Node;

/// A group among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub group_id: String,
    /// `consumer`, or what its members call their protocol; empty for a group that only commits.
    pub protocol_type: String,
    /// `Stable`, `Empty` and so on, where the broker says.
    pub state: Option<String>,
    /// `classic`, `consumer` and so on, where the broker says.
    pub group_type: Option<String>,
}

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// `group.id`.
    pub group_id: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Dead`.
    pub state: String,
    /// `consumer`, or what its members call their protocol.
    pub protocol_type: String,
    /// The assignor in force, empty where there is none.
    pub assignor: String,
    /// Its members.
    pub members: Vec<MemberDescription>,
    /// The broker that coordinates it.
    pub coordinator: Option<Node>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Its address, as the coordinator writes it.
    pub client_host: String,
    /// What it has, where it is a consumer.
    pub assignment: Vec<TopicPartition>,
    /// Its subscription, in the protocol of its kind.
    pub metadata: Bytes,
}

/// The version from which ListGroups filters by state.
const STATES_FROM: i16 = 4;

impl Admin {
    /// All groups of all brokers, in order; only those in one of `states`, where any are named.
    pub async fn list_groups(&self, states: &[String]) -> Result<Vec<GroupListing>, AdminError> {
        let attempt = || self.cluster.refresh(TopicSelection::None);
        let metadata = self.cluster.retrying("Metadata", "brokers", attempt).await?.metadata;
        let asked = metadata.brokers.keys().map(|node| self.list_groups_on(*node, states));
        let mut listings = Vec::new();
        for answer in join_all(asked).await {
            listings.extend(answer?);
        }
        listings.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        listings.dedup_by(|a, b| a.group_id == b.group_id);
        Ok(listings)
    }

    async fn list_groups_on(
        &self,
        node: i32,
        states: &[String],
    ) -> Result<Vec<GroupListing>, RequestError> {
        let api = ListGroupsRequest::NAME;
        let subject = format!("broker {node}");
        let attempt = || async {
            let connection = self.connection(node).await?;
            let version = connection.version::<ListGroupsRequest>()?;
            let mut request = ListGroupsRequest::default();
            if version >= STATES_FROM {
                request.states_filter = states.to_vec();
            }
            let response = connection.send_at(version, &request).await?;
            RequestError::check(api, subject.as_str(), response.error_code, None)?;
            Ok(response.groups)
        };
        let groups = self.cluster.retrying(api, &subject, attempt).await?;
        let listings = groups.into_iter().map(|group| GroupListing {
            group_id: group.group_id,
            protocol_type: group.protocol_type,
            state: Some(group.group_state).filter(|state| !state.is_empty()),
            group_type: Some(group.group_type).filter(|kind| !kind.is_empty()),
        });
        Ok(listings.collect())
    }

    /// Describes groups. A group that nobody knows is `Dead` or, from newer brokers, an error.
    pub async fn describe_groups(
        &self,
        groups: &[String],
    ) -> Result<PerItem<String, GroupDescription>, AdminError> {
        let asked = groups.iter().map(|group| async {
            (group.clone(), self.describe_group(group).await.map_err(AdminError::from))
        });
        Ok(join_all(asked).await.into_iter().collect())
    }

    async fn describe_group(&self, group: &str) -> Result<GroupDescription, RequestError> {
        let api = DescribeGroupsRequest::NAME;
        self.cluster
            .on_group_coordinator(api, group, |node| async move {
                let request =
                    DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
                let response = self.cluster.send_to(node, &request).await?;
                let described = response.groups.into_iter().next().unwrap_or_default();
                let message = described.error_message.clone();
                RequestError::check(api, group, described.error_code, message)?;
                Ok(to_description(described, self.cluster.metadata().brokers.get(&node).cloned()))
            })
            .await
    }

    /// Deletes groups without members, and their offsets.
    pub async fn delete_groups(
        &self,
        groups: &[String],
    ) -> Result<PerItem<String, ()>, AdminError> {
        let api = DeleteGroupsRequest::NAME;
        let mut results = BTreeMap::new();
        for group in groups {
            let deleted = self.cluster.on_group_coordinator(api, group, |node| async move {
                let request = DeleteGroupsRequest { groups_names: vec![group.clone()] };
                let response = self.cluster.send_to(node, &request).await?;
                let result = response.results.into_iter().find(|r| r.group_id == *group);
                let code = result.map_or(ErrorCode::UnknownServerError, |r| r.error_code);
                match code {
                    code if is_about_coordinator(code) => {
                        RequestError::check(api, group.as_str(), code, None)?;
                        Ok(code)
                    }
                    code => Ok(code),
                }
            });
            let result = deleted.await.map_err(AdminError::from);
            let result = result.and_then(|code| item(api, group, code, None, ()));
            results.insert(group.clone(), result);
        }
        Ok(results)
    }
}

fn to_description(group: DescribedGroup, coordinator: Option<Node>) -> GroupDescription {
    let is_consumer = group.protocol_type == embedded::PROTOCOL_TYPE;
    let members = group.members.into_iter().map(|member| to_member(member, is_consumer));
    GroupDescription {
        members: members.collect(),
        group_id: group.group_id,
        state: group.group_state,
        protocol_type: group.protocol_type,
        assignor: group.protocol_data,
        coordinator,
    }
}

fn to_member(member: DescribedGroupMember, is_consumer: bool) -> MemberDescription {
    let assignment = match is_consumer {
        true => embedded::decode_assignment(&member.member_assignment).unwrap_or_default(),
        false => Vec::new(),
    };
    MemberDescription {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        assignment,
        metadata: member.member_metadata,
    }
}
