//! Sets the cfg for this package alone.

fn main() {
    println!("cargo::rustc-cfg=cancelable_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
