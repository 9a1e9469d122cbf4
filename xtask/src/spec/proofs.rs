//! Which tests say that they prove a requirement: a doc comment line `/// Proves [TP-SHM-0410].`.
//!
//! Starts from each test binary's root and follows its modules, since a test's name in a report is
//! its binary and its module path. Within a macro's arguments (`proptest!`, or one that makes a test
//! out of a table) the name is the identifier that follows the doc comment and an optional `fn`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned as _;

use super::id::{Id, ids_in};
use crate::tidy::finding::Finding;

/// At most so many requirements are proved by one test: more is a suite, and proves nothing specific.
const MAX_IDS: usize = 3;

/// The word a line with ids starts with.
pub(super) const MARK: &str = "Proves ";

/// A root file and the name nextest gives the binary made from it.
#[derive(Debug, Clone)]
pub(super) struct TestBinary {
    pub(super) package: String,
    /// Such as `tensorpool-codecs::messages`.
    pub(super) name: String,
    /// Relative to the repository root.
    pub(super) root: String,
}

/// A test that carries ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Proof {
    pub(super) package: String,
    pub(super) binary: String,
    /// Such as `seqlock::tests::a_write_goes_through_writing_to_committed`.
    pub(super) test: String,
    pub(super) path: String,
    pub(super) line: usize,
    /// Compiled for loom only, hence in the report of the loom models.
    pub(super) loom: bool,
    pub(super) ids: Vec<Id>,
}

/// All proofs, and what is wrong with their comments.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    pub(super) proofs: Vec<Proof>,
    pub(super) findings: Vec<Finding>,
    /// Where the lines are that were read, by file.
    pub(super) lines: BTreeMap<String, BTreeSet<usize>>,
}

/// `sources` are the repository's Rust files by path.
pub(super) fn find(binaries: &[TestBinary], sources: &BTreeMap<&str, &str>) -> Proofs {
    let mut found = Proofs::default();
    for binary in binaries {
        let place = Place {
            path: binary.root.clone(),
            directory: parent(&binary.root),
            modules: Vec::new(),
            loom: false,
        };
        Walk {
            binary,
            sources,
            found: &mut found,
        }
        .file(&place);
    }
    // A file may be part of two binaries: a comment in it is wrong once.
    found.findings.sort();
    found.findings.dedup();
    found.proofs.sort();
    found
}

/// Where the walk is.
struct Place {
    path: String,
    /// Where the files of child modules are.
    directory: String,
    modules: Vec<String>,
    loom: bool,
}

struct Walk<'a> {
    binary: &'a TestBinary,
    sources: &'a BTreeMap<&'a str, &'a str>,
    found: &'a mut Proofs,
}

/// A line of a doc comment.
struct Doc {
    text: String,
    line: usize,
}

