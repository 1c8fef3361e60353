//! Functions whose `None` means that nothing is left: `Iterator::next` and its kin. To return it when cancelled would be
//! to say that there is no more, and whoever collects the items would take a part of them for all.

use syn::{FnArg, GenericArgument, PathArguments, Signature, Type};

const NAMES: [&str; 10] = [
    "next",
    "next_back",
    "nth",
    "nth_back",
    "next_if",
    "try_next",
    "peek",
    "peek_mut",
    "poll_next",
    "poll_peek",
];

/// What to say of such a function that says nothing of its own for a cancel.
pub(crate) fn refusal(sig: &Signature, output: &Type) -> Option<String> {
    let name = NAMES.iter().find(|name| sig.ident == name)?;
    let takes_from_self = matches!(sig.inputs.first(), Some(FnArg::Receiver(_)));
    let is_end = match last(output)? {
        (name, _) if name == "Option" => true,
        (name, Some(inner)) if name == "Poll" => last(inner).is_some_and(|(name, _)| name == "Option"),
        _ => false,
    };
    (takes_from_self && is_end).then(|| {
        format!(
            "the `None` of `{name}` means that nothing is left, so a cancel would look like the end; remove the attribute (in an \
             annotated `impl`, write `#[cancelable(skip)]` on it), and have the items taken by `.until_cancelled()`, which gives \
             an `Err`; or write `#[cancelable(or = …)]`"
        )
    })
}

/// A type's last name, and its first type argument.
fn last(ty: &Type) -> Option<(String, Option<&Type>)> {
    match ty {
        Type::Group(group) => last(&group.elem),
        Type::Paren(paren) => last(&paren.elem),
        Type::Path(path) => {
            let segment = path.path.segments.last()?;
            let argument = match &segment.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(ty),
                    _ => None,
                }),
                _ => None,
            };
            Some((segment.ident.to_string(), argument))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{ReturnType, parse_quote};

    fn is_refused(sig: Signature) -> bool {
        match &sig.output {
            ReturnType::Type(_, ty) => refusal(&sig, ty).is_some(),
            ReturnType::Default => false,
        }
    }

    #[test]
    fn an_option_that_means_the_end_is_refused_and_no_other() {
        assert!(is_refused(parse_quote!(fn next(&mut self) -> Option<u8>)));
        assert!(is_refused(
            parse_quote!(fn nth(&mut self, n: usize) -> core::option::Option<Self::Item>)
        ));
        assert!(is_refused(
            parse_quote!(async fn next(&mut self) -> Option<Result<u8, E>>)
        ));
        assert!(is_refused(
            parse_quote!(fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u8>>)
        ));
        assert!(!is_refused(parse_quote!(fn next(&mut self) -> Result<Option<u8>, E>)));
        assert!(!is_refused(parse_quote!(fn find(&mut self) -> Option<u8>)));
        assert!(!is_refused(parse_quote!(fn next(n: u8) -> Option<u8>)));
        assert!(!is_refused(parse_quote!(fn next(&mut self) -> u8)));
    }
}
