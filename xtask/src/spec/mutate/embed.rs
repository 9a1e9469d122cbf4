//! Many mutants in one program: each stands beside the sound code, and an environment variable says which
//! of them is in force. So everything is built once, and not once per mutant.
//!
//! `a < b` becomes `(if crate::__mutant::is(7) { (a <= b) } else { (a < b) })`, a function begins with
//! `if crate::__mutant::is(8) { return 0; }`, an arm gets a guard. A constant function with a mutant is
//! no longer constant. What cannot be told apart at run time stays out: it is built alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, Result};
use proc_macro2::Span;
use syn::Expr;
use syn::spanned::Spanned as _;

use super::candidates::Mutant;
use super::copy::{Offsets, offset};
use super::syntax::Walk;

/// Says which mutant is in force.
pub(super) const VARIABLE: &str = "TENSORPOOL_MUTANT";

/// What each crate with mutants gets at the end of its root.
pub(super) const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all)]
pub(crate) mod __mutant {
    extern crate std as standard;
    use standard::sync::atomic::{AtomicU32, Ordering};
    static ACTIVE: AtomicU32 = AtomicU32::new(u32::MAX);
    pub(crate) fn is(number: u32) -> bool {
        let mut active = ACTIVE.load(Ordering::Relaxed);
        if active == u32::MAX {
            let given = standard::env::var("TENSORPOOL_MUTANT").ok();
            active = given.and_then(|text| text.parse().ok()).unwrap_or(0);
            ACTIVE.store(active, Ordering::Relaxed);
        }
        active == number
    }
}
"#;

/// A file with mutants in it.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) text: String,
    /// The lines each mutant's code takes, first and last.
    pub(super) lines: BTreeMap<u32, (usize, usize)>,
    /// Those that have to be built alone.
    pub(super) alone: Vec<u32>,
    /// Functions that are no longer constant.
    pub(super) constant: BTreeSet<String>,
}

/// What may stand in the place of an expression, by the number of the mutant.
type Alternatives = Vec<(u32, String)>;

/// How a mutant is written into a file.
#[derive(Debug)]
enum Edit {
    /// At the start of a function or before an arm's `=>`.
    Insert(usize, String),
    /// In the place of an expression, while it is in force.
    Instead(Range<usize>, String),
}

/// `text` with these mutants, which are numbered.
pub(super) fn embed(text: &str, mutants: &[(u32, &Mutant)]) -> Result<Embedded> {
    let file = syn::parse_file(text).context("not Rust")?;
    let offsets = Offsets::new(text);
    let (mut inserts, mut instead): (Vec<(usize, u32, String)>, BTreeMap<_, Vec<_>>) =
        Default::default();
    let (mut alone, mut constant) = (Vec::new(), BTreeMap::new());
    for (number, mutant) in mutants {
        match edit(text, &offsets, &file, mutant, *number) {
            Some(Edit::Insert(at, code)) => inserts.push((at, *number, code)),
            Some(Edit::Instead(range, code)) => instead
                .entry((range.start, usize::MAX - range.end))
                .or_default()
                .push((*number, code)),
            None => {
                alone.push(*number);
                continue;
            }
        }
        if let Some(place) = constant_keyword(text, mutant) {
            constant.insert(place.start, (place.end, mutant.function_name()));
        }
    }
    inserts.sort();
    let nested: Vec<(Range<usize>, Alternatives)> = instead
        .into_iter()
        .map(|((start, end), codes)| (start..usize::MAX - end, codes))
        .collect();
    let mut writer = Writer {
        text,
        inserts: &inserts,
        nested: &nested,
        constant: &constant,
        written: String::new(),
        places: Vec::new(),
    };
    writer.write(0..text.len(), 0);
    let written = writer.written;
    let line_of = |at: usize| written[..at].matches('\n').count() + 1;
    let lines = writer.places.iter().map(|(number, place)| {
        let lines = (line_of(place.start), line_of(place.end));
        (*number, lines)
    });
    let constant = constant.values().map(|(_, name)| (*name).to_owned());
    Ok(Embedded {
        lines: lines.collect(),
        text: written.clone(),
        alone,
        constant: constant.collect(),
    })
}

