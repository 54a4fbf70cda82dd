//! Samspor.
fn main() {}
