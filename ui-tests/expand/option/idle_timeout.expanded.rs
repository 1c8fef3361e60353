async fn idle_timeout(n: u32) -> Result<u32, Error> {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .idle_timeout(::cancelable::__private::Duration::from_millis(30000u64))
        .heartbeat();
    let cancelable_place = ::cancelable::__private::pin!(
        ::cancelable::__private::Option::Some(async move { { #[allow(unknown_lints,
        clippy::redundant_locals, clippy::shadow_same, clippy::shadow_unrelated,
        clippy::used_underscore_binding, clippy::no_effect_underscore_binding,
        clippy::let_unit_value, clippy::many_single_char_names,
        clippy::pattern_type_mismatch)] let n = n; { #[allow(unreachable_code,
        clippy::diverging_sub_expression, clippy::let_unit_value)] if let
        ::cancelable::__private::Option::Some(cancelable_dead) =
        ::cancelable::__private::Option::None:: < Result < u32, Error > > { return
        cancelable_dead; } Ok(n) } } })
    );
    ::cancelable::__private::Site
        .run_or(
            cancelable_scope,
            ::cancelable::__private::Lent::of(cancelable_place),
            |cancelable_cancelled| {
                ::cancelable::__private::from_cancelled::<
                    Result<u32, Error>,
                >(
                    ::cancelable::__private::Site
                        .in_scope(cancelable_cancelled, _cancelable_here),
                )
            },
        )
        .await
}
