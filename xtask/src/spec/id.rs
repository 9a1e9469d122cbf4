//! Requirement ids, `[TP-<AREA>-<NNNN>]`, wherever they stand; and the keywords of RFC 2119.

use std::fmt;

use anyhow::{Result, bail};

/// The areas a requirement can belong to, in the order reports list them.
pub(super) const AREAS: [&str; 13] = [
    "RT", "SHM", "SEC", "WIRE", "DRV", "CLI", "DISC", "BRG", "RATE", "JOIN", "TRACE", "REC", "CTRL",
];

/// What every id starts with.
const PREFIX: &str = "TP-";

/// A well-formed id of a known area, without its brackets: `TP-SHM-0410`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(String);

impl Id {
    /// Reads what stands between the brackets.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let parts = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'));
        let Some((area, number)) = parts else {
            bail!("{text} is no id: expected TP-<AREA>-<NNNN>");
        };
        if !AREAS.contains(&area) {
            bail!(
                "{text}: unknown area {area}, expected one of {}",
                AREAS.join(", ")
            );
        }
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("{text}: expected four digits, found {number}");
        }
        Ok(Self(text.to_owned()))
    }

    /// `SHM` of `TP-SHM-0410`.
    pub(super) fn area(&self) -> &str {
        self.0[PREFIX.len()..]
            .split_once('-')
            .map_or("", |(area, _)| area)
    }

    /// The anchor a requirement has in its document.
    pub(super) fn anchor(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything in `text` that is written like an id in brackets, well-formed or not.
pub(super) fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    let looks_like_an_id = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.match_indices("[TP-").filter_map(move |(start, _)| {
        let rest = &text[start + 1..];
        let id = &rest[..rest.find(']')?];
        looks_like_an_id(id).then_some(id)
    })
}

/// How binding a requirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keyword {
    Must,
    MustNot,
    Should,
    ShouldNot,
    May,
}

impl Keyword {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
        }
    }

    /// Whether it needs a test of its own.
    pub(super) const fn is_absolute(self) -> bool {
        matches!(self, Self::Must | Self::MustNot)
    }
}

/// The normative keywords of `prose` in order; an `Err` is one this specification does not use.
///
/// What stands in backquotes is code and says nothing.
pub(super) fn keywords_in(prose: &str) -> Vec<Result<Keyword, String>> {
    let plain: String = prose.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let negated = |index: usize| words.get(index + 1) == Some(&"NOT");
    let keyword = |(index, word): (usize, &&str)| match *word {
        "MUST" if negated(index) => Some(Ok(Keyword::MustNot)),
        "MUST" => Some(Ok(Keyword::Must)),
        "SHOULD" if negated(index) => Some(Ok(Keyword::ShouldNot)),
        "SHOULD" => Some(Ok(Keyword::Should)),
        "MAY" => Some(Ok(Keyword::May)),
        "SHALL" | "REQUIRED" | "RECOMMENDED" | "OPTIONAL" => Some(Err((*word).to_owned())),
        _ => None,
    };
    words.iter().enumerate().filter_map(keyword).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_a_known_area_and_four_digits() {
        let id = Id::parse("TP-SHM-0410").unwrap();
        assert_eq!((id.area(), id.anchor().as_str()), ("SHM", "tp-shm-0410"));
        let message = |text: &str| Id::parse(text).unwrap_err().to_string();
        assert!(message("TP-SHN-0410").contains("unknown area SHN"));
        assert!(message("TP-SHM-410").contains("expected four digits"));
        assert!(message("TP-SHM-04x0").contains("expected four digits"));
        assert!(message("TP-SHM").contains("no id"));
    }

    #[test]
    fn ids_are_found_in_brackets_only_and_placeholders_are_not_ids() {
        let text = "[TP-RT-0010] and [TP-X-1], TP-RT-0020, [TP-<AREA>-<NNNN>]";
        assert_eq!(ids_in(text).collect::<Vec<_>>(), ["TP-RT-0010", "TP-X-1"]);
    }

    #[test]
    fn keywords_are_whole_capital_words_outside_of_code() {
        let found = keywords_in("It MUST NOT, must, MUSTER, `MAY`; it SHOULD and SHALL.");
        let expected = [
            Ok(Keyword::MustNot),
            Ok(Keyword::Should),
            Err("SHALL".to_owned()),
        ];
        assert_eq!(found, expected);
    }
}
