//! System tests against a real media driver and real processes, and what they share.
