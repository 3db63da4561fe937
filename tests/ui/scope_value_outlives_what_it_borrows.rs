//! A value that borrows must not leave the scope for longer than what it borrows from.

fn main() {
    let word = {
        let text = String::from("short lived");
        filch::scope(|s| s.spawn(|| &text[..5]).join().unwrap())
    };
    println!("{word}");
}
