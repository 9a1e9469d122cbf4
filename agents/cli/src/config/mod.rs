//! The configuration: what can be set, what holds when nothing is set, and what is said when it is
//! wrong.
//!
//! Keys are the canonical ones of the driver's TOML file. In order of precedence: flags,
//! environment, file, defaults. Nothing here acts on a setting.

mod diagnostic;
mod document;
mod environment;
mod generate;
mod load;
mod profiles;
mod range;
mod sections;
mod settings;
mod shared_streams;
mod show;
mod supervisor;
mod validate;
mod values;

#[cfg(test)]
mod tests;

pub use diagnostic::{ConfigError, Diagnostic, Severity};
pub use environment::{Environment, Override};
pub use generate::default_config_text;
pub use load::{ConfigRequest, LoadedConfig, load, parse};
pub use range::IdRange;
pub use settings::{
    DEFAULT_CHANNEL, DEFAULT_STREAM_ID, DriverSettings, Endpoint, EndpointSettings, PolicySettings,
    PoolSettings, ProfileSettings, ShmSettings, StreamSettings,
};
pub use show::{Entry, Origin, as_json, as_toml, entries, is_secret};
pub use supervisor::{PerConsumerSettings, SupervisorSettings};
