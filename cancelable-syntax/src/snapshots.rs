//! Expansions, as files to read: `ui-tests/expand/<axis>/<case>.rs`, and beside it `<case>.expanded.rs`.
//!
//! Generated code is code, and should be seen when it changes. To write the files anew:
//! `BLESS=1 cargo test -p cancelable-syntax snapshots`.

use crate::function_like;
use crate::rewrite::helpers::is_ours;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, File, Item, Meta};

#[test]
fn expansions_are_what_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui-tests/expand");
    let mut cases = Vec::new();
    for axis in fs::read_dir(&root).expect("the cases are there") {
        let files = fs::read_dir(axis.expect("readable").path()).expect("an axis is a folder");
        cases.extend(files.map(|file| file.expect("readable").path()));
    }
    cases.retain(|path| !path.to_string_lossy().ends_with(".expanded.rs"));
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", root.display());

    let bless = std::env::var_os("BLESS").is_some();
    let changed: Vec<PathBuf> = cases
        .into_iter()
        .filter(|case| !matches_snapshot(case, bless))
        .collect();
    assert!(
        changed.is_empty(),
        "these expand to something else now; look at the difference (`BLESS=1` writes it): {changed:#?}"
    );
}

fn matches_snapshot(case: &Path, bless: bool) -> bool {
    let source = fs::read_to_string(case).expect("a case is a file");
    let expanded = expand(&source);
    let snapshot = case.with_extension("expanded.rs");
    if bless {
        fs::write(&snapshot, &expanded).expect("writable");
    }
    let matches = fs::read_to_string(&snapshot).is_ok_and(|known| known == expanded);
    if !matches {
        println!("{}:\n{expanded}", case.display());
    }
    matches
}

fn expand(source: &str) -> String {
    let mut file: File = syn::parse_str(source).expect("a case parses");
    for item in &mut file.items {
        Calls.visit_item_mut(item);
    }
    let items: TokenStream = file.items.into_iter().map(annotated).collect();
    prettyplease::unparse(&syn::parse2(items).expect("an expansion parses"))
}

/// The item with its `#[cancelable]` carried out.
fn annotated(item: Item) -> TokenStream {
    let mut item = item;
    let attrs = match &mut item {
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        _ => return item.into_token_stream(),
    };
    let Some(index) = attrs.iter().position(is_ours) else {
        return item.into_token_stream();
    };
    let arguments = match attrs.remove(index).meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    crate::attribute::attribute(arguments, item.into_token_stream())
}

/// Carries out the function-like macros, outside annotated functions.
struct Calls;

impl VisitMut for Calls {
    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        if !item.attrs.iter().any(is_ours) {
            visit_mut::visit_item_fn_mut(self, item);
        }
    }

    fn visit_item_impl_mut(&mut self, _: &mut syn::ItemImpl) {}

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Macro(call) = expr {
            let tokens = &call.mac.tokens;
            let input = quote!((::cancelable) #tokens);
            let name = call.mac.path.to_token_stream().to_string();
            let expanded = match name.as_str() {
                "cancel_scope" => function_like::cancel_scope(input),
                "shield" => function_like::shield(input),
                "race" | "try_join" => function_like::combine(input, if name == "race" { "race" } else { "try_join" }),
                _ => return,
            };
            *expr = syn::parse2(expanded).expect("an expansion parses");
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_stmt_mut(&mut self, stmt: &mut syn::Stmt) {
        if let syn::Stmt::Macro(call) = stmt {
            let mut expr = Expr::Macro(syn::ExprMacro {
                attrs: Vec::new(),
                mac: call.mac.clone(),
            });
            self.visit_expr_mut(&mut expr);
            *stmt = syn::Stmt::Expr(expr, call.semi_token);
            return;
        }
        visit_mut::visit_stmt_mut(self, stmt);
    }
}
