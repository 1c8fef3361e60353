//! The page in a browser: it loads, keeps itself up to date, is used with the keyboard, and nobody else cancels through it.
//!
//! These need Chromium and chromedriver, and fail without. `BLESS=1` writes the guide's picture anew.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::{env, fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::driver::{Browser, ENTER, TAB};
use crate::picture;
use crate::program::{Dashboard, Signal};

const JOB: &str = "nightly report";

/// The page of a dashboard that has just been started, as soon as it shows something.
fn open() -> (Dashboard, Browser) {
    let (dashboard, browser) = (Dashboard::start(), Browser::start());
    browser.go(&format!("http://{}/", dashboard.address));
    is_live(&browser);
    (dashboard, browser)
}

fn is_live(browser: &Browser) {
    browser.until(
        "the page",
        "return document.getElementById('connection').textContent === 'live' && document.querySelector('#running li') !== null",
        &[],
    );
}

/// The number of a scope of this name that runs, by the page.
fn number(browser: &Browser, name: &str) -> u64 {
    let script = "for (const item of document.querySelectorAll('#running li'))
        if (item.querySelector('.name').textContent === arguments[0] && item.querySelector('.state').textContent !== 'cancelled')
            return Number(item.dataset.number);
        return null";
    browser.until(name, script, &[json!(name)]).as_u64().unwrap()
}

fn has_focus(browser: &Browser) -> String {
    let id = browser.run("return document.activeElement.id", &[]);
    id.as_str().unwrap().to_owned()
}

fn text(browser: &Browser, id: &str) -> String {
    let text = browser.run("return document.getElementById(arguments[0]).innerText", &[json!(id)]);
    text.as_str().unwrap().to_owned()
}

#[test]
fn it_keeps_itself_up_to_date_and_says_when_it_cannot() {
    let (dashboard, browser) = open();
    let address = dashboard.address.clone();
    // A job gets on, a scope begins, another one ends.
    let progress = "const item = document.getElementById(`scope-${arguments[0]}`);
        return item.querySelector('progress').value > arguments[1] ? item.querySelector('progress').value : 0";
    let job = number(&browser, JOB);
    let first = browser.until("progress", progress, &[json!(job), json!(0)]);
    browser.until("more of it", progress, &[json!(job), first]);
    browser.until("an end", "return document.querySelector('#ended li') !== null", &[]);
    // What has come from outside is text.
    let shoes = "const names = [...document.querySelectorAll('.name')];
        return names.some((name) => name.textContent.startsWith('GET /search?q=<i>shoes</i>&'))";
    browser.until("a name with HTML in it", shoes, &[]);
    assert_eq!(browser.run("return document.querySelectorAll('i').length", &[]), 0);

    dashboard.signal(Signal::KILL);
    drop(dashboard);
    let says = "return document.getElementById('connection').textContent === arguments[0]";
    browser.until("the loss", says, &[json!("connection lost, trying again …")]);
    let is_off = "return [...document.querySelectorAll('button')].every((button) => button.getAttribute('aria-disabled') === 'true')";
    assert_eq!(browser.run(is_off, &[]), true);

    // It comes back by itself, with the new token.
    let dashboard = Dashboard::listening_on(&address, &["--drain", "10ms"]);
    let token = "return document.querySelector('meta[name=token]').content";
    let old = browser.run(token, &[]);
    browser.until("the new page", &format!("{token} !== arguments[0]"), &[old]);
    is_live(&browser);

    dashboard.signal(Signal::INT);
    browser.until("the end", says, &[json!("the program has ended")]);
}

