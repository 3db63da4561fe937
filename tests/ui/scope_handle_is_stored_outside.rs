//! A handle must not outlive its scope, not even in a variable from outside.

fn main() {
    let mut kept = None;
    filch::scope(|s| {
        kept = Some(s.spawn(|| 1));
    });
    kept.unwrap().join().unwrap();
}
