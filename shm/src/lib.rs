//! Shared-memory regions, seqlock slots and payload pools of the tensor pool protocol.
