//! From the names of a schema to the names of Rust.

use proc_macro2::{Ident, Span};

/// `headerNslots` → `header_nslots`.
pub(crate) fn field(name: &str) -> Ident {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    ident(&snake)
}

/// `maxDims` → `MAX_DIMS`.
pub(crate) fn constant(name: &str) -> Ident {
    ident(&field(name).to_string().to_ascii_uppercase())
}

/// `RATE_LIMITED` → `RateLimited`.
pub(crate) fn variant(name: &str) -> Ident {
    let camel: String = name.split('_').map(capitalized_lower).collect();
    ident(&camel)
}

/// A type name as it is.
pub(crate) fn type_name(name: &str) -> Ident {
    ident(name)
}

/// `ShmPoolAnnounce` and `payloadPools` → `ShmPoolAnnouncePayloadPool`.
pub(crate) fn element(parent: &str, group: &str) -> String {
    let singular = group.strip_suffix('s').unwrap_or(group);
    let mut chars = singular.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().fold(parent.to_owned(), |mut name, c| {
        name.push(c);
        name
    }) + chars.as_str()
}

fn capitalized_lower(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first
        .into_iter()
        .chain(chars.map(|c| c.to_ascii_lowercase()))
        .collect()
}

fn ident(name: &str) -> Ident {
    match syn::parse_str(name) {
        Ok(ident) => ident,
        Err(_) => Ident::new_raw(name, Span::call_site()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rust_conventions() {
        assert_eq!(field("headerNslots").to_string(), "header_nslots");
        assert_eq!(field("type").to_string(), "r#type");
        assert_eq!(constant("maxDims").to_string(), "MAX_DIMS");
        assert_eq!(variant("RATE_LIMITED").to_string(), "RateLimited");
        assert_eq!(variant("UINT8").to_string(), "Uint8");
        assert_eq!(
            element("ShmPoolAnnounce", "payloadPools"),
            "ShmPoolAnnouncePayloadPool"
        );
    }
}
