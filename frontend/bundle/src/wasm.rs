//! From cargo's WASM to the browser's: JavaScript glue by wasm-bindgen, and wasm-opt where there is one.

use std::{fs, path::Path, process::Command};

use wasm_bindgen_cli_support::Bindgen;

use crate::Error;

/// The WASM and the script that speaks for it.
pub(crate) struct Module {
    pub(crate) script: String,
    pub(crate) wasm: Vec<u8>,
}

/// What rustc's WASM uses beyond the first version, and every browser since 2021 knows.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-multivalue",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Runs wasm-bindgen.
pub(crate) fn bind(compiled: Vec<u8>) -> Result<Module, Error> {
    let mut output = Bindgen::new()
        .input_bytes("dashboard", compiled)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .map_err(|error| format!("wasm-bindgen: {error:#}"))?;
    // Crates that could bring scripts are listed; what counts is that none of them does.
    if output.snippets().values().any(|scripts| !scripts.is_empty()) || !output.local_modules().is_empty() {
        return Err("a dependency brings JavaScript of its own, which this bundler does not place".into());
    }
    Ok(Module { script: output.js().to_owned(), wasm: output.wasm_mut().emit_wasm() })
}

/// Makes the WASM smaller, if there is a program that can.
pub(crate) fn optimise(wasm: Vec<u8>, wasm_opt: Option<&Path>, scratch: &Path) -> Result<Vec<u8>, Error> {
    let Some(program) = wasm_opt else { return Ok(wasm) };
    let (input, output) = (scratch.join("input.wasm"), scratch.join("output.wasm"));
    fs::write(&input, &wasm)?;
    let status = Command::new(program).arg("-Oz").args(FEATURES).arg(&input).arg("-o").arg(&output).status();
    let optimised = match status {
        Ok(status) if status.success() => crate::files::read(&output)?,
        Ok(status) => return Err(format!("{}: {status}", program.display()).into()),
        Err(error) => return Err(format!("cannot start {}: {error}", program.display()).into()),
    };
    fs::remove_file(input)?;
    fs::remove_file(output)?;
    println!("bundle: wasm-opt: {} -> {} bytes", wasm.len(), optimised.len());
    Ok(optimised)
}
