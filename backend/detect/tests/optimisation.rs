//! The same bits at every optimisation level: cargo builds this crate at level 3 for tests (see the workspace's
//! profile), and this test builds it once more at level 0, together with all that it depends on.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
#[path = "bits/mod.rs"]
mod bits;

use std::{env, fs, path::Path, process::Command};

const GOLDEN: &str = include_str!("bits/golden.txt");

#[test]
fn results_are_as_committed() {
    let actual = bits::lines().join("\n");
    assert_eq!(actual.trim(), GOLDEN.trim(), "actual:\n{actual}");
}

#[test]
fn results_are_the_same_without_optimisation() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bits");
    fs::create_dir_all(folder.join("src")).unwrap();
    // A package of its own, since the workspace's profile would be in the way and its other dependencies take time.
    let manifest = format!(
        "[package]\nname = \"bits\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\ndetect = {{ path = {crate_folder:?} }}\n[workspace]\n[profile.dev]\nopt-level = 0\n"
    );
    let program = format!(
        "#[path = {:?}]\nmod bits;\nfn main() {{ println!(\"{{}}\", bits::lines().join(\"\\n\")); }}\n",
        crate_folder.join("tests/bits/mod.rs")
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), program).unwrap();
    // The same versions, without asking a registry.
    fs::copy(crate_folder.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), GOLDEN.trim());
}
