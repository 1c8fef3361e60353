//! Plan to item. Nothing here can fail.

mod body;
mod docs;
mod signature;

pub(crate) use body::between;

use crate::lints;
use crate::plan::Plan;
use crate::tell::Told;
use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn expand(mut plan: Plan) -> TokenStream {
    lints::forgive(&mut plan.function.attrs);
    plan.function.attrs.extend(docs::attribute(&plan));
    let body = body::body(&mut plan);
    let told = plan.told.as_ref().map(Told::item);
    plan.function.with_body(quote!(#told #body))
}
