//! A detached task's value must not borrow.

fn first<'a>(text: &'a str) -> filch::JoinHandle<&'a str> {
    filch::spawn(move || &text[..1])
}

fn main() {
    first("a").join().unwrap();
}
