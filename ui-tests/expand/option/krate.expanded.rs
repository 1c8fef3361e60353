fn krate() -> Option<u32> {
    fn _cancelable_here() {}
    if crate::facade::__private::Site.is_refused() {
        return crate::facade::__private::from_cancelled::<
            Option<u32>,
        >(crate::facade::__private::Site.refused(_cancelable_here));
    }
    None
}