/// Writes a file with everything that goes into it.
struct Writer<'w> {
    text: &'w str,
    /// By place.
    inserts: &'w [(usize, u32, String)],
    /// By start, the outer before the inner.
    nested: &'w [(Range<usize>, Alternatives)],
    /// Start and end of keywords that are left out.
    constant: &'w BTreeMap<usize, (usize, &'w str)>,
    written: String,
    places: Vec<(u32, Range<usize>)>,
}

impl Writer<'_> {
    /// `range`, where `nested[first..]` are those that may lie in it.
    fn write(&mut self, range: Range<usize>, first: usize) {
        let mut at = range.start;
        let mut next = first;
        while let Some((place, codes)) = self.nested.get(next) {
            if place.start >= range.end {
                break;
            }
            if place.start < at || place.end > range.end {
                next += 1;
                continue;
            }
            self.plain(at..place.start);
            self.written.push('(');
            for (number, code) in codes {
                let start = self.written.len();
                let chosen = format!("if crate::__mutant::is({number}) {{ ({code}) }} else ");
                self.written.push_str(&chosen);
                self.places.push((*number, start..self.written.len()));
            }
            self.written.push_str("{ (");
            self.write(place.clone(), next + 1);
            self.written.push_str(") })");
            at = place.end;
            next += 1;
        }
        self.plain(at..range.end);
    }

    fn plain(&mut self, range: Range<usize>) {
        let mut at = range.start;
        for (start, (end, _)) in self.constant.range(range.clone()) {
            self.with_inserts(at..*start);
            at = *end;
        }
        self.with_inserts(at..range.end);
    }

    fn with_inserts(&mut self, range: Range<usize>) {
        let mut at = range.start;
        for (place, number, code) in self.inserts {
            if range.contains(place) {
                self.written.push_str(&self.text[at..*place]);
                let start = self.written.len();
                self.written.push_str(code);
                self.places.push((*number, start..self.written.len()));
                at = *place;
            }
        }
        self.written.push_str(&self.text[at..range.end]);
    }
}

/// The `const ` of a function with this mutant, if it has one.
fn constant_keyword(text: &str, mutant: &Mutant) -> Option<Range<usize>> {
    let function = mutant.function.as_ref()?;
    let head = offset(text, function.span.start)?..offset(text, mutant.span.start)?;
    // Behind its comments, which may speak of others.
    let name = function.name.rsplit("::").next()?;
    let before = text[head.clone()].find(&format!("fn {name}"))?;
    let keyword = text[head.start..head.start + before].strip_suffix("const ")?;
    let start = head.start + keyword.len();
    Some(start..start + "const ".len())
}