#[test]
fn the_keyboard_is_enough() {
    let (dashboard, browser) = open();
    let job = number(&browser, JOB);
    let button = format!("cancel-{job}");
    // (More than there is to stop at; what comes and goes meanwhile may take some.)
    let found = (0..200).any(|_| {
        browser.press(TAB);
        has_focus(&browser) == button
    });
    assert!(found, "no Tab leads to the button");
    let seen = "const style = getComputedStyle(document.activeElement);
        return [style.outlineStyle, style.outlineWidth, document.activeElement.getAttribute('aria-label')]";
    assert_eq!(
        browser.run(seen, &[]),
        json!(["solid", "3px", format!("Cancel {JOB} #{job}")])
    );

    browser.press(ENTER);
    let report = format!("report-{job}");
    let state = "return document.querySelector(`#${arguments[0]} .state`)?.textContent === 'cancelled'";
    browser.until("the report", state, &[json!(report)]);
    let said = text(&browser, &report);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        format!("{JOB} #{job} cancelled ended "),
        format!(r#"because cancelled on the live page (scope "{JOB}")"#),
        "asked at examples/dashboard/src/page.rs:".into(),
        "noticed at examples/dashboard/src/busy.rs:".into(),
        "begun at examples/dashboard/src/busy.rs:".into(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    // Whoever does not see it is told, and is led to it, since the button has gone.
    assert_eq!(text(&browser, "news"), format!("{JOB} #{job} has ended: cancelled"));
    browser.until(
        "the focus",
        "return document.activeElement.id === arguments[0]",
        &[json!(report)],
    );
    assert!(dashboard.scope(job).is_none());
}

#[test]
fn the_focus_stays_while_all_else_changes() {
    let (_dashboard, browser) = open();
    let job = number(&browser, JOB);
    let button = format!("cancel-{job}");
    browser.run("document.getElementById(arguments[0]).focus()", &[json!(button)]);
    let others = "return [...document.querySelectorAll('#running li')].map((item) => item.id).filter((id) => id !== 'scope-' + arguments[0]).slice(-4).join()";
    for _ in 0..5 {
        let before = browser.run(others, &[json!(job)]);
        browser.until(
            "change",
            &format!("const now = (() => {{ {others} }}).apply(null, arguments); return now !== arguments[1]"),
            &[json!(job), before],
        );
        assert_eq!(has_focus(&browser), button);
    }

    // Also if what it is in has ended, and it moves. (The export goes on for some seconds after the shop.)
    let script = "
        if (window.moved) return window.moved;
        const named = (name) => [...document.querySelectorAll('#running li')].find((item) => item.querySelector('.name').textContent === name);
        const [shop, legacy] = [named('shop'), named('legacy export')];
        if (!shop || !legacy || !shop.contains(legacy) || window.watched === legacy) return null;
        if (parseFloat(legacy.querySelector('.age dd').textContent) > 6) return null;
        window.watched = legacy;
        const button = legacy.querySelector('button');
        button.focus();
        new MutationObserver(() => {
            if (legacy.parentNode?.id === 'running') window.moved ??= [button.id, document.activeElement.id];
        }).observe(document.getElementById('running'), { childList: true, subtree: true });
        shop.querySelector('button').click();
        return null";
    let moved = browser.until("a scope whose parent has ended", script, &[]);
    assert_eq!(moved[0], moved[1]);
}

/// Serves one page to whoever asks, on a port of its own: another site. Its address has another name, too.
fn another_site(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let length = page.len();
            let _ = client.read(&mut [0; 4096]);
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    format!("http://localhost:{port}/")
}

#[test]
fn no_other_page_cancels() {
    let (dashboard, browser) = open();
    let job = number(&browser, JOB);
    let token = browser.run("return document.querySelector('meta[name=token]').content", &[]);
    let target = format!("http://{}/scopes/{job}/cancel", dashboard.address);
    let refused = |browser: &Browser, why: &str| {
        let says = "return document.body?.innerText.includes(arguments[0])";
        browser.until(why, says, &[json!(why)]);
    };

    // A form, as any page may send it.
    browser.go(&another_site(format!(
        r#"<form method="post" action="{target}"><input name="x"></form><script>document.forms[0].submit()</script>"#
    )));
    refused(&browser, "this request comes from another page");

    // By script, even with the token: the browser asks first whether that header may be sent, and it may not.
    browser.go(&another_site("<p>another site</p>".into()));
    let send = "const [target, token, answer] = arguments;
        const headers = token ? { 'x-dashboard-token': token } : {};
        fetch(target, { method: 'POST', headers }).then((is) => answer('answered'), () => answer('refused'))";
    let answer = |token: Value| browser.run_async(send, &[json!(target), token]);
    assert_eq!(answer(token.clone()), "refused");
    // Without that header it is sent, and refused there; the page is not told.
    assert_eq!(answer(Value::Null), "refused");

    // A name of theirs that leads here sees nothing, so that it does not get to know the token.
    let (_, port) = dashboard.address.split_once(':').unwrap();
    browser.go(&format!("http://evil.example:{port}/"));
    refused(&browser, "this is not the name of this page's host");

    let scope = dashboard.scope(job).expect("it runs");
    assert!(scope["cancel"].is_null(), "{scope}");
}

#[test]
fn a_small_screen_and_a_dark_one_will_do() {
    let (_dashboard, browser) = open();
    browser.resize(400, 800);
    // Whatever is shown in the meantime.
    browser.run(
        "window.widest = 0;
         setInterval(() => { widest = Math.max(widest, document.documentElement.scrollWidth); }, 20)",
        &[],
    );
    let job = number(&browser, JOB);
    browser.run(
        "document.getElementById(arguments[0]).click()",
        &[json!(format!("cancel-{job}"))],
    );
    for (what, selector) in [
        ("a report", "#reports .state[data-state=cancelled]"),
        ("what is cancelled and goes on", "#running .state[data-state=cancelled]"),
        ("progress", "#running progress"),
        ("an end", "#ended .state[data-state=cancelled]"),
        ("something dropped", "#ended .state[data-state=dropped]"),
    ] {
        let is_there = "return document.querySelector(arguments[0]) !== null && window.widest > 0";
        browser.until(what, is_there, &[json!(selector)]);
    }
    assert_eq!(browser.run("return [innerWidth, widest]", &[]), json!([400, 400]));
    let long = "document.querySelector('#running .name').textContent = 'x'.repeat(1000);
        document.querySelector('#running dd').textContent = 'y'.repeat(1000);
        return document.documentElement.scrollWidth";
    assert_eq!(browser.run(long, &[]), 400);
    // Everything that can be pressed is large enough for a finger, and is in sight.
    let buttons = "return [...document.querySelectorAll('button')].every((button) => {
            const box = button.getBoundingClientRect();
            return box.height >= 24 && box.width >= 24 && box.right <= innerWidth;
        })";
    assert_eq!(browser.run(buttons, &[]), true);

    let colours = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]";
    let in_scheme = |scheme: &str| {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        browser.chromium("Emulation.setEmulatedMedia", &json!({ "features": features }));
        browser.run(colours, &[])
    };
    assert_eq!(in_scheme("light"), json!(["rgb(244, 245, 247)", "rgb(27, 31, 36)"]));
    assert_eq!(in_scheme("dark"), json!(["rgb(20, 23, 27)", "rgb(230, 233, 237)"]));
}

