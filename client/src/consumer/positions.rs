//! Where a consumer is, where it goes, and where partitions begin and end.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::state::{Position, Seek};
use super::{Consumer, ConsumerRecord, illegal};
use crate::TopicPartition;
use crate::cluster::{ListedOffset, OffsetSpec};
use crate::error::ConsumeError;

/// How long a poll of [`Consumer::read_to`] waits before the positions are looked at again: what
/// is no record moves them without an answer to the poll.
const READ_PATIENCE: Duration = Duration::from_millis(200);

impl Consumer {
    /// The next poll starts there.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ConsumeError> {
        if offset < 0 {
            return Err(illegal("seek offset must not be a negative number"));
        }
        let position = Position { offset, leader_epoch: None };
        self.shared.state().seek(partition, position)?;
        self.shared.work.notify_one();
        Ok(())
    }

    /// The next poll starts with the first records that are still there; of these partitions, or
    /// of all where none is named.
    pub fn seek_to_beginning(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.seek_to(partitions, Seek::To(OffsetSpec::Earliest))
    }

    /// The next poll starts after the last records; of these partitions, or of all where none is
    /// named.
    pub fn seek_to_end(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.seek_to(partitions, Seek::To(OffsetSpec::Latest))
    }

    fn seek_to(&mut self, partitions: &[TopicPartition], to: Seek) -> Result<(), ConsumeError> {
        let mut state = self.shared.state();
        let all;
        let partitions = match partitions.is_empty() {
            true => {
                all = state.owned();
                &all
            }
            false => partitions,
        };
        partitions.iter().try_for_each(|partition| state.seek_to(partition, to))?;
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// The offset of the next record that `poll` will return, looked up where it is not known yet.
    pub async fn position(&mut self, partition: &TopicPartition) -> Result<i64, ConsumeError> {
        let after = self.shared.config.client.default_api_timeout;
        let deadline = Instant::now() + after;
        loop {
            {
                let mut state = self.shared.state();
                if let Some(position) = state.get(partition)?.position {
                    return Ok(position.offset);
                }
                if let Some(error) = state.failure() {
                    return Err(error);
                }
            }
            self.shared.work.notify_one();
            if timeout_at(deadline, self.shared.news.notified()).await.is_err() {
                return Err(illegal("the position was not found within default.api.timeout.ms"));
            }
        }
    }

    /// Polls until the positions are at these offsets or behind them, whatever lies in front of
    /// them: records, or the marker of a transaction only. Each record goes to `each`, those that
    /// came along from behind the offsets too.
    pub async fn read_to(
        &mut self,
        ends: &BTreeMap<TopicPartition, i64>,
        mut each: impl FnMut(ConsumerRecord),
    ) -> Result<(), ConsumeError> {
        loop {
            let mut is_there = true;
            for (partition, end) in ends {
                is_there &= self.position(partition).await? >= *end;
            }
            if is_there {
                return Ok(());
            }
            for record in self.poll(READ_PATIENCE).await?.records() {
                each(record?);
            }
        }
    }

    /// The offset after the last record that all in-sync replicas had when the partition was last
    /// fetched from.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.state().partitions.get(partition)?.high_watermark
    }

    /// The offsets of the first records that are not older than the given times, in milliseconds;
    /// `offset` is `None` where there is none.
    pub async fn offsets_for_times(
        &self,
        times: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ConsumeError> {
        if times.values().any(|time| *time < 0) {
            return Err(illegal("the target time cannot be negative"));
        }
        let specs = times.iter().map(|(p, time)| (p.clone(), OffsetSpec::Timestamp(*time)));
        self.list(specs.collect()).await
    }

    /// The offsets of the first records that are still there.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumeError> {
        self.ends(partitions, OffsetSpec::Earliest).await
    }

    /// The offsets after the last records that this consumer may see.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumeError> {
        self.ends(partitions, OffsetSpec::Latest).await
    }

    async fn ends(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumeError> {
        let specs = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let listed = self.list(specs).await?.into_iter();
        Ok(listed.filter_map(|(p, listed)| Some((p, listed.offset?))).collect())
    }

    async fn list(
        &self,
        specs: BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ConsumeError> {
        let isolation = self.shared.config.fetch.isolation;
        let listed = self.shared.cluster.list_offsets(specs, isolation).await;
        let listed = listed.into_iter().map(|(p, result)| Ok((p, result?)));
        listed.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use protocol::record::{BatchBuilder, BatchOptions, RecordBatch};

    use super::super::ConsumerConfig;
    use super::super::fetch::{Chunk, Entry};
    use super::super::records::FetchedBatch;
    use super::*;
    use crate::config::ClientConfig;

    /// One record at offset 0, then the marker of a transaction.
    fn committed(partition: &TopicPartition) -> VecDeque<Chunk> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(0, None, Some(b"v"), &[]);
        let batch = RecordBatch::parse(&builder.finish()).unwrap();
        let batch = FetchedBatch::new(partition, batch, 0);
        let entry = |next_offset, batch| Entry { next_offset, leader_epoch: 0, batch };
        let entries = [entry(1, Some(batch)), entry(2, None)].into();
        [Chunk { entries, high_watermark: 2, last_stable_offset: 2, error: None }].into()
    }

    #[tokio::test]
    async fn the_end_is_reached_though_a_marker_stands_before_it() {
        let mut config = ConsumerConfig::new(ClientConfig::tcp("127.0.0.1:1"));
        config.max_poll_records = 1;
        let mut consumer = Consumer::new(config).unwrap();
        let partition = TopicPartition::new("t", 0);
        consumer.assign([partition.clone()]).unwrap();
        consumer.seek(&partition, 0).unwrap();
        consumer.shared.state().get(&partition).unwrap().chunks = committed(&partition);
        let mut read = Vec::new();
        let ends = [(partition, 2)].into();
        consumer.read_to(&ends, |record| read.push(record.offset)).await.unwrap();
        assert_eq!(read, [0]);
    }
}
