/**

**Cancelable.** Check points: entry. Options: `timeout = "1500ms"`.*/
fn scope_sync(&mut self, n: u32) -> Result<u32, Error> {
    ::cancelable::__private::Site
        .enter_sync(
            ::cancelable::__private::Site
                .scope()
                .timeout(::cancelable::__private::Duration::from_millis(1500u64)),
            || -> Result<u32, Error> {
                {
                    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
                        .check()
                    {
                        return ::cancelable::__private::from_cancelled::<
                            Result<u32, Error>,
                        >(cancelable_cancelled);
                    }
                    Ok(n)
                }
            },
        )
}
