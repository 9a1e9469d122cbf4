//! The expressions of a file, whatever they are nested in. Macros are left alone: what they are given
//! need not be expressions.

use syn::{Arm, Block, Expr, ImplItem, Item, Stmt, TraitItem};

/// Calls `on_expr` for every expression and `on_arm` for every arm of a match.
pub(super) struct Walk<'w> {
    pub(super) on_expr: &'w mut dyn FnMut(&Expr),
    pub(super) on_arm: &'w mut dyn FnMut(&Arm),
}

impl Walk<'_> {
    pub(super) fn items(&mut self, items: &[Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(function) => self.block(&function.block),
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content {
                    self.items(items);
                }
            }
            Item::Impl(implementation) => {
                for item in &implementation.items {
                    if let ImplItem::Fn(function) = item {
                        self.block(&function.block);
                    }
                }
            }
            Item::Trait(definition) => {
                for item in &definition.items {
                    if let TraitItem::Fn(function) = item
                        && let Some(block) = &function.default
                    {
                        self.block(block);
                    }
                }
            }
            _ => {}
        }
    }

    fn block(&mut self, block: &Block) {
        for statement in &block.stmts {
            match statement {
                Stmt::Local(local) => {
                    if let Some(init) = &local.init {
                        self.expr(&init.expr);
                        if let Some((_, diverge)) = &init.diverge {
                            self.expr(diverge);
                        }
                    }
                }
                Stmt::Item(item) => self.item(item),
                Stmt::Expr(expr, _) => self.expr(expr),
                Stmt::Macro(_) => {}
            }
        }
    }

    fn all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        (self.on_expr)(expr);
        match expr {
            Expr::Array(e) => self.all(&e.elems),
            Expr::Assign(e) => self.all([&*e.left, &*e.right]),
            Expr::Await(e) => self.expr(&e.base),
            Expr::Binary(e) => self.all([&*e.left, &*e.right]),
            Expr::Block(e) => self.block(&e.block),
            Expr::Break(e) => self.all(e.expr.as_deref()),
            Expr::Call(e) => {
                self.expr(&e.func);
                self.all(&e.args);
            }
            Expr::Cast(e) => self.expr(&e.expr),
            Expr::Closure(e) => self.expr(&e.body),
            Expr::Field(e) => self.expr(&e.base),
            Expr::ForLoop(e) => {
                self.expr(&e.expr);
                self.block(&e.body);
            }
            Expr::Group(e) => self.expr(&e.expr),
            Expr::If(e) => {
                self.expr(&e.cond);
                self.block(&e.then_branch);
                self.all(e.else_branch.as_ref().map(|(_, other)| &**other));
            }
            Expr::Index(e) => self.all([&*e.expr, &*e.index]),
            Expr::Let(e) => self.expr(&e.expr),
            Expr::Loop(e) => self.block(&e.body),
            Expr::Match(e) => {
                self.expr(&e.expr);
                for arm in &e.arms {
                    (self.on_arm)(arm);
                    self.all(arm.guard.as_ref().map(|(_, guard)| &**guard));
                    self.expr(&arm.body);
                }
            }
            Expr::MethodCall(e) => {
                self.expr(&e.receiver);
                self.all(&e.args);
            }
            Expr::Paren(e) => self.expr(&e.expr),
            Expr::Range(e) => self.all(e.start.as_deref().into_iter().chain(e.end.as_deref())),
            Expr::RawAddr(e) => self.expr(&e.expr),
            Expr::Reference(e) => self.expr(&e.expr),
            Expr::Repeat(e) => self.all([&*e.expr, &*e.len]),
            Expr::Return(e) => self.all(e.expr.as_deref()),
            Expr::Struct(e) => {
                self.all(e.fields.iter().map(|field| &field.expr));
                self.all(e.rest.as_deref());
            }
            Expr::Try(e) => self.expr(&e.expr),
            Expr::Tuple(e) => self.all(&e.elems),
            Expr::Unary(e) => self.expr(&e.expr),
            Expr::Unsafe(e) => self.block(&e.block),
            Expr::While(e) => {
                self.expr(&e.cond);
                self.block(&e.body);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missed() {
        let code = "
            impl A { fn f(&self) { let x = if a < 1 { b(c < 2)? } else { |d| d < 3 }; } }
            mod m { fn g() { match e { F if f < 4 => { g[h < 5] } _ => loop { break i < 6 } } } }
            fn h() { for j in 0..(k < 7) as u8 { while l < 8 { S { m: n < 9, ..o }; } } return p < 10; }
        ";
        let file = syn::parse_file(code).unwrap();
        let (mut comparisons, mut arms) = (0, 0);
        Walk {
            on_expr: &mut |expr| comparisons += u32::from(matches!(expr, Expr::Binary(_))),
            on_arm: &mut |_| arms += 1,
        }
        .items(&file.items);
        assert_eq!((comparisons, arms), (10, 2));
    }
}
