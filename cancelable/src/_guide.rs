//! The guide: pages of `docs/` in the repository, with every example compiled and run as a test.
//!
//! - [Getting started](getting_started): an install line, a scope, a function, a thread that stops
//! - [Concepts](concepts): token, scope, ambient, check point, shield: what each word means, and who opens scopes
//! - [Clean-up](clean_up): six ways to clean up after a cancel, and what each of them does
//! - [Cancel safety](cancel_safety): what an await loses when it is cut, operation by operation
//! - [Timeouts and deadlines](timeouts): limits of a function, a block, a request
//! - [Ctrl-C, SIGTERM and draining](signals): stop, drain, and the exit code
//! - [HTTP services](services): a scope per request: disconnect, timeout, shutdown, with axum; by hand, to see how it works. For a
//!   service take the crate `cancelable-tower`, in `integrations/` of the repository, whose page is `docs/http.md` there; for one of
//!   gRPC `cancelable-tonic`, whose page is `docs/grpc.md`; and for queries `cancelable-postgres`, whose page is `docs/postgres.md`
//! - Called from Python: the crate `cancelable-pyo3`, whose page is `docs/python.md`
//! - [Blocking work, threads, rayon](blocking): code that does not await
//! - [Tasks and groups](groups): start several things, and stop all of them with the first error
//! - [Errors](errors): `?` into anyhow, thiserror, `io::Error`, axum's tuples
//! - [Why was it cancelled?](explain): who asked, whose scope it was, where it was noticed, and how to read a report
//! - [Partial results](partial): what there was when it was stopped, beside the error
//! - [Progress](progress): how far it has got, for whoever wants to know: parts of a whole, rates, bars
//! - [What is it doing?](observe): spans and events for `tracing`; which scopes run, what they wait for, and which ignores a cancel
//! - [The live page](dashboard): an example that shows the same in a browser, where a button cancels a scope
//! - [What is not cancelled](not_cancelled): code that a cancel does not reach, and how to find it
//! - [Loops](loops): where a loop is checked, and what a check costs
//! - [With other attributes](other_attributes): which attribute comes first
//! - [Testing](testing): cancel at every check point, and clocks that tests move
//! - [Stretches](stretches): the time between check points, measured: which one is missing
//! - [Performance](performance): all measurements, with machine, date and method
//! - [How it works](how_it_works): the design; and two pages for those who change it, [the token's protocol](token_protocol) and
//!   [the scope's](scope_protocol)
//! - [Limits](limits): what does not work, or not as well as it should
//! - [Coming from …](coming_from): tokio-util, `AtomicBool`, Python, Go, .NET, Kotlin, before and after
//!
//! (This module is empty in programs. It exists in the documentation only, as clap's `_tutorial` and jiff's `_documentation` do.)

// A page ends with the targets of its links as a code host needs them: other pages and source files. `links.md` comes before, and
// gives the same names their targets in rustdoc; the first definition of a name counts.
macro_rules! pages {
    ($($module:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!("_guide/links.md")]
            #[doc = include_str!(concat!("../docs/", $file, ".md"))]
            pub mod $module {}
        )*
    };
}

pages! {
    getting_started: "getting-started",
    concepts: "concepts",
    clean_up: "clean-up",
    cancel_safety: "cancel-safety",
    timeouts: "timeouts",
    signals: "signals",
    services: "services",
    blocking: "blocking",
    groups: "groups",
    errors: "errors",
    explain: "explain",
    partial: "partial",
    progress: "progress",
    not_cancelled: "not-cancelled",
    loops: "loops",
    other_attributes: "other-attributes",
    testing: "testing",
    stretches: "stretches",
    performance: "performance",
    how_it_works: "how-it-works",
    limits: "limits",
    coming_from: "coming-from",
}

#[cfg(all(feature = "registry", feature = "tracing"))]
pages! {
    observe: "observe",
}

#[cfg(all(feature = "registry", feature = "tracing"))]
#[doc = include_str!("_guide/links.md")]
#[doc = concat!("[picture]: data:image/png;base64,", include_str!("_guide/dashboard.png.base64"), "\n")]
#[doc = include_str!("../docs/dashboard.md")]
pub mod dashboard {}

#[doc = include_str!("token/PROTOCOL.md")]
pub mod token_protocol {}

#[doc = include_str!("scope/PROTOCOL.md")]
pub mod scope_protocol {}
