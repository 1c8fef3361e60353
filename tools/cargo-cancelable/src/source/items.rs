//! Items that stand in the tokens of a macro call: `cfg_net! { pub mod tcp; pub fn connect() { … } }`.

use syn::Item;

/// Puts what a `cfg_…!` call holds in its place, if that is items. Other macros may make of items what they like.
pub(super) fn unfold(items: &mut Vec<Item>) {
    let mut unfolded = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        match item {
            Item::Macro(call) if is_cfg(&call) => match syn::parse2::<syn::File>(call.mac.tokens.clone()) {
                Ok(mut inner) => {
                    unfold(&mut inner.items);
                    unfolded.append(&mut inner.items);
                }
                Err(_) => unfolded.push(Item::Macro(call)),
            },
            Item::Mod(mut module) => {
                if let Some((_, inner)) = &mut module.content {
                    unfold(inner);
                }
                unfolded.push(Item::Mod(module));
            }
            other => unfolded.push(other),
        }
    }
    *items = unfolded;
}

fn is_cfg(call: &syn::ItemMacro) -> bool {
    let name = call.mac.path.segments.last();
    call.ident.is_none() && name.is_some_and(|name| name.ident.to_string().starts_with("cfg_"))
}
