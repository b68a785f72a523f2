//! Looking at groups, and deleting them.

use std::collections::HashSet;

use protocol::ErrorCode;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

use super::Groups;

/// The type of all groups that are kept here.
const CLASSIC: &str = "classic";

impl Groups {
    /// The group, or `None` where there is none of that name.
    pub async fn describe(&self, group_id: &str) -> Result<Option<DescribedGroup>, ErrorCode> {
        let described = async {
            let cell = self.shard_of(group_id).await?;
            self.read(&cell, |shard| shard.describe(group_id)).await
        };
        described.await.map_err(|error| error.code())
    }

    /// The groups in one of the states and of one of the types, in the order of their names; an
    /// empty filter takes all. Case does not count.
    pub async fn list(&self, states: &[String], types: &[String]) -> ListGroupsResponse {
        let refuse =
            |error_code| ListGroupsResponse { error_code, ..ListGroupsResponse::default() };
        let lower = |filter: &[String]| -> HashSet<String> {
            filter.iter().map(|item| item.to_ascii_lowercase()).collect()
        };
        let (states, types) = (lower(states), lower(types));
        let mut groups: Vec<ListedGroup> = Vec::new();
        if types.is_empty() || types.contains(CLASSIC) {
            let cells = match self.all_cells().await {
                Ok(cells) => cells,
                Err(error) => return refuse(error.code()),
            };
            for cell in cells {
                let list = self.read(&cell, |shard| shard.list().collect::<Vec<_>>()).await;
                match list {
                    Ok(list) => groups.extend(list),
                    Err(error) => return refuse(error.code()),
                }
            }
            groups.retain(|group| {
                states.is_empty() || states.contains(&group.group_state.to_ascii_lowercase())
            });
            groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        }
        ListGroupsResponse { groups, ..ListGroupsResponse::default() }
    }

    /// Deletes groups that have no members, each with what it committed.
    pub async fn delete(&self, group_ids: &[String]) -> Vec<DeletableGroupResult> {
        let mut seen = HashSet::new();
        let mut results = Vec::with_capacity(group_ids.len());
        for group_id in group_ids.iter().filter(|id| seen.insert(id.as_str())) {
            let deleted = async {
                let cell = self.shard_of(group_id).await?;
                self.step(&cell, |shard, _| shard.delete_group(group_id)).await
            };
            let error_code = deleted.await.unwrap_or_else(|error| error.code());
            results.push(DeletableGroupResult { group_id: group_id.clone(), error_code });
        }
        results
    }
}
