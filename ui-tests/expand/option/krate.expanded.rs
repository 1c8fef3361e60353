fn krate() -> Option<u32> {
    if crate::facade::__private::Site.is_cancelled() {
        return crate::facade::__private::from_cancelled::<
            Option<u32>,
        >(crate::facade::__private::Site.cancelled());
    }
    None
}
