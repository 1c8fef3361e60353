fn asking(host: &Host, n: u32) -> Result<u32, Error> {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .name("asking")
        .asking(
            ::cancelable::__private::Duration::from_millis(10u64),
            || host.says_stop(),
        );
    ::cancelable::__private::Site
        .enter_sync(
            cancelable_scope,
            || -> Result<u32, Error> {
                {
                    #[allow(
                        unknown_lints,
                        clippy::redundant_locals,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::used_underscore_binding,
                        clippy::no_effect_underscore_binding,
                        clippy::let_unit_value,
                        clippy::many_single_char_names,
                        clippy::pattern_type_mismatch
                    )]
                    let mut n = n;
                    {
                        if ::cancelable::__private::Site.is_refused() {
                            return ::cancelable::__private::from_cancelled::<
                                Result<u32, Error>,
                            >(
                                ::cancelable::__private::Site
                                    .refused_by_scope(_cancelable_here),
                            );
                        }
                        Ok(n)
                    }
                }
            },
        )
}