fn edit(
    text: &str,
    offsets: &Offsets,
    file: &syn::File,
    mutant: &Mutant,
    number: u32,
) -> Option<Edit> {
    let start = offset(text, mutant.span.start)?;
    let end = offset(text, mutant.span.end)?;
    let range = |span: Span| offsets.range(text, span);
    let mut found = None;
    match mutant.genre.as_str() {
        "FnValue" => {
            let function = mutant.function.as_ref()?;
            let head = &text[offset(text, function.span.start)?..start];
            if head.contains("-> impl") {
                return None;
            }
            let code = format!(
                "if crate::__mutant::is({number}) {{ return {}; }} ",
                mutant.replacement
            );
            found = Some(Edit::Insert(start, code));
        }
        "BinaryOperator" | "UnaryOperator" => {
            let mut on_expr = |expr: &Expr| match expr {
                Expr::Binary(binary) if range(binary.op.span()).start == start => {
                    let has_let = |side: &Expr| matches!(side, Expr::Let(_));
                    if has_let(&binary.left) || has_let(&binary.right) {
                        return;
                    }
                    let whole = range(expr.span());
                    let left = &text[whole.start..start];
                    let right = &text[end..whole.end];
                    let code = format!("{left}{}{right}", mutant.replacement);
                    found = Some(Edit::Instead(whole, code));
                }
                Expr::Unary(unary) if range(unary.op.span()).start == start => {
                    let whole = range(expr.span());
                    let code = format!("{}{}", mutant.replacement, &text[end..whole.end]);
                    found = Some(Edit::Instead(whole, code));
                }
                _ => {}
            };
            Walk {
                on_expr: &mut on_expr,
                on_arm: &mut |_| {},
            }
            .items(&file.items);
        }
        "MatchArm" | "MatchArmGuard" => {
            let mut on_arm = |arm: &syn::Arm| {
                let guard = arm.guard.as_ref().map(|(_, guard)| range(guard.span()));
                if range(arm.span()).start == start {
                    found = Some(match guard {
                        Some(guard) => Edit::Instead(guard, "false".to_owned()),
                        None => Edit::Insert(
                            range(arm.fat_arrow_token.span()).start,
                            format!("if !crate::__mutant::is({number}) "),
                        ),
                    });
                } else if let Some(guard) = guard.filter(|guard| guard.start == start) {
                    found = Some(Edit::Instead(guard, mutant.replacement.clone()));
                }
            };
            Walk {
                on_expr: &mut |_| {},
                on_arm: &mut on_arm,
            }
            .items(&file.items);
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::candidates::{Function, Position, Span};
    use super::*;

    const CODE: &str = "\
fn f(a: u64, b: u64) -> bool {
    match a {
        1 if b < 2 => true,
        2 => a + b * 2 == 4,
        _ => !g(),
    }
}
const fn g() -> bool {
    true
}
";

    fn mutant(genre: &str, line: usize, columns: (usize, usize), replacement: &str) -> Mutant {
        let position = |line, column| Position { line, column };
        Mutant {
            name: String::new(),
            file: String::new(),
            genre: genre.to_owned(),
            function: Some(Function {
                name: if line < 8 { "f" } else { "g" }.to_owned(),
                span: Span {
                    start: position(if line < 8 { 1 } else { 8 }, 1),
                    end: position(if line < 8 { 7 } else { 10 }, 2),
                },
            }),
            span: Span {
                start: position(line, columns.0),
                end: position(line, columns.1),
            },
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn every_kind_of_mutant_stands_beside_sound_code() {
        let mutants = [
            mutant("FnValue", 2, (5, 6), "true"),
            mutant("MatchArm", 3, (9, 28), ""),
            mutant("MatchArmGuard", 3, (14, 19), "true"),
            mutant("BinaryOperator", 3, (16, 17), "<="),
            mutant("MatchArm", 4, (9, 29), ""),
            mutant("BinaryOperator", 4, (16, 17), "-"),
            mutant("BinaryOperator", 4, (24, 26), "!="),
            mutant("UnaryOperator", 5, (14, 15), ""),
            mutant("FnValue", 9, (5, 9), "false"),
            mutant("StructField", 9, (5, 9), ""),
        ];
        let numbered: Vec<(u32, &Mutant)> = (1..).zip(&mutants).collect();
        let embedded = embed(CODE, &numbered).unwrap();
        let is = |number| format!("crate::__mutant::is({number})");
        let expected = format!(
            "\
fn f(a: u64, b: u64) -> bool {{
    if {} {{ return true; }} match a {{
        1 if (if {} {{ (false) }} else if {} {{ (true) }} else if {} {{ (b <= 2) }} else {{ (b < 2) }}) => true,
        2 if !{} => (if {} {{ (a + b * 2 != 4) }} else {{ ((if {} {{ (a - b * 2) }} else {{ (a + b * 2) }}) == 4) }}),
        _ => (if {} {{ (g()) }} else {{ (!g()) }}),
    }}
}}
fn g() -> bool {{
    if {} {{ return false; }} true
}}
",
            is(1), is(2), is(3), is(4), is(5), is(7), is(6), is(8), is(9)
        );
        assert_eq!(embedded.text, expected);
        assert_eq!(embedded.alone, [10]);
        assert!(embedded.constant.contains("g"));
        assert_eq!(embedded.lines[&4], (3, 3));
        syn::parse_file(&embedded.text).unwrap();
    }
}
