//! Cores of a client: attach and keepalive, epoch and mapping, consumer tracking, QoS pacing.
