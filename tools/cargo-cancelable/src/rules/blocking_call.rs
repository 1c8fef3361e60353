//! Calls of the standard library that block the thread, and do not hear of a cancel.

use super::body::Body;
use crate::finding::Rule;
use crate::syntax;
use crate::walk::{Ground, Node};
use proc_macro2::Span;
use std::collections::HashMap;
use syn::{Expr, FnArg, GenericArgument, PathArguments, Type};

const SLEEPS: [&str; 2] = ["std::thread::sleep", "std::thread::sleep_until"];
const CONNECTS: [&str; 2] = [
    "std::net::TcpStream::connect",
    "std::os::unix::net::UnixStream::connect",
];
/// Types of the standard library, and methods of theirs that wait.
const SOCKETS: [(&str, &[&str]); 5] = [
    (
        "std::net::TcpStream",
        &[
            "read",
            "read_exact",
            "read_to_end",
            "read_to_string",
            "read_vectored",
            "peek",
        ],
    ),
    (
        "std::os::unix::net::UnixStream",
        &["read", "read_exact", "read_to_end", "read_to_string", "read_vectored"],
    ),
    ("std::net::TcpListener", &["accept", "incoming"]),
    ("std::os::unix::net::UnixListener", &["accept", "incoming"]),
    ("std::net::UdpSocket", &["recv", "recv_from", "peek", "peek_from"]),
];
const STDIN: [&str; 6] = [
    "read_line",
    "lines",
    "read",
    "read_to_end",
    "read_to_string",
    "read_exact",
];

pub(super) fn check(body: &mut Body<'_>) {
    let sockets = sockets(body);
    // Limits on how long they wait.
    let is_limited = ["set_read_timeout", "set_nonblocking"]
        .iter()
        .any(|name| syntax::mentions(body.function().block, name));
    let mut found: Vec<(Span, String)> = Vec::new();
    body.walk(&mut |node, place| {
        if place.ground != Ground::Covered || place.is_shielded || place.is_skipped || place.is_elsewhere {
            return;
        }
        match node {
            Node::Expr(Expr::Call(call)) => {
                let Expr::Path(path) = &*call.func else { return };
                let Some(last) = path.path.segments.last() else { return };
                let meaning = body.meaning(&path.path);
                // What is awaited is no function of the standard library, whatever it is called.
                let is_awaited = place.is_awaited;
                if SLEEPS.contains(&meaning.as_str()) {
                    let instead = if body.function().sig.asyncness.is_some() {
                        "`cancelable::sleep(…).await?`"
                    } else {
                        "`cancelable::blocking_sleep(…)?`"
                    };
                    found.push((
                        last.ident.span(),
                        format!("`{meaning}` sleeps on after a cancel; write {instead}"),
                    ));
                } else if CONNECTS.contains(&meaning.as_str()) && !is_awaited {
                    found.push((
                        last.ident.span(),
                        format!("`{meaning}` blocks, and does not hear of a cancel; use `connect_timeout`, or a runtime's"),
                    ));
                } else if meaning == "std::io::read_to_string" && call.args.first().is_some_and(|read| is_stdin(body, read)) {
                    found.push((last.ident.span(), stdin(&last.ident.to_string())));
                }
            }
            Node::Expr(Expr::MethodCall(call)) => {
                let method = call.method.to_string();
                if STDIN.contains(&method.as_str()) && is_stdin(body, &call.receiver) {
                    found.push((call.method.span(), stdin(&method)));
                    return;
                }
                let Expr::Path(receiver) = syntax::peel(&call.receiver) else { return };
                let Some(name) = receiver.path.get_ident().map(ToString::to_string) else { return };
                let Some((ty, methods)) = sockets.get(&name) else { return };
                if methods.contains(&method.as_str()) && !is_limited && !place.is_awaited {
                    found.push((
                        call.method.span(),
                        format!(
                            "`{method}` of `{ty}` blocks, and does not hear of a cancel; set a timeout on it and ask in between, or \
                             use a runtime's"
                        ),
                    ));
                }
            }
            _ => {}
        }
    });
    for (span, message) in found {
        body.report(Rule::BlockingCall, span, message);
    }
}

fn stdin(method: &str) -> String {
    format!(
        "`{method}` waits for somebody to type, and does not hear of a cancel; read in `cancelable::thread::abandon(|| …)`"
    )
}

/// `io::stdin()`, `io::stdin().lock()`
fn is_stdin(body: &Body<'_>, expr: &Expr) -> bool {
    match syntax::peel(expr) {
        Expr::Call(call) => matches!(&*call.func, Expr::Path(path) if body.meaning(&path.path) == "std::io::stdin"),
        Expr::MethodCall(call) if call.method == "lock" => is_stdin(body, &call.receiver),
        _ => false,
    }
}

type Socket = (&'static str, &'static [&'static str]);

/// Variables that hold a socket of the standard library, as far as it is written.
fn sockets(body: &Body<'_>) -> HashMap<String, Socket> {
    let mut found = HashMap::new();
    let function = body.function();
    for input in &function.sig.inputs {
        if let FnArg::Typed(argument) = input {
            if let (Some(name), Some(socket)) = (syntax::variable(&argument.pat), of_type(body, &argument.ty)) {
                found.insert(name, socket);
            }
        }
    }
    let mut lets = Lets {
        body,
        found: &mut found,
    };
    syn::visit::Visit::visit_block(&mut lets, function.block);
    found
}

struct Lets<'b, 'i> {
    body: &'b Body<'i>,
    found: &'b mut HashMap<String, Socket>,
}

impl<'ast> syn::visit::Visit<'ast> for Lets<'_, '_> {
    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let (Some(name), Some(init)) = (syntax::variable(&local.pat), &local.init) {
            let mut made = syntax::peel(&init.expr);
            while let Expr::Try(inner) = made {
                made = syntax::peel(&inner.expr);
            }
            if let Expr::MethodCall(call) = made {
                if call.method == "unwrap" || call.method == "expect" {
                    made = syntax::peel(&call.receiver);
                }
            }
            let socket = match made {
                Expr::Call(call) => match &*call.func {
                    Expr::Path(path) => {
                        let meaning = self.body.meaning(&path.path);
                        let constructs = ["::connect", "::bind", "::connect_timeout"];
                        let ty = constructs.iter().find_map(|name| meaning.strip_suffix(name));
                        SOCKETS.into_iter().find(|(socket, _)| ty == Some(*socket))
                    }
                    _ => None,
                },
                _ => None,
            };
            match socket {
                Some(socket) => self.found.insert(name, socket),
                // Another variable of the same name.
                None => self.found.remove(&name),
            };
        }
        syn::visit::visit_local(self, local);
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

fn of_type(body: &Body<'_>, ty: &Type) -> Option<Socket> {
    match ty {
        Type::Reference(inner) => of_type(body, &inner.elem),
        Type::Paren(inner) => of_type(body, &inner.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if last.ident == "BufReader" {
                let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                    return None;
                };
                return arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => of_type(body, ty),
                    _ => None,
                });
            }
            let meaning = body.meaning(&path.path);
            SOCKETS.into_iter().find(|(socket, _)| *socket == meaning)
        }
        _ => None,
    }
}
