//! A handle must not outlive its scope.

fn main() {
    let handle = filch::scope(|s| s.spawn(|| 1));
    handle.join().unwrap();
}
