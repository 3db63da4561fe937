//! A task may outlive the scope's closure, so it must not borrow its locals.

fn main() {
    filch::scope(|s| {
        let local = String::from("gone too soon");
        s.spawn(|| local.len());
    });
}
