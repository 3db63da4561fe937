//! A parallel stage must not change what it captures.

fn main() {
    let mut sum = 0;
    filch::pipeline(0..9).parallel(|item| sum += item).run().unwrap();
}
