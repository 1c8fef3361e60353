/**

**Cancelable.** Check points: entry.*/
fn krate() -> Option<u32> {
    if let crate::facade::__private::Result::Err(cancelable_cancelled) = crate::facade::__private::Site
        .check()
    {
        return crate::facade::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    None
}
