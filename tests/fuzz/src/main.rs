//! One target under libFuzzer: the one that `FUZZ_TARGET` names. With `FUZZ_SEEDS`, writes the seeds of every target into
//! folders below that one instead, and prints the targets' names.
#![no_main]

use std::{path::Path, sync::LazyLock};

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = fuzz::TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET names no target: {name:?}")).1
});

fn write_seeds(root: &Path) -> std::io::Result<()> {
    for (target, _) in fuzz::TARGETS {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder)?;
        for (at, seed) in fuzz::seeds(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
        println!("{target}");
    }
    Ok(())
}

fuzz_target!(
    init: {
        if let Some(root) = std::env::var_os("FUZZ_SEEDS") {
            write_seeds(Path::new(&root)).expect("the folder is writable");
            std::process::exit(0);
        }
    },
    |data: &[u8]| TARGET(data)
);
