//! A method that needs a feature says so.

fn main() {
    let _ = filch::ThreadPoolBuilder::new().num_threads(2).deterministic(7).build();
}
