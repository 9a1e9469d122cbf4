//! The entries of groups: the structs, and how they are read and written.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::emit::docs;
use super::emit_block::{self, constants, field_types};
use super::emit_message::{
    data_fields, element_types, lifetime, measure_members, member_names, read_members,
    value_struct, view_ident, write_block, write_members,
};
use super::names;
use super::schema::{Group, Members};

/// Everything generated for the entries of a group, nested groups included.
pub(crate) fn element(group: &Group, name: &str) -> TokenStream {
    let members = &group.members;
    let mut out = TokenStream::new();
    for nested in &members.groups {
        out.extend(element(nested, &names::element(name, &nested.name)));
    }
    let ident = names::type_name(name);
    let view = view_ident(name, members);
    let lifetime = lifetime(members);
    let title = format!("One entry of a group: {}", group.description);
    out.extend(value_struct(&title, name, members));

    let block_len = Literal::usize_unsuffixed(usize::from(members.block_len));
    let measure = measure_members(name, members, &quote! { len });
    let write = write_members(name, members, &quote! { out });
    let constants = constants(members);
    let (measure_block, write_the_block, write_block) = if members.block_len == 0 {
        (None, None, None)
    } else {
        (
            Some(quote! { len.block(#block_len); }),
            Some(quote! { self.write_block(out.block::<#block_len>()?); }),
            Some(write_block(members)),
        )
    };
    out.extend(quote! {
        impl #lifetime #ident #lifetime {
            #constants

            #[inline]
            fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
                #measure_block
                #measure
                Ok(())
            }

            #[inline]
            fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
                #write_the_block
                #write
                Ok(())
            }

            #write_block
        }
    });
    if !members.groups.is_empty() {
        out.extend(element_view(&title, name, members));
    }
    out.extend(element_impl(group, name, &quote! { #view #lifetime }));
    out
}

fn element_view(title: &str, name: &str, members: &Members) -> TokenStream {
    let view = format_ident!("{name}View");
    let doc = docs(&format!(
        "{title}\n\nThis is [`{name}`] as it is read: groups are iterated over in place."
    ));
    let fields = field_types(members);
    let groups = members.groups.iter().map(|group| {
        let doc = docs(&group.description);
        let field = names::field(&group.name);
        let (_, element) = element_types(name, group);
        quote! { #doc pub #field: Group<'a, #element> }
    });
    let data = data_fields(members);
    quote! {
        #doc
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct #view<'a> { #(#fields,)* #(#groups,)* #(#data,)* }
    }
}

fn element_impl(group: &Group, name: &str, view: &TokenStream) -> TokenStream {
    let members = &group.members;
    let block_len = Literal::u16_unsuffixed(members.block_len);
    let block_bytes = Literal::usize_unsuffixed(usize::from(members.block_len));
    let min_len = Literal::usize_unsuffixed(members.min_len());
    let read_members = read_members(name, members, false);
    let reads = emit_block::reads(name, members, &format_ident!("block"));
    let rest = member_names(members);
    let accepts = group.irregular.then(|| {
        quote! {
            fn accepts_block_len(block_len: u16) -> bool {
                matches!(block_len, 0 | 4)
            }
        }
    });
    let (parameter, block) = if group.irregular {
        (format_ident!("_block_len"), TokenStream::new())
    } else if members.fields.is_empty() {
        (
            format_ident!("block_len"),
            quote! { reader.block::<0>(#name, block_len)?; },
        )
    } else {
        (
            format_ident!("block_len"),
            quote! { let block = reader.block::<#block_bytes>(#name, block_len)?; },
        )
    };
    quote! {
        impl<'a> Element<'a> for #view {
            const BLOCK_LEN: u16 = #block_len;
            const MIN_LEN: usize = #min_len;
            #accepts

            fn read(reader: &mut Reader<'a>, #parameter: u16) -> Result<Self, DecodeError> {
                #block
                #read_members
                Ok(Self { #reads #(#rest,)* })
            }
        }
    }
}
