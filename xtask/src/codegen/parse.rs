//! From XML to [`Schema`]: messages, blocks, groups and strings, with every offset computed and
//! checked.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use super::schema::{Data, Field, FieldKind, Group, Members, Message, Nulls, Schema};
use super::types::{Type, Types};
use super::xml::{Attributes, Source};

/// Messages with this `semanticType` lie in shared memory without a message header.
const SHARED_MEMORY: &str = "SharedMemory";

/// Understands the schema in `text`, or says what it does not understand, with `file` and line.
pub(crate) fn parse(module: &str, file: &str, text: &str) -> Result<Schema> {
    let document = Document::parse(text).with_context(|| format!("{file}: not well-formed"))?;
    let source = Source {
        file,
        document: &document,
    };
    let root = document.root_element();
    if root.tag_name().name() != "messageSchema" {
        return Err(source.error(root, "expected <sbe:messageSchema>"));
    }
    let attributes = source.attributes(
        root,
        &["package", "id", "version", "byteOrder", "description"],
        &["semanticVersion"],
    )?;
    source.expect(root, &attributes, "byteOrder", "littleEndian")?;
    let children = source.children(root, &["types", "message"])?;
    let Some((types, messages)) = children.split_first() else {
        return Err(source.error(root, "expected <types>"));
    };
    if types.tag_name().name() != "types" {
        return Err(source.error(*types, "expected <types> first"));
    }
    let types = Types::parse(&source, *types)?;
    let parser = Parser { source, types };
    let messages = parser.messages(messages)?;
    Ok(Schema {
        module: module.to_owned(),
        id: source.required_number(root, &attributes, "id")?,
        version: source.required_number(root, &attributes, "version")?,
        package: attributes.required("package")?.to_owned(),
        description: attributes.required("description")?.to_owned(),
        enums: parser.types.enums,
        messages,
    })
}

struct Parser<'d, 'i> {
    source: Source<'d, 'i>,
    types: Types,
}

impl Parser<'_, '_> {
    fn messages(&self, nodes: &[Node<'_, '_>]) -> Result<Vec<Message>> {
        let mut seen = Unique::default();
        let mut messages = Vec::new();
        for node in nodes {
            if node.tag_name().name() != "message" {
                return Err(self.source.error(*node, "only one <types> is understood"));
            }
            let message = self.message(*node)?;
            seen.add(&self.source, *node, &message.name, message.id)?;
            messages.push(message);
        }
        Ok(messages)
    }

    fn message(&self, node: Node<'_, '_>) -> Result<Message> {
        let attributes = self.source.attributes(
            node,
            &["name", "id", "description"],
            &["blockLength", "semanticType"],
        )?;
        self.source
            .expect(node, &attributes, "semanticType", SHARED_MEMORY)?;
        let shared_memory = attributes.get("semanticType").is_some();
        let (members, irregular) = self.members(node, &attributes)?;
        if irregular {
            return Err(self
                .source
                .error(node, "a field of variable length needs a group"));
        }
        if shared_memory && !members.is_fixed() {
            return Err(self
                .source
                .error(node, "a structure in shared memory has a fixed size"));
        }
        Ok(Message {
            name: attributes.required("name")?.to_owned(),
            id: self.source.required_number(node, &attributes, "id")?,
            description: attributes.required("description")?.to_owned(),
            shared_memory,
            members,
        })
    }

    /// The members of a message or group, and whether the group is irregular.
    fn members(&self, node: Node<'_, '_>, attributes: &Attributes<'_>) -> Result<(Members, bool)> {
        let mut members = Members {
            block_len: 0,
            fields: Vec::new(),
            groups: Vec::new(),
            data: Vec::new(),
        };
        let mut irregular = false;
        let mut end = 0;
        let mut seen = Unique::default();
        for child in self.source.children(node, &["field", "group", "data"])? {
            let member = self.source.attributes(
                child,
                &["name", "id", "description"],
                match child.tag_name().name() {
                    "field" => &["type", "presence", "nullValue", "offset"],
                    "group" => &["dimensionType", "blockLength"],
                    _ => &["type"],
                },
            )?;
            let id = self.source.required_number(child, &member, "id")?;
            seen.add(&self.source, child, member.required("name")?, id)?;
            if irregular {
                return Err(self
                    .source
                    .error(child, "nothing may follow a variable field"));
            }
            match child.tag_name().name() {
                "data" => members.data.push(self.data(child, &member)?),
                _ if !members.data.is_empty() => {
                    return Err(self
                        .source
                        .error(child, "fields and groups come before data"));
                }
                "group" => members.groups.push(self.group(child, &member)?),
                _ if !members.groups.is_empty() => {
                    return Err(self.source.error(child, "fields come before groups"));
                }
                _ if self.is_var_data(&member) => {
                    if !members.fields.is_empty() {
                        return Err(self
                            .source
                            .error(child, "a variable field must be the only member"));
                    }
                    members.data.push(self.data(child, &member)?);
                    irregular = true;
                }
                _ => {
                    let field = self.field(child, &member, end)?;
                    end = field.offset + field.kind.size();
                    members.fields.push(field);
                }
            }
        }
        let declared: Option<usize> = self.source.number(node, attributes, "blockLength")?;
        let block_len = declared.unwrap_or(end);
        if block_len < end {
            let message = format!("blockLength {block_len} is less than its fields take: {end}");
            return Err(self.source.error(node, message));
        }
        members.block_len = u16::try_from(block_len).map_err(|_| {
            self.source
                .error(node, "the block is longer than 65535 bytes")
        })?;
        if members.min_len() == 0 {
            return Err(self
                .source
                .error(node, "empty messages and groups are not understood"));
        }
        Ok((members, irregular))
    }

