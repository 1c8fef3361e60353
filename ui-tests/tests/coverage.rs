//! Coverage counts what runs in an annotated function, wherever the expansion has moved it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use ui_tests::compile;

#[test]
fn the_branches_of_a_body_are_counted() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coverage.ll");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("coverage/bodies.rs");
    let options = [
        "-C",
        "instrument-coverage",
        "-C",
        "symbol-mangling-version=v0",
        "--emit=llvm-ir",
    ];
    let output = compile(&source, &target, &options);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("profiler_builtins") {
        println!("not counted: this toolchain comes without the profiler's runtime");
        return;
    }
    assert!(output.status.success(), "{said}");
    let code = fs::read_to_string(&target).expect("rustc has written it");
    let counters = counters(&code);
    for name in [
        "in_place",
        "sync_scope",
        "sync_scope_or",
        "async_scope",
        "async_scope_or",
        "tail_scope",
        "sync_macro",
        "async_macro",
    ] {
        // Both branches of the `if`, and what comes before; one counter may be the difference of others.
        let most = counters
            .iter()
            .filter(|(symbol, _)| names(symbol, name))
            .map(|(_, count)| *count);
        assert!(
            most.max() >= Some(2),
            "the body of `{name}` is not counted: {counters:#?}"
        );
    }
}

/// How many counters each function has: `@__profc_SYMBOL = private global [3 x i64] …`.
fn counters(code: &str) -> BTreeMap<&str, u32> {
    let counted = code.lines().filter_map(|line| {
        let (symbol, rest) = line.strip_prefix("@__profc_")?.split_once(" = ")?;
        let count = rest.split_once('[')?.1.split_once(" x i64]")?.0;
        Some((symbol, count.parse().ok()?))
    });
    counted.collect()
}

/// Whether a mangled symbol is that of the function or of what is within it: `_RNCNvCs1_5probe10sync_scope0`.
fn names(symbol: &str, name: &str) -> bool {
    let function = format!("5probe{}{name}", name.len());
    symbol.contains(&function)
}
