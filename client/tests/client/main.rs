//! The client against a real broker: by default one in this process, over a pipe and over TCP;
//! with `YEOUL_TEST_BOOTSTRAP=host:port` any Kafka cluster instead.
//!
//! Each story is run once per transport.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod admin;
mod consume;
mod faults;
mod groups;
mod produce;
mod restart;
mod target;

/// Makes a test of each story and transport.
macro_rules! stories {
    ($($module:ident: $($story:ident)+;)+) => {
        mod over_memory {
            use crate::target::Transport;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    crate::target::check(Transport::Memory, crate::$module::$story).await;
                }
            )+)+
        }
        mod over_tcp {
            use crate::target::Transport;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    crate::target::check(Transport::Tcp, crate::$module::$story).await;
                }
            )+)+
        }
    };
}

stories! {
    admin:
        topics_are_created_described_grown_and_deleted
        configurations_are_read_and_changed
        records_are_deleted_and_offsets_listed
        groups_are_listed_described_and_their_offsets_changed
        the_cluster_describes_itself
        every_kind_of_call_can_be_spawned;
    produce:
        every_codec_brings_records_back_as_they_were_sent
        keys_go_where_every_kafka_client_puts_them
        every_kind_of_acknowledgement_delivers
        records_of_one_batch_stay_in_one_batch
        a_batch_that_is_too_large_is_split
        what_cannot_be_sent_is_refused_at_once
        close_delivers_what_was_sent_before
        whoever_observes_knows_all_once_it_is_flushed;
    consume:
        positions_are_sought_and_found
        a_paused_partition_shows_nothing
        the_reset_policy_says_where_to_start
        a_poll_ends_with_the_batch_that_is_enough
        a_reset_happens_when_the_position_is_gone;
    groups:
        committed_offsets_are_where_the_next_member_goes_on
        two_members_share_and_the_last_one_takes_all
        a_cooperative_group_revokes_only_what_moves
        round_robin_and_sticky_assign_everything
        a_static_member_comes_back_to_its_partitions
        a_pattern_follows_new_topics
        a_member_that_does_not_poll_is_put_out
        a_subscription_may_change_while_the_group_is_being_joined
        no_commit_goes_back_to_an_older_position;
    faults:
        no_record_is_lost_or_doubled_when_connections_break
        a_consumer_goes_on_when_connections_break
        a_producer_ends_whose_broker_reads_nothing_any_more
        a_consumer_and_an_admin_end_whose_broker_reads_nothing_any_more;
}
