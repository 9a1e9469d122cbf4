//! The codecs against bytes written out by hand, against each other, and against garbage.
//!
//! `golden_*` holds, for every message, its bytes as the published tables say, in hexadecimal with a
//! remark per field: nothing there comes from the generator. All other modules start from those bytes
//! or from random values.

mod cases;
mod golden_driver;
mod golden_services;
mod golden_shared_memory;
mod golden_wire;
mod hostile;
mod mixed_streams;
mod noise;
mod nulls;
mod round_trip;
mod spec_enums;
mod spec_framing;
mod support;
