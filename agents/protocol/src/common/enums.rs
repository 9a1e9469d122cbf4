//! Enumerations of the driver protocol (Driver Model v1.0, appendix A) and how an unknown wire
//! value is carried.

use std::fmt::{self, Write as _};

/// An enum field of a decoded message: a value we know, the schema's null, or a number from a newer
/// peer.
///
/// A core must be able to answer a request with an unknown value by an error code, so decoding
/// keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnumField<T> {
    /// A value of the schema.
    Known(T),
    /// The schema's null value (255 for `u8` enums).
    Null,
    /// A number the schema does not define.
    Unknown(u8),
}

impl<T: Copy> EnumField<T> {
    /// The known value, if it is one.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Null | Self::Unknown(_) => None,
        }
    }
}

impl<T> From<T> for EnumField<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident: $repr:ty {
        $($(#[$vdoc:meta])* $variant:ident = $value:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $value),+
        }

        impl $name {
            /// The number that goes on the wire.
            #[must_use]
            pub const fn to_wire(self) -> $repr {
                self as $repr
            }

            /// The value a wire number stands for, `None` when the schema does not define it.
            #[must_use]
            pub const fn from_wire(raw: $repr) -> Option<Self> {
                match raw {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        /// In small letters, for messages.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = match self {
                    $(Self::$variant => stringify!($variant),)+
                };
                for (index, letter) in name.char_indices() {
                    if index > 0 && letter.is_uppercase() {
                        f.write_char(' ')?;
                    }
                    f.write_char(letter.to_ascii_lowercase())?;
                }
                Ok(())
            }
        }
    };
}

/// A wire value that may be unknown to this version, for messages.
pub(crate) fn known_or<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "unknown to this version".to_owned(), T::to_string)
}

wire_enum! {
    /// What a lease allows its holder to do.
    Role: u8 {
        /// Writes frames; at most one per stream.
        Producer = 1,
        /// Reads frames.
        Consumer = 2,
    }
}

wire_enum! {
    /// Whether an attach may bring a stream into being. Null on the wire means
    /// [`PublishMode::RequireExisting`].
    PublishMode: u8 {
        /// The stream must be known to the driver.
        RequireExisting = 1,
        /// The driver may create the stream by its policy.
        ExistingOrCreate = 2,
    }
}

wire_enum! {
    /// What page size a client asks for. Null on the wire is read as
    /// [`HugepagesPolicy::Unspecified`].
    HugepagesPolicy: u8 {
        /// Whatever the driver is configured for.
        Unspecified = 0,
        /// Standard pages.
        Standard = 1,
        /// Hugepages, or the attach is rejected.
        Hugepages = 2,
    }
}

wire_enum! {
    /// How a consumer gets its frames.
    ConsumerMode: u8 {
        /// All of them.
        Stream = 1,
        /// At most so many a second.
        RateLimited = 2,
    }
}

wire_enum! {
    /// Outcome of a request.
    ResponseCode: i32 {
        /// Granted.
        Ok = 0,
        /// The request's schema version or feature is unknown to the driver.
        Unsupported = 1,
        /// A field of the request is out of its range.
        InvalidParams = 2,
        /// Well-formed, but refused by policy or state.
        Rejected = 3,
        /// The driver failed, for instance for lack of space.
        InternalError = 4,
    }
}

wire_enum! {
    /// Why a lease ended.
    LeaseRevokeReason: u8 {
        /// The client asked for it.
        Detached = 1,
        /// No keepalive arrived in time.
        Expired = 2,
        /// The driver took it back, or does not know it.
        Revoked = 3,
    }
}

wire_enum! {
    /// Why the driver goes away.
    ShutdownReason: u8 {
        /// A clean stop.
        Normal = 0,
        /// Requested by an administrator.
        Admin = 1,
        /// The driver cannot go on.
        Error = 2,
    }
}

macro_rules! from_wire_field {
    ($($name:ident),+) => {$(
        impl EnumField<$name> {
            /// Reads a wire number; 255 is the schema's null.
            #[must_use]
            pub const fn from_wire(raw: u8) -> Self {
                match ($name::from_wire(raw), raw) {
                    (Some(value), _) => Self::Known(value),
                    (None, u8::MAX) => Self::Null,
                    (None, other) => Self::Unknown(other),
                }
            }
        }
    )+};
}

from_wire_field!(
    Role,
    PublishMode,
    HugepagesPolicy,
    LeaseRevokeReason,
    ShutdownReason
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_numbers_round_trip() {
        for raw in 0..=u8::MAX {
            if let Some(role) = Role::from_wire(raw) {
                assert_eq!(role.to_wire(), raw);
            }
        }
        assert_eq!(ResponseCode::InternalError.to_wire(), 4);
        assert_eq!(ResponseCode::InternalError.to_string(), "internal error");
        assert_eq!(
            LeaseRevokeReason::from_wire(3),
            Some(LeaseRevokeReason::Revoked)
        );
    }

    #[test]
    fn null_and_unknown_are_told_apart() {
        assert_eq!(EnumField::<PublishMode>::from_wire(255), EnumField::Null);
        assert_eq!(
            EnumField::<PublishMode>::from_wire(9),
            EnumField::Unknown(9)
        );
        assert_eq!(
            EnumField::<Role>::from_wire(2).known(),
            Some(Role::Consumer)
        );
        assert_eq!(EnumField::<Role>::from_wire(0).known(), None);
    }
}
