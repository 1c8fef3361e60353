//! What the registry says to people, as files to read: `snapshots/<name>.txt`, which the guide's page `docs/observe.md` shows.
//!
//! To write both anew, after a change that is meant: `BLESS=1 cargo test --manifest-path tests/observe/Cargo.toml --test texts`, then read the difference.

use std::collections::HashMap;
use std::fs;
use std::future::pending;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cancelable::{Cancelled, cancel_scope, cancelable, check, progress, registry, shield};

fn begin<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    future
}

#[cancelable]
async fn query() -> Result<(), Cancelled> {
    pending::<()>().await;
    Ok(())
}

#[cancelable]
async fn upload() -> Result<(), Cancelled> {
    progress(3, 10);
    shield(pending::<()>()).await;
    Ok(())
}

/// A service with two requests, one of which has been cancelled and commits what it has; and what is left when it has stopped.
fn scene() -> [(&'static str, String); 3] {
    let (running, stragglers) = cancel_scope!(name = "serve", {
        let order = begin(cancel_scope!(name = "GET /orders/7", timeout = "1h", async {
            query().await
        }));
        let uploads = begin(cancel_scope!(name = "POST /upload", async { upload().await }));
        for upload in registry::find("POST /upload").scopes {
            registry::cancel_with(upload.id, "user pressed stop");
        }
        let told = (
            registry::snapshot().to_string(),
            registry::stragglers(Duration::ZERO).to_string(),
        );
        drop((uploads, order));
        Ok::<_, Cancelled>(told)
    })
    .unwrap();
    let late: Result<(), Cancelled> = cancel_scope!(name = "report", timeout = "0s", { check() });
    late.unwrap_err();
    [
        ("running", running),
        ("stragglers", stragglers),
        ("history", registry::history().to_string()),
    ]
}

/// What depends on the run and on where this is, replaced.
fn as_shown(text: &str) -> String {
    let thread = std::thread::current().name().unwrap().to_owned();
    let text = text.replace(file!(), "src/main.rs").replace(&thread, "main");
    let mut numbers = HashMap::new();
    let words = text.split_inclusive([' ', '\n', ',', ':', ';']).map(|word| {
        let end = word.len() - word.trim_end_matches([' ', '\n', ',', ':', ';']).len();
        let (word, end) = word.split_at(word.len() - end);
        if word.starts_with('#') {
            let next = numbers.len() + 1;
            return format!("#{}{end}", numbers.entry(word.to_owned()).or_insert(next));
        }
        let is_duration = word.starts_with(|c: char| c.is_ascii_digit())
            && ["ns", "µs", "ms", "s"]
                .iter()
                .any(|unit| word.strip_suffix(unit).is_some_and(|n| n.parse::<f64>().is_ok()));
        if is_duration {
            format!("1.2ms{end}")
        } else {
            format!("{word}{end}")
        }
    });
    let text: String = words.collect();
    // A deadline is no matter of milliseconds.
    text.replace("deadline in 1.2ms", "deadline in 3599.9s") + "\n"
}

#[test]
fn the_texts_are_what_they_were_and_the_guide_shows_them() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = root.join("../../docs/observe.md");
    let written = fs::read_to_string(&page).unwrap();
    let mut shown = written.clone();
    for (name, text) in scene() {
        let text = as_shown(&text);
        let file = root.join("snapshots").join(name).with_extension("txt");
        if is_blessed {
            fs::write(&file, &text).unwrap();
        }
        assert_eq!(
            fs::read_to_string(&file).unwrap_or_default(),
            text,
            "{name} (`BLESS=1` writes it)"
        );
        let mark = format!("<!-- tests/observe/snapshots/{name}.txt -->\n```text\n");
        let start = shown.find(&mark).unwrap_or_else(|| panic!("the page shows {name}")) + mark.len();
        let length = shown[start..].find("```").expect("the fence's end");
        shown.replace_range(start..start + length, &text);
    }
    if is_blessed {
        fs::write(&page, &shown).unwrap();
    }
    assert!(
        is_blessed || shown == written,
        "the page shows other texts (`BLESS=1` writes them)"
    );
}
