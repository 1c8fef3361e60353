//! Plan to item. Nothing here can fail.

mod body;
mod docs;
mod signature;

pub(crate) use body::between;

use crate::lints;
use crate::plan::Plan;
use proc_macro2::TokenStream;

pub(crate) fn expand(mut plan: Plan) -> TokenStream {
    lints::forgive(&mut plan.function.attrs);
    let documentation = docs::attribute(&plan);
    plan.function.attrs.push(documentation);
    let body = body::body(&mut plan);
    plan.function.with_body(body)
}