impl Walk<'_> {
    fn file(&mut self, place: &Place) {
        let Some(text) = self.sources.get(place.path.as_str()) else {
            return;
        };
        match syn::parse_file(text) {
            Ok(file) => self.items(&file.items, place),
            Err(error) => {
                let line = error.span().start().line;
                self.error(place, line, format!("not Rust: {error}"));
            }
        }
    }

    fn items(&mut self, items: &[syn::Item], place: &Place) {
        for item in items {
            match item {
                syn::Item::Mod(module) => self.module(module, place),
                syn::Item::Fn(function) => {
                    let is_test = function.attrs.iter().any(is_test_attribute);
                    let name = function.sig.ident.to_string();
                    self.candidate(&docs_of(&function.attrs), is_test, &name, place);
                }
                syn::Item::Macro(call) if call.ident.is_none() => {
                    self.tokens(call.mac.tokens.clone(), place);
                }
                _ => {}
            }
        }
    }

    fn module(&mut self, module: &syn::ItemMod, place: &Place) {
        let name = module.ident.to_string();
        let loom = place.loom || module.attrs.iter().any(is_for_loom);
        let modules = [place.modules.as_slice(), std::slice::from_ref(&name)].concat();
        let below = join(&place.directory, &name);
        if let Some((_, items)) = &module.content {
            let inner = Place {
                path: place.path.clone(),
                directory: below,
                modules,
                loom,
            };
            return self.items(items, &inner);
        }
        let explicit = module.attrs.iter().find_map(path_attribute);
        let (path, directory) = match explicit {
            Some(path) => {
                let path = join(&parent(&place.path), &path);
                let directory = parent(&path);
                (path, directory)
            }
            None => {
                let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
                let path = candidates
                    .into_iter()
                    .find(|path| self.sources.contains_key(path.as_str()));
                match path {
                    Some(path) => (path, below),
                    None => return,
                }
            }
        };
        self.file(&Place {
            path,
            directory,
            modules,
            loom,
        });
    }

    /// The arguments of a macro: doc comments, other attributes, then the name of a test.
    fn tokens(&mut self, stream: TokenStream, place: &Place) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut docs = Vec::new();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            index += 1;
            match (token, tokens.get(index)) {
                (TokenTree::Punct(mark), Some(TokenTree::Group(group)))
                    if mark.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
                {
                    docs.extend(doc_of_tokens(group));
                    index += 1;
                }
                (TokenTree::Ident(word), _)
                    if matches!(word.to_string().as_str(), "fn" | "pub") => {}
                (TokenTree::Ident(name), _) => {
                    self.candidate(&docs, true, &name.to_string(), place);
                    docs.clear();
                }
                _ => {}
            }
        }
    }

    /// A function, with the doc comment above it.
    fn candidate(&mut self, docs: &[Doc], is_test: bool, name: &str, place: &Place) {
        let mut ids = Vec::new();
        let mut first_line = None;
        for doc in docs.iter().filter(|doc| is_stray(doc, is_test)) {
            let lines = self.found.lines.entry(place.path.clone()).or_default();
            lines.insert(doc.line);
            let message = format!("ids on test {name} go on a line that starts with `{MARK}`");
            self.error(place, doc.line, message);
        }
        for doc in docs.iter().filter(|doc| doc.text.trim().starts_with(MARK)) {
            first_line.get_or_insert(doc.line);
            let lines = self.found.lines.entry(place.path.clone()).or_default();
            lines.insert(doc.line);
            for raw in ids_in(&doc.text) {
                match Id::parse(raw) {
                    Ok(id) => ids.push(id),
                    Err(error) => self.error(place, doc.line, error.to_string()),
                }
            }
        }
        let (Some(line), false) = (first_line, ids.is_empty()) else {
            return;
        };
        if !is_test {
            self.error(place, line, format!("{name} is no test: it proves nothing"));
        }
        if ids.len() > MAX_IDS {
            let count = ids.len();
            let message = format!("{name} carries {count} ids, at most {MAX_IDS}: split the test");
            self.error(place, line, message);
        }
        let mut modules = place.modules.clone();
        modules.push(name.to_owned());
        self.found.proofs.push(Proof {
            package: self.binary.package.clone(),
            binary: self.binary.name.clone(),
            test: modules.join("::"),
            path: place.path.clone(),
            line,
            loom: place.loom,
            ids,
        });
    }

    fn error(&mut self, place: &Place, line: usize, message: String) {
        let finding = Finding::error(&place.path, line, message);
        self.found.findings.push(finding);
    }
}

/// A line above a test that names ids without proving them.
fn is_stray(doc: &Doc, is_test: bool) -> bool {
    is_test && !doc.text.trim().starts_with(MARK) && ids_in(&doc.text).next().is_some()
}

fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == "test")
}

/// `#[cfg(.. loom ..)]`, but not `not(loom)`.
fn is_for_loom(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return false;
    };
    let condition: String = list.tokens.to_string().split_whitespace().collect();
    list.path.is_ident("cfg") && condition.replace("not(loom)", "").contains("loom")
}

fn path_attribute(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    if !pair.path.is_ident("path") {
        return None;
    }
    string_of(&pair.value)
}

fn string_of(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn docs_of(attributes: &[syn::Attribute]) -> Vec<Doc> {
    let doc = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(Doc {
            text: string_of(&pair.value)?,
            line: attribute.span().start().line,
        }),
        _ => None,
    };
    attributes.iter().filter_map(doc).collect()
}

/// `doc = "..."` within the brackets of an attribute.
fn doc_of_tokens(group: &proc_macro2::Group) -> Option<Doc> {
    let pair: syn::MetaNameValue = syn::parse2(group.stream()).ok()?;
    let text = string_of(&pair.value).filter(|_| pair.path.is_ident("doc"))?;
    let line = pair.value.span().start().line;
    Some(Doc { text, line })
}

fn parent(path: &str) -> String {
    let parent = Path::new(path).parent();
    parent.map_or_else(String::new, |parent| parent.to_string_lossy().into_owned())
}

fn join(directory: &str, name: &str) -> String {
    Path::new(directory)
        .join(name)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
