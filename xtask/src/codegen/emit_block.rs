//! The fixed fields of a block: their types, and the statements that read and write them.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::emit::{docs, number};
use super::names;
use super::schema::{Enum, Field, FieldKind, Members, Primitive};

/// The fields as struct members, constants left out.
pub(crate) fn field_types(members: &Members) -> Vec<TokenStream> {
    present(members)
        .map(|field| {
            let doc = docs(&field.description);
            let name = names::field(&field.name);
            let of = rust_type(&field.kind);
            quote! { #doc pub #name: #of }
        })
        .collect()
}

/// The constant fields as associated constants.
pub(crate) fn constants(members: &Members) -> TokenStream {
    let constants = members.fields.iter().filter_map(|field| {
        let FieldKind::Constant { repr, value } = &field.kind else {
            return None;
        };
        let doc = docs(&field.description);
        let name = names::constant(&field.name);
        let of = primitive(*repr);
        let value = number(*repr, *value);
        Some(quote! { #doc pub const #name: #of = #value; })
    });
    quote! { #(#constants)* }
}

/// Zeroes the block first when some of it is padding.
pub(crate) fn clear(members: &Members, block: &Ident, header: usize) -> Option<TokenStream> {
    let len = Literal::usize_unsuffixed(header + usize::from(members.block_len));
    members
        .has_padding()
        .then(|| quote! { *#block = [0; #len]; })
}

/// Statements that store every field, the block starting at `header`.
pub(crate) fn writes(members: &Members, block: &Ident, header: usize) -> TokenStream {
    let writes = present(members).map(|field| {
        let name = names::field(&field.name);
        let value = quote! { self.#name };
        let at = header + field.offset;
        match &field.kind {
            FieldKind::Number { repr, nulls } => {
                let value = or_null(*repr, nulls, value);
                store(block, at, &value)
            }
            FieldKind::Array { repr, len } => (0..*len)
                .map(|i| {
                    let index = Literal::usize_unsuffixed(i);
                    store(block, at + i * repr.size(), &quote! { self.#name[#index] })
                })
                .collect(),
            FieldKind::Enum { of, nulls } if of.is_bool() => {
                let value = if nulls.is_empty() {
                    quote! { u8::from(self.#name) }
                } else {
                    let null = number(of.repr, nulls[0]);
                    quote! { self.#name.map_or(#null, u8::from) }
                };
                store(block, at, &value)
            }
            FieldKind::Enum { of, nulls } => {
                let value = match nulls.first() {
                    None => quote! { self.#name.to_wire() },
                    Some(null) => {
                        let enum_name = names::type_name(&of.name);
                        let null = number(of.repr, *null);
                        quote! { self.#name.map_or(#null, #enum_name::to_wire) }
                    }
                };
                store(block, at, &value)
            }
            FieldKind::Constant { .. } => TokenStream::new(),
        }
    });
    quote! { #(#writes)* }
}

/// The fields of a struct literal, read from `block`.
pub(crate) fn reads(path: &str, members: &Members, block: &Ident) -> TokenStream {
    let reads = present(members).map(|field| {
        let name = names::field(&field.name);
        let what = format!("{path}.{}", field.name);
        let value = read(field, &what, block);
        quote! { #name: #value, }
    });
    quote! { #(#reads)* }
}

/// The bound of a string or blob.
pub(crate) fn max_len(max: u32) -> TokenStream {
    number(Primitive::U32, i128::from(max))
}

fn read(field: &Field, what: &str, block: &Ident) -> TokenStream {
    match &field.kind {
        FieldKind::Number { repr, nulls } => {
            let value = load(block, field.offset, *repr);
            if nulls.is_empty() {
                value
            } else {
                let nulls = null_list(*repr, nulls);
                quote! { non_null(#value, #nulls) }
            }
        }
        FieldKind::Array { repr, len } => {
            let items = (0..*len).map(|i| load(block, field.offset + i * repr.size(), *repr));
            quote! { [#(#items),*] }
        }
        FieldKind::Enum { of, nulls } => {
            let raw = load(block, field.offset, of.repr);
            if nulls.is_empty() {
                checked(of, &raw, what)
            } else {
                let nulls = nulls.iter().map(|null| number(of.repr, *null));
                let value = checked(of, &quote! { value }, what);
                quote! { match #raw { #(#nulls)|* => None, value => Some(#value) } }
            }
        }
        FieldKind::Constant { .. } => TokenStream::new(),
    }
}

fn checked(of: &Enum, value: &TokenStream, what: &str) -> TokenStream {
    if of.is_bool() {
        quote! { bool_from_wire(#value, #what)? }
    } else {
        let name = names::type_name(&of.name);
        quote! { #name::checked(#value, #what)? }
    }
}

fn present(members: &Members) -> impl Iterator<Item = &Field> {
    members.fields.iter().filter(|field| field.kind.size() > 0)
}

fn rust_type(kind: &FieldKind) -> TokenStream {
    let (of, optional) = match kind {
        FieldKind::Number { repr, nulls } => (primitive(*repr), !nulls.is_empty()),
        FieldKind::Array { repr, len } => {
            let of = primitive(*repr);
            let len = Literal::usize_unsuffixed(*len);
            (quote! { [#of; #len] }, false)
        }
        FieldKind::Enum { of, nulls } if of.is_bool() => (quote! { bool }, !nulls.is_empty()),
        FieldKind::Enum { of, nulls } => {
            let name = names::type_name(&of.name);
            (quote! { #name }, !nulls.is_empty())
        }
        FieldKind::Constant { repr, .. } => (primitive(*repr), false),
    };
    if optional {
        quote! { Option<#of> }
    } else {
        of
    }
}

fn primitive(repr: Primitive) -> TokenStream {
    let name = format_ident!("{}", repr.rust());
    quote! { #name }
}

fn load(block: &Ident, offset: usize, repr: Primitive) -> TokenStream {
    let of = primitive(repr);
    let offset = Literal::usize_unsuffixed(offset);
    quote! { #of::from_le_bytes(at::<#offset, _, _>(#block)) }
}

fn store(block: &Ident, offset: usize, value: &TokenStream) -> TokenStream {
    let offset = Literal::usize_unsuffixed(offset);
    quote! { put::<#offset, _, _>(#block, #value.to_le_bytes()); }
}

fn or_null(repr: Primitive, nulls: &[i128], value: TokenStream) -> TokenStream {
    let Some(first) = nulls.first() else {
        return value;
    };
    let null = number(repr, *first);
    let nulls = null_list(repr, nulls);
    quote! { or_null(#value, #null, #nulls) }
}

fn null_list(repr: Primitive, nulls: &[i128]) -> TokenStream {
    let nulls = nulls.iter().map(|null| number(repr, *null));
    quote! { [#(#nulls),*] }
}
