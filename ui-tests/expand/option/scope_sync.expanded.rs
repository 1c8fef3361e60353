/**

**Cancelable.** Check points: entry. Options: `timeout = "1500ms"`.*/
fn scope_sync(&mut self, n: u32) -> Result<u32, Error> {
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .timeout(::cancelable::__private::Duration::from_millis(1500u64));
    ::cancelable::__private::Site
        .enter_sync(
            cancelable_scope,
            move || -> Result<u32, Error> {
                #[allow(
                    unknown_lints,
                    clippy::redundant_locals,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::used_underscore_binding,
                    clippy::no_effect_underscore_binding,
                    clippy::let_unit_value,
                    clippy::pattern_type_mismatch
                )]
                let n = n;
                {
                    if ::cancelable::__private::Site.is_cancelled() {
                        return ::cancelable::__private::from_cancelled::<
                            Result<u32, Error>,
                        >(::cancelable::__private::Site.cancelled());
                    }
                    Ok(n)
                }
            },
        )
}
