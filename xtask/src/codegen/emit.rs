//! From [`Schema`] to the text of one Rust module: constants, templates and enumerations here,
//! messages next door.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use proc_macro2::{Literal, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::emit_message;
use super::names;
use super::schema::{Enum, Primitive, Schema};

/// The module for `schema`, not yet formatted by rustfmt.
pub(crate) fn module(schema: &Schema) -> Result<String> {
    let templates = templates(schema);
    let enums = schema
        .enums
        .iter()
        .filter(|of| !of.is_bool())
        .map(enumeration);
    let mut messages = TokenStream::new();
    for message in &schema.messages {
        messages.extend(emit_message::message(message));
    }
    let id = Literal::u16_unsuffixed(schema.id);
    let version = Literal::u16_unsuffixed(schema.version);
    let body = quote! {
        #[doc = " The schema id in every message header."]
        pub const SCHEMA_ID: u16 = #id;
        #[doc = " The schema version that is sent; any version from 1 is accepted."]
        pub const SCHEMA_VERSION: u16 = #version;
        #templates
        #(#enums)*
        #messages
    };
    let imports = imports(&body);
    let file = syn::parse2(quote! { #imports #body })
        .with_context(|| format!("generated code for {} does not parse", schema.module))?;
    let code = prettyplease::unparse(&file);
    Ok(format!("{}{}", preamble(schema), spaced(&code)))
}

fn preamble(schema: &Schema) -> String {
    let Schema {
        module,
        id,
        version,
        package,
        description,
        ..
    } = schema;
    format!(
        "// Generated from schemas/{module}.xml by `cargo xtask codegen`. Do not edit.\n\n\
         //! {description}\n//!\n//! Schema {id}, version {version}, package `{package}`.\n\n"
    )
}

/// Imports of what `body` mentions.
fn imports(body: &TokenStream) -> TokenStream {
    let mut used = BTreeSet::new();
    collect_idents(body.clone(), &mut used);
    let pick = |names: &[&str]| -> Vec<_> {
        names
            .iter()
            .filter(|name| used.contains(**name))
            .map(|name| format_ident!("{name}"))
            .collect()
    };
    let errors = pick(&["DecodeError", "EncodeError"]);
    let groups = pick(&["Element", "Group"]);
    let raw = pick(&[
        "Measure",
        "Reader",
        "Writer",
        "at",
        "bool_from_wire",
        "non_null",
        "or_null",
        "put",
    ]);
    let groups = (!groups.is_empty()).then(|| quote! { use crate::group::{#(#groups),*}; });
    quote! {
        use crate::error::{#(#errors),*};
        #groups
        use crate::header::MessageHeader;
        use crate::raw::{#(#raw),*};
    }
}

fn collect_idents(tokens: TokenStream, used: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                used.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect_idents(group.stream(), used),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The messages of the schema, as ids.
fn templates(schema: &Schema) -> TokenStream {
    let framed: Vec<_> = schema
        .messages
        .iter()
        .filter(|m| !m.shared_memory)
        .collect();
    let names: Vec<_> = framed.iter().map(|m| names::type_name(&m.name)).collect();
    let texts: Vec<_> = framed.iter().map(|m| m.name.as_str()).collect();
    let ids: Vec<_> = framed
        .iter()
        .map(|m| Literal::u16_unsuffixed(m.id))
        .collect();
    let docs: Vec<_> = framed.iter().map(|m| docs(&m.description)).collect();
    let count = Literal::usize_unsuffixed(framed.len());
    quote! {
        #[doc = " The messages of this schema that travel with a header."]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Template { #(#docs #names = #ids),* }

        impl Template {
            #[doc = " All of them, in the order of the schema."]
            pub const ALL: [Self; #count] = [#(Self::#names),*];

            #[doc = " The message with this template id, if there is one."]
            #[inline]
            #[must_use]
            pub const fn from_id(id: u16) -> Option<Self> {
                match id {
                    #(#ids => Some(Self::#names),)*
                    _ => None,
                }
            }

            #[doc = " The template id."]
            #[inline]
            #[must_use]
            pub const fn id(self) -> u16 {
                self as u16
            }

            #[doc = " The name in the schema."]
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { #(Self::#names => #texts),* }
            }
        }
    }
}

fn enumeration(of: &Enum) -> TokenStream {
    let name = names::type_name(&of.name);
    let doc = docs(&of.description);
    let repr = format_ident!("{}", of.repr.rust());
    let variants: Vec<_> = of
        .values
        .iter()
        .map(|value| names::variant(&value.name))
        .collect();
    let texts: Vec<_> = of.values.iter().map(|value| value.name.as_str()).collect();
    let values: Vec<_> = of
        .values
        .iter()
        .map(|value| number(of.repr, value.value))
        .collect();
    let value_docs: Vec<_> = of
        .values
        .iter()
        .map(|value| docs(&value.description))
        .collect();
    let count = Literal::usize_unsuffixed(of.values.len());
    quote! {
        #doc
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(#repr)]
        pub enum #name { #(#value_docs #variants = #values),* }

        impl #name {
            #[doc = " All values, in the order of the schema."]
            pub const ALL: [Self; #count] = [#(Self::#variants),*];

            #[doc = " The value this number stands for, if it is known."]
            #[inline]
            #[must_use]
            pub const fn from_wire(value: #repr) -> Option<Self> {
                match value {
                    #(#values => Some(Self::#variants),)*
                    _ => None,
                }
            }

            #[doc = " The number on the wire."]
            #[inline]
            #[must_use]
            pub const fn to_wire(self) -> #repr {
                self as #repr
            }

            #[doc = " The name in the schema."]
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { #(Self::#variants => #texts),* }
            }

            #[inline]
            fn checked(value: #repr, what: &'static str) -> Result<Self, DecodeError> {
                Self::from_wire(value)
                    .ok_or(DecodeError::UnknownEnum { what, value: i64::from(value) })
            }
        }
    }
}

/// A number of type `repr`, written the way a person would.
pub(crate) fn number(repr: Primitive, value: i128) -> TokenStream {
    let name = format_ident!("{}", repr.rust());
    let signed = repr.min() < 0;
    if !signed && value == repr.max() {
        quote! { #name::MAX }
    } else if signed && value == repr.min() {
        quote! { #name::MIN }
    } else {
        let literal = Literal::i128_unsuffixed(value.abs());
        if value < 0 {
            quote! { -#literal }
        } else {
            quote! { #literal }
        }
    }
}

/// Doc attributes for `text`, wrapped.
pub(crate) fn docs(text: &str) -> TokenStream {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > 88 {
                lines.push(std::mem::take(&mut line));
            }
            line.push(' ');
            line.push_str(word);
        }
        lines.push(line);
    }
    quote! { #(#[doc = #lines])* }
}

/// Blank lines between items, which the printer leaves out.
fn spaced(code: &str) -> String {
    let mut out = String::new();
    let mut previous: Option<&str> = None;
    for line in code.lines() {
        let starts_use = line.starts_with("use ");
        if let Some(previous) = previous {
            let item_ended = (previous == "}" || previous == "    }")
                || (previous.ends_with(';') && indent(previous) <= 4 && indent(line) <= 4)
                    && !(previous.starts_with("use ") && starts_use)
                    && starts_item(line);
            if item_ended && starts_item(line) {
                out.push('\n');
            }
        }
        out.push_str(line);
        out.push('\n');
        previous = Some(line);
    }
    out
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn starts_item(line: &str) -> bool {
    let text = line.trim_start();
    [
        "///", "#[", "pub ", "fn ", "impl", "const ", "use ", "type ",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}
