//! A `'static` task may outlive the scope, so it must not use it.

fn main() {
    filch::in_place_scope(|s| {
        filch::spawn(move || {
            s.spawn(|| 1);
        });
    });
}
