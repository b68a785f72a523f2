//! The batches of one partition, in order, and when the next one may go. Pure.
//!
//! ```text
//!  append -> waiting -> (numbered, sent) in flight -> answered
//!               ^                          |
//!               +--- retry, at the front --+
//! ```
//!
//! With idempotence the first batch of a sequence goes alone: a broker that knows nothing of a
//! producer takes any sequence for the first, and would never accept the ones before it. A batch
//! that is sent again goes alone until it is answered, so that batches
//! arrive in the order of their sequences whatever is lost on the way. When the sequence is
//! broken for good (a batch was given up, or the broker has forgotten it), the queue waits until
//! nothing is in flight and starts again at sequence 0 under a new epoch (KIP-360).

use std::collections::VecDeque;

use tokio::time::Instant;

use super::accumulator::Settings;
use super::batch::{Batch, Numbering, advance};

/// The id under which an idempotent producer numbers its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerId {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

impl ProducerId {
    fn has_numbered(self, batch: &Batch) -> bool {
        batch.numbering.is_some_and(|n| (n.producer_id, n.epoch) == (self.id, self.epoch))
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Batch>,
    /// Batches that were sent and are not answered.
    in_flight: usize,
    /// The id in use here and the sequence of the next new batch.
    current: Option<(ProducerId, i32)>,
    /// The sequence that is to be acknowledged next.
    next_acked: i32,
    /// Whether some batch of the sequence was acknowledged.
    is_established: bool,
    /// Whether the sequence is broken.
    is_broken: bool,
}

/// A batch to send, and the number to close it with.
pub(super) type Taken = (Batch, Option<Numbering>);

/// Whether the first batch can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// There is none, or it has to wait for an answer.
    Idle,
    /// From this time on.
    At(Instant),
    /// It can.
    Now,
}

impl Queue {
    /// Whether the first batch can go. `hurry` does not wait for more records.
    pub(super) fn readiness(
        &self,
        settings: &Settings,
        producer: Option<ProducerId>,
        now: Instant,
        hurry: bool,
    ) -> Readiness {
        let Some(first) = self.waiting.front() else { return Readiness::Idle };
        let is_blocked = if settings.is_idempotent {
            let is_retry = self.current.is_some_and(|(current, _)| current.has_numbered(first));
            let goes_alone = self.is_broken || is_retry || !self.is_established;
            producer.is_none() || self.in_flight > 0 && goes_alone || self.wants_new_epoch(producer)
        } else {
            settings.max_in_flight == 1 && self.in_flight > 0
        };
        if is_blocked {
            return Readiness::Idle;
        }
        let at = match first.not_before {
            Some(not_before) => not_before,
            None if hurry || self.waiting.len() > 1 || !first.is_open() => now,
            None if first.is_full(settings) => now,
            None => first.created + settings.linger,
        };
        if at <= now { Readiness::Now } else { Readiness::At(at) }
    }

    /// Whether the sequence can only go on under another epoch than `producer`'s.
    pub(super) fn wants_new_epoch(&self, producer: Option<ProducerId>) -> bool {
        let is_spent = self.current.is_some_and(|(current, _)| Some(current) == producer);
        self.is_broken && is_spent && self.in_flight == 0 && !self.waiting.is_empty()
    }

    /// Takes the first batch for sending, and the number to close it with.
    pub(super) fn take(&mut self, producer: Option<ProducerId>) -> Option<Taken> {
        let mut batch = self.waiting.pop_front()?;
        let numbering = producer.map(|producer| self.number(&batch, producer));
        batch.attempts += 1;
        batch.not_before = None;
        self.in_flight += 1;
        Some((batch, numbering))
    }

    fn number(&mut self, batch: &Batch, producer: ProducerId) -> Numbering {
        let (current, next) = match self.current {
            Some((current, next)) if !self.must_restart(batch, current, producer) => {
                (current, next)
            }
            _ => {
                self.next_acked = 0;
                self.is_established = false;
                self.is_broken = false;
                (producer, 0)
            }
        };
        match batch.numbering.filter(|_| current.has_numbered(batch)) {
            Some(numbering) => numbering,
            None => {
                self.current = Some((current, advance(next, batch.count)));
                Numbering { producer_id: current.id, epoch: current.epoch, base_sequence: next }
            }
        }
    }

    /// A new epoch is taken over when the old one is broken or nothing of it is on the way.
    fn must_restart(&self, batch: &Batch, current: ProducerId, producer: ProducerId) -> bool {
        let is_quiet = self.in_flight == 0 && !current.has_numbered(batch);
        self.is_broken || current != producer && is_quiet
    }

    /// Notes that a batch was acknowledged.
    pub(super) fn acknowledged(&mut self, batch: &Batch) {
        self.in_flight -= 1;
        if self.current.is_some_and(|(current, _)| current.has_numbered(batch))
            && let Some(next) = batch.next_sequence()
        {
            // Answers of one connection come in order; those of two may cross.
            let ahead = next.wrapping_sub(self.next_acked) & i32::MAX;
            if ahead < 1 << 30 {
                self.next_acked = next;
            }
            self.is_established = true;
        }
    }

    /// Notes that a batch was given up: the sequence has a gap.
    pub(super) fn given_up(&mut self, batch: &Batch) {
        self.in_flight -= 1;
        self.note_gap(batch);
    }

    /// Notes that a batch which may have been sent will not be sent again.
    pub(super) fn note_gap(&mut self, batch: &Batch) {
        self.is_broken |= self.current.is_some_and(|(current, _)| current.has_numbered(batch));
    }

    /// Notes that the broker does not accept the sequence. Where batches before this one are still
    /// to be acknowledged, they are what is missing; else the sequence is broken.
    pub(super) fn out_of_sequence(&mut self, batch: &Batch) {
        // Sequences wrap: what is ahead by less than half of them comes later.
        let ahead = |n: Numbering| n.base_sequence.wrapping_sub(self.next_acked) & i32::MAX;
        let comes_later = |n: Numbering| (1..1 << 30).contains(&ahead(n));
        if !batch.numbering.is_some_and(comes_later) {
            self.note_gap(batch);
        }
    }

    /// Puts batches back to where they were taken from.
    pub(super) fn put_back(&mut self, batches: Vec<Batch>) {
        self.in_flight -= 1;
        for batch in batches {
            let order = |b: &Batch| (b.id, b.numbering.map(|n| n.base_sequence));
            let at = self.waiting.iter().position(|other| order(other) > order(&batch));
            let at = at.unwrap_or(self.waiting.len());
            self.waiting.insert(at, batch);
        }
    }

    /// Removes the batches whose time is up.
    pub(super) fn expire(&mut self, settings: &Settings, now: Instant) -> Vec<Batch> {
        let is_late = |batch: &Batch| batch.expires_at(settings.delivery_timeout) <= now;
        let late = self.waiting.iter().take_while(|batch| is_late(batch)).count();
        let expired: Vec<Batch> = self.waiting.drain(..late).collect();
        for batch in &expired {
            self.note_gap(batch);
        }
        expired
    }
}
