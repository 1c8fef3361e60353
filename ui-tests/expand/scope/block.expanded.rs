fn block() {
    ::cancelable::__private::Site
        .enter_sync(
            ::cancelable::__private::Site.scope().detached().until(signal::ctrl_c()),
            || {
                if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
                    .check()
                {
                    return ::cancelable::__private::from_cancelled::<
                        _,
                    >(cancelable_cancelled);
                }
                tokenize(page)?
            },
        );
}
