//! Functions that start work elsewhere, and leave the ambient token behind.

/// What to call in its place, if this is such a function of another crate.
#[must_use]
pub fn bare(path: &str) -> Option<&'static str> {
    let found = BARE.iter().find(|(name, _)| *name == path);
    found.map(|(_, instead)| *instead)
}

const THREAD: &str = "`cancelable::thread::spawn`";
const TOKIO: &str = "`cancelable::tokio::spawn`";
const TOKIO_BLOCKING: &str = "`cancelable::tokio::spawn_blocking`";
const SMOL: &str = "`cancelable::smol::spawn`";
const UNBLOCK: &str = "`cancelable::smol::spawn_blocking`";
const CLOSURE: &str = "`cancelable::propagate(…)` round the closure";
const FUTURE: &str = "`.in_current_scope()` on the future";

/// Where they are, and what takes their place.
const BARE: [(&str, &str); 24] = [
    ("std::thread::spawn", THREAD),
    ("tokio::spawn", TOKIO),
    ("tokio::task::spawn", TOKIO),
    ("tokio::task::spawn_blocking", TOKIO_BLOCKING),
    ("tokio::spawn_blocking", TOKIO_BLOCKING),
    ("tokio::task::spawn_local", FUTURE),
    ("smol::spawn", SMOL),
    ("smol::unblock", UNBLOCK),
    ("blocking::unblock", CLOSURE),
    ("async_std::task::spawn", FUTURE),
    ("async_std::task::spawn_local", FUTURE),
    ("async_std::task::spawn_blocking", CLOSURE),
    ("async_global_executor::spawn", FUTURE),
    ("actix_rt::spawn", FUTURE),
    ("actix_web::rt::spawn", FUTURE),
    ("actix_web::web::block", CLOSURE),
    ("wasm_bindgen_futures::spawn_local", FUTURE),
    ("glib::spawn_future_local", FUTURE),
    ("rayon::spawn", CLOSURE),
    ("rayon::spawn_fifo", CLOSURE),
    ("rayon::join", CLOSURE),
    ("rayon::scope", CLOSURE),
    ("crossbeam::thread::scope", CLOSURE),
    ("futures::executor::ThreadPool::spawn_ok", FUTURE),
];
