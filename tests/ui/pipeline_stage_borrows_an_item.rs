//! A stage must not keep a reference to its item.

fn main() {
    let mut longest = "";
    filch::pipeline(["a", "b"].map(String::from))
        .serial(|item| longest = &item)
        .run()
        .unwrap();
    println!("{longest}");
}