/// The guide's pictures: always taken, and written with `BLESS=1`.
#[test]
fn it_is_shown_in_the_guide() {
    let (_dashboard, browser) = open();
    browser.resize(1200, 840);
    let has = "const all = [...document.querySelectorAll('#running li')];
        const cancelled = (name) => all.some((item) => item.querySelector('.name').textContent === name
            && item.querySelector('.state').textContent === 'cancelled');
        return cancelled('legacy export') && cancelled('save baskets')
            && document.querySelector('#running .state[data-state=running]') !== null
            && document.querySelector('#ended .state[data-state=dropped]') !== null";
    browser.until("all that is to be shown", has, &[]);
    let job = number(&browser, JOB);
    browser.run(
        "document.getElementById(arguments[0]).click()",
        &[json!(format!("cancel-{job}"))],
    );
    browser.until(
        "the report",
        "return document.querySelector('#reports .state[data-state=cancelled]') !== null",
        &[],
    );
    let picture = picture::with_few_colours(&STANDARD.decode(browser.screenshot()).unwrap());
    let size = picture.len();
    assert!(size < 150_000, "{size} bytes are many for a repository");
    if env::var_os("BLESS").is_some() {
        fs::write(picture::file("docs/dashboard.png"), &picture).unwrap();
        fs::write(picture::file(picture::IN_RUSTDOC), STANDARD.encode(&picture)).unwrap();
    }
}
