//! The parsed file with overrides laid over it: looks up keys, and remembers what was never looked
//! up.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Severity};
use super::environment::{Override, nearest};
use super::values::{Given, describe};

/// Tables that other programs, or other roles of this one, keep in the same file.
const OTHER_TABLES: &[&str] = &[
    "bridge",
    "mappings",
    "rate_limiter",
    "discovery",
    "client",
    "recorder",
];

const TABLES: &[&str] = &[
    "driver",
    "shm",
    "policies",
    "supervisor",
    "profiles",
    "streams",
];

pub(super) struct Document<'a> {
    pub(super) root: &'a DeTable<'a>,
    pub(super) overrides: &'a [Override],
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> Document<'a> {
    pub(super) fn new(root: &'a DeTable<'a>, overrides: &'a [Override]) -> Self {
        let mut document = Self {
            root,
            overrides,
            diagnostics: Vec::new(),
        };
        document.check_root();
        document
    }

    fn check_root(&mut self) {
        for (key, value) in self.root {
            let name = key.get_ref().as_ref();
            if OTHER_TABLES.contains(&name) {
                let title = format!("`{name}` belongs to another role and is not used here");
                let notice = Diagnostic::new(Severity::Notice, title);
                self.diagnostics
                    .push(notice.at(Some(key.span()), "not used by this role"));
            } else if !TABLES.contains(&name) {
                self.unknown_key("", name, key.span(), TABLES);
            } else if !value.get_ref().is_table() {
                let found = describe(value.get_ref());
                let error = Diagnostic::error(format!("`{name}` is not a table"));
                let label = format!("expected a table such as [{name}], found {found}");
                self.diagnostics.push(error.at(Some(value.span()), label));
            }
        }
    }

    /// A table at the root of the file.
    pub(super) fn table(&self, name: &str) -> Option<&'a DeTable<'a>> {
        self.root.get(name)?.get_ref().as_table()
    }

    /// Warns of keys in `table` that are not `known`; `path` is the table's own name.
    pub(super) fn check_keys(&mut self, path: &str, table: &'a DeTable<'a>, known: &[&str]) {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                self.unknown_key(path, name, key.span(), known);
            }
        }
    }

    fn unknown_key(&mut self, path: &str, name: &str, span: Range<usize>, known: &[&str]) {
        let dot = if path.is_empty() { "" } else { "." };
        let warning = Diagnostic::warning(format!("unknown key `{path}{dot}{name}`"));
        let warning = warning.at(Some(span), "ignored");
        self.diagnostics
            .push(match nearest(name, known.iter().copied()) {
                Some(meant) => warning.help(format!("did you mean `{meant}`?")),
                None => warning.help(format!("known keys here: {}", known.join(", "))),
            });
    }

    /// The value of an overridable key such as `driver.control_stream_id`: from outside, else from
    /// the file.
    pub(super) fn given(&self, key: &str) -> Option<Given<'a>> {
        if let Some(found) = self.overrides.iter().find(|found| found.key == key) {
            return Some(Given::Outside(&found.origin, &found.value));
        }
        let (table, name) = key.split_once('.')?;
        self.table(table)?.get(name).map(Given::File)
    }

    /// Reads an overridable key; an error is noted, and the value left as it was.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        value: &mut T,
        read: impl FnOnce(Given<'a>) -> Result<T, Diagnostic>,
    ) {
        match self.given(key).map(read) {
            None => {}
            Some(Ok(read)) => *value = read,
            Some(Err(diagnostic)) => self.diagnostics.push(diagnostic),
        }
    }

    /// Like [`read`](Self::read) for a value in the file only.
    pub(super) fn keep<T>(&mut self, value: &mut T, read: Result<T, Diagnostic>) {
        match read {
            Ok(read) => *value = read,
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }
}

/// The named sub-tables of `[profiles]` or `[streams]`, in the order of their names.
pub(super) fn named_tables<'a>(
    document: &mut Document<'a>,
    path: &str,
) -> Vec<(&'a str, Range<usize>, &'a DeTable<'a>)> {
    let Some(parent) = document.table(path) else {
        return Vec::new();
    };
    let mut tables = Vec::new();
    for (key, value) in parent {
        let name: &'a str = key.get_ref();
        match value.get_ref() {
            DeValue::Table(table) => tables.push((name, key.span(), table)),
            other => {
                let found = describe(other);
                let error = Diagnostic::error(format!("`{path}.{name}` is not a table"));
                let label = format!("expected a table [{path}.{name}], found {found}");
                document
                    .diagnostics
                    .push(error.at(Some(value.span()), label));
            }
        }
    }
    tables
}

/// The value of `name` in a table, if it is there.
pub(super) fn in_file<'a>(table: &'a DeTable<'a>, name: &str) -> Option<Given<'a>> {
    let value: &'a Spanned<DeValue<'a>> = table.get(name)?;
    Some(Given::File(value))
}
