//! Strict reading of XML: every element and attribute is either asked for or refused, with file and
//! line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use roxmltree::{Document, Node};

/// A document and the name to call it by in errors.
#[derive(Clone, Copy)]
pub(crate) struct Source<'d, 'i> {
    pub(crate) file: &'d str,
    pub(crate) document: &'d Document<'i>,
}

impl<'d, 'i> Source<'d, 'i> {
    /// An error at `node`: `file:line: message`.
    pub(crate) fn error(&self, node: Node<'_, '_>, message: impl Display) -> anyhow::Error {
        self.error_at(node.range().start, message)
    }

    fn error_at(&self, position: usize, message: impl Display) -> anyhow::Error {
        let line = self.document.text_pos_at(position).row;
        anyhow!("{}:{line}: {message}", self.file)
    }

    /// The attributes of `node`: all of `required`, any of `optional`, nothing else.
    pub(crate) fn attributes<'n>(
        &self,
        node: Node<'n, '_>,
        required: &[&str],
        optional: &[&str],
    ) -> Result<Attributes<'n>> {
        let element = node.tag_name().name();
        let mut values = BTreeMap::new();
        for attribute in node.attributes() {
            let name = attribute.name();
            let known = required.contains(&name) || optional.contains(&name);
            if !known || attribute.namespace().is_some() {
                return Err(self.error_at(
                    attribute.range().start,
                    format!("attribute `{name}` of <{element}> is not understood"),
                ));
            }
            values.insert(name.to_owned(), attribute.value());
        }
        for name in required {
            if !values.contains_key(*name) {
                return Err(self.error(node, format!("<{element}> needs the attribute `{name}`")));
            }
        }
        Ok(Attributes {
            element: element.to_owned(),
            values,
        })
    }

    /// The child elements of `node`, all of them among `allowed`; text and processing instructions
    /// are refused.
    pub(crate) fn children<'n, 'x>(
        &self,
        node: Node<'n, 'x>,
        allowed: &[&str],
    ) -> Result<Vec<Node<'n, 'x>>> {
        let mut children = Vec::new();
        for child in node.children() {
            if child.is_element() {
                let name = child.tag_name().name();
                if !allowed.contains(&name) {
                    let parent = node.tag_name().name();
                    return Err(
                        self.error(child, format!("<{name}> in <{parent}> is not understood"))
                    );
                }
                children.push(child);
            } else if child.is_pi() {
                return Err(self.error(child, "processing instructions are not understood"));
            } else if child.is_text() && !child.text().unwrap_or_default().trim().is_empty() {
                return Err(self.error(child, "text is not understood here"));
            }
        }
        Ok(children)
    }

    /// The number that is the only content of `node`.
    pub(crate) fn content<T: FromStr>(&self, node: Node<'_, '_>) -> Result<T> {
        if node.children().any(|child| child.is_element()) {
            return Err(self.error(node, "expected a number, found an element"));
        }
        let text = node.text().unwrap_or_default().trim();
        text.parse()
            .map_err(|_| self.error(node, format!("`{text}` is not a valid number here")))
    }

    /// The attribute `name` as a number.
    pub(crate) fn number<T: FromStr>(
        &self,
        node: Node<'_, '_>,
        attributes: &Attributes<'_>,
        name: &str,
    ) -> Result<Option<T>> {
        let Some(text) = attributes.get(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            self.error(
                node,
                format!("`{name}=\"{text}\"` is not a valid number here"),
            )
        })
    }

    /// The attribute `name` as a number, which must be there.
    pub(crate) fn required_number<T: FromStr>(
        &self,
        node: Node<'_, '_>,
        attributes: &Attributes<'_>,
        name: &str,
    ) -> Result<T> {
        self.number(node, attributes, name)?
            .ok_or_else(|| self.error(node, format!("`{name}` is needed here")))
    }

    /// Fails when `attribute`, if present, is not `expected`.
    pub(crate) fn expect(
        &self,
        node: Node<'_, '_>,
        attributes: &Attributes<'_>,
        name: &str,
        expected: &str,
    ) -> Result<()> {
        match attributes.get(name) {
            Some(found) if found != expected => Err(self.error(
                node,
                format!("`{name}=\"{found}\"` is not understood, only \"{expected}\" is"),
            )),
            _ => Ok(()),
        }
    }
}

/// The attributes of one element.
pub(crate) struct Attributes<'n> {
    element: String,
    values: BTreeMap<String, &'n str>,
}

impl<'n> Attributes<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&'n str> {
        self.values.get(name).copied()
    }

    /// An attribute that was declared as required.
    pub(crate) fn required(&self, name: &str) -> Result<&'n str> {
        self.get(name)
            .ok_or_else(|| anyhow!("<{}> has no attribute `{name}`", self.element))
    }
}
