//! Who may import whom, as docs/ARCHITECTURE.md says it: between crates, and between the service's modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use e2e::paths::repo;
use serde_json::Value;

/// The crates of ours, and which of ours each may depend on. Tests and build tools may see everything.
const MAY_DEPEND: [(&str, &[&str]); 10] = [
    ("ledger", &[]),
    ("detect", &[]),
    ("simulate", &[]),
    // Measures the detector; nobody depends on it.
    ("evaluate", &["detect", "simulate"]),
    ("api", &["ledger"]),
    ("dashboard", &["ledger", "api"]),
    ("anomaly-ledger", &["ledger", "api", "detect", "simulate"]),
    // Checks of the ledger, the witness of power cuts and the load generator, that must know nothing of the service.
    ("portable", &["ledger"]),
    ("powercut", &[]),
    ("load", &[]),
];

/// Tests and build tools.
const MAY_SEE_ALL: [&str; 2] = ["e2e", "bundle"];

/// Modules of the service that know nothing of each other, their tests included.
const STRANGERS: [&str; 4] = ["ingest", "store", "anchor", "http"];

/// Which others each module of the service may name. Tests may name more, to stand parts together.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("telemetry", &[]),
    ("access", &["domain"]),
    ("anchor", &["domain"]),
    ("export", &["domain"]),
    ("pipeline", &["domain"]),
    ("store", &["domain"]),
    ("transport", &["domain"]),
    ("config", &["domain", "transport"]),
    ("problem", &["domain", "access"]),
    ("bodies", &["domain", "problem"]),
    ("ingest", &["domain", "access", "bodies", "config", "pipeline", "problem", "transport"]),
    ("http", &["domain", "access", "bodies", "export", "problem", "transport"]),
];

/// Who puts the others together, and so knows all: the composition root, the commands, and what measures.
const KNOW_ALL: [&str; 4] = ["app", "cli", "main", "measure"];

/// Of each workspace member, which members it depends on, other than for its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let output = command.args(["metadata", "--format-version=1", "--no-deps"]).current_dir(repo()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies").iter();
        all.filter(|dependency| dependency["kind"] != "dev").map(name).filter(|name| ours.contains(name)).collect()
    };
    packages.iter().map(|package| (name(package), of(package))).collect()
}

#[test]
fn crates_depend_only_on_those_they_may() {
    let dependencies = dependencies();
    for (package, allowed) in MAY_DEPEND {
        let found = dependencies.get(package).unwrap_or_else(|| panic!("no crate {package}"));
        let forbidden: Vec<_> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(forbidden.is_empty(), "{package} may depend on {allowed:?} only, but also depends on {forbidden:?}");
    }
    let listed = |package: &str| MAY_DEPEND.iter().any(|(name, _)| *name == package) || MAY_SEE_ALL.contains(&package);
    let strangers: Vec<_> = dependencies.keys().filter(|package| !listed(package)).collect();
    assert!(strangers.is_empty(), "{strangers:?} are not in the list of who may depend on whom");
}

#[test]
fn nobody_imports_the_service_or_what_measures() {
    for (package, found) in dependencies() {
        for name in ["anomaly-ledger", "evaluate"] {
            assert!(!found.contains(name), "{package} depends on {name}");
        }
    }
}

/// The Rust files below a folder.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files = Vec::new();
    for path in read.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// A source text without its comments.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// A source text before its unit tests, which stand at its end.
fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(before, _)| before)
}

/// The top modules that a source text names below `crate::` or the like, also in braces: `use crate::{a::B, c}`.
fn modules_named(text: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code_of(text).split(root).skip(1) {
        match rest.strip_prefix('{') {
            None => _ = found.insert(identifier(rest)),
            Some(list) => found.extend(heads(list)),
        }
    }
    found
}

