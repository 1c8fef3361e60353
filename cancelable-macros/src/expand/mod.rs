//! Plan to item. Nothing here can fail.

mod body;
mod docs;
mod signature;

use crate::plan::Plan;
use proc_macro2::TokenStream;

pub(crate) fn expand(mut plan: Plan) -> TokenStream {
    plan.function.attrs.extend(docs::attribute(&plan));
    let body = body::body(&mut plan);
    plan.function.with_body(body)
}
