//! The checks on this machine.

#[test]
fn every_check_holds() {
    let failures: Vec<String> = portable::CHECKS
        .iter()
        .filter_map(|check| (check.run)().err().map(|error| format!("{}: {error}", check.name)))
        .collect();
    assert_eq!(failures, Vec::<String>::new());
}
