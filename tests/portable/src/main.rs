//! Runs every check where `cargo test` cannot: compiled to WebAssembly, in node. Its last line is written as cargo's.

fn main() {
    std::panic::set_hook(Box::new(|panic| say(&panic.to_string())));
    let failed = portable::CHECKS.iter().filter(|check| !holds(check)).count();
    let passed = portable::CHECKS.len() - failed;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!("test result: {word}. {passed} passed; {failed} failed;"));
    // The one way of ending badly that WebAssembly has.
    assert_eq!(failed, 0, "not every check holds");
}

fn holds(check: &portable::Check) -> bool {
    let result = (check.run)();
    match &result {
        Ok(cases) => say(&format!("{}: {cases} cases hold", check.name)),
        Err(error) => say(&format!("{}: {error}", check.name)),
    }
    result.is_ok()
}

#[cfg(target_arch = "wasm32")]
fn say(text: &str) {
    web_sys::console::log_1(&text.into());
}

#[cfg(not(target_arch = "wasm32"))]
fn say(text: &str) {
    println!("{text}");
}
