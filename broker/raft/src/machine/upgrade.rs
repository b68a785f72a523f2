//! From voters in the configuration to voters in the log: `kraft.version` 1.

use super::{Raft, Step};
use crate::control::Control;
use crate::leader::{Leader, Upgrade};
use crate::role::Role;
use crate::{Action, LogView, Now};

/// Why the level of `kraft.version` cannot be raised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("this node does not lead epoch {epoch}")]
    NotLeader { epoch: i32 },
    #[error("kraft.version {to} is not supported, which goes up to 1")]
    Unknown { to: i16 },
    #[error(
        "Invalid upgrade of kraft.version from version {from} to {to} because the new version is \
         a downgrade"
    )]
    Downgrade { from: i16, to: i16 },
    #[error("Invalid concurrent upgrade of kraft.version from version {from} to {to}")]
    Concurrent { from: i16, to: i16 },
    #[error(
        "Invalid upgrade of kraft.version to {to} because not all of the voters support it: \
         {voters:?} do not, or have not said so yet"
    )]
    Unsupported { to: i16, voters: Vec<i32> },
}

impl Raft {
    /// Raises the level of `kraft.version` as the leader of `epoch`, or with `validate_only`
    /// says whether it could be. The actions are to be carried out as those of
    /// [`handle`](Self::handle); without any, the level is reached already.
    pub fn upgrade(
        &mut self,
        epoch: i32,
        to: i16,
        validate_only: bool,
        log: &dyn LogView,
        now: Now,
    ) -> Result<Vec<Action>, UpgradeError> {
        let from = self.history.version();
        let Role::Leader(leader) = &mut self.role else {
            return Err(UpgradeError::NotLeader { epoch });
        };
        if epoch != self.epoch {
            return Err(UpgradeError::NotLeader { epoch });
        }
        let Leader { upgrade, .. } = &mut **leader;
        match upgrade {
            Upgrade::Started(started) if *started == to => Ok(Vec::new()),
            Upgrade::Started(started) => Err(UpgradeError::Concurrent { from: *started, to }),
            _ if from == to => Ok(Vec::new()),
            _ if from > to => Err(UpgradeError::Downgrade { from, to }),
            _ if to != 1 => Err(UpgradeError::Unknown { to }),
            Upgrade::None => Err(UpgradeError::Concurrent { from, to }),
            Upgrade::Voters(voters) => {
                let lacking = voters
                    .iter()
                    .filter(|voter| !voter.supported.contains(to) || voter.key.directory.is_none());
                let lacking: Vec<i32> = lacking.map(|voter| voter.key.id).collect();
                if !lacking.is_empty() {
                    return Err(UpgradeError::Unsupported { to, voters: lacking });
                }
                if validate_only {
                    return Ok(Vec::new());
                }
                let mut records = vec![Control::Version(to)];
                if voters != self.history.voters() {
                    records.push(Control::Voters(voters.to_record()));
                }
                *upgrade = Upgrade::Started(to);
                let mut step = Step::new(log, now);
                self.append_control(&mut step, &records);
                Ok(step.actions)
            }
        }
    }
}
