//! Writes the seeds of every target into folders below the one that is named, and prints the targets' names.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).expect("a folder is named"));
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
