//! Turns the compiled dashboard into the files that the service embeds.
//!
//! In: the WASM that cargo built, and `frontend/assets`. Out: `index.html`, and beside it script, WASM and style
//! sheet under names that carry the hash of their content, each with a `.br` and a `.gz` sibling. It refuses to
//! compile Rust, to fetch anything, and to write when nothing has changed.

mod files;
mod page;
mod wasm;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

type Error = Box<dyn std::error::Error>;

const USAGE: &str = "usage: bundle WASM ASSETS OUT STAMP [WASM_OPT]

WASM      the dashboard as cargo built it, e.g. target/wasm32-unknown-unknown/wasm/dashboard.wasm
ASSETS    index.html, start.js, icon.svg and style/*.css
OUT       the directory to replace
STAMP     a file that remembers what OUT was made of
WASM_OPT  the wasm-opt to use, if any";

fn main() -> ExitCode {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, assets, out, stamp, wasm_opt @ ..] = args.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(wasm, assets, out, stamp, wasm_opt.first().map(PathBuf::as_path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bundle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wasm: &Path, assets: &Path, out: &Path, stamp: &Path, wasm_opt: Option<&Path>) -> Result<(), Error> {
    let started = Instant::now();
    let compiled = files::read(wasm)?;
    let assets = page::Assets::read(assets)?;
    // Whatever can change the outcome is part of the stamp: the inputs, this program, and which optimiser it calls.
    let program = files::read(&env::current_exe()?)?;
    let optimiser = wasm_opt.map(|path| path.display().to_string()).unwrap_or_default();
    let mut inputs = vec![&program[..], &compiled[..], optimiser.as_bytes()];
    inputs.extend(assets.parts());
    let made_of = files::digest(&inputs);
    if files::is_current(stamp, &made_of, out) {
        println!("bundle: {} is up to date", out.display());
        return Ok(());
    }

    // Written beside, then moved: a service that is being built never sees half a dashboard.
    let draft = out.with_extension("draft");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir_all(&draft)?;
    let module = wasm::bind(compiled)?;
    let bytes = wasm::optimise(module.wasm, wasm_opt, &draft)?;
    let names = page::write(&assets, &module.script, &bytes, &draft)?;
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::rename(&draft, out)?;
    fs::write(stamp, files::stamp(&made_of, &names))?;
    println!("bundle: wrote {} in {:.1} s", out.display(), started.elapsed().as_secs_f64());
    Ok(())
}
