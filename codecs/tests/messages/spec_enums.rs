//! The numbers behind the names: fixed for ever, so written out here once more.

use tensorpool_codecs::driver::{
    HugepagesPolicy, LeaseRevokeReason, PublishMode, Role, ShutdownReason,
};
use tensorpool_codecs::wire::{
    ClockDomain, ConsumerHello, Dtype, FrameProgressState, MajorOrder, Mode, ProgressUnit,
    RegionType, ResponseCode,
};
use tensorpool_codecs::{DecodeError, driver};

use crate::golden_wire;
use crate::support::{bytes, patched};

/// Checks that exactly these numbers stand for exactly these values.
macro_rules! numbers {
    ($name:ident: $repr:ty { $($value:ident = $number:literal),+ $(,)? }) => {{
        let table: &[($name, $repr)] = &[$(($name::$value, $number)),+];
        for (value, number) in table {
            assert_eq!(value.to_wire(), *number, "{value:?}");
            assert_eq!($name::from_wire(*number), Some(*value));
        }
        assert_eq!($name::ALL.len(), table.len(), stringify!($name));
        for number in -1..=300_i64 {
            if let Ok(number) = <$repr>::try_from(number) {
                let known = table.iter().any(|(_, listed)| *listed == number);
                assert_eq!($name::from_wire(number).is_some(), known, "{number}");
            }
        }
    }};
}

/// Proves [TP-WIRE-0410].
#[test]
fn dtypes_have_their_published_numbers() {
    numbers!(Dtype: i16 {
        Unknown = 0, Uint8 = 1, Int8 = 2, Uint16 = 3, Int16 = 4, Uint32 = 5, Int32 = 6, Uint64 = 7,
        Int64 = 8, Float32 = 9, Float64 = 10, Boolean = 11, Bytes = 13, Bit = 14,
    });
}

/// Proves [TP-WIRE-0420].
#[test]
fn orders_units_and_regions_have_their_published_numbers() {
    numbers!(MajorOrder: i16 { Unknown = 0, Row = 1, Column = 2 });
    numbers!(ProgressUnit: u8 { None = 0, Rows = 1, Columns = 2 });
    numbers!(RegionType: i16 { HeaderRing = 1, PayloadPool = 2 });
}

/// Proves [TP-WIRE-0430].
#[test]
fn enumerations_of_control_messages_have_their_published_numbers() {
    numbers!(Mode: u8 { Stream = 1, RateLimited = 2 });
    numbers!(FrameProgressState: u8 { Unknown = 0, Started = 1, Progress = 2, Complete = 3 });
    numbers!(ClockDomain: u8 { Monotonic = 1, RealtimeSynced = 2 });
    numbers!(ResponseCode: i32 {
        Ok = 0, Unsupported = 1, InvalidParams = 2, Rejected = 3, InternalError = 4,
    });
}

/// Proves [TP-WIRE-0440].
#[test]
fn enumerations_of_the_driver_have_their_published_numbers() {
    use driver::ResponseCode;
    numbers!(ResponseCode: i32 {
        Ok = 0, Unsupported = 1, InvalidParams = 2, Rejected = 3, InternalError = 4,
    });
    numbers!(Role: u8 { Producer = 1, Consumer = 2 });
    numbers!(PublishMode: u8 { RequireExisting = 1, ExistingOrCreate = 2 });
    numbers!(HugepagesPolicy: u8 { Unspecified = 0, Standard = 1, Hugepages = 2 });
    numbers!(LeaseRevokeReason: u8 { Detached = 1, Expired = 2, Revoked = 3 });
    numbers!(ShutdownReason: u8 { Normal = 0, Admin = 1, Error = 2 });
}

/// Proves [TP-WIRE-0480].
#[test]
fn truth_value_is_zero_or_one_and_nothing_else() {
    let golden = bytes(golden_wire::CONSUMER_HELLO);
    for raw in 0..=u8::MAX {
        let message = patched(&golden, 8, &[raw]);
        let outcome = ConsumerHello::decode(&message).map(|hello| hello.supports_shm);
        let expected = match raw {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::UnknownEnum {
                what: "ConsumerHello.supportsShm",
                value: i64::from(other),
            }),
        };
        assert_eq!(outcome, expected);
    }
}
