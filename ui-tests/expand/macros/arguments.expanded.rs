async fn arguments() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    println!(
        "{} {name}", match ::cancelable::__private::Site.guard(get(), _cancelable_here).
        await { ::cancelable::__private::Result::Ok(cancelable_value) =>
        cancelable_value, ::cancelable::__private::Result::Err(cancelable_cancelled) =>
        return ::cancelable::__private::from_cancelled:: < Option < u32 > >
        (cancelable_cancelled), }, name = 3
    );
    let list = vec![
        match ::cancelable::__private::Site.guard(get(), _cancelable_here). await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => return
        ::cancelable::__private::from_cancelled:: < Option < u32 > >
        (cancelable_cancelled), }; 3
    ];
    matches!(
        match ::cancelable::__private::Site.guard(get(), _cancelable_here). await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => return
        ::cancelable::__private::from_cancelled:: < Option < u32 > >
        (cancelable_cancelled), }, Some(n) if n > 3
    );
    #[allow(
        unreachable_code,
        clippy::diverging_sub_expression,
        clippy::unnecessary_operation
    )]
    (
        {
            let cancelable_value = match ::cancelable::__private::Site
                .guard(ready(), _cancelable_here)
                .await
            {
                ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
                ::cancelable::__private::Result::Err(cancelable_cancelled) => {
                    return ::cancelable::__private::from_cancelled::<
                        Option<u32>,
                    >(cancelable_cancelled);
                }
            };
            macro_rules! cancelable {
                ($($written:tt)*) => {
                    cancelable_value
                };
            }
            assert!(cancelable !(ready(). await))
        },
    )
        .0;
    let shown = match match ::cancelable::__private::Site
        .guard(get(), _cancelable_here)
        .await
    {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(cancelable_cancelled);
        }
    } {
        cancelable_value => {
            macro_rules! cancelable {
                ($($written:tt)*) => {
                    cancelable_value
                };
            }
            dbg!(cancelable !(get(). await))
        }
    };
    None
}
