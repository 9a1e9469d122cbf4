//! The `<types>` of a schema: the framing composites, which must be exactly the protocol's, and
//! named types.

use std::collections::BTreeMap;

use anyhow::Result;
use roxmltree::Node;

use super::schema::{Enum, EnumValue, Primitive};
use super::xml::{Attributes, Source};

/// What a type name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    Number(Primitive),
    Array {
        repr: Primitive,
        len: usize,
    },
    Constant {
        repr: Primitive,
        value: i128,
    },
    Enum(Enum),
    /// A composite of a length and as many bytes.
    VarData {
        max_len: u32,
    },
    /// The dimensions of a group.
    GroupSize,
}

/// All types a schema may name, primitives included.
pub(crate) struct Types {
    by_name: BTreeMap<String, Type>,
    /// In order of declaration.
    pub(crate) enums: Vec<Enum>,
}

impl Types {
    pub(crate) fn get(&self, name: &str) -> Option<Type> {
        Primitive::parse(name)
            .map(Type::Number)
            .or_else(|| self.by_name.get(name).cloned())
    }

    /// Reads the `<types>` element.
    pub(crate) fn parse(source: &Source<'_, '_>, types: Node<'_, '_>) -> Result<Self> {
        source.attributes(types, &[], &[])?;
        let mut all = Self {
            by_name: BTreeMap::new(),
            enums: Vec::new(),
        };
        let mut header_seen = false;
        for node in source.children(types, &["composite", "type", "enum"])? {
            let (name, parsed) = match node.tag_name().name() {
                "composite" => match parse_composite(source, node)? {
                    Some(composite) => composite,
                    None => {
                        header_seen = true;
                        continue;
                    }
                },
                "enum" => {
                    let parsed = parse_enum(source, node)?;
                    all.enums.push(parsed.clone());
                    (parsed.name.clone(), Type::Enum(parsed))
                }
                _ => parse_type(source, node)?,
            };
            if Primitive::parse(&name).is_some() || all.by_name.contains_key(&name) {
                return Err(source.error(node, format!("type `{name}` is declared twice")));
            }
            all.by_name.insert(name, parsed);
        }
        if !header_seen {
            return Err(source.error(types, "the composite `messageHeader` is missing"));
        }
        Ok(all)
    }
}

fn primitive(
    source: &Source<'_, '_>,
    node: Node<'_, '_>,
    attributes: &Attributes<'_>,
    name: &str,
) -> Result<Primitive> {
    let text = attributes.required(name)?;
    Primitive::parse(text)
        .ok_or_else(|| source.error(node, format!("primitive type `{text}` is not understood")))
}

/// `None` for the message header.
fn parse_composite(source: &Source<'_, '_>, node: Node<'_, '_>) -> Result<Option<(String, Type)>> {
    let name = source
        .attributes(node, &["name"], &["description"])?
        .required("name")?
        .to_owned();
    let mut members = Vec::new();
    for child in source.children(node, &["type"])? {
        let attributes = source.attributes(
            child,
            &["name", "primitiveType"],
            &["length", "maxValue", "characterEncoding", "description"],
        )?;
        source.expect(child, &attributes, "characterEncoding", "US-ASCII")?;
        members.push(Member {
            name: attributes.required("name")?.to_owned(),
            repr: primitive(source, child, &attributes, "primitiveType")?,
            length: source.number(child, &attributes, "length")?,
            max: source.number(child, &attributes, "maxValue")?,
        });
    }
    let plain: Vec<_> = members
        .iter()
        .map(|member| (member.name.as_str(), member.repr, member.length))
        .collect();
    let max = members.first().and_then(|member| member.max);
    let only_first_has_max = members.iter().skip(1).all(|member| member.max.is_none());
    let parsed = match plain.as_slice() {
        [
            ("blockLength", Primitive::U16, None),
            ("templateId", Primitive::U16, None),
            ("schemaId", Primitive::U16, None),
            ("version", Primitive::U16, None),
        ] if name == "messageHeader" && max.is_none() => None,
        [
            ("blockLength", Primitive::U16, None),
            ("numInGroup", Primitive::U16, None),
        ] if max.is_none() => Some(Type::GroupSize),
        [
            ("length", Primitive::U32, None),
            ("varData", Primitive::U8, Some(0)),
        ] => Some(Type::VarData {
            max_len: max.unwrap_or(u32::MAX),
        }),
        _ => return Err(source.error(node, format!("composite `{name}` is not understood"))),
    };
    if !only_first_has_max {
        return Err(source.error(node, "`maxValue` is only understood on a length"));
    }
    Ok(parsed.map(|parsed| (name, parsed)))
}

struct Member {
    name: String,
    repr: Primitive,
    length: Option<usize>,
    max: Option<u32>,
}

fn parse_type(source: &Source<'_, '_>, node: Node<'_, '_>) -> Result<(String, Type)> {
    let attributes = source.attributes(
        node,
        &["name", "primitiveType"],
        &["length", "presence", "description"],
    )?;
    let name = attributes.required("name")?.to_owned();
    let repr = primitive(source, node, &attributes, "primitiveType")?;
    let len: Option<usize> = source.number(node, &attributes, "length")?;
    let parsed = match (attributes.get("presence"), len) {
        (Some("constant"), None) => {
            let value: i128 = source.content(node)?;
            if !repr.contains(value) {
                return Err(source.error(node, format!("{value} is no {}", repr.rust())));
            }
            return Ok((name, Type::Constant { repr, value }));
        }
        (None | Some("required"), None) => Type::Number(repr),
        (None | Some("required"), Some(len)) if len > 0 => Type::Array { repr, len },
        _ => return Err(source.error(node, "this presence and length are not understood")),
    };
    source.children(node, &[])?;
    Ok((name, parsed))
}

fn parse_enum(source: &Source<'_, '_>, node: Node<'_, '_>) -> Result<Enum> {
    let attributes = source.attributes(node, &["name", "encodingType", "description"], &[])?;
    let repr = primitive(source, node, &attributes, "encodingType")?;
    let mut values: Vec<EnumValue> = Vec::new();
    for child in source.children(node, &["validValue"])? {
        let value_attributes = source.attributes(child, &["name", "description"], &[])?;
        let value = EnumValue {
            name: value_attributes.required("name")?.to_owned(),
            value: source.content(child)?,
            description: value_attributes.required("description")?.to_owned(),
        };
        if !repr.contains(value.value) || value.value == repr.null() {
            return Err(source.error(child, format!("{} is no valid value here", value.value)));
        }
        if values
            .iter()
            .any(|other| other.name == value.name || other.value == value.value)
        {
            return Err(source.error(child, format!("`{}` repeats a name or value", value.name)));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(source.error(node, "an enumeration needs values"));
    }
    Ok(Enum {
        name: attributes.required("name")?.to_owned(),
        repr,
        description: attributes.required("description")?.to_owned(),
        values,
    })
}
