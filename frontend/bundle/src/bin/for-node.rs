//! Turns a compiled program into files that node runs: `node OUT/NAME.js` calls its `main`. For tests in WebAssembly.

use std::{env, path::PathBuf, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "usage: for-node WASM OUT

WASM  a program as cargo built it, e.g. target/wasm32-unknown-unknown/wasm/portable.wasm
OUT   the directory to write to";

fn main() -> ExitCode {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, out] = args.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let bound = Bindgen::new().input_path(wasm).nodejs(true).and_then(|b| b.typescript(false).generate(out));
    match bound {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("for-node: {}: {error:#}", wasm.display());
            ExitCode::FAILURE
        }
    }
}
