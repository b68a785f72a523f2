//! Kafka's metadata quorum (KRaft: KIP-595, KIP-630, KIP-853, KIP-996) as a pure machine: an event
//! comes in, actions come out. It reads no clock, touches no disk, opens no socket and draws no
//! random number; whoever drives it does all of that.
