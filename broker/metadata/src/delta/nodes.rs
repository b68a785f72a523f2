//! Records about brokers and controllers.

use std::sync::Arc;

use protocol::messages::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord,
};

use super::{ApplyError, Delta};
use crate::image::{BrokerImage, ControllerImage, Endpoint};

impl Delta {
    pub(super) fn register_broker(
        &mut self,
        record: &RegisterBrokerRecord,
    ) -> Result<(), ApplyError> {
        let broker = BrokerImage::from_record(record);
        named("RegisterBrokerRecord", broker.id, &broker.endpoints)?;
        self.changes.brokers.insert(broker.id);
        self.image.brokers.insert(broker.id, Arc::new(broker));
        Ok(())
    }

    pub(super) fn unregister_broker(&mut self, id: i32) {
        if self.image.brokers.remove(&id).is_some() {
            self.changes.brokers.insert(id);
        }
    }

    pub(super) fn register_controller(
        &mut self,
        record: &RegisterControllerRecord,
    ) -> Result<(), ApplyError> {
        let controller = ControllerImage::from_record(record);
        named("RegisterControllerRecord", controller.id, &controller.endpoints)?;
        self.changes.controllers.insert(controller.id);
        self.image.controllers.insert(controller.id, Arc::new(controller));
        Ok(())
    }

    pub(super) fn fence(
        &mut self,
        record: &'static str,
        id: i32,
        epoch: i64,
        fenced: bool,
    ) -> Result<(), ApplyError> {
        self.change_broker(record, id, epoch, |broker| broker.fenced = fenced)
    }

    pub(super) fn change_registration(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ApplyError> {
        let id = record.broker_id;
        let fenced = match record.fenced {
            0 => None,
            1 => Some(true),
            -1 => Some(false),
            code => return Err(ApplyError::BrokerChange { id, field: "fenced", code }),
        };
        let shuts_down = match record.in_controlled_shutdown {
            0 => false,
            1 => true,
            code => {
                let field = "in_controlled_shutdown";
                return Err(ApplyError::BrokerChange { id, field, code });
            }
        };
        let name = "BrokerRegistrationChangeRecord";
        self.change_broker(name, id, record.broker_epoch, |broker| {
            broker.fenced = fenced.unwrap_or(broker.fenced);
            broker.in_controlled_shutdown |= shuts_down;
            if !record.log_dirs.is_empty() {
                broker.log_dirs.clone_from(&record.log_dirs);
            }
            if let Some(cordoned) = &record.cordoned_log_dirs {
                broker.cordoned_log_dirs = Some(cordoned.clone());
            }
        })
    }

    fn change_broker(
        &mut self,
        record: &'static str,
        id: i32,
        epoch: i64,
        change: impl FnOnce(&mut BrokerImage),
    ) -> Result<(), ApplyError> {
        let broker = self.image.brokers.get_mut(&id);
        let broker = broker.ok_or(ApplyError::UnknownBroker { record, id })?;
        if broker.epoch != epoch {
            let present = broker.epoch;
            return Err(ApplyError::BrokerEpoch { record, id, named: epoch, present });
        }
        change(Arc::make_mut(broker));
        self.changes.brokers.insert(id);
        Ok(())
    }
}

fn named(record: &'static str, id: i32, endpoints: &[Endpoint]) -> Result<(), ApplyError> {
    match endpoints.iter().any(|endpoint| endpoint.listener.is_empty()) {
        true => Err(ApplyError::UnnamedListener { record, id }),
        false => Ok(()),
    }
}
