//! What a leader and a follower know of a partition: events come in, actions come out.
