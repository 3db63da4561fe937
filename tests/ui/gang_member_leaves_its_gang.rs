//! A member must not outlive its gang.

fn main() {
    let members = filch::gang(2, |member| member).unwrap();
    drop(members);
}
