//! The active controller: decides on the metadata with all that it has proposed, and answers when
//! that is committed.
//!
//! ```text
//!   decision ─▶ image with all proposals ─▶ records ─▶ log, synced ─▶ committed ─▶ answer
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use broker_metadata::{Changes, Image};
use tokio::sync::oneshot;

use super::DecideError;

/// Told when what was decided is committed: the offset behind its records.
pub(super) type Told = oneshot::Sender<Result<i64, DecideError>>;

/// What was proposed and is not committed.
struct Proposed {
    end_offset: i64,
    image: Arc<Image>,
    changes: Changes,
    told: Vec<Told>,
}

/// What only the leader of an epoch has.
pub(super) struct Active {
    pub(super) epoch: i32,
    /// Decisions begin when all records below are committed and in the image.
    pub(super) ready_at: i64,
    /// With all that was proposed; `None` until the committed image has reached `ready_at`.
    pub(super) image: Option<Arc<Image>>,
    proposed: VecDeque<Proposed>,
}

impl Active {
    pub(super) fn new(epoch: i32, ready_at: i64) -> Self {
        Self { epoch, ready_at, image: None, proposed: VecDeque::new() }
    }

    /// Notes what was appended.
    pub(super) fn propose(
        &mut self,
        end_offset: i64,
        image: Arc<Image>,
        changes: Changes,
        told: Told,
    ) {
        self.image = Some(image.clone());
        self.proposed.push_back(Proposed { end_offset, image, changes, told: vec![told] });
    }

    /// A decision that needs no records is answered behind those before it: it may rest on what is
    /// not committed yet.
    pub(super) fn answer_in_turn(&mut self, told: Told, committed: i64) {
        match self.proposed.back_mut() {
            Some(last) => last.told.push(told),
            // Whoever asked may be gone.
            None => drop(told.send(Ok(committed))),
        }
    }

    /// The steps that are committed now, in their order.
    pub(super) fn committed(&mut self, high_watermark: i64) -> Vec<(i64, Arc<Image>, Changes)> {
        let mut steps = Vec::new();
        while let Some(first) = self.proposed.front()
            && first.end_offset <= high_watermark
            && let Some(Proposed { end_offset, image, changes, told }) = self.proposed.pop_front()
        {
            for told in told {
                // Whoever asked may be gone.
                let _ = told.send(Ok(end_offset));
            }
            steps.push((end_offset, image, changes));
        }
        steps
    }

    /// Takes back what a disk did not take: it was the last that was proposed.
    pub(super) fn withdraw(&mut self, from: i64, committed: &Arc<Image>, problem: &DecideError) {
        while let Some(last) = self.proposed.back()
            && last.end_offset > from
            && let Some(last) = self.proposed.pop_back()
        {
            for told in last.told {
                let _ = told.send(Err(problem.clone()));
            }
        }
        let left = self.proposed.back().map_or(committed, |last| &last.image);
        self.image = Some(left.clone());
    }

    /// Tells all who wait that this node does not lead any more.
    pub(super) fn end(self, problem: &DecideError) {
        for told in self.proposed.into_iter().flat_map(|proposed| proposed.told) {
            let _ = told.send(Err(problem.clone()));
        }
    }
}