/// The first identifier of each item in a braced list, nested lists passed over.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut at_head, mut heads) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && (c.is_alphanumeric() || c == '_') => {
                heads.push(identifier(&list[at..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Which code of the service is read.
#[derive(Clone, Copy, PartialEq)]
enum Code {
    /// All of it.
    Whole,
    /// What is shipped: without tests.
    Shipped,
}

/// Whether a file below `backend/src` is there for tests only.
fn is_for_tests(below: &Path) -> bool {
    let named = |part: &str| ["tests", "tests.rs", "testing.rs"].contains(&part);
    below.components().any(|part| part.as_os_str().to_str().is_some_and(named))
}

/// Which top modules each top module of the service names.
fn imports(of: Code) -> BTreeMap<String, BTreeSet<String>> {
    let src = repo().join("backend/src");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&src) {
        let below = file.strip_prefix(&src).expect("below src");
        let first = below.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).expect("a source file");
        let text = match of {
            Code::Whole => &text,
            Code::Shipped if is_for_tests(below) => continue,
            Code::Shipped => without_tests(&text),
        };
        imports.entry(module).or_default().extend(modules_named(text, "crate::"));
    }
    imports
}

#[test]
fn ingest_store_anchor_and_http_do_not_know_each_other() {
    let imports = imports(Code::Whole);
    for module in STRANGERS {
        let found = imports.get(module).unwrap_or_else(|| panic!("no module {module} in backend/src"));
        for other in STRANGERS.into_iter().filter(|other| *other != module) {
            assert!(!found.contains(other), "{module} imports {other}");
        }
    }
}

#[test]
fn the_domain_imports_nothing_of_the_service() {
    let imports = imports(Code::Whole);
    let found = imports.get("domain").expect("a module domain in backend/src");
    let others: Vec<_> = found.iter().filter(|name| *name != "domain").collect();
    assert!(others.is_empty(), "domain imports {others:?}");
}

#[test]
fn modules_import_only_those_they_may() {
    let imports = imports(Code::Shipped);
    for (module, allowed) in MAY_IMPORT {
        let found = imports.get(module).unwrap_or_else(|| panic!("no module {module} in backend/src"));
        let forbidden: Vec<_> =
            found.iter().filter(|name| *name != module && !allowed.contains(&name.as_str())).collect();
        assert!(forbidden.is_empty(), "{module} may import {allowed:?} only, but also imports {forbidden:?}");
        let unused: Vec<_> = allowed.iter().filter(|name| !found.contains(**name)).collect();
        assert!(unused.is_empty(), "{module} may import {unused:?}, but does not: say so in the list");
    }
    let listed = |module: &str| MAY_IMPORT.iter().any(|(name, _)| *name == module) || KNOW_ALL.contains(&module);
    let strangers: Vec<_> = imports.keys().filter(|module| !listed(module)).collect();
    assert!(strangers.is_empty(), "{strangers:?} are not in the list of who may import whom");
}

/// What a crate has to leave alone to give the same answer for the same arguments: modules of `std`, and state of its own.
const IMPURE: [&str; 8] = ["env", "fs", "io", "net", "os", "process", "thread", "time"];
const GLOBAL: [&str; 8] =
    ["thread_local!", "static mut ", "OnceLock", "LazyLock", "OnceCell", "Mutex", "RwLock", "Atomic"];

/// Methods of floats whose last bits are the platform's business; `libm` has them with the same bits everywhere.
const INEXACT: [&str; 20] = [
    "ln", "log", "log2", "log10", "ln_1p", "exp", "exp2", "exp_m1", "powf", "powi", "mul_add", "sin", "cos", "tan",
    "tanh", "atan2", "cbrt", "hypot", "asinh", "acosh",
];

#[test]
fn detector_and_simulator_have_no_clock_no_files_no_threads_and_no_state_of_their_own() {
    for source in ["backend/detect/src", "backend/simulate/src"] {
        for file in sources(&repo().join(source)) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let found = modules_named(&text, "std::");
            let impure: Vec<_> = IMPURE.iter().filter(|module| found.contains(**module)).collect();
            assert!(impure.is_empty(), "{} uses {impure:?} of std", file.display());
            let code = code_of(&text);
            let global: Vec<_> = GLOBAL.iter().filter(|word| code.contains(**word)).collect();
            assert!(global.is_empty(), "{} keeps something by {global:?}", file.display());
        }
    }
}

#[test]
fn the_detector_takes_what_is_not_exact_from_libm() {
    for file in sources(&repo().join("backend/detect/src")).iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(file).expect("a source file");
        let code = code_of(without_tests(&text));
        let inexact: Vec<_> = INEXACT.iter().filter(|name| code.contains(&format!(".{name}("))).collect();
        assert!(inexact.is_empty(), "{} calls {inexact:?} of f64 instead of libm's", file.display());
    }
}

#[test]
fn imports_are_read_in_every_spelling() {
    let text =
        "use crate::{\n    a::{B, C},\n    d, // e\n};\nuse crate::f;\nlet x = crate::g::h();\npub(crate) fn no() {}";
    assert_eq!(modules_named(text, "crate::").into_iter().collect::<Vec<_>>(), ["a", "d", "f", "g"]);
}
