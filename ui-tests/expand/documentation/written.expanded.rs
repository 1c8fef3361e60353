/// What it does.
#[cfg_attr(
    doc,
    doc = "\n\n**Cancelable.** Check points: entry, 1 await. Options: `timeout = \"5s\"`."
)]
async fn documented(n: u32) -> Result<u32, Cancelled> {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .timeout(::cancelable::__private::Duration::from_millis(5000u64));
    let cancelable_place = ::cancelable::__private::pin!(
        ::cancelable::__private::Option::Some(async move { { #[allow(unknown_lints,
        clippy::redundant_locals, clippy::shadow_same, clippy::shadow_unrelated,
        clippy::used_underscore_binding, clippy::no_effect_underscore_binding,
        clippy::let_unit_value, clippy::many_single_char_names,
        clippy::pattern_type_mismatch)] let n = n; { #[allow(unreachable_code,
        clippy::diverging_sub_expression, clippy::let_unit_value)] if let
        ::cancelable::__private::Option::Some(cancelable_dead) =
        ::cancelable::__private::Option::None:: < Result < u32, Cancelled > > { return
        cancelable_dead; } Ok(match ::cancelable::__private::Site.guard(get(n),
        _cancelable_here). await { ::cancelable::__private::Result::Ok(cancelable_value)
        => cancelable_value, ::cancelable::__private::Result::Err(cancelable_cancelled)
        => return ::cancelable::__private::from_cancelled:: < Result < u32, Cancelled > >
        (cancelable_cancelled), }) } } })
    );
    ::cancelable::__private::Site
        .run_or(
            cancelable_scope,
            ::cancelable::__private::Lent::of(cancelable_place),
            |cancelable_cancelled| {
                ::cancelable::__private::from_cancelled::<
                    Result<u32, Cancelled>,
                >(
                    ::cancelable::__private::Site
                        .in_scope(cancelable_cancelled, _cancelable_here),
                )
            },
        )
        .await
}
