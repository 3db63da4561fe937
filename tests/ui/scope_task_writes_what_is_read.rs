//! What a task writes must not be read while the scope lasts.

fn main() {
    let mut count = 0;
    filch::scope(|s| {
        s.spawn(|| count += 1);
        println!("{count}");
    });
}
