//! Who calls whom, as far as names say it.
//!
//! Silent unless sure: a path is followed through `use`; a method of `self` is one of its type's; any other method is known
//! only if no other in the package has its name, and if that name is nobody's in the standard library.

use crate::functions::{self, Function};
use crate::source::{Names, Package, words};
use crate::walk::{self, Ground, Node, Place};
use std::collections::{HashMap, HashSet, VecDeque};
use syn::Expr;
use syn::spanned::Spanned as _;

/// A package with its functions, and which of them are called from annotated code.
#[allow(missing_debug_implementations)] // syntax trees have none
pub struct Index<'a> {
    /// The package.
    pub package: &'a Package,
    /// Its imports.
    pub names: Names,
    /// Its functions.
    pub functions: Vec<Function<'a>>,
    free: HashMap<Vec<String>, Vec<usize>>,
    methods: HashMap<String, Vec<usize>>,
    reached: HashMap<usize, Reach>,
}

/// How a function that is not annotated is reached from code that is.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The function that calls it.
    pub caller: usize,
    /// The one with the check points, from which the way leads here.
    pub from: usize,
}

impl<'a> Index<'a> {
    /// Reads the functions of a package and their calls.
    #[must_use]
    pub fn of(package: &'a Package) -> Self {
        let names = Names::of(package);
        let functions = functions::all(package, &names);
        let mut index = Index {
            package,
            names,
            functions,
            free: HashMap::new(),
            methods: HashMap::new(),
            reached: HashMap::new(),
        };
        for (id, function) in index.functions.iter().enumerate() {
            match &function.owner {
                Some(_) => index.methods.entry(function.name()).or_default().push(id),
                None if function.within.is_none() => {
                    let mut path = function.module.clone();
                    path.push(function.name());
                    index.free.entry(path).or_default().push(id);
                }
                None => {}
            }
        }
        index.reached = index.reach();
        index
    }

    /// How a function is reached that is not annotated. `None` if it is annotated, or is not reached.
    #[must_use]
    pub fn reached(&self, function: usize) -> Option<Reach> {
        self.reached.get(&function).copied()
    }

    /// What a path means in a function.
    #[must_use]
    pub fn resolve(&self, path: &syn::Path, function: usize) -> Vec<String> {
        let function = &self.functions[function];
        self.names.resolve(&words(path), &function.module, &function.local)
    }

    /// The same as text: `std::thread::spawn`.
    #[must_use]
    pub fn meaning(&self, path: &syn::Path, function: usize) -> String {
        self.resolve(path, function).join("::")
    }

