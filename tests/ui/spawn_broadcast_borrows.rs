//! A spawned broadcast may outlive its caller, so it must not borrow from it.

fn main() {
    let text = String::from("local");
    filch::spawn_broadcast(|_| println!("{text}"));
}
