//! While a function is being typed, what is wrong with it is rustc's to say: an annotated file that ends too early has the errors
//! that it would have without our attributes, and no others. So has one in the middle of which something is being typed.
//!
//! Files are cut behind a token, up to the end of the group that it is in, as an editor has it that closes what it opens; or they
//! have a dot behind a token, where a method's name is to follow. A few dozen of each in each run; all of them with `HALF_TYPED=all`.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use ui_tests::compile;

/// Cuts, and dots, tried in each file. A prime number of them, so that they fall on all kinds of tokens.
const CUTS: usize = 19;

#[test]
fn a_file_cut_short_has_rustcs_errors_and_no_others() {
    for file in ["half_typed/helpers.rs", "coverage/bodies.rs"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(source).expect("the file is there");
        assert_eq!(errors(&text, "whole"), <[String; 0]>::default(), "{file} is complete");
        for cut in some(cuts(&text), &text) {
            let half = format!("{}{}", &text[..cut.start], &text[cut.end..]);
            assert_no_more(&half, &format!("{file}, cut behind `…{}`", behind(&text, cut.start)));
        }
        // What follows a marked loop would be a field of it: that parses, and is no loop, which is ours to tell.
        let is_loop_s =
            |end: usize| text[..end].ends_with('}') && text[end..].trim_start().starts_with(char::is_alphabetic);
        let ends = tokens(&text).into_iter().map(|token| token.end);
        let ends = ends.filter(|end| !is_loop_s(*end)).map(|end| end..end).collect();
        for dot in some(ends, &text) {
            let half = format!("{}.{}", &text[..dot.start], &text[dot.end..]);
            assert_no_more(&half, &format!("{file}, a dot behind `…{}`", behind(&text, dot.start)));
        }
    }
}

/// Those in code, and of these a few.
fn some(places: Vec<Range<usize>>, text: &str) -> Vec<Range<usize>> {
    let in_code = places.into_iter().filter(|place| is_code(&text[..place.start]));
    let places: Vec<_> = in_code.collect();
    let step = match std::env::var_os("HALF_TYPED") {
        Some(_) => 1,
        None => places.len() / CUTS,
    };
    places.into_iter().step_by(step).collect()
}

fn behind(text: &str, place: usize) -> &str {
    &text[place.saturating_sub(60)..place]
}

fn assert_no_more(half: &str, what: &str) {
    let ours = errors(half, "annotated");
    let theirs = errors(&without_attributes(half), "plain");
    // Those without a number are of syntax, or of a macro.
    let count = |errors: &[String], wanted: &String| errors.iter().filter(|error| *error == wanted).count();
    let mut unnumbered = ours.iter().filter(|error| error.starts_with(':'));
    let is_more = ours.len() > theirs.len() || unnumbered.any(|error| count(&ours, error) > count(&theirs, error));
    assert!(!is_more, "{what}: {ours:#?} and not {theirs:#?}");
}

/// What to leave out for each cut: from behind a token to the end of its group.
fn cuts(text: &str) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    // The cuts in groups that have not ended, by group.
    let mut open: Vec<Vec<usize>> = vec![Vec::new()];
    for token in tokens(text) {
        let first = text.as_bytes()[token.start];
        if b")]}".contains(&first) {
            let ended = open.pop().unwrap_or_default();
            cuts.extend(ended.into_iter().map(|cut| cut..token.start));
        }
        if b"([{".contains(&first) {
            open.push(vec![token.end]);
        } else if let Some(group) = open.last_mut() {
            group.push(token.end);
        }
    }
    cuts.extend(open.into_iter().flatten().map(|cut| cut..text.len()));
    cuts.sort_by_key(|cut| cut.start);
    cuts
}

/// Words, strings and signs; not comments. (No raw strings, and no quotes in a `char`.)
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() && !rest.starts_with("//") {
            tokens.push(at..at + length);
        }
        at += length;
    }
    tokens
}

/// Whether a cut behind this is in an item that is annotated, or behind one; and neither in an attribute nor in a macro of ours,
/// whose mistakes are ours to tell, nor in what `#[token]` marks, which is no parameter without it.
fn is_code(before: &str) -> bool {
    let Some(attribute) = before.rfind("#[") else {
        return false;
    };
    let is_complete = before[attribute..].contains(']');
    let marked = before[attribute..].strip_prefix("#[token]");
    let in_marked = marked.is_some_and(|behind| !behind.contains([',', ')']));
    let in_macro = before
        .rfind("cancel_scope!")
        .is_some_and(|call| !before[call..].contains("\n}"));
    // There is nothing to finish before there is an `.await`; that is ours to tell, too.
    let finishes = before[attribute..].starts_with("#[cancelable(finish)]") && !before[attribute..].contains(".await");
    before.contains("#[cancelable") && is_complete && !in_marked && !in_macro && !finishes
}

/// The same on the same lines, with attributes that do nothing, and a token from elsewhere.
fn without_attributes(text: &str) -> String {
    let mut plain = text.replacen("\n\n", "\n#[expect(unused)] use cancelable::current as token;\n", 1);
    for ty in ["&CancellationToken", "CancellationToken"] {
        for comma in [", ", ",", ""] {
            plain = plain.replace(&format!("#[token] token: {ty}{comma}"), "");
        }
    }
    let mut attributes = plain.split("#[cancelable");
    let mut kept = attributes.next().unwrap_or_default().to_owned();
    for attribute in attributes {
        kept.push_str("#[allow()]");
        kept.push_str(attribute.split_once(']').map_or("", |(_, behind)| behind));
    }
    kept
}

/// The errors in a file; but for those about the token, which is from elsewhere in one of the two.
fn errors(text: &str, name: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("half_typed_{name}.rs"));
    fs::write(&source, text).expect("the folder is there");
    let options = ["--emit=metadata", "--error-format=short", "--cap-lints=allow"];
    let output = compile(&source, &source.with_extension("rmeta"), &options);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = said
        .lines()
        .filter_map(|line| Some(line.split_once(": error")?.1.to_owned()));
    let is_about_token = |message: &String| message.contains("`token`") || message.contains("CancellationToken");
    errors.filter(|message| !is_about_token(message)).collect()
}
