async fn or_scope_async(default: Vec<u32>, moved: Vec<u32>) -> usize {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site.scope().name("or");
    let cancelable_gave_up = &::cancelable::__private::GaveUp::new();
    match {
        let cancelable_place = ::cancelable::__private::pin!(
            ::cancelable::__private::Option::Some(async { { #[allow(unknown_lints,
            clippy::redundant_locals, clippy::shadow_same, clippy::shadow_unrelated,
            clippy::used_underscore_binding, clippy::no_effect_underscore_binding,
            clippy::let_unit_value, clippy::many_single_char_names,
            clippy::pattern_type_mismatch)] let moved = moved; {
            #[allow(unreachable_code, clippy::diverging_sub_expression,
            clippy::let_unit_value)] if let
            ::cancelable::__private::Option::Some(cancelable_dead) =
            ::cancelable::__private::Option::None:: < usize > { return cancelable_dead; }
            (cancelable_gave_up.guard(get(moved), _cancelable_here)). await } } })
        );
        ::cancelable::__private::Site
            .run(
                cancelable_scope,
                cancelable_gave_up
                    .watch(::cancelable::__private::Lent::of(cancelable_place)),
            )
            .await
    } {
        ::cancelable::__private::Result::Ok(
            ::cancelable::__private::Result::Ok(cancelable_value),
        ) => return cancelable_value,
        ::cancelable::__private::Result::Ok(::cancelable::__private::Result::Err(_))
        | ::cancelable::__private::Result::Err(_) => {}
    }
    default.len()
}
