//! What a node must not forget of an election: the file `quorum-state`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::ReplicaKey;

/// The epoch that a node is in, who leads it, and whom the node has voted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElectionState {
    pub epoch: i32,
    pub leader: Option<i32>,
    pub voted: Option<ReplicaKey>,
    /// The voters at that time: written with data version 0 and used by nobody.
    pub voters: Vec<i32>,
}

/// Why a `quorum-state` file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectionStateError {
    #[error("the file is empty: Kafka writes one line of JSON into it")]
    Empty,
    #[error("it is no JSON object: {reason}")]
    Json { reason: String },
    #[error("its data_version is {version}, but only 0 and 1 are known; a later version wrote it")]
    Version { version: i64 },
    #[error("its field {field} is missing, or not {wanted}")]
    Field { field: &'static str, wanted: &'static str },
}

impl ElectionState {
    /// Whether `key` is whom the node has voted for.
    pub fn has_voted_for(&self, key: &ReplicaKey) -> bool {
        self.voted.is_some_and(|voted| voted.names(key))
    }

    /// Reads the text of a `quorum-state` file. As in Kafka, its first line is all that counts.
    pub fn parse(text: &str) -> Result<Self, ElectionStateError> {
        let line = text.lines().next().ok_or(ElectionStateError::Empty)?;
        let value: Value = serde_json::from_str(line)
            .map_err(|e| ElectionStateError::Json { reason: e.to_string() })?;
        let Value::Object(fields) = value else {
            return Err(ElectionStateError::Json { reason: "another kind of value".to_owned() });
        };
        let version = integer(&fields, "data_version")?;
        if !(0..=1).contains(&version) {
            return Err(ElectionStateError::Version { version });
        }
        let voted_id = int32(&fields, "votedId")?;
        let directory = match version {
            0 => Uuid::nil(),
            _ => directory(&fields)?,
        };
        let leader = int32(&fields, "leaderId")?;
        Ok(Self {
            epoch: int32(&fields, "leaderEpoch")?,
            leader: (leader >= 0).then_some(leader),
            voted: (voted_id >= 0).then(|| ReplicaKey::new(voted_id, directory)),
            voters: if version == 0 { voters(&fields)? } else { Vec::new() },
        })
    }

    /// The text of the file, as Kafka writes it at a level of `kraft.version`: data version 0 has
    /// the voters, and from level 1 on there is the directory of the vote instead.
    pub fn print(&self, kraft_version: i16) -> String {
        let leader = self.leader.unwrap_or(-1);
        let voted = self.voted.map_or(-1, |voted| voted.id);
        let value = if kraft_version < 1 {
            let voters: Vec<Value> = self.voters.iter().map(|id| json!({"voterId": id})).collect();
            json!({
                "clusterId": "",
                "leaderId": leader,
                "leaderEpoch": self.epoch,
                "votedId": voted,
                "appliedOffset": 0,
                "currentVoters": voters,
                "data_version": 0,
            })
        } else {
            let directory = self.voted.map(|voted| voted.directory_or_nil()).unwrap_or_default();
            json!({
                "leaderId": leader,
                "leaderEpoch": self.epoch,
                "votedId": voted,
                "votedDirectoryId": kafka_uuid(directory),
                "data_version": 1,
            })
        };
        value.to_string()
    }
}

/// A UUID as Kafka prints it.
pub(crate) fn kafka_uuid(uuid: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(uuid.as_bytes())
}

fn integer(fields: &Map<String, Value>, field: &'static str) -> Result<i64, ElectionStateError> {
    let number = fields.get(field).and_then(Value::as_i64);
    number.ok_or(ElectionStateError::Field { field, wanted: "an integer" })
}

fn int32(fields: &Map<String, Value>, field: &'static str) -> Result<i32, ElectionStateError> {
    let wanted = "a 32-bit integer";
    i32::try_from(integer(fields, field)?).map_err(|_| ElectionStateError::Field { field, wanted })
}

fn directory(fields: &Map<String, Value>) -> Result<Uuid, ElectionStateError> {
    let field = "votedDirectoryId";
    let text = fields.get(field).and_then(Value::as_str);
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or(ElectionStateError::Field { field, wanted: "a UUID in Kafka's base64" })
}

fn voters(fields: &Map<String, Value>) -> Result<Vec<i32>, ElectionStateError> {
    let error = ElectionStateError::Field { field: "currentVoters", wanted: "a list of voters" };
    let list = match fields.get("currentVoters") {
        None => return Err(error),
        Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(error),
    };
    let id = |voter: &Value| {
        voter.get("voterId").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok())
    };
    list.iter().map(id).collect::<Option<_>>().ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_printed_as_kafka_prints_it() {
        let directory = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let state = ElectionState {
            epoch: 7,
            leader: Some(2),
            voted: Some(ReplicaKey::new(3, directory)),
            voters: vec![1, 2],
        };
        assert_eq!(
            state.print(0),
            concat!(
                r#"{"clusterId":"","leaderId":2,"leaderEpoch":7,"votedId":3,"appliedOffset":0,"#,
                r#""currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#
            )
        );
        assert_eq!(
            state.print(1),
            concat!(
                r#"{"leaderId":2,"leaderEpoch":7,"votedId":3,"#,
                r#""votedDirectoryId":"ABEiM0RVZneImaq7zN3u_w","data_version":1}"#
            )
        );
        let none = ElectionState::default();
        assert_eq!(
            none.print(1),
            concat!(
                r#"{"leaderId":-1,"leaderEpoch":0,"votedId":-1,"#,
                r#""votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#
            )
        );
    }

    #[test]
    fn what_was_printed_is_read_again() {
        let directory = Uuid::from_u128(5);
        let state = ElectionState {
            epoch: i32::MAX,
            leader: None,
            voted: Some(ReplicaKey::new(0, directory)),
            voters: vec![0, 5],
        };
        let read = ElectionState::parse(&state.print(0)).expect("version 0 is read");
        assert_eq!(read.voted, Some(ReplicaKey { id: 0, directory: None }));
        assert_eq!(read.voters, state.voters);
        let read = ElectionState::parse(&(state.print(1) + "\n")).expect("version 1 is read");
        assert_eq!(read, ElectionState { voters: Vec::new(), ..state });
    }

    #[test]
    fn a_file_of_no_use_is_refused_with_the_reason() {
        let refused = |text: &str| ElectionState::parse(text).expect_err(text).to_string();
        assert!(refused("").contains("empty"));
        assert!(refused("[]").contains("no JSON object"));
        assert!(refused("{").contains("no JSON object"));
        assert!(refused("{}").contains("data_version"));
        assert!(refused(r#"{"data_version":2}"#).contains("only 0 and 1"));
        assert!(refused(r#"{"data_version":-1}"#).contains("only 0 and 1"));
        let text = r#"{"leaderId":1,"leaderEpoch":2147483648,"votedId":-1,"data_version":1,"#;
        let text = format!(r#"{text}"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA"}}"#);
        assert!(refused(&text).contains("leaderEpoch"));
        let text = r#"{"leaderId":1,"leaderEpoch":2,"votedId":-1,"data_version":1,"#;
        assert!(refused(&format!(r#"{text}"votedDirectoryId":"AA"}}"#)).contains("base64"));
        let text = r#"{"leaderId":1,"leaderEpoch":2,"votedId":-1,"data_version":0"#;
        assert!(refused(&format!("{text}}}")).contains("currentVoters"));
        assert!(refused(&format!(r#"{text},"currentVoters":[{{}}]}}"#)).contains("currentVoters"));
    }
}
