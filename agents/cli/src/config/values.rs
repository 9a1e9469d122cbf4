//! One value, from the file or from outside it, read as the type a key wants.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::range::IdRange;

/// A value and where it is from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    /// From the file.
    File(&'a Spanned<DeValue<'a>>),
    /// From a variable or a flag: who set it, and the text.
    Outside(&'a str, &'a str),
}

impl<'a> Given<'a> {
    fn found(self) -> String {
        match self {
            Self::File(value) => describe(value.get_ref()),
            Self::Outside(_, text) => format!("\"{text}\""),
        }
    }

    /// An error about this value: `key` is not what was `expected`.
    pub(super) fn wrong(self, key: &str, expected: &str) -> Diagnostic {
        let found = self.found();
        match self {
            Self::File(value) => Diagnostic::error(format!("wrong value for `{key}`")).at(
                Some(value.span()),
                format!("expected {expected}, found {found}"),
            ),
            Self::Outside(origin, _) => Diagnostic::error(format!(
                "wrong value for `{key}` from {origin}: expected {expected}, found {found}"
            ))
            .help(format!("correct or remove {origin}")),
        }
    }

    /// A warning or error about this value that is right in itself.
    pub(super) fn about(self, diagnostic: Diagnostic, label: &str) -> Diagnostic {
        match self {
            Self::File(value) => diagnostic.at(Some(value.span()), label),
            Self::Outside(origin, text) => {
                let title = format!("{} ({label}; {origin}={text})", diagnostic.title);
                Diagnostic {
                    title,
                    ..diagnostic
                }
            }
        }
    }

    pub(super) fn text(self, key: &str) -> Result<&'a str, Diagnostic> {
        match self {
            Self::File(value) => value
                .get_ref()
                .as_str()
                .ok_or_else(|| self.wrong(key, "a string")),
            Self::Outside(_, text) => Ok(text),
        }
    }

    pub(super) fn boolean(self, key: &str) -> Result<bool, Diagnostic> {
        let value = match self {
            Self::File(value) => value.get_ref().as_bool(),
            Self::Outside(_, text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            },
        };
        value.ok_or_else(|| self.wrong(key, "true or false"))
    }

    pub(super) fn integer(
        self,
        key: &str,
        allowed: RangeInclusive<u64>,
        what: &str,
    ) -> Result<u64, Diagnostic> {
        let value = match self {
            Self::File(value) => integer_of(value.get_ref()),
            Self::Outside(_, text) => text.trim().parse().ok(),
        };
        value
            .filter(|value| allowed.contains(value))
            .ok_or_else(|| {
                self.wrong(
                    key,
                    &format!("{what} from {} to {}", allowed.start(), allowed.end()),
                )
            })
    }

    pub(super) fn integer_u32(
        self,
        key: &str,
        allowed: RangeInclusive<u32>,
        what: &str,
    ) -> Result<u32, Diagnostic> {
        let limits = u64::from(*allowed.start())..=u64::from(*allowed.end());
        let value = self.integer(key, limits, what)?;
        u32::try_from(value).map_err(|_| self.wrong(key, what))
    }

    /// File permissions: octal as text ("660", "0660", "0o660") or as an octal integer.
    pub(super) fn mode(self, key: &str) -> Result<u32, Diagnostic> {
        let octal = |text: &str| {
            let digits = text.trim().strip_prefix("0o").unwrap_or(text.trim());
            u32::from_str_radix(digits, 8).ok()
        };
        let mode = match self {
            Self::File(value) => match value.get_ref() {
                DeValue::String(text) => octal(text),
                DeValue::Integer(integer) if integer.radix() == 8 => octal(integer.as_str()),
                _ => None,
            },
            Self::Outside(_, text) => octal(text),
        };
        mode.filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600)
            .ok_or_else(|| {
                self.wrong(
                    key,
                    "an octal mode such as \"660\" that lets the owner read and write",
                )
            })
    }

    /// `"a-b"`, `"a,b"`, `[a, b]`, or an array of the first two.
    pub(super) fn ranges(self, key: &str) -> Result<Vec<IdRange>, Diagnostic> {
        let parsed = match self {
            Self::Outside(_, text) => IdRange::parse(text).map(|range| vec![range]),
            Self::File(value) => match value.get_ref() {
                DeValue::String(text) => IdRange::parse(text).map(|range| vec![range]),
                DeValue::Array(items) => {
                    let items: Vec<&DeValue<'_>> = items.iter().map(Spanned::get_ref).collect();
                    ranges_of_array(&items)
                }
                _ => None,
            },
        };
        let expected = "a range of ids above 0 such as \"20000-29999\", \"20000,29999\", \
                        [20000, 29999] or an array of such strings";
        parsed.ok_or_else(|| self.wrong(key, expected))
    }
}

fn ranges_of_array(items: &[&DeValue<'_>]) -> Option<Vec<IdRange>> {
    if let [first @ DeValue::Integer(_), last @ DeValue::Integer(_)] = items {
        let first = u32::try_from(integer_of(first)?).ok()?;
        let last = u32::try_from(integer_of(last)?).ok()?;
        return IdRange::new(first, last).map(|range| vec![range]);
    }
    items
        .iter()
        .map(|item| IdRange::parse(item.as_str()?))
        .collect()
}

fn integer_of(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    let digits = integer.as_str();
    u64::from_str_radix(digits.strip_prefix('+').unwrap_or(digits), integer.radix()).ok()
}

pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
