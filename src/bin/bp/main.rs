//! bp
fn main() {}