    /// The function of the package that a call in `from` calls; of an `.await`, that which made its future.
    #[must_use]
    pub fn callee(&self, expr: &Expr, from: usize) -> Option<usize> {
        match expr {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.qself.is_none() => self.by_path(&path.path, from),
                _ => None,
            },
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                let of_self = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
                let owner = of_self.then(|| self.functions[from].owner.as_ref()).flatten();
                if let Some(owner) = owner {
                    let found = self.typed(&owner.name, &name, from);
                    if found.is_some() {
                        return found;
                    }
                }
                if COMMON.contains(&name.as_str()) {
                    return None;
                }
                let known = self.methods.get(&name)?;
                let [only] = known.as_slice() else { return None };
                let sig = &self.functions[*only].sig;
                let takes_self = matches!(sig.inputs.first(), Some(syn::FnArg::Receiver(_)));
                (takes_self && sig.inputs.len() == call.args.len() + 1).then_some(*only)
            }
            Expr::Await(awaited) => self.callee(&awaited.base, from),
            Expr::Paren(inner) => self.callee(&inner.expr, from),
            Expr::Group(inner) => self.callee(&inner.expr, from),
            _ => None,
        }
    }

    /// The function of the package that a path in `from` names.
    #[must_use]
    pub fn by_path(&self, path: &syn::Path, from: usize) -> Option<usize> {
        let written = words(path);
        if let [name] = written.as_slice() {
            let mut within = Some(from);
            while let Some(round) = within {
                let nested = |id: &usize| {
                    let function = &self.functions[*id];
                    function.within == Some(round) && function.owner.is_none() && function.sig.ident == name
                };
                if let Some(found) = (round..self.functions.len()).find(nested) {
                    return Some(found);
                }
                within = self.functions[round].within;
            }
        }
        if let [first, name] = written.as_slice() {
            if first == "Self" {
                let owner = self.functions[from].owner.as_ref()?;
                return self.typed(&owner.name, name, from);
            }
        }
        let full = self.resolve(path, from);
        let (root, rest) = full.split_first()?;
        if root != "crate" {
            return None;
        }
        if let Some(found) = self.free.get(rest) {
            return self.one_of(found, from);
        }
        let [.., ty, name] = rest else { return None };
        self.typed(ty, name, from)
    }

    fn typed(&self, ty: &str, name: &str, from: usize) -> Option<usize> {
        let all = self.methods.get(name)?;
        let own: Vec<usize> = all
            .iter()
            .copied()
            .filter(|id| self.functions[*id].owner.as_ref().is_some_and(|owner| owner.name == ty))
            .collect();
        self.one_of(&own, from)
    }

    /// The only one, or the only one in the same file: another crate of the package, or another configuration, may have it too.
    fn one_of(&self, found: &[usize], from: usize) -> Option<usize> {
        if let [only] = found {
            return Some(*only);
        }
        let here = self.functions[from].file;
        let mut same = found.iter().filter(|id| std::ptr::eq(self.functions[**id].file, here));
        match (same.next(), same.next()) {
            (Some(only), None) => Some(*only),
            _ => None,
        }
    }

    /// Walks a function's body.
    pub fn walk(&self, function: usize, enter: &mut dyn FnMut(Node<'_>, &Place)) {
        let function = &self.functions[function];
        walk::walk(
            function.block,
            function.annotated().map(|annotated| &annotated.survey),
            enter,
        );
    }

    /// From annotated code through all that is not, without what is shielded, skipped, or started apart with no context.
    fn reach(&self) -> HashMap<usize, Reach> {
        let mut reached = HashMap::new();
        let mut ahead = VecDeque::new();
        let mut calls: HashMap<usize, Vec<(usize, bool)>> = HashMap::new();
        for id in 0..self.functions.len() {
            if !self.functions[id].is_test {
                calls.insert(id, self.calls(id));
            }
        }
        for id in 0..self.functions.len() {
            for (callee, is_covered) in calls.get(&id).into_iter().flatten() {
                if *is_covered {
                    ahead.push_back((*callee, Reach { caller: id, from: id }));
                }
            }
        }
        while let Some((id, reach)) = ahead.pop_front() {
            if self.functions[id].annotated().is_some() || reached.contains_key(&id) {
                continue;
            }
            reached.insert(id, reach);
            for (callee, _) in calls.get(&id).into_iter().flatten() {
                let next = Reach {
                    caller: id,
                    from: reach.from,
                };
                ahead.push_back((*callee, next));
            }
        }
        reached
    }

    /// What a function calls, and whether it does from covered code.
    fn calls(&self, function: usize) -> Vec<(usize, bool)> {
        let mut calls = Vec::new();
        let mut seen = HashSet::new();
        let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
        self.walk(function, &mut |node, place| {
            let Node::Expr(expr) = node else { return };
            if let Expr::Call(call) = expr {
                if let Expr::Path(path) = &*call.func {
                    if crate::spawns::bare(&self.meaning(&path.path, function)).is_some() {
                        apart.push(call.paren_token.span.join().byte_range());
                    }
                }
            }
            if place.is_shielded || place.is_skipped {
                return;
            }
            let start = expr.span().byte_range().start;
            if apart.iter().any(|range| range.contains(&start)) {
                return;
            }
            let callee = match expr {
                Expr::Call(_) | Expr::MethodCall(_) => self.callee(expr, function),
                // Handed on, to be called: `spawn_blocking(crunch)`. A variable of that name would hide it.
                Expr::Path(path) if path.qself.is_none() && path.path.segments.len() > 1 => {
                    self.by_path(&path.path, function)
                }
                _ => None,
            };
            let is_covered = place.ground != Ground::Plain;
            if let Some(callee) = callee {
                if callee != function && seen.insert((callee, is_covered)) {
                    calls.push((callee, is_covered));
                }
            }
        });
        calls
    }
}

/// Methods that somebody else's types have too: of the standard library, futures, and what one finds on streams and channels.
const COMMON: [&str; 96] = [
    "abort",
    "accept",
    "add",
    "all",
    "and_then",
    "any",
    "append",
    "as_mut",
    "as_ref",
    "await",
    "bind",
    "borrow",
    "build",
    "call",
    "chain",
    "clear",
    "clone",
    "close",
    "collect",
    "connect",
    "contains",
    "copy",
    "count",
    "deref",
    "drain",
    "drop",
    "entry",
    "eq",
    "execute",
    "extend",
    "fetch",
    "filter",
    "find",
    "finish",
    "first",
    "flat_map",
    "flush",
    "fold",
    "fmt",
    "for_each",
    "from",
    "get",
    "get_mut",
    "get_or_insert_with",
    "hash",
    "incr",
    "insert",
    "into_iter",
    "is_empty",
    "iter",
    "iter_mut",
    "join",
    "keys",
    "last",
    "len",
    "lines",
    "listen",
    "load",
    "lock",
    "map",
    "map_err",
    "max",
    "min",
    "next",
    "open",
    "or_else",
    "parse",
    "peek",
    "poll",
    "pop",
    "pop_front",
    "position",
    "push",
    "push_back",
    "read",
    "read_line",
    "read_to_end",
    "recv",
    "remove",
    "replace",
    "reserve",
    "retain",
    "run",
    "send",
    "set",
    "shutdown",
    "sort",
    "split",
    "start",
    "stop",
    "store",
    "take",
    "unwrap",
    "update",
    "wait",
    "write",
];
