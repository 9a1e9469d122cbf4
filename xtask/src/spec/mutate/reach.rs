//! Which lines an id in a comment speaks for.
//!
//! Above a function, in its doc comment or between its attributes: for all of it. Behind code: for that
//! line. On a line of its own within a function, it depends on what follows. An arm of a match, a field
//! or an argument: that one. Statements: those up to the next blank line, the next comment with an id or
//! the end of the block.
//!
//! Works on lines as rustfmt leaves them.

/// The lines of a file, counted from 1.
#[derive(Debug, Clone)]
pub(super) struct Lines<'t>(Vec<&'t str>);

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text.lines().collect())
    }

    /// Empty where there is no such line.
    pub(super) fn get(&self, line: usize) -> &'t str {
        self.0.get(line.wrapping_sub(1)).copied().unwrap_or("")
    }

    /// These lines, as they are.
    pub(super) fn text(&self, first: usize, last: usize) -> String {
        let lines: Vec<&str> = (first..=last).map(|line| self.get(line)).collect();
        lines.join("\n")
    }

    /// Whether an id at `line` speaks for `broken`, a line of the function from `first` to `last`.
    pub(super) fn speaks_for(
        &self,
        line: usize,
        broken: usize,
        (first, last): (usize, usize),
    ) -> bool {
        // The span of a function begins with its comments and attributes, if it has any.
        let head = (first..last).find(|&line| self.get(line).contains("fn "));
        if line < head.unwrap_or(first) {
            return (line..first).all(|above| self.is_comment(above) || self.is_attribute(above));
        }
        if line > last {
            return false;
        }
        if !self.is_comment(line) {
            return line == broken;
        }
        let Some(start) = (line + 1..=last).find(|&next| !self.is_comment(next)) else {
            return false;
        };
        (start..=self.reach(start, last)).contains(&broken)
    }

    /// The last line of what starts at `start` and is spoken for together.
    fn reach(&self, start: usize, last: usize) -> usize {
        let item = self.end_of_item(start, last);
        if self.is_part_of_a_list(start, item) {
            return item;
        }
        let indent = self.indent(start);
        let ends = |&line: &usize| {
            let text = self.get(line).trim();
            text.is_empty() || self.names_ids(line) || self.indent(line) < indent
        };
        (start..=last).find(ends).map_or(last, |end| end - 1)
    }

    /// The end of the statement, arm, field or argument that starts at `start`.
    fn end_of_item(&self, start: usize, last: usize) -> usize {
        let indent = self.indent(start);
        let goes_on = |&line: &usize| {
            let text = self.get(line).trim_start();
            let closes = text.starts_with(['}', ')', ']', '|', '{', '.', '?']);
            !text.is_empty()
                && (self.indent(line) > indent || (self.indent(line) == indent && closes))
        };
        (start + 1..=last)
            .take_while(goes_on)
            .last()
            .unwrap_or(start)
    }

    fn is_part_of_a_list(&self, start: usize, end: usize) -> bool {
        let is_arm = (start..=end).any(|line| {
            self.indent(line) <= self.indent(start) + 4 && self.get(line).contains("=>")
        });
        let is_block = self.get(start).trim_end().ends_with('{') && !is_arm;
        !is_block && (is_arm || self.get(end).trim_end().ends_with(','))
    }

    fn indent(&self, line: usize) -> usize {
        let text = self.get(line);
        text.len() - text.trim_start().len()
    }

    fn is_comment(&self, line: usize) -> bool {
        self.get(line).trim_start().starts_with("//")
    }

    fn is_attribute(&self, line: usize) -> bool {
        self.get(line).trim_start().starts_with('#')
    }

    fn names_ids(&self, line: usize) -> bool {
        self.is_comment(line) && self.get(line).contains("[TP-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the id in the line with `mark` speaks for; the function is the whole text.
    fn spoken_for(code: &str, mark: &str) -> Vec<usize> {
        let lines = Lines::new(code);
        let count = code.lines().count();
        let first = (1..=count).find(|&line| lines.get(line).contains("fn "));
        let id = (1..=count).find(|&line| lines.get(line).contains(mark));
        (1..=count)
            .filter(|&line| lines.speaks_for(id.unwrap(), line, (first.unwrap(), count)))
            .collect()
    }

    #[test]
    fn above_a_function_it_is_all_of_it() {
        let code = "/// Whole [A].\n#[inline]\nfn f() {\n    a();\n}";
        assert_eq!(spoken_for(code, "[A]"), [1, 2, 3, 4, 5]);
        let apart = "// Nothing [A].\n\nfn f() {\n    a();\n}";
        assert_eq!(spoken_for(apart, "[A]"), [0; 0]);
        let within = "/// Whole.\n/// [A]\n#[inline]\nfn f() {\n    a();\n\n    b();\n}";
        let lines = Lines::new(within);
        assert!((1..=8).all(|line| lines.speaks_for(2, line, (1, 8))));
    }

    #[test]
    fn behind_code_it_is_that_line() {
        let code = "fn f() {\n    a();\n    b(); // [A]\n    c();\n}";
        assert_eq!(spoken_for(code, "[A]"), [3]);
    }

    #[test]
    fn before_statements_it_is_those_up_to_a_blank_line_another_id_or_the_end_of_the_block() {
        let code = "\
fn f() {
    if a {
        // [TP-1]
        // and more of it
        b();
        c(
            d,
        );
    }
    // [TP-2]
    e();
    // Said of f.
    f();
    // [TP-3]
    g();

    h();
}";
        assert_eq!(spoken_for(code, "TP-1"), [5, 6, 7, 8]);
        assert_eq!(spoken_for(code, "TP-2"), [11, 12, 13]);
        assert_eq!(spoken_for(code, "TP-3"), [15]);
    }

    #[test]
    fn before_an_arm_it_is_the_arm() {
        let code = "\
fn f() {
    match a {
        // [TP-1]
        B(b)
        | C(b)
            if b =>
        {
            c();
        }
        // [TP-2]
        D => d(),
        E => {
            e()
        }
        // [TP-3]
        F => {
            f()
        }
        G => g(),
    }
}";
        assert_eq!(spoken_for(code, "TP-1"), [4, 5, 6, 7, 8, 9]);
        assert_eq!(spoken_for(code, "TP-2"), [11]);
        assert_eq!(spoken_for(code, "TP-3"), [16, 17, 18]);
    }

    #[test]
    fn before_a_field_or_an_argument_it_is_that_one() {
        let code = "\
fn f() {
    S {
        // [TP-1]
        a: b + 1,
        // [TP-2]
        c: d(
            e,
        ),
        f,
    }
}";
        assert_eq!(spoken_for(code, "TP-1"), [4]);
        assert_eq!(spoken_for(code, "TP-2"), [6, 7, 8]);
    }

    #[test]
    fn before_a_condition_it_is_what_hangs_on_it() {
        let code = "\
fn f() {
    // [TP-1]
    if a
        && b
    {
        c(d, |e| {
            e => f,
        });
    } else {
        g();
    }
    h();
}";
        assert_eq!(spoken_for(code, "TP-1"), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }
}
