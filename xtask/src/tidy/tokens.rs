//! Checks on the tokens of a Rust file: what a comment or a string says does not count, and what a
//! macro's arguments contain does.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::finding::Finding;
use super::source::SourceFile;

/// Macros that stand for something that is not there, or print from a debugging session.
const FORBIDDEN_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let tokens = match TokenStream::from_str(&file.text) {
        Ok(tokens) => tokens,
        Err(error) => {
            let line = error.span().start().line;
            return vec![Finding::error(
                &file.path,
                line,
                format!("not Rust: {error}"),
            )];
        }
    };
    let mut scan = Scan {
        file,
        findings: Vec::new(),
    };
    scan.stream(tokens, file.is_test());
    scan.findings
}

struct Scan<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
}

impl Scan<'_> {
    fn stream(&mut self, stream: TokenStream, in_test: bool) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        // Set by `#[cfg(test)]`, for the item that follows: up to its braces or semicolon.
        let mut item_is_test = false;
        for (index, token) in tokens.iter().enumerate() {
            let rest = &tokens[index..];
            self.check_at(rest, in_test || item_is_test);
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    item_is_test |= attribute(rest).is_some_and(|text| text == "cfg (test)");
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => item_is_test = false,
                TokenTree::Group(group) => {
                    self.stream(group.stream(), in_test || item_is_test);
                    item_is_test &= group.delimiter() != Delimiter::Brace;
                }
                _ => {}
            }
        }
    }

    /// Checks what starts with the first of `rest`.
    fn check_at(&mut self, rest: &[TokenTree], in_test: bool) {
        let message = match ident(rest, 0).as_deref() {
            Some("unsafe") if !self.file.may_be_unsafe() => {
                "unsafe outside shm/ and runtime/transport/: find a safe way, or move it there"
                    .to_owned()
            }
            Some("allow" | "expect") if !self.file.may_be_unsafe() && allows_unsafe(rest) => {
                "the lint against unsafe code is lifted only in shm/ and runtime/transport/"
                    .to_owned()
            }
            Some(name) if FORBIDDEN_MACROS.contains(&name) && is_punct(rest, 1, '!') => {
                format!("{name}! must not be committed")
            }
            Some("thread") if in_test && path_goes_on_with(rest, "sleep") => {
                "a test waits on a condition with a deadline; it never sleeps".to_owned()
            }
            None if attribute(rest)
                .is_some_and(|text| text == "ignore" || text.starts_with("ignore ")) =>
            {
                "an ignored test proves nothing: make it pass or remove it".to_owned()
            }
            _ => return,
        };
        let line = rest[0].span().start().line;
        self.findings
            .push(Finding::error(&self.file.path, line, message));
    }
}

fn ident(tokens: &[TokenTree], index: usize) -> Option<String> {
    match tokens.get(index) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(tokens: &[TokenTree], index: usize, expected: char) -> bool {
    matches!(tokens.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn group(tokens: &[TokenTree], index: usize) -> Option<&Group> {
    match tokens.get(index) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

/// The text of an attribute, when `tokens` starts with one: `cfg (test)` of `#[cfg(test)]`.
fn attribute(tokens: &[TokenTree]) -> Option<String> {
    if !is_punct(tokens, 0, '#') {
        return None;
    }
    let inner = usize::from(is_punct(tokens, 1, '!'));
    let group = group(tokens, 1 + inner).filter(|each| each.delimiter() == Delimiter::Bracket)?;
    Some(group.stream().to_string())
}

/// `allow(.., unsafe_code, ..)`.
fn allows_unsafe(tokens: &[TokenTree]) -> bool {
    let Some(lints) = group(tokens, 1) else {
        return false;
    };
    let mut lints = lints.stream().into_iter();
    lints.any(|token| matches!(token, TokenTree::Ident(lint) if lint == "unsafe_code"))
}

/// `thread::sleep` and `thread::{.., sleep, ..}`, when `tokens` starts with `thread`.
fn path_goes_on_with(tokens: &[TokenTree], name: &str) -> bool {
    if !is_punct(tokens, 1, ':') || !is_punct(tokens, 2, ':') {
        return false;
    }
    let listed = |each: TokenTree| matches!(each, TokenTree::Ident(listed) if listed == name);
    ident(tokens, 3).is_some_and(|next| next == name)
        || group(tokens, 3).is_some_and(|list| list.stream().into_iter().any(listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&SourceFile::new(path, text))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn unsafe_is_found_in_every_position() {
        let text = "unsafe fn a() {}\nunsafe impl T for A {}\nfn b() {\n    unsafe { a() }\n}\n\
                    macro_rules! m { () => { unsafe { a() } } }\n#[unsafe(no_mangle)] fn c() {}\n";
        assert_eq!(lines("runtime/src/lib.rs", text), [1, 2, 4, 6, 7]);
    }

    #[test]
    fn unsafe_is_welcome_where_it_lives() {
        let text = "#![allow(unsafe_code)]\nunsafe fn a() {}\n";
        assert!(lines("shm/src/a.rs", text).is_empty());
        assert!(lines("runtime/transport/src/a.rs", text).is_empty());
    }

    #[test]
    fn words_in_comments_and_strings_do_not_count() {
        let text = "// unsafe, todo!()\nconst A: &str = \"unsafe { dbg!(1) }\";\n";
        assert!(lines("runtime/src/lib.rs", text).is_empty());
    }

    #[test]
    fn lifting_the_lint_is_found_and_forbidding_is_not() {
        assert_eq!(lines("a.rs", "#![allow(missing_docs, unsafe_code)]"), [1]);
        assert!(lines("a.rs", "#![forbid(unsafe_code)]").is_empty());
    }

    #[test]
    fn placeholders_are_found() {
        let text = "fn a() { todo!() }\nfn b() { unimplemented!() }\nfn c() { vec![dbg!(1)]; }\n";
        assert_eq!(lines("a.rs", text), [1, 2, 3]);
    }

    #[test]
    fn sleep_is_found_in_tests_only() {
        let text = "fn a() { thread::sleep(D); }\n#[cfg(test)]\nmod tests {\n    use std::thread::{self, sleep};\n    \
                    fn a() { std::thread::sleep(D); }\n}\nfn b() { thread::sleep(D); }\n";
        assert_eq!(lines("runtime/src/a.rs", text), [4, 5]);
        assert_eq!(lines("tests/src/a.rs", text), [1, 4, 5, 7]);
    }

    #[test]
    fn cfg_test_covers_its_own_item_only() {
        let text = "#[cfg(test)]\nmod tests;\nfn a() { thread::sleep(D); }\n";
        assert!(lines("runtime/src/a.rs", text).is_empty());
    }

    #[test]
    fn ignored_test_is_found_with_and_without_a_reason() {
        let text = "#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n#[ignored]\nfn c() {}\n";
        assert_eq!(lines("a.rs", text), [1, 3]);
    }

    #[test]
    fn file_that_does_not_lex_is_found() {
        assert_eq!(lines("a.rs", "fn a() {\n"), [1]);
    }
}
