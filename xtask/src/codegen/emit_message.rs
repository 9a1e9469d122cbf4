//! Messages: the structs, and what they can do.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::emit::docs;
use super::emit_block::{self, constants, field_types};
use super::emit_group;
use super::names;
use super::schema::{Group, Members, Message};

/// Everything generated for one message.
pub(crate) fn message(message: &Message) -> TokenStream {
    let name = &message.name;
    let members = &message.members;
    let mut out = TokenStream::new();
    for group in &members.groups {
        out.extend(emit_group::element(
            group,
            &names::element(name, &group.name),
        ));
    }
    let title = title(message);
    out.extend(value_struct(&title, name, members));
    out.extend(if message.shared_memory {
        shared_memory(message)
    } else if members.is_fixed() {
        fixed(message)
    } else {
        variable(message)
    });
    if !message.shared_memory {
        out.extend(view(&title, name, members));
    }
    out
}

fn title(message: &Message) -> String {
    let Message {
        id,
        description,
        members,
        ..
    } = message;
    let block = members.block_len;
    if message.shared_memory {
        format!(
            "{description}\n\nTemplate {id}; {block} bytes in shared memory, no message header."
        )
    } else {
        format!("{description}\n\nTemplate {id}, block of {block} bytes.")
    }
}

/// `<'a>` for types that refer to bytes or slices.
pub(crate) fn lifetime(members: &Members) -> TokenStream {
    if members.is_fixed() {
        TokenStream::new()
    } else {
        quote! { <'a> }
    }
}

/// The group entries as a slice of these, in the value; as a [`Group`] of these, in the view.
pub(crate) fn element_types(parent: &str, group: &Group) -> (TokenStream, TokenStream) {
    let base = names::element(parent, &group.name);
    let value = names::type_name(&base);
    let lifetime = lifetime(&group.members);
    let view = view_ident(&base, &group.members);
    (quote! { #value #lifetime }, quote! { #view #lifetime })
}

/// The type that is read: a type of its own only where there are groups.
pub(crate) fn view_ident(name: &str, members: &Members) -> Ident {
    if members.groups.is_empty() {
        names::type_name(name)
    } else {
        format_ident!("{name}View")
    }
}

pub(crate) fn data_fields(members: &Members) -> Vec<TokenStream> {
    members
        .data
        .iter()
        .map(|data| {
            let doc = docs(&data.description);
            let name = names::field(&data.name);
            quote! { #doc pub #name: &'a [u8] }
        })
        .collect()
}

pub(crate) fn value_struct(title: &str, name: &str, members: &Members) -> TokenStream {
    let doc = docs(title);
    let ident = names::type_name(name);
    let lifetime = lifetime(members);
    let fields = field_types(members);
    let groups = members.groups.iter().map(|group| {
        let doc = docs(&group.description);
        let field = names::field(&group.name);
        let (value, _) = element_types(name, group);
        quote! { #doc pub #field: &'a [#value] }
    });
    let data = data_fields(members);
    quote! {
        #doc
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct #ident #lifetime { #(#fields,)* #(#groups,)* #(#data,)* }
    }
}

/// The struct that is read, or its alias.
fn view(title: &str, name: &str, members: &Members) -> TokenStream {
    let ident = names::type_name(name);
    let view = format_ident!("{name}View");
    let lifetime = lifetime(members);
    if members.groups.is_empty() {
        let doc = docs(&format!(
            "[`{name}`] has no groups: it is read the way it is written."
        ));
        return quote! { #doc pub type #view #lifetime = #ident #lifetime; };
    }
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
    let decode = decode_variable(name, members);
    quote! {
        #doc
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct #view #lifetime { #(#fields,)* #(#groups,)* #(#data,)* }

        impl<'a> #view<'a> { #decode }
    }
}

/// Constants of a message that has a header.
fn identity(message: &Message) -> TokenStream {
    let template = Literal::u16_unsuffixed(message.id);
    let block = Literal::u16_unsuffixed(message.members.block_len);
    let constants = constants(&message.members);
    quote! {
        #[doc = " The template id."]
        pub const TEMPLATE_ID: u16 = #template;
        #[doc = " Bytes of fixed fields behind the header."]
        pub const BLOCK_LEN: u16 = #block;
        #[doc = " The message header as it is sent."]
        pub const HEADER: MessageHeader = MessageHeader {
            block_length: Self::BLOCK_LEN,
            template_id: Self::TEMPLATE_ID,
            schema_id: SCHEMA_ID,
            version: SCHEMA_VERSION,
        };
        #constants
    }
}

const DECODE_DOC: &str = " Reads the message at the start of `buf`, header first.\n\n # Errors\n \
    [`DecodeError`] when the bytes are not this message, or not all of it.";
const ENCODE_DOC: &str = " Writes the message with its header to the start of `buf` and tells its \
    length.\n\n # Errors\n [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or \
    that fails.";

fn lines(text: &str) -> TokenStream {
    let lines = text.split('\n');
    quote! { #(#[doc = #lines])* }
}

fn shared_memory(message: &Message) -> TokenStream {
    let ident = names::type_name(&message.name);
    let len = Literal::usize_unsuffixed(usize::from(message.members.block_len));
    let constants = constants(&message.members);
    let writes = emit_block::writes(&message.members, &format_ident!("bytes"), 0);
    let clear = emit_block::clear(&message.members, &format_ident!("bytes"), 0);
    let reads = emit_block::reads(&message.name, &message.members, &format_ident!("bytes"));
    quote! {
        impl #ident {
            #[doc = " Bytes it takes."]
            pub const ENCODED_LEN: usize = #len;
            #constants

            #[doc = " Writes all bytes; what is not a field becomes zero."]
            #[inline]
            pub fn encode_into(&self, bytes: &mut [u8; #len]) { #clear #writes }

            #[doc = " Reads a stable copy of the bytes."]
            #[doc = ""]
            #[doc = " # Errors"]
            #[doc = " [`DecodeError::UnknownEnum`]; any other content is a value."]
            #[inline]
            pub fn decode(bytes: &[u8; #len]) -> Result<Self, DecodeError> { Ok(Self { #reads }) }
        }
    }
}

fn fixed(message: &Message) -> TokenStream {
    let name = &message.name;
    let ident = names::type_name(name);
    let identity = identity(message);
    let block = usize::from(message.members.block_len);
    let block_len = Literal::usize_unsuffixed(block);
    let len = Literal::usize_unsuffixed(8 + block);
    let bytes = format_ident!("bytes");
    let writes = emit_block::writes(&message.members, &bytes, 8);
    let clear = emit_block::clear(&message.members, &bytes, 8);
    let reads = emit_block::reads(name, &message.members, &format_ident!("block"));
    let encode_doc = lines(
        " Writes the message with its header to the start of `buf` and tells its length.\n\n # Errors\n \
         [`EncodeError::BufferTooSmall`].",
    );
    let decode_doc = lines(DECODE_DOC);
    quote! {
        impl #ident {
            #identity
            #[doc = " Bytes the message takes, header included."]
            pub const ENCODED_LEN: usize = #len;

            #[doc = " Bytes the message takes: always [`ENCODED_LEN`](Self::ENCODED_LEN)."]
            #[doc = ""]
            #[doc = " # Errors"]
            #[doc = " None; other messages can be too long."]
            #[inline]
            pub const fn encoded_len(&self) -> Result<usize, EncodeError> { Ok(Self::ENCODED_LEN) }

            #encode_doc
            #[inline]
            pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
                self.encode_into(Writer::new(buf, Self::ENCODED_LEN)?.block()?);
                Ok(Self::ENCODED_LEN)
            }

            #[doc = " Writes the message with its header."]
            #[inline]
            pub fn encode_into(&self, bytes: &mut [u8; #len]) {
                #clear
                put::<0, _, _>(bytes, Self::HEADER.to_bytes());
                #writes
            }

            #decode_doc
            #[inline]
            pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
                let (block, _) = Reader::open::<#block_len>(buf, #name, Self::HEADER)?;
                Ok(Self { #reads })
            }
        }
    }
}

fn variable(message: &Message) -> TokenStream {
    let Message { name, members, .. } = message;
    let ident = names::type_name(name);
    let identity = identity(message);
    let block_len = Literal::usize_unsuffixed(usize::from(members.block_len));
    let start = Literal::usize_unsuffixed(8 + usize::from(members.block_len));
    let measure = measure_members(name, members, &quote! { &mut len });
    let write = write_members(name, members, &quote! { &mut out });
    let write_block = write_block(members);
    let decode = members
        .groups
        .is_empty()
        .then(|| decode_variable(name, members));
    let encode_doc = lines(ENCODE_DOC);
    quote! {
        impl<'a> #ident<'a> {
            #identity

            #[doc = " Bytes the message takes, header included."]
            #[doc = ""]
            #[doc = " # Errors"]
            #[doc = " [`EncodeError`] when a group or a string is too long for its type."]
            pub fn encoded_len(&self) -> Result<usize, EncodeError> {
                let mut len = Measure::new(#start);
                #measure
                Ok(len.len())
            }

            #encode_doc
            pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
                let len = self.encoded_len()?;
                let mut out = Writer::new(buf, len)?;
                out.header(Self::HEADER)?;
                self.write_block(out.block::<#block_len>()?);
                #write
                Ok(len)
            }

            #decode
            #write_block
        }
    }
}

pub(crate) fn write_block(members: &Members) -> TokenStream {
    let block_len = Literal::usize_unsuffixed(usize::from(members.block_len));
    let block = format_ident!("block");
    let writes = emit_block::writes(members, &block, 0);
    let clear = emit_block::clear(members, &block, 0);
    quote! {
        #[inline]
        fn write_block(&self, block: &mut [u8; #block_len]) { #clear #writes }
    }
}

/// Statements that add up groups and strings; `cursor` is how the `Measure` is passed on.
pub(crate) fn measure_members(path: &str, members: &Members, cursor: &TokenStream) -> TokenStream {
    let groups = members.groups.iter().map(|group| {
        let what = format!("{path}.{}", group.name);
        let field = names::field(&group.name);
        quote! {
            len.group(#what, self.#field.len())?;
            for entry in self.#field { entry.measure(#cursor)?; }
        }
    });
    let data = members.data.iter().map(|data| {
        let what = format!("{path}.{}", data.name);
        let field = names::field(&data.name);
        let max = emit_block::max_len(data.max_len);
        quote! { len.data(#what, self.#field, #max)?; }
    });
    quote! { #(#groups)* #(#data)* }
}

/// Statements that write groups and strings; `cursor` is how the `Writer` is passed on.
pub(crate) fn write_members(path: &str, members: &Members, cursor: &TokenStream) -> TokenStream {
    let groups = members.groups.iter().map(|group| {
        let what = format!("{path}.{}", group.name);
        let field = names::field(&group.name);
        let block_len = Literal::u16_unsuffixed(group.members.block_len);
        quote! {
            out.group(#what, #block_len, self.#field.len())?;
            for entry in self.#field { entry.write(#cursor)?; }
        }
    });
    let data = members.data.iter().map(|data| {
        let what = format!("{path}.{}", data.name);
        let field = names::field(&data.name);
        quote! { out.data(#what, self.#field)?; }
    });
    quote! { #(#groups)* #(#data)* }
}

/// Statements that read groups and strings into variables of their names.
pub(crate) fn read_members(path: &str, members: &Members, trailing: bool) -> TokenStream {
    let groups = members.groups.iter().map(|group| {
        let what = format!("{path}.{}", group.name);
        let field = names::field(&group.name);
        quote! { let #field = reader.group(#what)?; }
    });
    let method = if trailing {
        format_ident!("trailing_data")
    } else {
        format_ident!("data")
    };
    let data = members.data.iter().map(|data| {
        let what = format!("{path}.{}", data.name);
        let field = names::field(&data.name);
        let max = emit_block::max_len(data.max_len);
        quote! { let #field = reader.#method(#what, #max)?; }
    });
    quote! { #(#groups)* #(#data)* }
}

pub(crate) fn member_names(members: &Members) -> Vec<Ident> {
    let groups = members.groups.iter().map(|group| names::field(&group.name));
    groups
        .chain(members.data.iter().map(|data| names::field(&data.name)))
        .collect()
}

fn decode_variable(name: &str, members: &Members) -> TokenStream {
    let block_len = Literal::usize_unsuffixed(usize::from(members.block_len));
    let owner = names::type_name(name);
    let reads = emit_block::reads(name, members, &format_ident!("block"));
    let read_members = read_members(name, members, true);
    let rest = member_names(members);
    let decode_doc = lines(DECODE_DOC);
    quote! {
        #decode_doc
        pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
            let (block, mut reader) =
                Reader::open::<#block_len>(buf, #name, #owner::HEADER)?;
            #read_members
            Ok(Self { #reads #(#rest,)* })
        }
    }
}
