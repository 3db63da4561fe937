//! Two tasks must not write the same place.

fn main() {
    let mut count = 0;
    filch::scope(|s| {
        s.spawn(|| count += 1);
        s.spawn(|| count += 1);
    });
}