    fn is_var_data(&self, field: &Attributes<'_>) -> bool {
        field
            .get("type")
            .and_then(|name| self.types.get(name))
            .is_some_and(|found| matches!(found, Type::VarData { .. }))
    }

    fn resolve(&self, node: Node<'_, '_>, member: &Attributes<'_>, name: &str) -> Result<Type> {
        let type_name = member
            .get(name)
            .ok_or_else(|| self.source.error(node, format!("`{name}` is needed here")))?;
        self.types.get(type_name).ok_or_else(|| {
            self.source
                .error(node, format!("type `{type_name}` is not declared"))
        })
    }

    fn field(&self, node: Node<'_, '_>, member: &Attributes<'_>, end: usize) -> Result<Field> {
        self.source.children(node, &[])?;
        let offset = self.source.number(node, member, "offset")?.unwrap_or(end);
        if offset < end {
            let message = format!("offset {offset} overlaps the field before, which ends at {end}");
            return Err(self.source.error(node, message));
        }
        let kind = match self.resolve(node, member, "type")? {
            Type::Number(repr) => FieldKind::Number {
                repr,
                nulls: self.nulls(node, member, repr)?,
            },
            Type::Enum(of) => {
                let nulls = self.nulls(node, member, of.repr)?;
                if of.values.iter().any(|value| nulls.contains(&value.value)) {
                    return Err(self
                        .source
                        .error(node, "the null value is a value of the enum"));
                }
                FieldKind::Enum { of, nulls }
            }
            Type::Array { repr, len } => {
                self.plain(node, member)?;
                FieldKind::Array { repr, len }
            }
            Type::Constant { repr, value } => {
                self.plain(node, member)?;
                FieldKind::Constant { repr, value }
            }
            Type::VarData { .. } | Type::GroupSize => {
                return Err(self
                    .source
                    .error(node, "this type is not understood on a field"));
            }
        };
        Ok(Field {
            name: member.required("name")?.to_owned(),
            description: member.required("description")?.to_owned(),
            offset,
            kind,
        })
    }

    /// Fails when the field is declared as optional.
    fn plain(&self, node: Node<'_, '_>, member: &Attributes<'_>) -> Result<()> {
        if member.get("presence").is_some() || member.get("nullValue").is_some() {
            return Err(self
                .source
                .error(node, "only numbers and enumerations can be optional"));
        }
        Ok(())
    }

    fn nulls(
        &self,
        node: Node<'_, '_>,
        member: &Attributes<'_>,
        repr: super::schema::Primitive,
    ) -> Result<Nulls> {
        let declared: Option<i128> = self.source.number(node, member, "nullValue")?;
        match (member.get("presence"), declared) {
            (None | Some("required"), None) => Ok(Vec::new()),
            (Some("optional"), None) => Ok(vec![repr.null()]),
            (Some("optional"), Some(null)) if repr.contains(null) => {
                let mut nulls = vec![null];
                if null != repr.null() {
                    nulls.push(repr.null());
                }
                Ok(nulls)
            }
            _ => Err(self
                .source
                .error(node, "this presence and null value are not understood")),
        }
    }

    fn group(&self, node: Node<'_, '_>, member: &Attributes<'_>) -> Result<Group> {
        if !matches!(
            self.resolve(node, member, "dimensionType")?,
            Type::GroupSize
        ) {
            return Err(self
                .source
                .error(node, "this dimension type is not understood"));
        }
        let (members, irregular) = self.members(node, member)?;
        Ok(Group {
            name: member.required("name")?.to_owned(),
            description: member.required("description")?.to_owned(),
            members,
            irregular,
        })
    }

    fn data(&self, node: Node<'_, '_>, member: &Attributes<'_>) -> Result<Data> {
        self.source.children(node, &[])?;
        for name in ["presence", "nullValue", "offset"] {
            if member.get(name).is_some() {
                return Err(self
                    .source
                    .error(node, format!("`{name}` is not understood here")));
            }
        }
        match self.resolve(node, member, "type")? {
            Type::VarData { max_len } => Ok(Data {
                name: member.required("name")?.to_owned(),
                description: member.required("description")?.to_owned(),
                max_len,
            }),
            _ => Err(self
                .source
                .error(node, "this type is not understood on data")),
        }
    }
}

/// Names and ids that may occur once.
#[derive(Default)]
struct Unique {
    names: BTreeSet<String>,
    ids: BTreeSet<u16>,
}

impl Unique {
    fn add(
        &mut self,
        source: &Source<'_, '_>,
        node: Node<'_, '_>,
        name: &str,
        id: u16,
    ) -> Result<()> {
        if !self.names.insert(name.to_owned()) {
            return Err(source.error(node, format!("the name `{name}` is used twice")));
        }
        if !self.ids.insert(id) {
            return Err(source.error(node, format!("the id {id} is used twice")));
        }
        Ok(())
    }
}
