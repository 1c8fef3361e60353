//! What is compiled for tests only, by its attributes.

use syn::Attribute;

/// Whether rustc sees this only in a test: `#[cfg(test)]`, `#[test]`, `#[tokio::test]`.
pub(crate) fn is_for_tests(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let is_cfg = attr.path().is_ident("cfg")
            && attr
                .parse_args_with(syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|metas| metas.iter().any(needs_test));
        is_cfg
            || attr
                .path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "test" || last.ident == "bench")
    })
}

/// `test`, `all(test, …)`; not `any(test, …)` or `not(test)`.
fn needs_test(meta: &syn::Meta) -> bool {
    match meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)
            .is_ok_and(|metas| metas.iter().any(needs_test)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_there_for_tests_is_known_by_its_attribute() {
        let is_for_tests = |item: syn::ItemFn| is_for_tests(&item.attrs);
        assert!(is_for_tests(syn::parse_quote!(
            #[tokio::test]
            async fn f() {}
        )));
        assert!(is_for_tests(syn::parse_quote!(
            #[cfg(all(test, unix))]
            fn f() {}
        )));
        assert!(!is_for_tests(syn::parse_quote!(
            #[cfg(not(test))]
            fn f() {}
        )));
        assert!(!is_for_tests(syn::parse_quote!(
            #[cfg(any(test, unix))]
            fn f() {}
        )));
    }
}
