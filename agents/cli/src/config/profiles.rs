//! Reads `[profiles.NAME]` and `[streams.NAME]`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::document::{Document, in_file, named_tables};
use super::settings::{
    DEFAULT_NAME, DEFAULT_STREAM_ID, DriverSettings, PoolSettings, ProfileSettings, StreamSettings,
    UNSTATED_SLOT_COUNT,
};
use super::values::Given;

const PROFILE_KEYS: &[&str] = &[
    "header_nslots",
    "payload_pools",
    "header_slot_bytes",
    "max_dims",
];
const POOL_KEYS: &[&str] = &["pool_id", "stride_bytes"];
const STREAM_KEYS: &[&str] = &["stream_id", "profile"];
const MAX_SLOT_COUNT: u32 = 1 << 24;
/// The last stride that is a multiple of 64 and fits 32 bits.
const MAX_STRIDE_BYTES: u32 = u32::MAX - 63;

/// Fills in `profiles`; the small default profile when there are none.
pub(super) fn read_profiles(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let tables = named_tables(document, "profiles");
    for (name, span, table) in tables {
        let path = format!("profiles.{name}");
        let profile = read_profile(document, settings, &path, span, table);
        settings.profiles.insert(name.to_owned(), profile);
    }
    if settings.profiles.is_empty() {
        settings
            .profiles
            .insert(DEFAULT_NAME.to_owned(), ProfileSettings::small());
    }
}

fn read_profile<'a>(
    document: &mut Document<'a>,
    settings: &DriverSettings,
    path: &str,
    span: Range<usize>,
    table: &'a DeTable<'a>,
) -> ProfileSettings {
    document.check_keys(path, table, PROFILE_KEYS);
    let mut header_nslots = UNSTATED_SLOT_COUNT;
    if let Some(given) = in_file(table, "header_nslots") {
        let key = format!("{path}.header_nslots");
        document.keep(&mut header_nslots, slot_count(given, &key));
    }
    for (name, only) in [("header_slot_bytes", 256), ("max_dims", 8)] {
        if let Some(given) = in_file(table, name) {
            let key = format!("{path}.{name}");
            let mut constant = only;
            let read = given.integer(&key, only..=only, "the protocol's constant,");
            document.keep(&mut constant, read);
        }
    }
    let mut payload_pools = Vec::new();
    match in_file(table, "payload_pools") {
        Some(Given::File(value)) => match value.get_ref() {
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}.payload_pools[{index}]");
                    payload_pools.extend(read_pool(document, settings, &path, item));
                }
                check_pools(document, path, items, &payload_pools);
            }
            _ => {
                let expected = "an array of tables with pool_id and stride_bytes";
                let key = format!("{path}.payload_pools");
                document
                    .diagnostics
                    .push(Given::File(value).wrong(&key, expected));
            }
        },
        Some(Given::Outside(..)) | None => document.diagnostics.push(
            Diagnostic::error(format!("`{path}` has no payload pools"))
                .at(Some(span), "a profile needs at least one")
                .help("add payload_pools = [{ pool_id = 1, stride_bytes = 1048576 }]"),
        ),
    }
    payload_pools.sort_by_key(|pool| (pool.stride_bytes, pool.pool_id));
    ProfileSettings {
        header_nslots,
        payload_pools,
    }
}

fn slot_count(given: Given<'_>, key: &str) -> Result<u32, Diagnostic> {
    let count = given.integer_u32(key, 2..=MAX_SLOT_COUNT, "a power of two")?;
    if count.is_power_of_two() {
        return Ok(count);
    }
    let (below, above) = (count.next_power_of_two() / 2, count.next_power_of_two());
    let help = format!("the nearest powers of two are {below} and {above}");
    Err(given.wrong(key, "a power of two").help(help))
}

fn read_pool<'a>(
    document: &mut Document<'a>,
    settings: &DriverSettings,
    path: &str,
    item: &'a Spanned<DeValue<'a>>,
) -> Option<PoolSettings> {
    let Some(table) = item.get_ref().as_table() else {
        let expected = "a table with pool_id and stride_bytes";
        document
            .diagnostics
            .push(Given::File(item).wrong(path, expected));
        return None;
    };
    document.check_keys(path, table, POOL_KEYS);
    let pool_id = required(
        document,
        path,
        item.span(),
        table,
        "pool_id",
        |given, key| given.integer_u32(key, 1..=65_534, "a pool id"),
    );
    let any_stride = settings.policies.allow_non_power_of_two_strides;
    let stride_bytes = required(
        document,
        path,
        item.span(),
        table,
        "stride_bytes",
        |given, key| stride(given, key, any_stride),
    );
    Some(PoolSettings {
        pool_id: u16::try_from(pool_id?).ok()?,
        stride_bytes: stride_bytes?,
    })
}

