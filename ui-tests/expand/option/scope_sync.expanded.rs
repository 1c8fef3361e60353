fn scope_sync(&mut self, n: u32) -> Result<u32, Error> {
    fn _cancelable_here() {}
    let cancelable_scope = ::cancelable::__private::Site
        .scope()
        .timeout(::cancelable::__private::Duration::from_millis(1500u64));
    ::cancelable::__private::Site
        .enter_sync(
            cancelable_scope,
            || -> Result<u32, Error> {
                {
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
