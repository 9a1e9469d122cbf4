//! Sans-IO cores: every protocol decision, no clock, no I/O, no unsafe.