fn stride(given: Given<'_>, key: &str, any_stride: bool) -> Result<u32, Diagnostic> {
    let expected = "a stride in bytes that is a multiple of 64";
    let stride = given.integer_u32(key, 64..=MAX_STRIDE_BYTES, expected)?;
    if stride % 64 != 0 {
        let help = format!(
            "the next multiple of 64 is {}",
            u64::from(stride).next_multiple_of(64)
        );
        return Err(given.wrong(key, expected).help(help));
    }
    if any_stride || stride.is_power_of_two() {
        return Ok(stride);
    }
    let next = u64::from(stride).next_power_of_two();
    Err(given.wrong(key, "a stride in bytes that is a power of two").help(format!(
        "the next power of two is {next}; AeronTensorPool.jl cannot attach to other strides, which \
         policies.allow_non_power_of_two_strides = true permits"
    )))
}

fn check_pools<'a>(
    document: &mut Document<'a>,
    path: &str,
    items: &'a [Spanned<DeValue<'a>>],
    pools: &[PoolSettings],
) {
    if items.is_empty() {
        document.diagnostics.push(
            Diagnostic::error(format!("`{path}` has no payload pools"))
                .help("add payload_pools = [{ pool_id = 1, stride_bytes = 1048576 }]"),
        );
    }
    for (index, pool) in pools.iter().enumerate() {
        if pools[..index]
            .iter()
            .any(|earlier| earlier.pool_id == pool.pool_id)
        {
            let title = format!("pool id {} occurs twice in `{path}`", pool.pool_id);
            let span = items.get(index).map(Spanned::span);
            document
                .diagnostics
                .push(Diagnostic::error(title).at(span, "second time"));
        }
    }
}

/// Fills in `streams`. Without a `[streams]` table there is the default stream, unless streams are
/// dynamic.
pub(super) fn read_streams(document: &mut Document<'_>, settings: &mut DriverSettings) {
    for (name, span, table) in named_tables(document, "streams") {
        let path = format!("streams.{name}");
        document.check_keys(&path, table, STREAM_KEYS);
        let stream_id = required(
            document,
            &path,
            span.clone(),
            table,
            "stream_id",
            |given, key| given.integer_u32(key, 1..=u32::MAX - 1, "a stream id"),
        );
        let profile = required(document, &path, span, table, "profile", |given, key| {
            let name = given.text(key)?;
            let known: Vec<&str> = settings.profiles.keys().map(String::as_str).collect();
            if known.contains(&name) {
                return Ok(name.to_owned());
            }
            let expected = format!("the name of a profile ({})", known.join(", "));
            Err(given.wrong(key, &expected))
        });
        if let (Some(stream_id), Some(profile)) = (stream_id, profile) {
            check_duplicate(document, settings, &path, stream_id, table);
            settings
                .streams
                .insert(name.to_owned(), StreamSettings { stream_id, profile });
        }
    }
    if document.table("streams").is_none() && !settings.policies.allow_dynamic_streams {
        add_default_stream(document, settings);
    }
}

fn check_duplicate(
    document: &mut Document<'_>,
    settings: &DriverSettings,
    path: &str,
    stream_id: u32,
    table: &DeTable<'_>,
) {
    let other = settings
        .streams
        .iter()
        .find(|(_, known)| known.stream_id == stream_id);
    if let Some((other, _)) = other {
        let title = format!("`{path}` and `streams.{other}` have the same stream id {stream_id}");
        let span = table.get("stream_id").map(Spanned::span);
        document
            .diagnostics
            .push(Diagnostic::error(title).at(span, "already taken"));
    }
}

fn add_default_stream(document: &mut Document<'_>, settings: &mut DriverSettings) {
    let Some(profile) = settings.policies.default_profile.clone() else {
        let names: Vec<&str> = settings.profiles.keys().map(String::as_str).collect();
        document.diagnostics.push(
            Diagnostic::error(
                "no streams, and more than one profile to choose from for the default one",
            )
            .help(format!(
                "add [streams.NAME] with stream_id and profile, or set policies.default_profile \
                     to one of {}",
                names.join(", ")
            )),
        );
        return;
    };
    let stream = StreamSettings {
        stream_id: DEFAULT_STREAM_ID,
        profile,
    };
    settings.streams.insert(DEFAULT_NAME.to_owned(), stream);
}

fn required<'a, T>(
    document: &mut Document<'a>,
    path: &str,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    name: &str,
    read: impl FnOnce(Given<'a>, &str) -> Result<T, Diagnostic>,
) -> Option<T> {
    let Some(given) = in_file(table, name) else {
        let error = Diagnostic::error(format!("`{path}` has no `{name}`"));
        document
            .diagnostics
            .push(error.at(Some(span), format!("expected `{name}` here")));
        return None;
    };
    let mut value = None;
    let read = read(given, &format!("{path}.{name}")).map(Some);
    document.keep(&mut value, read);
    value
}
