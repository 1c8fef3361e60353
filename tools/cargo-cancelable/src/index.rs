//! Who calls whom, as far as names say it.
//!
//! Silent unless sure: a path is followed through `use`; a method of `self` is one of its type's; any other method is known
//! only if no other in the package has its name, and if that name is nobody's in the standard library.

use crate::functions::{self, Function};
use crate::source::{Names, Package, words};
use crate::walk::{self, Ground, Node, Place};
use cancelable_syntax::reading;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
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
    apart: HashSet<usize>,
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
            apart: HashSet::new(),
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
        index.follow();
        index
    }

    /// Whether a function is called from what is started apart, without the context, and is not known to be called in any scope.
    #[must_use]
    pub fn runs_apart(&self, function: usize) -> bool {
        self.apart.contains(&function) && !self.reached.contains_key(&function)
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

    /// From annotated code through all that is not, without what is shielded, skipped, or started apart.
    fn follow(&mut self) {
        let calls: Vec<Vec<Call>> = (0..self.functions.len())
            .map(|id| {
                if self.functions[id].is_test {
                    Vec::new()
                } else {
                    self.calls(id)
                }
            })
            .collect();
        let mut ahead = VecDeque::new();
        let mut apart = Vec::new();
        for (id, calls) in calls.iter().enumerate() {
            for call in calls {
                match call.from {
                    From::Covered => ahead.push_back((call.callee, Reach { caller: id, from: id })),
                    From::Apart => apart.push(call.callee),
                    From::Plain => {}
                }
            }
        }
        let here = |id: usize| {
            calls[id]
                .iter()
                .filter(|call| call.from != From::Apart)
                .map(|call| call.callee)
        };
        while let Some((id, reach)) = ahead.pop_front() {
            if self.functions[id].annotated().is_some() || self.reached.contains_key(&id) {
                continue;
            }
            self.reached.insert(id, reach);
            let from = reach.from;
            ahead.extend(here(id).map(|callee| (callee, Reach { caller: id, from })));
        }
        while let Some(id) = apart.pop() {
            if self.functions[id].annotated().is_none() && self.apart.insert(id) {
                apart.extend(here(id));
            }
        }
    }

    /// What this call in `from` is given, in bytes of the file, if that runs where the context is not known to be.
    #[must_use]
    pub fn apart(&self, expr: &Expr, from: usize) -> Option<Range<usize>> {
        let (path, parentheses) = match expr {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => (self.meaning(&path.path, from), &call.paren_token),
                _ => return None,
            },
            Expr::MethodCall(call) => (String::new(), &call.paren_token),
            _ => return None,
        };
        let is_apart = crate::spawns::bare(&path).is_some()
            || reading::runs_elsewhere(expr) && !path.starts_with("cancelable::") && !path.contains("TaskGroup");
        is_apart.then(|| parentheses.span.join().byte_range())
    }

    /// What a function calls, once for each kind of place.
    fn calls(&self, function: usize) -> Vec<Call> {
        let mut calls = HashSet::new();
        let mut apart: Vec<Range<usize>> = Vec::new();
        self.walk(function, &mut |node, place| {
            let Node::Expr(expr) = node else { return };
            apart.extend(self.apart(expr, function));
            if place.is_shielded || place.is_skipped {
                return;
            }
            let callee = match expr {
                Expr::Call(_) | Expr::MethodCall(_) => self.callee(expr, function),
                // Handed on, to be called: `spawn_blocking(crunch)`. A variable may have such a name, too, but no path.
                Expr::Path(path) if path.qself.is_none() && path.path.segments.len() > 1 => {
                    self.by_path(&path.path, function)
                }
                _ => None,
            };
            let Some(callee) = callee.filter(|callee| *callee != function) else {
                return;
            };
            let start = expr.span().byte_range().start;
            let from = match place.ground {
                _ if apart.iter().any(|range| range.contains(&start)) => From::Apart,
                Ground::Plain => From::Plain,
                _ => From::Covered,
            };
            calls.insert(Call { callee, from });
        });
        let mut calls: Vec<Call> = calls.into_iter().collect();
        calls.sort();
        calls
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Call {
    callee: usize,
    from: From,
}

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum From {
    Plain,
    Covered,
    /// In what is started elsewhere, without the context as far as anyone knows.
    Apart,
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
