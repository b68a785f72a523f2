//! Records about ACLs, passwords, tokens and quotas.

use std::sync::Arc;

use protocol::messages::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord,
    RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use uuid::Uuid;

use super::{ApplyError, Delta};
use crate::image::{AclImage, QuotaEntity, ScramCredential, ScramMechanism, TokenImage};

impl Delta {
    pub(super) fn set_quota(&mut self, record: &ClientQuotaRecord) {
        let entity = QuotaEntity::of_record(record);
        let mut quotas = self.image.quotas.get(&entity).cloned().unwrap_or_default();
        let map = Arc::make_mut(&mut quotas);
        match record.remove {
            true => map.remove(&record.key),
            false => map.insert(record.key.clone(), record.value),
        };
        match map.is_empty() {
            true => self.image.quotas.remove(&entity),
            false => self.image.quotas.insert(entity.clone(), quotas),
        };
        self.changes.quotas.insert(entity);
    }

    pub(super) fn add_acl(&mut self, record: &AccessControlEntryRecord) {
        self.image.acls.insert(record.id, Arc::new(AclImage::from_record(record)));
        self.changes.acls.insert(record.id);
    }

    pub(super) fn remove_acl(&mut self, id: Uuid) -> Result<(), ApplyError> {
        self.image.acls.remove(&id).ok_or(ApplyError::UnknownAcl { id })?;
        self.changes.acls.insert(id);
        Ok(())
    }

    pub(super) fn set_scram(
        &mut self,
        record: &UserScramCredentialRecord,
    ) -> Result<(), ApplyError> {
        let mechanism = mechanism("UserScramCredentialRecord", record.mechanism)?;
        let key = (mechanism, Arc::from(record.name.as_str()));
        self.image.scram.insert(key.clone(), Arc::new(ScramCredential::from_record(record)));
        self.changes.scram.insert(key);
        Ok(())
    }

    pub(super) fn remove_scram(
        &mut self,
        record: &RemoveUserScramCredentialRecord,
    ) -> Result<(), ApplyError> {
        let mechanism = mechanism("RemoveUserScramCredentialRecord", record.mechanism)?;
        let key = (mechanism, Arc::from(record.name.as_str()));
        if self.image.scram.remove(&key).is_some() {
            self.changes.scram.insert(key);
        }
        Ok(())
    }

    pub(super) fn add_token(&mut self, record: &DelegationTokenRecord) {
        let id: Arc<str> = Arc::from(record.token_id.as_str());
        self.image.tokens.insert(id.clone(), Arc::new(TokenImage::from_record(record)));
        self.changes.tokens.insert(id);
    }

    pub(super) fn remove_token(&mut self, id: &str) {
        if let Some((id, _)) = self.image.tokens.remove_with_key(id) {
            self.changes.tokens.insert(id);
        }
    }
}

fn mechanism(record: &'static str, code: i8) -> Result<ScramMechanism, ApplyError> {
    ScramMechanism::from_code(code).ok_or(ApplyError::ScramMechanism { record, code })
}
