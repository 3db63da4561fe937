//! The two sides may run at once, so they must not share what one of them writes.

fn main() {
    let mut list = vec![1];
    filch::join(|| list.push(2), || list.push(3));
}
