fn closure() {
    cancel_scope!(parent = &token, grace = "1s", token = stop, || -> Option<u32> { for n in 0..3 {} None });
}
