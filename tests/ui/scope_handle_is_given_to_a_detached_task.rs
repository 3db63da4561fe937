//! A `'static` task may outlive the scope, so it must not hold a handle of it.

fn main() {
    filch::in_place_scope(|s| {
        let handle = s.spawn(|| 1);
        filch::spawn(move || handle.join().unwrap());
    });
}
